package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Two registrars may both believe to be home of an element: each may have
// registered it while their messages crossed, or they could not talk to each other
// and one took it over. RFC 5353 has no rule for that. These are ours:
//
//   - Who has no association on which the element has spoken gives way. If neither
//     has, because both have just taken it over and are looking for it, the larger
//     identifier looks on.
//   - A registration that is announced now is newer than one here, and this
//     registrar gives way, unless the one here is so young that the two may have
//     crossed. What a peer lists in its handle table may be old in any case. In both
//     cases the larger identifier keeps the element and announces it again. The
//     smaller waits whether that happens. If it does, it gives way; if the claim is
//     repeated without, the other has no association, and it announces the element. If
//     the other has one after all, it answers that, and the smaller gives way,
//     whatever the element has acknowledged meanwhile.
//   - Who keeps an element asserts it by a keep-alive with H flag, so that the
//     element goes by the same result.
//   - Who gave way and still has the element's association takes it back when the
//     other disowns it: see reclaim and removedByHome. So two registrars that both
//     gave way do not lose the element between them.

// announce tells all peers of a change of an owned element (RFC 5353 §3.3).
func (r *Registrar) announce(action enrp.UpdateAction, el handlespace.Element) {
	for _, p := range r.sortedPeers() {
		r.sendUpdate(p, action, el, false)
	}
}

// sendUpdate sends one HANDLE_UPDATE. RFC 5353 §2.4 leaves the receiver blank;
// rsplib sets it, and both accept both.
func (r *Registrar) sendUpdate(p *peer, action enrp.UpdateAction, el handlespace.Element, suggest bool) {
	action, pe, ok := r.updateFor(p, action, el)
	if ok && r.tell(p, &enrp.HandleUpdate{
		Sender: r.id, Receiver: p.id, TakeoverSuggested: suggest && action == enrp.AddPE, Action: action, Handle: el.Handle, Element: pe,
	}) {
		r.stats.UpdatesSent++
	}
}

// update handles a HANDLE_UPDATE (RFC 5353 §3.3). Only the home of an element may
// announce it.
func (r *Registrar) update(now time.Time, p *peer, m *enrp.HandleUpdate) {
	r.stats.UpdatesReceived++
	k := handlespace.Key{Handle: m.Handle, ID: m.Element.ID}
	switch m.Action {
	case enrp.AddPE:
		if m.Element.Home != p.id {
			r.refused(p, "update for an element of "+m.Element.Home.String())
			return
		}
		if r.accept(now, p, k, m.Element, true) && m.TakeoverSuggested {
			r.takeSuggested(now, k)
		}
	case enrp.DelPE:
		el, ok := r.lookup(k)
		switch {
		case !ok: // §3.3.2: "SHOULD take no further actions"
			if e := r.entries[k]; e != nil {
				r.forgetCandidate(now, e)
			}
		case el.Home != p.id:
			r.refused(p, "removal of an element of "+el.Home.String())
		default:
			r.removedByHome(now, el)
		}
	default:
		r.stats.Dropped++
	}
}

// accept stores an element that a peer says to exist. fresh says that it was
// announced just now and not listed in a table. It returns false if the element
// stays as it is.
func (r *Registrar) accept(now time.Time, p *peer, k handlespace.Key, pe rserpool.PoolElement, fresh bool) bool {
	old, exists := r.lookup(k)
	mine := exists && old.Home == r.id
	if mine && pe.Home != r.id && r.keeps(now, p, old, fresh) {
		return false
	}
	r.placeBehind(&pe.Policy, p)
	ch, err := r.space.Register(now, k.Handle, pe)
	if err != nil {
		r.refused(p, err.Error())
		return false
	}
	if e := r.entries[k]; e != nil {
		r.forgetCandidate(now, e)
		e.ghost = nil
		if mine && pe.Home != r.id {
			r.disown(e)
		}
	}
	if exists && old.Home != pe.Home {
		r.event(Event{Kind: EventMoved, Handle: k.Handle, PE: k.ID, Registrar: pe.Home})
	}
	r.setLife(now, ch.New)
	r.monitorHome(now, pe.Home)
	if ch.Kind != handlespace.Refreshed {
		r.poolChanged(now, k.Handle)
	}
	r.checkDrained(now)
	return true
}

