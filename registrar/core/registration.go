package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// register handles an ASAP_REGISTRATION (RFC 5352 §3.1). The peers hear of it
// before the element does, so that an element that has its answer is known
// everywhere a moment later even if this registrar dies.
func (r *Registrar) register(now time.Time, c *conn, m *asap.Registration) {
	k := handlespace.Key{Handle: m.Handle, ID: m.Element.ID}
	reject := func(cause rserpool.Cause) {
		r.send(c, &asap.RegistrationResponse{Reject: true, Handle: m.Handle, PEID: k.ID, Causes: []rserpool.Cause{cause}})
	}
	if !r.withinRate(now, OpRegister, r.limits.Registrations, c, m.Handle) {
		reject(rserpool.Cause{Code: rserpool.CauseLackOfResources}) // no event: a flood makes none
		return
	}
	old, exists := r.lookup(k)
	el, warnings, cause := r.admit(now, c, m, old, exists)
	var ch handlespace.Change
	if cause == nil {
		var err error
		if ch, err = r.space.Register(now, m.Handle, el); err != nil {
			x := handlespace.CauseOf(err)
			cause = &x
		}
	}
	if cause != nil {
		r.stats.Rejected++
		r.rejectedBy.count([]rserpool.Cause{*cause})
		r.event(Event{Kind: EventRejected, Conn: c.id, Handle: m.Handle, PE: k.ID, Reason: cause.String()})
		reject(*cause)
		return
	}
	e := r.entryOf(k)
	if e.conn != c.id {
		e.reports = nil // it has started again
	}
	r.own(e, r.sourceOf(c))
	r.link(now, e, c)
	e.registered = now
	e.spoke(now)
	e.assert, e.condemned, e.takenFrom, e.contender, e.ghost, e.candidate = false, false, 0, 0, nil, false
	r.scheduleKeepAlive(now, e)
	r.setLife(now, ch.New)
	r.announce(enrp.AddPE, ch.New)
	r.send(c, &asap.RegistrationResponse{Handle: m.Handle, PEID: k.ID, Causes: warnings})
	r.suggestHome(e, ch.New)
	r.countRegistration(ch)
	if ch.Kind != handlespace.Refreshed {
		r.poolChanged(now, k.Handle)
	}
}

func (r *Registrar) countRegistration(ch handlespace.Change) {
	if ch.Kind == handlespace.Added {
		r.stats.Registrations++
	} else {
		r.stats.Reregistrations++
	}
	switch {
	case ch.OwnerChanged():
		r.event(Event{Kind: EventMoved, Handle: ch.New.Handle, PE: ch.New.ID, Registrar: r.id})
	case ch.Kind == handlespace.Added:
		r.event(Event{Kind: EventRegistered, Handle: ch.New.Handle, PE: ch.New.ID, Registrar: r.id})
	}
}

// admit makes the checks of a registration that the handlespace does not make,
// and returns the element as it is to be stored.
func (r *Registrar) admit(now time.Time, c *conn, m *asap.Registration, old handlespace.Element, exists bool) (el rserpool.PoolElement, warnings []rserpool.Cause, cause *rserpool.Cause) {
	switch {
	case r.phase == phaseDraining:
		return el, nil, &rserpool.Cause{Code: rserpool.CauseLackOfResources}
	case len(m.Handle) > r.profile.MaxHandle:
		return el, nil, &rserpool.Cause{Code: rserpool.CauseInvalidValues, Info: m.Handle.AppendTo(nil)}
	case m.Element.ID == 0:
		return el, nil, &rserpool.Cause{Code: rserpool.CauseInvalidValues, Info: m.Element.ID.AppendTo(nil)}
	case !r.mayBeElement(c):
		return el, nil, &rserpool.Cause{Code: rserpool.CauseSecurity}
	case !r.allows(OpRegister, c, m.Handle), r.cfg.Permit != nil && !r.cfg.Permit(m.Handle, c.confirmed().Addrs):
		return el, nil, &rserpool.Cause{Code: rserpool.CauseSecurity}
	case exists && !r.sameElement(c, old) && r.held(now, old):
		return el, nil, &rserpool.Cause{Code: rserpool.CauseNonUniquePEIdentifier}
	case r.sourceFull(c, m.Handle, m.Element.ID):
		return el, nil, &rserpool.Cause{Code: rserpool.CauseLackOfResources}
	}
	el = m.Element
	el.Home = r.id
	user, changed, ok := r.userTransport(c, el.User)
	if !ok {
		return el, nil, &rserpool.Cause{Code: rserpool.CauseInvalidValues, Info: el.User.AppendTo(nil)}
	}
	if changed {
		// RFC 5352 §2.2.3: a warning that some values have been modified.
		warnings = []rserpool.Cause{{Code: rserpool.CauseInvalidValues, Info: el.User.AppendTo(nil)}}
	}
	el.User, el.ASAP = user, asapTransport(c, el.ASAP)
	r.placeHere(&el.Policy, c)
	return el, warnings, nil
}

// mayBeElement reports whether an element can be at the other side of a connection. RFC 5352
// §2.1: all messages between elements and registrars "MUST use SCTP"; §9.3: with a
// secured registrar, within TLS and with a certificate.
func (r *Registrar) mayBeElement(c *conn) bool { return !c.tcp && (c.proven || !r.cfg.Secured) }

