package poolelement

import (
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// Defaults of Config.LoadInterval and Config.LoadStep.
const (
	defaultLoadInterval = 500 * time.Millisecond
	defaultLoadStep     = 0.01
)

// reportLoad keeps the registered load in step with Config.Load, until the element
// drains.
func (m *membership) reportLoad() {
	if m.cfg.load == nil {
		return
	}
	m.reports.Go(func() {
		t := time.NewTicker(m.cfg.loadInterval)
		defer t.Stop()
		for {
			m.setLoad(rserpool.LoadOf(m.cfg.load()))
			select {
			case <-t.C:
			case <-m.draining:
				return
			}
		}
	})
}

// setLoad registers a load if it differs enough from the one that is registered
// (RFC 5356 §5: the order of elements hardly changes otherwise, and registrars have
// to tell all their peers). None and all always count: an element that is idle, or
// full, is known as such. It does not wait for the answer; while a registration is
// under way changes go together into the next one, and one that was refused is not
// repeated.
func (m *membership) setLoad(v uint32) {
	var err error
	m.ep.agent.Do(func(now time.Time, e *core.Endpoint) {
		m.mu.Lock()
		defer m.mu.Unlock()
		old := m.policy.Load
		extreme := v == 0 || v == 0xffffffff
		if m.leaving || v == old || max(v, old)-min(v, old) < m.cfg.loadStep && !extreme {
			return
		}
		m.policy.Load = v
		err = e.Adjust(now, m.handle, m.id, m.policy)
	})
	if err != nil {
		m.cfg.log.Warn("load not registered", zap.Error(err))
	}
}
