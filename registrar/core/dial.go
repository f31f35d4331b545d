package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
)

// elementDials are the attempts to open associations to elements: those taken
// over from a dead registrar, whose association broke, or that are said to be
// unreachable. Their number is bounded, since messages of others cause them.
type elementDials struct {
	pending map[endpoint]ConnID
	queue   []handlespace.Key
}

func newElementDials() elementDials { return elementDials{pending: make(map[endpoint]ConnID)} }

// reach finds an association with an element and asks it for a sign of life:
// one that is there already, or a new one to its ASAP endpoint.
func (r *Registrar) reach(now time.Time, e *entry) {
	el, ok := r.lookup(e.key)
	if e.candidate {
		el, ok = *e.ghost, true
	}
	if !ok || e.conn != 0 {
		return
	}
	if el.ASAP == nil {
		e.tried = true // there is no way to
		return
	}
	if c := r.links.elementConn(*el.ASAP); c != nil {
		e.tried = true
		r.link(now, e, c)
		e.borrowed = true
		r.sendKeepAlive(now, e)
		return
	}
	at := endpointOf(*el.ASAP)
	if c := r.links.byID[r.dials.pending[at]]; c != nil {
		e.tried = true
		if !slices.Contains(c.waiting, e.key) {
			c.waiting = append(c.waiting, e.key)
		}
		return
	}
	if len(r.dials.pending) >= r.limits.ElementDials {
		if !e.queued {
			e.queued = true
			r.dials.queue = append(r.dials.queue, e.key)
		}
		return
	}
	e.tried = true
	c := r.links.add(ASAP, el.ASAP.Clone())
	c.dialed, c.dialKey, c.waiting = true, at, []handlespace.Key{e.key}
	r.dials.pending[at] = c.id
	r.actions.push(Action{Kind: Dial, Conn: c.id, Channel: ASAP, To: c.remote})
}

// elementConnected hands a new association to the elements it was opened for.
func (r *Registrar) elementConnected(now time.Time, c *conn) {
	r.elementDialEnded(now, c)
	waiting := c.waiting
	c.waiting = nil
	for _, k := range waiting {
		if e := r.entries[k]; e != nil && e.conn == 0 {
			r.link(now, e, c)
			r.sendKeepAlive(now, e)
		}
	}
	r.closeIdle(now, c)
}

// elementDialEnded makes room for the next attempt in the queue.
func (r *Registrar) elementDialEnded(now time.Time, c *conn) {
	if r.dials.pending[c.dialKey] == c.id {
		delete(r.dials.pending, c.dialKey)
	}
	for len(r.dials.queue) > 0 && len(r.dials.pending) < r.limits.ElementDials {
		k := r.dials.queue[0]
		r.dials.queue = r.dials.queue[1:]
		if e := r.entries[k]; e != nil && e.queued {
			e.queued = false
			r.reach(now, e)
		}
	}
}

// retryElement tries again after a pause that doubles; timerLink ends it.
func (r *Registrar) retryElement(now time.Time, e *entry) {
	e.pause = min(max(2*e.pause, r.profile.DialRetryMin), r.profile.DialRetryMax)
	r.timers.set(elementTimer(timerElementDial, e.key), now.Add(r.jitter(e.pause, 4)))
}

func (r *Registrar) redialElement(now time.Time, k handlespace.Key) {
	if e := r.entries[k]; e != nil {
		r.reach(now, e)
	}
}