// held reports whether an element that somebody else wants to be is held by its
// owner: its association here works, or its home is alive. The owner is asked to
// prove it, so that the identifier of a dead one becomes free soon.
func (r *Registrar) held(now time.Time, el handlespace.Element) bool {
	if el.Home == r.id {
		e := r.entries[el.Key()]
		if e == nil || !e.live() {
			return false
		}
		r.sendKeepAlive(now, e)
		return true
	}
	p := r.peers[el.Home]
	return p != nil && p.state == peerActive
}

// sourceFull reports whether the host that c comes from has as many elements as
// it may have, and this would be another one.
func (r *Registrar) sourceFull(c *conn, h rserpool.PoolHandle, id rserpool.PEID) bool {
	if r.limits.ElementsPerSource < 0 || r.sources[r.sourceOf(c)] < r.limits.ElementsPerSource {
		return false
	}
	e := r.entries[handlespace.Key{Handle: h, ID: id}]
	return e == nil || !e.owned
}

// userTransport returns where the element's service is, and whether that differs
// from what it said: addresses nobody can connect to are left out, and where none
// is left the association's stand in for them. ok is false if the
// element may not say what it says.
func (r *Registrar) userTransport(c *conn, t rserpool.Transport) (user rserpool.Transport, changed, ok bool) {
	if t.Protocol == rserpool.ProtoOpaque {
		return t, false, true
	}
	user = t.Clone()
	user.Addrs = slices.DeleteFunc(user.Addrs, func(a netip.Addr) bool { return !unicast(a) })
	if len(user.Addrs) == 0 {
		user.Addrs = slices.Clone(c.remote.Addrs)
		if t.Protocol != rserpool.ProtoSCTP {
			user.Addrs = user.Addrs[:min(1, len(user.Addrs))]
		}
	}
	if n := r.limits.Addresses; n > 0 && len(user.Addrs) > n {
		user.Addrs = user.Addrs[:n]
	}
	if t.Protocol == rserpool.ProtoSCTP && t.UDPPort == 0 && udpPort(c.remote) != rserpool.DefaultUDPPort {
		// An element that does not know of UDP ports is behind the one that its
		// association comes from.
		user.UDPPort = c.remote.UDPPort
	}
	if r.cfg.StrictAddresses { // RFC 5352 §2.2.1: "MUST be a subset"
		if slices.ContainsFunc(user.Addrs, func(a netip.Addr) bool { return !slices.Contains(c.remote.Addrs, a) }) {
			return t, false, false
		}
		// Of the association's those count that it has shown to have; the next
		// re-registration may have more of them.
		shown := c.confirmed().Addrs
		user.Addrs = slices.DeleteFunc(user.Addrs, func(a netip.Addr) bool { return !slices.Contains(shown, a) })
	}
	changed = !slices.Equal(user.Addrs, t.Addrs)
	return user, changed, len(user.Addrs) > 0
}

func unicast(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() }

// asapTransport is where the element's ASAP endpoint is: where the registration
// came from (RFC 5352 §3.1 rule 4), on the port that the element says, if it does.
func asapTransport(c *conn, given *rserpool.Transport) *rserpool.Transport {
	t := c.remote.Clone()
	if given == nil || given.Port == 0 || !overlap(given.Addrs, t.Addrs) {
		return &t
	}
	t.Port = given.Port
	if given.UDPPort != 0 {
		t.UDPPort = given.UDPPort
	}
	return &t
}

// deregister handles an ASAP_DEREGISTRATION (RFC 5352 §3.2). An element that is
// not registered counts as deregistered. "De-registration is NOT allowed by
// proxy" (§2.2.2): only the element itself may do it, recognized by its
// association or its address.
func (r *Registrar) deregister(now time.Time, c *conn, m *asap.Deregistration) {
	k := handlespace.Key{Handle: m.Handle, ID: m.PEID}
	resp := &asap.DeregistrationResponse{Handle: m.Handle, PEID: m.PEID}
	el, ok := r.lookup(k)
	refuse := func(reason string) {
		r.stats.Rejected++
		r.event(Event{Kind: EventRejected, Conn: c.id, Handle: m.Handle, PE: m.PEID, Reason: reason})
		resp.Causes = []rserpool.Cause{{Code: rserpool.CauseSecurity}}
		r.rejectedBy.count(resp.Causes)
	}
	switch {
	case !r.withinRate(now, OpRegister, r.limits.Registrations, c, m.Handle):
		resp.Causes = []rserpool.Cause{{Code: rserpool.CauseLackOfResources}}
	case !r.allows(OpDeregister, c, m.Handle), !r.mayBeElement(c):
		refuse("deregistration is denied")
	case !ok:
		if e := r.entries[k]; e != nil && (e.conn == c.id || e.candidate && r.sameElement(c, *e.ghost)) {
			r.dropEntry(now, e)
		}
	case !r.sameElement(c, el):
		refuse("deregistration by another host")
	default:
		e := r.entryOf(k)
		if el.Home != r.id {
			// The element may have lost its home. Peers accept the removal from
			// nobody but the home, so this registrar becomes it first.
			if ch, ok := r.space.SetOwner(k.Handle, k.ID, r.id); ok {
				r.announce(enrp.AddPE, ch.New)
			}
			r.own(e, r.sourceOf(c))
		}
		r.stats.Deregistrations++
		r.remove(now, e, "deregistered")
	}
	r.send(c, resp)
}
