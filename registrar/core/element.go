package core

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// entry is what the registrar knows about an element beside the handlespace: its
// association and its health. There is one for each owned element, and for
// others that have an association here or are being verified.
type entry struct {
	key handlespace.Key
	// conn is the association the element lives on, 0 if there is none.
	conn ConnID
	// confirmed says that the element itself has registered or acknowledged a
	// keep-alive on conn.
	confirmed  bool
	registered time.Time // by the element itself, here
	heard      time.Time // last sign of life
	owned      bool      // this registrar is home
	source     netip.Addr

	asking    bool // a keep-alive is not acknowledged yet
	asked     time.Time
	patience  int  // how often it has got more time for that
	verifying bool // it is not owned, and was said to be unreachable
	assert    bool // keep-alives carry H until one is acknowledged
	condemned bool // reported by too many: goes after the keep-alive under way
	takenFrom rserpool.RegistrarID
	contender rserpool.RegistrarID // see keeps
	suggested rserpool.RegistrarID // whom it was suggested to since it registered
	unmoved   bool                 // somebody it was suggested to gave it back
	queued    bool                 // waits for its turn to be dialed
	tried     bool                 // an association was looked for since it lost the last
	borrowed  bool                 // conn was there before and may be of an earlier life of the host
	pause     time.Duration        // before the next attempt to reach it
	until     time.Time            // it is given up then unless it has spoken; zero while it does
	reports   []report
	// ghost is the element as it was before another registrar removed it, while
	// its association here is asked whether it is gone. See removedByHome.
	ghost *handlespace.Element
	// candidate says that ghost comes from an image: see restore.go.
	candidate bool
}

// live reports whether the element can be believed to be there: it has spoken on
// an association that is up.
func (e *entry) live() bool { return e.conn != 0 && e.confirmed }

// entryOf returns the entry of an element, made if there is none.
func (r *Registrar) entryOf(k handlespace.Key) *entry {
	e := r.entries[k]
	if e == nil {
		e = &entry{key: k}
		r.entries[k] = e
	}
	return e
}

// own makes the entry that of an element whose home this registrar is.
func (r *Registrar) own(e *entry, source netip.Addr) {
	if e.owned && e.source == source {
		return
	}
	r.unsource(e)
	e.owned, e.source = true, source
	r.sources[source]++
}

func (r *Registrar) unsource(e *entry) {
	if !e.owned {
		return
	}
	if r.sources[e.source]--; r.sources[e.source] <= 0 {
		delete(r.sources, e.source)
	}
	e.owned = false
}

// disown lets go of an element that another registrar is the home of now. Its
// association is kept in mind: see reclaim. So is a keep-alive with H flag on its
// way: if the element acknowledges it, it has taken this registrar as its home.
func (r *Registrar) disown(e *entry) {
	r.unsource(e)
	e.condemned, e.takenFrom = false, 0
	if e.asking && e.assert {
		r.timers.stop(elementTimer(timerLink, e.key))
		return
	}
	e.asking, e.assert = false, false
	r.stopElementTimers(e.key)
	if e.conn == 0 {
		delete(r.entries, e.key)
	}
}

func (r *Registrar) stopElementTimers(k handlespace.Key) {
	for _, kind := range []timerKind{timerKeepAlive, timerKeepAliveTimeout, timerLink, timerElementDial} {
		r.timers.stop(elementTimer(kind, k))
	}
}

// dropEntry forgets what is known beside the handlespace.
func (r *Registrar) dropEntry(now time.Time, e *entry) {
	r.unsource(e)
	r.stopElementTimers(e.key)
	r.unlink(now, e)
	delete(r.entries, e.key)
}

// link lets an element live on a connection.
func (r *Registrar) link(now time.Time, e *entry, c *conn) {
	r.timers.stop(elementTimer(timerLink, e.key))
	r.timers.stop(elementTimer(timerElementDial, e.key))
	if e.conn == c.id {
		return
	}
	r.unlink(now, e)
	c.held.add(e.key)
	e.conn, e.pause, e.tried, e.borrowed = c.id, 0, false, false
}

