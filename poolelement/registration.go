package poolelement

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// maxIDAttempts is how many random identifiers are tried before a registration
// fails because they are taken. Two in a row are one in four billion already.
const maxIDAttempts = 3

// State is what is known about the registration.
type State struct {
	// Registered says that the home registrar has accepted the element and has
	// not been lost since.
	Registered bool
	// Home is the home registrar's identifier, 0 if it is not known: registrars tell
	// it with their first keep-alive.
	Home rserpool.RegistrarID
	// Registrar is the address of the home registrar, without addresses if there is
	// none.
	Registrar rserpool.Transport
	// Err is the last failure since the element was registered, nil if none.
	Err error
}

// membership is the element as registrars know it.
type membership struct {
	handle rserpool.PoolHandle
	cfg    *setup
	ep     *Endpoint
	ownEP  bool
	user   rserpool.Transport // does not change
	count  counters

	draining chan struct{} // closed when Shutdown or Close begins
	drainOne sync.Once
	reports  sync.WaitGroup // the reporter of Config.Load

	mu      sync.Mutex // after the agent's lock
	id      rserpool.PEID
	policy  rserpool.Policy
	life    time.Duration
	state   State
	waiters []chan error // of calls that wait for an outcome

	leaving bool          // it deregisters
	left    chan struct{} // closed when that has ended
	leftErr error         // how
}

// setUp fills a membership in and opens its endpoint, which is to be released by
// detach, also if setUp fails.
func (m *membership) setUp(ctx context.Context, handle rserpool.PoolHandle, cfg *Config) error {
	m.handle = handle
	m.count.since = time.Now()
	m.draining, m.left = make(chan struct{}), make(chan struct{})
	if err := handle.Validate(); err != nil {
		return err
	}
	s, err := cfg.resolve(ctx)
	if err != nil {
		return err
	}
	m.cfg, m.ep = s, cfg.Endpoint
	m.id, m.policy, m.life = cfg.PEID, s.policy, cfg.Life
	if m.ep == nil {
		m.ownEP = true
		m.ep, err = openEndpoint(s, cfg)
	}
	return err
}

// join registers and waits for the outcome, with another identifier if a random one
// turns out to be taken.
func (m *membership) join(ctx context.Context) error {
	random := m.id == 0
	for attempt := 1; ; attempt++ {
		err := m.register(ctx)
		var rejected *core.RejectedError
		if err == nil {
			m.reportLoad()
			return nil
		}
		if !random || attempt == maxIDAttempts || !errors.As(err, &rejected) || !rejected.Has(rserpool.CauseNonUniquePEIdentifier) {
			return fmt.Errorf("poolelement: registering in %s: %w", m.handle, err)
		}
		// Or the endpoint would go on with the identifier that it has.
		m.ep.agent.Do(func(now time.Time, e *core.Endpoint) {
			m.mu.Lock()
			defer m.mu.Unlock()
			e.Deregister(now, m.handle, m.id)
			m.ep.forget(m)
			m.id = 0
		})
	}
}

// register sends the registration as it is now and waits until a registrar has
// accepted or refused it, or ctx ends.
func (m *membership) register(ctx context.Context) error {
	wait := make(chan error, 1)
	err := net.ErrClosed
	m.ep.agent.Do(func(now time.Time, e *core.Endpoint) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.leaving {
			return
		}
		if m.id, err = m.ep.register(now, e, m); err == nil {
			m.waiters = append(m.waiters, wait)
		}
	})
	if err != nil {
		return err
	}
	select {
	case err = <-wait:
		return err
	case <-m.draining:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiters = slices.DeleteFunc(m.waiters, func(w chan error) bool { return w == wait })
	if m.state.Err != nil {
		err = fmt.Errorf("%w (%w)", err, m.state.Err)
	}
	return err
}