// monitorHome makes sure that an element's home is known, so that its failure is
// noticed even if it never has spoken to this registrar.
func (r *Registrar) monitorHome(now time.Time, home rserpool.RegistrarID) {
	if home != r.id && r.peers[home] == nil {
		r.newPeer(now, home)
	}
}

// keeps decides whether this registrar stays home of an element that a peer claims;
// the rules are at the top of this file.
func (r *Registrar) keeps(now time.Time, p *peer, el handlespace.Element, fresh bool) bool {
	e := r.entries[el.Key()]
	switch {
	case r.phase == phaseDraining, e == nil, e.suggested == p.id:
		return false
	case !e.live():
		return !fresh && e.assert && r.id > p.id
	case fresh && now.Sub(e.registered) > r.profile.ConflictWindow:
		return false
	case r.id < p.id && e.contender != p.id:
		e.contender = p.id
		return true
	case r.id < p.id && fresh:
		return false
	}
	r.stats.Conflicts++
	e.assert = true
	r.announce(enrp.AddPE, el)
	r.sendKeepAlive(now, e)
	return true
}

// reclaim takes an element back that another registrar does not list any more
// although the element's association here works. It returns false if
// there is none.
func (r *Registrar) reclaim(now time.Time, el handlespace.Element) bool {
	e := r.entries[el.Key()]
	if e == nil || !e.live() || r.phase == phaseDraining {
		return false
	}
	pe := el.PoolElement
	pe.Home = r.id
	ch, err := r.space.Register(now, el.Handle, pe)
	if err != nil {
		return false
	}
	r.stats.Conflicts++
	r.own(e, r.sourceOf(r.links.byID[e.conn]))
	e.assert = true
	e.unmoved = e.unmoved || e.suggested != 0
	e.suggested = 0
	r.setLife(now, ch.New)
	r.announce(enrp.AddPE, ch.New)
	r.sendKeepAlive(now, e)
	return true
}

// takeBack makes this registrar the home of an element that has just taken it as such,
// although another registrar is: one that had been given way to, or has suggested it.
func (r *Registrar) takeBack(now time.Time, e *entry) {
	ch, ok := r.space.SetOwner(e.key.Handle, e.key.ID, r.id)
	if !ok {
		return
	}
	r.event(Event{Kind: EventMoved, Handle: e.key.Handle, PE: e.key.ID, Registrar: r.id})
	r.own(e, r.sourceOf(r.links.byID[e.conn]))
	r.setLife(now, ch.New)
	r.announce(enrp.AddPE, ch.New)
	r.scheduleKeepAlive(now, e)
}

// removedByHome handles the removal of an element by its home. If the element's
// association here works, it is asked: one that has deregistered does not answer
// (RFC 5352 §3.4 KA1), one that its home could not reach does, and is taken back.
func (r *Registrar) removedByHome(now time.Time, el handlespace.Element) {
	k := el.Key()
	r.space.Deregister(k.Handle, k.ID)
	r.timers.stop(elementTimer(timerLife, k))
	r.event(Event{Kind: EventRemoved, Handle: k.Handle, PE: k.ID, Registrar: el.Home, Reason: "removed by its home"})
	r.poolChanged(now, k.Handle)
	e := r.entries[k]
	switch {
	case e == nil:
	case e.live() && !r.links.byID[e.conn].dialed:
		e.ghost, e.assert, e.asking = &el, true, false
		r.sendKeepAlive(now, e)
	default:
		r.dropEntry(now, e)
	}
}

// revive takes a removed element back that has answered.
func (r *Registrar) revive(now time.Time, e *entry) {
	el := *e.ghost
	e.ghost, e.heard, e.assert = nil, now, false
	if !r.reclaim(now, el) {
		r.dropEntry(now, e)
		return
	}
	r.scheduleKeepAlive(now, e)
	e.assert = false
}

// rehome announces an owned element under this registrar's new identifier.
func (r *Registrar) rehome(now time.Time, e *entry, el handlespace.Element) {
	if ch, ok := r.space.SetOwner(el.Handle, el.ID, r.id); ok {
		r.announce(enrp.AddPE, ch.New)
		e.assert = true
		r.sendKeepAlive(now, e)
	}
}