// unlink ends that.
func (r *Registrar) unlink(now time.Time, e *entry) {
	c := r.links.byID[e.conn]
	e.conn, e.confirmed, e.asking = 0, false, false
	if c == nil {
		return
	}
	c.held.remove(e.key)
	r.closeIdle(now, c)
}

// closeIdle closes a connection that this registrar has opened when nobody uses it
// any more.
func (r *Registrar) closeIdle(now time.Time, c *conn) {
	if c.dialed && c.up && c.held.count() == 0 && len(c.subs) == 0 {
		r.shut(now, c)
	}
}

// sameElement reports whether a connection is the element's own: the one it
// registered on, or one from the host that its ASAP endpoint is on.
func (r *Registrar) sameElement(c *conn, el handlespace.Element) bool {
	if e := r.entries[el.Key()]; e != nil && e.conn == c.id {
		return true
	}
	if el.ASAP != nil {
		return overlap(c.confirmed().Addrs, el.ASAP.Addrs)
	}
	return overlap(c.confirmed().Addrs, el.User.Addrs)
}

// elementConnLost handles the end of an ASAP connection. RFC 5352 leaves open
// what becomes of its elements. rsplib removes them at once; here each gets a
// short time in which it is looked for at its ASAP endpoint or registers again,
// perhaps at another registrar.
func (r *Registrar) elementConnLost(now time.Time, c *conn, wasUp bool) {
	if c.dialed && !wasUp {
		r.elementDialEnded(now, c)
	}
	for _, k := range c.waiting {
		if e := r.entries[k]; e != nil && e.conn == 0 {
			r.retryElement(now, e)
		}
	}
	c.waiting = nil
	for _, k := range c.held.sorted() {
		e := r.entries[k]
		e.conn, e.confirmed, e.asking, e.borrowed = 0, false, false, false
		r.timers.stop(elementTimer(timerKeepAlive, k))
		r.timers.stop(elementTimer(timerKeepAliveTimeout, k))
		switch {
		case !e.owned && e.verifying:
			r.remove(now, e, "unreachable")
			continue
		case !e.owned && !e.candidate:
			r.dropEntry(now, e)
			continue
		}
		r.await(now, e)
		r.reach(now, e)
	}
	c.held = residents{}
}

// await sets the time by which an element without association must have spoken. An
// association that comes and goes meanwhile does not prolong it.
func (r *Registrar) await(now time.Time, e *entry) {
	if e.until.IsZero() {
		grace := r.profile.LinkGrace
		if e.assert {
			grace = r.profile.AdoptTimeout // it has not heard of its new home yet
		}
		e.until = now.Add(grace)
	}
	at := e.until
	if at.Before(now) {
		at = now // a timer of the past would look like a stall
	}
	r.timers.set(elementTimer(timerLink, e.key), at)
}

// spoke notes a sign of life of an element.
func (e *entry) spoke(now time.Time) { e.heard, e.confirmed, e.until = now, true, time.Time{} }

// linkTimeout gives an element up that has no association.
func (r *Registrar) linkTimeout(now time.Time, k handlespace.Key) {
	e := r.entries[k]
	switch {
	case e == nil || e.conn != 0:
	case e.tried && (e.owned || e.verifying):
		r.remove(now, e, "unreachable")
	case e.owned, e.candidate && !e.tried: // its turn to be dialed has not come
		e.until = time.Time{}
		r.await(now, e)
	default:
		r.dropEntry(now, e)
	}
}

// remove takes an element out of the handlespace that is gone. If this registrar
// is its home the peers are told (RFC 5353 §3.3.2); if not, the home will notice
// itself, and until then this registrar does not offer the element.
func (r *Registrar) remove(now time.Time, e *entry, reason string) {
	k, owned := e.key, e.owned
	el, ok := r.space.Deregister(k.Handle, k.ID)
	r.dropEntry(now, e)
	r.timers.stop(elementTimer(timerLife, k))
	if !ok {
		return
	}
	r.stats.Removed++
	r.event(Event{Kind: EventRemoved, Handle: k.Handle, PE: k.ID, Registrar: el.Home, Reason: reason})
	if owned {
		r.announce(enrp.DelPE, el)
	}
	r.poolChanged(now, k.Handle)
}
