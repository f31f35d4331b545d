package core

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// Registration is what an element wants a registrar to know about it.
type Registration struct {
	Handle rserpool.PoolHandle
	// ID identifies the element within its pool; 0 makes Register choose one at
	// random for a new element, RFC 5352 §3.1 R2.2.
	ID rserpool.PEID
	// User is where the service is. A transport without addresses gets those that
	// the registrar sees the element at, one that is not SCTP the first of them.
	User   rserpool.Transport
	Policy rserpool.Policy
	// Life is the registration life; 0 means the profile's, negative for ever.
	Life time.Duration
}

type memberState uint8

const (
	memberAbsent        memberState = iota // nothing to register
	memberRegistering                      // wants to be (re-)registered, or waits for the response
	memberRegistered                       // T4-reregistration runs
	memberRefused                          // a registrar said no for good
	memberDeregistering                    // wants out
)

// member is the registration of one of this endpoint's elements.
type member struct {
	state    memberState
	reg      Registration
	sent     bool      // a response is due: T2 or T3 runs
	known    bool      // a registrar has accepted this element before
	changed  bool      // Register was called after the request that is under way
	adjusted bool      // Adjust was
	deadline time.Time // T2, T3, T4, or the end of a pause
	attempts int       // unanswered requests to this home registrar
	failures int       // failures since the last success
	reported bool      // the application knows about them
	order    uint64    // of the request that is under way, among all
}

// wantsHome reports whether the element needs a home registrar.
func (m *member) wantsHome() bool {
	return m.state == memberRegistering || m.state == memberRegistered || m.state == memberDeregistering
}

// present reports whether the element is, or is about to be, in the pool.
func (m *member) present() bool {
	return m.state == memberRegistering || m.state == memberRegistered
}

// Register makes this endpoint a pool element, or one more, or changes what is
// registered under the same handle and identifier: it re-registers then, as
// RFC 5352 §3.1 asks. It returns the identifier, or an error if r cannot be expressed
// in a message; ErrTooMany beyond MaxMembers. The outcome comes as EventRegistered or
// EventRegisterFailed.
func (e *Endpoint) Register(now time.Time, r Registration) (rserpool.PEID, error) {
	if err := r.validate(); err != nil {
		return 0, err
	}
	for r.ID == 0 {
		if id := rserpool.PEID(e.rnd.Uint32()); e.members.find(r.Handle, id) == nil {
			r.ID = id
		}
	}
	if r.Life == 0 {
		r.Life = e.profile.Life
	}
	m := e.members.find(r.Handle, r.ID)
	if m == nil {
		if len(e.members.list) >= MaxMembers {
			return 0, ErrTooMany
		}
		m = &member{}
		e.members.list = append(e.members.list, m)
	}
	r.User.Addrs = slices.Clone(r.User.Addrs)
	m.reg = r
	m.changed = m.sent && m.state == memberRegistering
	if !m.changed {
		m.want(memberRegistering)
	}
	e.settle(now)
	return r.ID, nil
}

// Adjust changes the policy values of an element that change by themselves, as a load
// does. They are registered as by Register, except that nothing is sent for that after a
// refusal, and no pause ends sooner: RFC 5352 §3.1, "The PE MUST NOT re-attempt
// registration without correcting the error condition". They go with the next
// registration then. The type of the policy must be the same. Without such an element
// nothing happens.
func (e *Endpoint) Adjust(now time.Time, h rserpool.PoolHandle, id rserpool.PEID, p rserpool.Policy) error {
	m := e.members.find(h, id)
	if m == nil {
		return nil
	}
	r := m.reg
	r.Policy = p
	if err := r.validate(); err != nil {
		return err
	}
	m.reg = r
	switch {
	case m.state == memberRegistering && m.sent:
		m.adjusted = true
	case m.state == memberRegistered:
		m.want(memberRegistering)
	}
	e.settle(now)
	return nil
}

