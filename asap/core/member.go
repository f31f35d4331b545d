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
	// ID identifies the element within its pool; 0 lets Register choose one at
	// random, RFC 5352 §3.1 R2.2.
	ID rserpool.PEID
	// User is where the service is. An SCTP transport without addresses gets
	// those that the registrar sees the element at.
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

// member is the registration of this endpoint's element.
type member struct {
	state    memberState
	reg      Registration
	sent     bool      // a response is due: T2 or T3 runs
	known    bool      // a registrar has accepted this element before
	changed  bool      // reg was changed after the request that is under way
	deadline time.Time // T2, T3, T4, or the end of a pause
	attempts int       // unanswered requests to this home registrar
	failures int       // failures since the last success
	reported bool      // the application knows about them
}

// wantsHome reports whether the element needs a home registrar.
func (m *member) wantsHome() bool {
	return m.state == memberRegistering || m.state == memberRegistered || m.state == memberDeregistering
}

// present reports whether the element is, or is about to be, in the pool.
func (m *member) present() bool {
	return m.state == memberRegistering || m.state == memberRegistered
}

// Register makes this endpoint a pool element, or changes what is registered: it
// re-registers then, as RFC 5352 §3.1 asks under the same identifier. It returns
// the identifier, or an error if r cannot be expressed in a message. The outcome comes as EventRegistered or EventRegisterFailed.
func (e *Endpoint) Register(now time.Time, r Registration) (rserpool.PEID, error) {
	if err := r.validate(); err != nil {
		return 0, err
	}
	m := &e.member
	if r.ID == 0 && m.reg.Handle == r.Handle {
		r.ID = m.reg.ID
	}
	for r.ID == 0 {
		r.ID = rserpool.PEID(e.rnd.Uint32())
	}
	if r.Life == 0 {
		r.Life = e.profile.Life
	}
	if m.reg.Handle != r.Handle || m.reg.ID != r.ID {
		*m = member{}
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

// validate returns an error if r cannot be put in a message.
func (r *Registration) validate() error {
	pe := rserpool.PoolElement{User: r.User, Policy: r.Policy}
	if r.User.Protocol == rserpool.ProtoSCTP && len(r.User.Addrs) == 0 {
		pe.User.Addrs = []Address{netip.IPv6Unspecified()} // to be filled in
	}
	return errors.Join(r.Handle.Validate(), pe.Validate())
}

// Deregister takes the element out of its pool, RFC 5352 §3.2. The outcome comes
// as EventDeregistered.
func (e *Endpoint) Deregister(now time.Time) {
	m := &e.member
	if !m.present() || !m.known && !m.sent {
		// No registrar has ever heard of it.
		e.deregistered(nil)
	} else {
		m.want(memberDeregistering)
		m.failures = 0
	}
	e.settle(now)
}

// want changes the state and makes memberFlush send the request that it needs.
func (m *member) want(s memberState) {
	m.state, m.sent, m.attempts, m.deadline = s, false, 0, time.Time{}
}

// memberFlush sends what the element has to say, now that there is a home
// registrar.
func (e *Endpoint) memberFlush(now time.Time) {
	m := &e.member
	if m.sent || !m.deadline.IsZero() {
		return
	}
	l := e.links.home
	switch m.state {
	case memberRegistering:
		m.sent, m.changed = true, false
		m.deadline = now.Add(e.profile.Registration) // T2
		e.send(l, &asap.Registration{Handle: m.reg.Handle, Element: e.element(l)})
	case memberDeregistering:
		m.sent = true
		m.deadline = now.Add(e.profile.Deregistration) // T3
		e.send(l, &asap.Deregistration{Handle: m.reg.Handle, PEID: m.reg.ID})
	}
}

// element is the Pool Element parameter for the registrar of l. The ASAP
// transport is the registrar's to fill in (RFC 5352 §3.1, note).
func (e *Endpoint) element(l *link) rserpool.PoolElement {
	r := &e.member.reg
	pe := rserpool.PoolElement{ID: r.ID, Life: e.profile.WireLife(r.Life), User: r.User, Policy: r.Policy}
	if len(pe.User.Addrs) == 0 {
		pe.User.Addrs = l.local
	}
	return pe
}

// memberTimeout handles the end of T2, T3, T4 and of a pause.
func (e *Endpoint) memberTimeout(now time.Time) {
	m := &e.member
	m.deadline = time.Time{}
	switch {
	case m.state == memberRegistered: // T4-reregistration
		m.want(memberRegistering)
	case m.state == memberRegistering && m.sent: // T2-registration
		m.sent = false
		m.attempts++
		e.memberFailed(ErrTimeout)
		e.tryElsewhere(now, m.attempts >= e.profile.MaxRegAttempts)
	case m.state == memberDeregistering && m.sent: // T3-deregistration
		m.sent = false
		m.failures++
		if m.failures > e.profile.MaxRegAttempts {
			e.deregistered(ErrTimeout)
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

// memberUnreachable counts a hunt that found nobody as a failed attempt.
func (e *Endpoint) memberUnreachable() {
	switch m := &e.member; m.state {
	case memberRegistering:
		e.memberFailed(ErrNoRegistrar)
	case memberDeregistering:
		m.failures++
		if m.failures > e.profile.MaxRegAttempts {
			e.deregistered(ErrNoRegistrar)
		}
	}
}

// memberFailed tells the application once that registration does not succeed,
// when it has failed more than MAX-REG-ATTEMPT times (RFC 5352 §3.1). It goes on
// trying, with pauses: an element that gave up would be out of service for good
// after an outage of all registrars. The application stops it with Deregister.
func (e *Endpoint) memberFailed(err error) {
	m := &e.member
	m.failures++
	if m.failures > e.profile.MaxRegAttempts && !m.reported {
		m.reported = true
		e.events.push(Event{Kind: EventRegisterFailed, Handle: m.reg.Handle, Err: err})
	}
}

// memberHomeChanged is called when the home registrar is lost or replaced.
// takenOver says that the new one has announced itself by keep-alive: it owns the
// registration already (RFC 5353 §3.5).
func (e *Endpoint) memberHomeChanged(takenOver bool) {
	m := &e.member
	switch {
	case m.state == memberRegistered && !takenOver:
		m.want(memberRegistering)
	case m.sent && m.state != memberRegistered:
		m.want(m.state)
	}
}

// registrationResponse handles an ASAP_REGISTRATION_RESPONSE.
func (e *Endpoint) registrationResponse(now time.Time, r *asap.RegistrationResponse) {
	m := &e.member
	if m.state != memberRegistering || !m.sent || r.Handle != m.reg.Handle || r.PEID != m.reg.ID {
		e.dropped(e.links.home.id, "unexpected registration response")
		return
	}
	if r.Reject {
		e.registrationRefused(now, r.Causes)
		return
	}
	m.known, m.failures, m.reported = true, 0, false
	if m.changed {
		m.want(memberRegistering) // what was accepted is not what is wanted now
		return
	}
	m.want(memberRegistered)
	m.deadline = now.Add(e.reregisterAfter())
	l := e.links.home
	e.events.push(Event{Kind: EventRegistered, Link: l.id, Server: l.server, Registrar: l.at, Handle: r.Handle, Causes: r.Causes})
}

// reregisterAfter is T4-reregistration, up to a tenth shorter so that elements
// that registered together do not stay in step.
func (e *Endpoint) reregisterAfter() time.Duration {
	t4 := e.profile.ReregisterAfter(e.member.reg.Life)
	return t4 - time.Duration(e.rnd.Int64N(int64(t4/10)+1))
}

// registrationRefused handles a refusal. RFC 5352 §3.1: "The PE MUST NOT
// re-attempt registration without correcting the error condition." The
// conditions that others correct are waited for.
func (e *Endpoint) registrationRefused(now time.Time, causes []rserpool.Cause) {
	m := &e.member
	err := &RejectedError{Op: "registration", Causes: causes}
	err.Temporary = err.Has(rserpool.CauseLackOfResources) ||
		// The element was in this pool under this identifier: some registrar has
		// an outdated view of it.
		m.known && err.Has(rserpool.CauseNonUniquePEIdentifier)
	m.failures++
	if err.Temporary {
		m.want(memberRegistering)
		m.deadline = now.Add(Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(m.failures, e.rnd))
	} else {
		m.want(memberRefused)
	}
	e.events.push(Event{Kind: EventRegisterFailed, Handle: m.reg.Handle, Causes: causes, Err: err})
}

// deregistrationResponse handles an ASAP_DEREGISTRATION_RESPONSE: the answer to a
// request, or the notice that the registration life has ended (RFC 5352 §3.2).
func (e *Endpoint) deregistrationResponse(now time.Time, r *asap.DeregistrationResponse) {
	m := &e.member
	if r.Handle != m.reg.Handle || r.PEID != m.reg.ID {
		e.dropped(e.links.home.id, "deregistration response for another element")
		return
	}
	switch {
	case m.state == memberDeregistering && m.sent:
		if len(r.Causes) > 0 {
			e.deregistered(&RejectedError{Op: "deregistration", Causes: r.Causes})
			return
		}
		e.deregistered(nil)
	case m.state == memberRegistered && len(r.Causes) == 0:
		m.want(memberRegistering)
		m.deadline = now.Add(Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(1, e.rnd))
	default:
		e.dropped(e.links.home.id, "unexpected deregistration response")
	}
}

func (e *Endpoint) deregistered(err error) {
	h := e.member.reg.Handle
	e.member = member{}
	e.events.push(Event{Kind: EventDeregistered, Handle: h, Err: err})
}