// onEvent runs under the agent's lock.
func (m *membership) onEvent(ev core.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch ev.Kind {
	case core.EventHome:
		m.state.Home, m.state.Registrar = ev.Server, ev.Registrar
	case core.EventHomeLost:
		m.count.lost.Add(1)
		m.state = State{Err: ev.Err}
	case core.EventRegistered:
		m.count.registered.Add(1)
		m.state.Registered, m.state.Err = true, nil
		for _, c := range ev.Causes {
			m.cfg.log.Warn("registrar changed the registration", zap.Stringer("cause", c))
		}
		m.answer(nil)
	case core.EventRegisterFailed:
		m.count.failed.Add(1)
		m.state.Err = ev.Err
		var rejected *core.RejectedError
		if errors.As(ev.Err, &rejected) && !rejected.Temporary {
			m.state.Registered = false
			m.answer(ev.Err)
		}
	case core.EventDeregistered:
		m.state.Registered = false
		if m.leaving {
			m.ep.forget(m)
			m.hasLeft(ev.Err)
		}
	}
}

// answer ends the calls that wait. The caller holds m.mu.
func (m *membership) answer(err error) {
	for _, w := range m.waiters {
		w <- err // capacity 1, once
	}
	m.waiters = nil
}

// hasLeft notes how the deregistration ended. The caller holds m.mu.
func (m *membership) hasLeft(err error) {
	select {
	case <-m.left:
	default:
		m.leftErr = err
		close(m.left)
	}
}

// drain closes draining.
func (m *membership) drain() { m.drainOne.Do(func() { close(m.draining) }) }

// leave deregisters, RFC 5352 §3.2, and waits for the outcome or the end of ctx.
func (m *membership) leave(ctx context.Context) error {
	m.deregister()
	select {
	case <-m.left:
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.leftErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deregister begins to leave the pool, once.
func (m *membership) deregister() {
	m.ep.agent.Do(func(now time.Time, e *core.Endpoint) {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case m.leaving:
		case m.ep.has(m):
			e.Deregister(now, m.handle, m.id)
		default:
			m.hasLeft(nil) // it never came
		}
		m.leaving = true
	})
}

// detach lets go of the endpoint: one of its own is closed, at another one the element
// is deregistered without waiting for that.
func (m *membership) detach() error {
	m.drain()
	m.reports.Wait()
	if m.ep == nil {
		return nil
	}
	if !m.ownEP {
		m.deregister()
	} else {
		m.ep.agent.Close()
	}
	m.mu.Lock()
	m.ep.forget(m)
	m.hasLeft(net.ErrClosed)
	m.mu.Unlock()
	if m.ownEP {
		return m.ep.Close()
	}
	return nil
}

// Handle returns the pool's handle.
func (m *membership) Handle() rserpool.PoolHandle { return m.handle }

// ID returns the element's identifier within its pool.
func (m *membership) ID() rserpool.PEID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

// ASAPPort returns the SCTP port of the ASAP endpoint.
func (m *membership) ASAPPort() uint16 { return m.ep.ASAPPort() }

// SetTLS is that of the element's Endpoint.
func (m *membership) SetTLS(c *tls.Config) error { return m.ep.SetTLS(c) }

// Draining returns a channel that is closed when Shutdown or Close begins. A
// handler of long sessions watches it, gives its user a last cookie and closes the
// session; the user then goes on with another element.
func (m *membership) Draining() <-chan struct{} { return m.draining }

// State returns what is known about the registration.
func (m *membership) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Policy returns the policy values that are, or are being, registered.
func (m *membership) Policy() rserpool.Policy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policy
}

// SetPolicy changes the element's policy values, such as its weight, by registering
// again (RFC 5352 §3.1). It returns when the registrar has accepted or refused
// them, or when ctx ends; the change is on its way then. A refusal takes the element
// out of service until it is registered again with values that are accepted. The load
// is better left to Config.Load.
func (m *membership) SetPolicy(ctx context.Context, p rserpool.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	m.policy = p
	m.mu.Unlock()
	return m.register(ctx)
}
