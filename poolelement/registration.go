package poolelement

import (
	"context"
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

// registration is the element as registrars know it.
type registration struct {
	user rserpool.Transport // does not change

	mu      sync.Mutex
	id      rserpool.PEID
	policy  rserpool.Policy
	life    time.Duration
	state   State
	waiters []chan error // of calls that wait for an outcome

	leaving bool          // Shutdown deregisters
	left    chan struct{} // closed when that has ended
	leftErr error         // how
}

func (r *registration) init(id rserpool.PEID, p rserpool.Policy, life time.Duration) {
	r.id, r.policy, r.life, r.left = id, p, life, make(chan struct{})
}

// join registers and waits for the outcome, with another identifier if a random one
// turns out to be taken.
func (pe *PoolElement) join(ctx context.Context, random bool) error {
	for attempt := 1; ; attempt++ {
		err := pe.register(ctx)
		var rejected *core.RejectedError
		if !random || attempt == maxIDAttempts || !errors.As(err, &rejected) || !rejected.Has(rserpool.CauseNonUniquePEIdentifier) {
			return err
		}
		pe.reg.mu.Lock()
		pe.reg.id = 0
		pe.reg.mu.Unlock()
		// Or the endpoint would go on with the identifier that it has.
		pe.agent.Do(func(now time.Time, e *core.Endpoint) { e.Deregister(now) })
	}
}

// register sends the registration as it is now and waits until a registrar has
// accepted or refused it, or ctx ends.
func (pe *PoolElement) register(ctx context.Context) error {
	r := &pe.reg
	wait := make(chan error, 1)
	err := net.ErrClosed
	pe.agent.Do(func(now time.Time, e *core.Endpoint) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.leaving {
			return
		}
		r.id, err = e.Register(now, core.Registration{Handle: pe.handle, ID: r.id, User: r.user, Policy: r.policy, Life: r.life})
		if err == nil {
			r.waiters = append(r.waiters, wait)
		}
	})
	if err != nil {
		return err
	}
	select {
	case err = <-wait:
		return err
	case <-pe.door.draining:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters = slices.DeleteFunc(r.waiters, func(w chan error) bool { return w == wait })
	if r.state.Err != nil {
		err = fmt.Errorf("%w (%w)", err, r.state.Err)
	}
	return err
}

// onEvent runs under the agent's lock, which comes before that of the registration.
func (pe *PoolElement) onEvent(ev core.Event) {
	r := &pe.reg
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ev.Kind {
	case core.EventHome:
		r.state.Home, r.state.Registrar = ev.Server, ev.Registrar
	case core.EventHomeLost:
		r.state = State{Err: ev.Err}
	case core.EventRegistered:
		r.state.Registered, r.state.Err = true, nil
		for _, c := range ev.Causes {
			pe.cfg.log.Warn("registrar changed the registration", zap.Stringer("cause", c))
		}
		r.answer(nil)
	case core.EventRegisterFailed:
		r.state.Err = ev.Err
		var rejected *core.RejectedError
		if errors.As(ev.Err, &rejected) && !rejected.Temporary {
			r.state.Registered = false
			r.answer(ev.Err)
		}
	case core.EventDeregistered:
		r.state.Registered = false
		if r.leaving {
			r.hasLeft(ev.Err)
		}
	}
}

// answer ends the calls that wait. The caller holds r.mu.
func (r *registration) answer(err error) {
	for _, w := range r.waiters {
		w <- err // capacity 1, once
	}
	r.waiters = nil
}

// hasLeft notes how the deregistration ended. The caller holds r.mu.
func (r *registration) hasLeft(err error) {
	select {
	case <-r.left:
	default:
		r.leftErr = err
		close(r.left)
	}
}

// leave deregisters, RFC 5352 §3.2, and waits for the outcome or the end of ctx.
func (pe *PoolElement) leave(ctx context.Context) error {
	r := &pe.reg
	pe.agent.Do(func(now time.Time, e *core.Endpoint) {
		r.mu.Lock()
		first := !r.leaving
		r.leaving = true
		r.mu.Unlock()
		if first {
			e.Deregister(now)
		}
	})
	select {
	case <-r.left:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.leftErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// State returns what is known about the registration.
func (pe *PoolElement) State() State {
	pe.reg.mu.Lock()
	defer pe.reg.mu.Unlock()
	return pe.reg.state
}

// Policy returns the policy values that are, or are being, registered.
func (pe *PoolElement) Policy() rserpool.Policy {
	pe.reg.mu.Lock()
	defer pe.reg.mu.Unlock()
	return pe.reg.policy
}

// SetPolicy changes the element's policy values, such as its load, by registering
// again (RFC 5352 §3.1). It returns when the registrar has accepted or refused
// them, or when ctx ends; the change is on its way then. A refusal takes the element
// out of service until it is registered again with values that are accepted.
func (pe *PoolElement) SetPolicy(ctx context.Context, p rserpool.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	pe.reg.mu.Lock()
	pe.reg.policy = p
	pe.reg.mu.Unlock()
	return pe.register(ctx)
}
