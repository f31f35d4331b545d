package pooluser

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// jitter spreads pauses; nothing depends on which numbers it gives.
var jitter = rand.New(globalSource{})

// globalSource is the generator of package math/rand/v2, which may be used by several
// goroutines at once.
type globalSource struct{}

func (globalSource) Uint64() uint64 { return rand.Uint64() }

// search is an attempt to reach some element of a pool: it goes through the
// elements in the order of the policy, and round again after a pause.
type search struct {
	pu        *PoolUser
	handle    rserpool.PoolHandle
	wait      bool            // also for a pool or a registrar
	hurry     bool            // see resolve
	preferred []rserpool.PEID // see pool.pick
	wanted    wanted          // which elements will do
	once      bool            // no second round

	tried    map[rserpool.PEID]bool // in this round
	rounds   int                    // that have failed
	lastErr  error
	resolved bool // this round has asked
}

func (pu *PoolUser) newSearch(h rserpool.PoolHandle, want wanted, wait bool) *search {
	return &search{pu: pu, handle: h, wanted: want, wait: wait, tried: make(map[rserpool.PEID]bool)}
}

// errRoundOver says that every element has been tried.
var errRoundOver = errors.New("all elements tried")

// wrap adds what was wrong to the error of a context.
func (s *search) wrap(err error) error {
	if s.lastErr == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", err, s.lastErr)
}

// choose resolves the pool and selects an element.
func (s *search) choose(ctx context.Context) (Element, error) {
	// A cached resolution is good for the first round. In later ones the cache has
	// had its chance.
	maxAge := s.pu.cfg.maxAge
	if s.rounds > 0 && !s.resolved {
		maxAge = 0
	}
	res, err := s.resolve(ctx, maxAge)
	if err != nil {
		if ctx.Err() == nil {
			s.lastErr = err
		}
		return Element{}, err
	}
	now := time.Now()
	s.pu.mu.Lock()
	defer s.pu.mu.Unlock()
	p := s.pu.pool(now, s.handle)
	if res != nil {
		s.resolved = true
		p.update(now, res)
	}
	el, ok := s.pick(now, p)
	switch {
	case ok:
		return el, nil
	case len(s.tried) > 0:
		return el, errRoundOver
	}
	s.lastErr = ErrNoElement
	if others := p.protocols(); others != "" && !s.once {
		s.lastErr = fmt.Errorf("%w: they speak %s", ErrNoElement, others)
	}
	return el, s.lastErr
}

// known selects an element without asking a registrar.
func (s *search) known() (Element, bool) {
	s.pu.mu.Lock()
	defer s.pu.mu.Unlock()
	p := s.pu.pools[s.handle]
	if p == nil {
		return Element{}, false
	}
	return s.pick(time.Now(), p)
}

// pick selects an element that has not been tried in this round. The caller holds
// pu.mu.
func (s *search) pick(now time.Time, p *pool) (Element, bool) {
	el, ok := p.pick(now, func(el *Element) bool { return s.tried[el.ID] || !s.wanted(el) }, s.preferred)
	if ok {
		s.tried[el.ID] = true
	}
	return el, ok
}

// resolve is PoolUser.resolve. A search in a hurry does not wait long for a registrar
// while it knows elements to try: the same failure may have taken the registrar, and
// only the next element can go on with the session. The result is nil then.
func (s *search) resolve(ctx context.Context, maxAge time.Duration) (*core.Resolution, error) {
	if !s.hurry || !s.pu.promising(s.handle, s.tried) {
		res, err := s.pu.resolve(ctx, s.handle, maxAge)
		return &res, err
	}
	rctx, cancel := context.WithTimeout(ctx, s.pu.cfg.Profile.Transport.RTOInitial)
	defer cancel()
	res, err := s.pu.resolve(rctx, s.handle, maxAge)
	switch {
	case err == nil:
		return &res, nil
	case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
		return nil, err
	}
	return nil, nil
}

// promising reports whether an element of the pool is known that has neither been
// tried nor failed lately.
func (pu *PoolUser) promising(h rserpool.PoolHandle, tried map[rserpool.PEID]bool) bool {
	pu.mu.Lock()
	defer pu.mu.Unlock()
	p := pu.pools[h]
	if p == nil {
		return false
	}
	now := time.Now()
	for id := range p.items {
		if !tried[id] && !now.Before(p.strikes[id].until) {
			return true
		}
	}
	return false
}