// validate returns an error if r cannot be put in a message.
func (r *Registration) validate() error {
	pe := rserpool.PoolElement{User: r.User, Policy: r.Policy}
	if r.User.Protocol != rserpool.ProtoOpaque && len(r.User.Addrs) == 0 {
		pe.User.Addrs = []Address{netip.IPv6Unspecified()} // to be filled in
	}
	return errors.Join(r.Handle.Validate(), pe.Validate())
}

// Deregister takes an element out of its pool, RFC 5352 §3.2. The outcome comes as
// EventDeregistered.
func (e *Endpoint) Deregister(now time.Time, h rserpool.PoolHandle, id rserpool.PEID) {
	m := e.members.find(h, id)
	switch {
	case m == nil:
		e.events.push(Event{Kind: EventDeregistered, Handle: h, PEID: id})
	case m.state == memberDeregistering: // it is under way
	case !m.present() || !m.known && !m.sent:
		e.deregistered(m, nil) // no registrar has ever heard of it
	default:
		m.want(memberDeregistering)
		m.failures = 0
	}
	e.settle(now)
}

// want changes the state and makes memberFlush send the request that it needs.
func (m *member) want(s memberState) {
	m.state, m.sent, m.attempts, m.deadline = s, false, 0, time.Time{}
}

// memberFlush sends what an element has to say to the home registrar. It reports
// whether that was anything.
func (e *Endpoint) memberFlush(now time.Time, m *member) bool {
	if m.sent || !m.deadline.IsZero() {
		return false
	}
	l := e.links.home
	switch m.state {
	case memberRegistering:
		m.changed, m.adjusted = false, false
		m.deadline = now.Add(e.profile.Registration) // T2
		e.send(l, &asap.Registration{Handle: m.reg.Handle, Element: e.element(m, l)})
	case memberDeregistering:
		m.deadline = now.Add(e.profile.Deregistration) // T3
		e.send(l, &asap.Deregistration{Handle: m.reg.Handle, PEID: m.reg.ID})
	default:
		return false
	}
	m.sent = true
	e.members.sends++
	m.order = e.members.sends
	return true
}

// element is the Pool Element parameter for the registrar of l. The ASAP
// transport is the registrar's to fill in (RFC 5352 §3.1, note).
func (e *Endpoint) element(m *member, l *link) rserpool.PoolElement {
	r := &m.reg
	pe := rserpool.PoolElement{ID: r.ID, Life: e.profile.WireLife(r.Life), User: r.User, Policy: r.Policy}
	if len(pe.User.Addrs) == 0 {
		pe.User.Addrs = l.local
		if r.User.Protocol != rserpool.ProtoSCTP {
			pe.User.Addrs = l.local[:min(1, len(l.local))]
		}
	}
	return pe
}

// memberTimeout handles the end of T2, T3, T4 and of a pause.
func (e *Endpoint) memberTimeout(now time.Time, m *member) {
	m.deadline = time.Time{}
	switch {
	case m.state == memberRegistered: // T4-reregistration
		m.want(memberRegistering)
	case m.state == memberRegistering && m.sent: // T2-registration
		m.sent = false
		m.attempts++
		e.memberFailed(m, ErrTimeout)
		e.tryElsewhere(now, m.attempts >= e.profile.MaxRegAttempts)
	case m.state == memberDeregistering && m.sent: // T3-deregistration
		m.sent = false
		m.failures++
		if m.failures > e.profile.MaxRegAttempts {
			e.deregistered(m, ErrTimeout)
			return
		}
		e.tryElsewhere(now, true)
	}
}

// tryElsewhere hunts for another registrar: beside the present one, or in its
// place if that has had its chances.
func (e *Endpoint) tryElsewhere(now time.Time, giveUp bool) {
	if giveUp {
		e.abandonHome(now, ErrTimeout)
	} else {
		e.huntBeside(now)
	}
}

