package core

import (
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/handlespace"
)

// maxPatience is how often an element gets more time to acknowledge a keep-alive because
// others are heard on its association.
const maxPatience = 3

// keepAliveInterval is the mean time between two keep-alives to an element. RFC 5352
// §3.5: with a large number of elements "the implementation should pay attention not to
// flood the network" with them. Acknowledgements that come too late because of
// the flood would look like deaths, and the registrations that follow make it worse.
func (r *Registrar) keepAliveInterval() time.Duration {
	perSecond := min(r.limits.KeepAlives, int(time.Second))
	return max(r.profile.KeepAlive, time.Duration(r.space.OwnedLen(r.id))*(time.Second/time.Duration(perSecond)))
}

// scheduleKeepAlive sets the time of the next keep-alive, at random from half to
// one and a half of the interval (RFC 5352 §3.5).
func (r *Registrar) scheduleKeepAlive(now time.Time, e *entry) {
	r.timers.stop(elementTimer(timerKeepAliveTimeout, e.key))
	e.asking = false
	if e.owned {
		r.timers.set(elementTimer(timerKeepAlive, e.key), now.Add(r.jitter(r.keepAliveInterval(), 2)))
	}
}

// maxUnheard is how many keep-alives of its own accord a registrar has under way on one
// association. An end that is slow, this one or the other, is asked no faster than it
// answers: so a slow moment passes, and does not look like the death of all.
const maxUnheard = 16

func (r *Registrar) keepAliveDue(now time.Time, k handlespace.Key) {
	e := r.entries[k]
	if e == nil {
		return
	}
	if c := r.links.byID[e.conn]; c != nil && c.unheard >= maxUnheard {
		if now.Sub(c.asked) < r.profile.KeepAliveTimeout {
			r.scheduleKeepAlive(now, e) // the next time
			return
		}
		c.unheard = 0 // some elements have gone and will not answer
	}
	r.sendKeepAlive(now, e)
}

// sendKeepAlive asks an element for a sign of life, unless an answer is due
// already: so reports of others never make more than one keep-alive at a time
// (RFC 5355 §2.14). RFC 5352 §2.2.7 names the pool only; where several elements of
// a pool share the association, rsplib's PE identifier says which one is meant.
func (r *Registrar) sendKeepAlive(now time.Time, e *entry) {
	c := r.links.byID[e.conn]
	if c == nil || e.asking {
		return
	}
	e.asking, e.asked, e.patience = true, now, 0
	r.timers.stop(elementTimer(timerKeepAlive, e.key))
	r.timers.set(elementTimer(timerKeepAliveTimeout, e.key), now.Add(r.profile.KeepAliveTimeout))
	r.stats.KeepAlivesSent++
	c.asked = now
	c.unheard++
	m := &asap.EndpointKeepAlive{Home: e.assert, Server: r.id, Handle: e.key.Handle}
	if c.held.inPool(e.key.Handle) > 1 {
		m.PEID, m.HasPEID = e.key.ID, true
	}
	r.send(c, m)
}

// keepAliveAck handles an acknowledgement. It counts only from the element
// itself, but on any of its associations.
func (r *Registrar) keepAliveAck(now time.Time, c *conn, m *asap.EndpointKeepAliveAck) {
	c.unheard = max(c.unheard-1, 0)
	e := r.entries[handlespace.Key{Handle: m.Handle, ID: m.PEID}]
	if e == nil || !r.mayBeElement(c) {
		r.stats.Dropped++
		return
	}
	if e.ghost != nil && e.conn == c.id {
		if e.candidate {
			r.confirm(now, e)
		} else {
			r.revive(now, e)
		}
		return
	}
	el, ok := r.lookup(e.key)
	if !ok || !r.sameElement(c, el) {
		r.stats.Dropped++
		return
	}
	if e.conn == 0 {
		r.link(now, e, c)
	}
	adopted := e.asking && e.assert
	e.spoke(now)
	e.assert = false
	r.scheduleKeepAlive(now, e)
	switch {
	case e.condemned:
		r.remove(now, e, "reported unreachable")
	case adopted: // RFC 5352 §3.4 KA2.4: the element goes by this registrar now
		e.registered = now // and contender stays: the other's answer to this may be on its way
		if !e.owned {
			r.takeBack(now, e)
		}
	case !e.owned && r.links.byID[e.conn].dialed:
		// It was only to be verified; what is kept for a while is that it was.
		r.unlink(now, e)
		e.verifying, e.tried = false, false
		r.timers.set(elementTimer(timerLink, e.key), now.Add(r.profile.KeepAliveTimeout))
	}
}

// hears reports whether anybody who lives on a connection has spoken while an
// acknowledgement was awaited.
func (r *Registrar) hears(now time.Time, c *conn) bool {
	for k := range c.held.all() {
		if e := r.entries[k]; e.confirmed && now.Sub(e.heard) < r.profile.KeepAliveTimeout {
			return true
		}
	}
	return false
}

// keepAliveTimeout handles an element that did not answer: RFC 5352 §3.5, "MUST
// remove the PE". Its association is aborted unless other elements live on it, so
// that an element that is alive after all registers again.
func (r *Registrar) keepAliveTimeout(now time.Time, k handlespace.Key) {
	e := r.entries[k]
	if e == nil || !e.asking {
		return
	}
	c := r.links.byID[e.conn]
	if c != nil && c.held.count() > 1 && c.heard.After(e.asked) && e.patience < maxPatience {
		// Messages stay in order: the acknowledgement may be behind those of others, or this
		// registrar is what is slow.
		e.patience++
		r.timers.set(elementTimer(timerKeepAliveTimeout, k), now.Add(r.profile.KeepAliveTimeout))
		return
	}
	switch {
	case e.ghost != nil:
		r.dropEntry(now, e)
		return
	case c != nil && e.borrowed && !e.confirmed && !r.hears(now, c):
		// Nothing was ever heard from the element on this association, nor from others
		// lately: it may be a leftover. Its end makes the element be dialed.
		r.abort(now, c, "no answer to keep-alive")
		return
	}
	if !e.owned && !e.verifying {
		r.dropEntry(now, e)
		return
	}
	r.stats.KeepAliveTimeouts++
	r.event(Event{Kind: EventElementUnresponsive, Handle: k.Handle, PE: k.ID})
	if c != nil && c.dialed && c.held.count() == 1 {
		c.dialed = false // aborted below, not closed
	}
	r.remove(now, e, "no answer to keep-alive")
	if c != nil && c.up && c.held.count() == 0 {
		r.abort(now, c, "no answer to keep-alive")
	}
}