// pause waits before the next round, longer each time.
func (s *search) pause(ctx context.Context) error {
	s.rounds++
	s.resolved = false
	clear(s.tried)
	profile := &s.pu.cfg.Profile
	t := time.NewTimer(core.Backoff{Min: profile.RetryMin, Max: profile.NegativeMax}.Pause(s.rounds, jitter))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.pu.closing:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// way is a connection to an element: of SCTP, or of another protocol.
type way struct {
	el    Element
	assoc *sctp.Association
	conn  net.Conn
}

// discard ends a connection of which nothing is wanted.
func (w *way) discard() {
	if w.assoc != nil {
		_ = w.assoc.Abort("not needed") // it may have ended
		_ = w.assoc.Close()             // returns at once
	}
	if w.conn != nil {
		_ = w.conn.Close() // nobody has used it
	}
}

// dialElement connects to an element. A failure is held against the element and
// reported, unless ctx has ended.
func (pu *PoolUser) dialElement(ctx context.Context, h rserpool.PoolHandle, el *Element) (way, error) {
	limit := pu.cfg.Profile.Transport.DialTimeout
	dctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pu.counts.selected(h, el.ID)
	w := way{el: *el}
	var err error
	if el.User.Protocol == rserpool.ProtoSCTP {
		w.assoc, err = pu.stack.Dial(dctx, asaplink.Addr(el.User), pu.cfg.sctp)
	} else {
		w.conn, err = pu.dialNet(dctx, el.User)
	}
	if err != nil && ctx.Err() == nil && dctx.Err() != nil {
		// The time that ended is not the caller's, who would misunderstand its error.
		err = fmt.Errorf("element %v at %v: %w for %v", el.ID, el.User, sctp.ErrUnreachable, limit)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		pu.counts.change(func(s *Stats) { s.DialFailures++ })
		pu.cfg.log.Info("element not reached", zap.Stringer("pool", h), zap.Stringer("pe", el.ID), zap.Error(err))
		pu.strike(h, el.ID)
		pu.ReportUnreachable(h, el.ID)
	}
	return w, err
}

// strike notes a failure of an element.
func (pu *PoolUser) strike(h rserpool.PoolHandle, id rserpool.PEID) {
	pu.mu.Lock()
	defer pu.mu.Unlock()
	now := time.Now()
	p := &pu.cfg.Profile
	b := core.Backoff{Min: min(2*p.Transport.DialTimeout, p.RetransMax), Max: p.RetransMax}
	pu.pool(now, h).strike(now, id, b, jitter)
}

// Dial opens a session with an element of the pool, selected by the pool's policy.
// Elements that cannot be reached are skipped and reported; when all have been tried it
// pauses and begins anew, until ctx ends. A pool that does not exist and registrars
// that do not answer are errors unless Config.WaitForPool: those of Resolve,
// ErrNoElement, or that of ctx with what was wrong. Sessions are of SCTP: pools of other
// protocols are for DialContext.
func (pu *PoolUser) Dial(ctx context.Context, h rserpool.PoolHandle) (*Session, error) {
	w, err := pu.newSearch(h, ofSCTP, pu.cfg.WaitForPool).next(ctx)
	var se *Session
	if err == nil {
		se, err = pu.session(h, w)
	}
	if err != nil {
		return nil, dialError(h, err)
	}
	return se, nil
}

// session makes a session of an association.
func (pu *PoolUser) session(h rserpool.PoolHandle, w way) (*Session, error) {
	s := newSession(pu, h, w.el, w.assoc)
	pu.mu.Lock()
	closed := pu.closed
	pu.sessions[s] = struct{}{}
	pu.mu.Unlock()
	if closed {
		_ = s.Close() // the error is that it took too long
		return nil, net.ErrClosed
	}
	// Should the element have failed already, the session will notice.
	_ = s.introduce(s.ctx, s.cur)
	return s, nil
}

func dialError(h rserpool.PoolHandle, err error) error {
	return fmt.Errorf("pooluser: dial %s: %w", h, err)
}