// memberFailed tells the application once that registration does not succeed,
// when it has failed more than MAX-REG-ATTEMPT times (RFC 5352 §3.1). It goes on
// trying, with pauses: an element that gave up would be out of service for good
// after an outage of all registrars. The application stops it with Deregister.
func (e *Endpoint) memberFailed(m *member, err error) {
	m.failures++
	if m.failures > e.profile.MaxRegAttempts && !m.reported {
		m.reported = true
		e.events.push(Event{Kind: EventRegisterFailed, Handle: m.reg.Handle, PEID: m.reg.ID, Err: err})
	}
}

// registrationResponse handles an ASAP_REGISTRATION_RESPONSE.
func (e *Endpoint) registrationResponse(now time.Time, r *asap.RegistrationResponse) {
	m := e.members.find(r.Handle, r.PEID)
	if m == nil || m.state != memberRegistering || !m.sent {
		e.dropped(e.links.home.id, "unexpected registration response")
		return
	}
	if r.Reject {
		e.registrationRefused(now, m, r.Causes)
		return
	}
	m.known, m.failures, m.reported = true, 0, false
	if m.changed || m.adjusted {
		m.want(memberRegistering) // what was accepted is not what is wanted now
		return
	}
	m.want(memberRegistered)
	m.deadline = now.Add(e.reregisterAfter(m.reg.Life))
	l := e.links.home
	e.events.push(Event{Kind: EventRegistered, Link: l.id, Server: l.server, Registrar: l.at, Handle: r.Handle, PEID: r.PEID, Causes: r.Causes})
}

// reregisterAfter is T4-reregistration, up to a tenth shorter so that elements
// that registered together do not stay in step.
func (e *Endpoint) reregisterAfter(life time.Duration) time.Duration {
	t4 := e.profile.ReregisterAfter(life)
	return t4 - time.Duration(e.rnd.Int64N(int64(t4/10)+1))
}

// registrationRefused handles a refusal. RFC 5352 §3.1: "The PE MUST NOT
// re-attempt registration without correcting the error condition." The
// conditions that others correct are waited for; and the application may have
// corrected its own meanwhile.
func (e *Endpoint) registrationRefused(now time.Time, m *member, causes []rserpool.Cause) {
	err := &RejectedError{Op: "registration", Causes: causes}
	err.Temporary = err.Has(rserpool.CauseLackOfResources) ||
		// The element was in this pool under this identifier: some registrar has
		// an outdated view of it.
		m.known && err.Has(rserpool.CauseNonUniquePEIdentifier)
	m.failures++
	if m.changed && !err.Temporary {
		m.want(memberRegistering)
		return
	}
	if err.Temporary {
		m.want(memberRegistering)
		m.deadline = now.Add(Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(m.failures, e.rnd))
	} else {
		m.want(memberRefused)
	}
	e.events.push(Event{Kind: EventRegisterFailed, Handle: m.reg.Handle, PEID: m.reg.ID, Causes: causes, Err: err})
}

// deregistrationResponse handles an ASAP_DEREGISTRATION_RESPONSE: the answer to a
// request, or the notice that the registration life has ended (RFC 5352 §3.2).
func (e *Endpoint) deregistrationResponse(now time.Time, r *asap.DeregistrationResponse) {
	m := e.members.find(r.Handle, r.PEID)
	if m == nil {
		e.dropped(e.links.home.id, "deregistration response for another element")
		return
	}
	switch {
	case m.state == memberDeregistering && m.sent:
		if len(r.Causes) > 0 {
			e.deregistered(m, &RejectedError{Op: "deregistration", Causes: r.Causes})
			return
		}
		e.deregistered(m, nil)
	case m.state == memberRegistered && len(r.Causes) == 0:
		m.want(memberRegistering)
		m.deadline = now.Add(Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(1, e.rnd))
	default:
		e.dropped(e.links.home.id, "unexpected deregistration response")
	}
}

// deregistered is the end of an element here.
func (e *Endpoint) deregistered(m *member, err error) {
	e.members.remove(m)
	e.events.push(Event{Kind: EventDeregistered, Handle: m.reg.Handle, PEID: m.reg.ID, Err: err})
}
