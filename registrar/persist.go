package registrar

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/registrar/core"
)

// openState takes the state directory and reads what is in it into cc. An identifier of
// the configuration counts more than one that was kept.
func (r *Registrar) openState(cc *core.Config) (err error) {
	switch {
	case r.cfg.StateDir == "" && r.cfg.SnapshotInterval > 0:
		return errors.New("registrar: SnapshotInterval without StateDir")
	case r.cfg.StateDir == "":
		return nil
	}
	if r.state, err = openState(r.cfg.StateDir, r.log); err != nil {
		return err
	}
	if cc.ID == 0 {
		if cc.ID, err = r.state.id(); err != nil {
			return err
		}
	}
	if r.cfg.SnapshotInterval > 0 {
		cc.Restore, err = r.state.image()
	}
	return err
}

// keepSnapshots writes the elements to disk again and again, and a last time when the
// service ends in order.
func (r *Registrar) keepSnapshots() {
	t := time.NewTicker(r.cfg.SnapshotInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.keepSnapshot()
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Registrar) keepSnapshot() {
	r.mu.Lock()
	im := r.core.Image(time.Now())
	r.mu.Unlock()
	if err := r.state.keep(im); err != nil {
		r.log.Error("elements not kept", zap.Error(err))
	}
}

// keepID writes the identifier to disk. The caller holds mu.
func (r *Registrar) keepID() {
	id := r.core.ID()
	r.tasks.Go(func() {
		if err := r.state.keepID(id); err != nil {
			r.log.Error("identifier not kept", zap.Error(err))
		}
	})
}

// SnapshotStats says how the elements are kept on disk; ok is false if they are not.
func (r *Registrar) SnapshotStats() (s SnapshotStats, ok bool) {
	if r.state == nil || r.cfg.SnapshotInterval <= 0 {
		return s, false
	}
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	return r.state.stats, true
}
