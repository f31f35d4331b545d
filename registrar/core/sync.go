package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// fetch is a handle table that this registrar fetches from a peer page by page
// (RFC 5353 §3.2.3, §3.6.3).
//
// A peer of this implementation is told with each request which element was the last
// (docs/handle-table-cursor.md). So a request may be repeated, and a table whose
// association is lost goes on with the next one. Others keep the place themselves:
// with them a repeated request would skip a page, and a table that was given up
// leaves its rest to the next one, which is therefore fetched for nothing.
type fetch struct {
	ownOnly bool
	rest    bool             // of a table given up before: sweep nothing, begin again
	after   *enrp.TablePlace // the last element so far; nil at the beginning
	count   int              // elements so far
	pages   int              // requests so far
	tries   int              // requests for the present page
	first   uint64           // number of the first of these, see exchange
	paused  bool             // until there is an association again
}

// exchange numbers the requests for tables on an association with a peer and the
// answers. Both come in order, so that an answer that is late cannot be taken for one
// to a later request.
type exchange struct {
	conn            ConnID
	asked, answered uint64
	last            time.Time // when the last request was sent
	// rest says that the peer keeps the place of a table that was given up.
	rest bool
}

// maxPageTries is how often a page is asked for, MAX-TIME-NO-RESPONSE apart.
const maxPageTries = 3

// audit is how well the elements of a peer agree with what it announces.
type audit struct {
	sum       uint16    // what it announced last
	known     bool      // it has
	failures  int       // tables in a row after which they still differed
	notBefore time.Time // when to fetch again at the earliest
	fetched   bool      // a table came since they last agreed
}

// maxAuditBackoff bounds the pause before a table is fetched again that has not
// helped, in heartbeats.
const maxAuditBackoff = 64

// auditPeer compares the checksum a peer announces with that of its elements here
// and fetches its table if they differ (RFC 5353 §3.6.1). Where that does not
// help, because this registrar does not take some of the elements, it is tried
// again less and less often.
func (r *Registrar) auditPeer(now time.Time, p *peer, sum uint16) {
	p.audit.sum, p.audit.known = sum, true
	if r.agrees(p, sum) {
		p.audit = audit{sum: sum, known: true}
		return
	}
	if p.fetch != nil || now.Before(p.audit.notBefore) || !r.mayFetch(now, p) {
		return
	}
	if p.audit.fetched {
		p.audit.failures++
		p.audit.fetched = false
		if p.audit.failures > 2 {
			pause := min(1<<min(p.audit.failures-2, 10), maxAuditBackoff)
			p.audit.notBefore = now.Add(time.Duration(pause) * r.profile.Heartbeat)
		}
	}
	r.stats.Resyncs++
	r.event(Event{Kind: EventResync, Registrar: p.id})
	r.startFetch(now, p, true)
}

// auditOthers compares the checksums of all other peers again, at once: elements that one
// of them does not list any more may be those of another by now.
func (r *Registrar) auditOthers(now time.Time, than *peer) {
	for _, p := range r.sortedPeers() {
		if p != than && p.state == peerActive && p.audit.known {
			p.audit.failures, p.audit.notBefore = 0, time.Time{}
			r.auditPeer(now, p, p.audit.sum)
		}
	}
}

// mayFetch reports whether a table can be asked for: not while answers to earlier
// requests may still be under way.
func (r *Registrar) mayFetch(now time.Time, p *peer) bool {
	return p.exchange.asked == p.exchange.answered || p.exchange.conn != p.conn || now.Sub(p.exchange.last) > 2*r.profile.MaxTimeNoResponse
}

// startFetch asks a peer for a handle table: of its own elements, which are
// marked before (RFC 5353 §3.6.3), or of all.
func (r *Registrar) startFetch(now time.Time, p *peer, ownOnly bool) {
	p.exchange.answered = p.exchange.asked // what has not come by now is lost
	p.fetch = &fetch{ownOnly: ownOnly, rest: p.exchange.rest}
	if !ownOnly {
		p.fetch.after, p.partial = p.partial, nil
	}
	if ownOnly && !p.fetch.rest {
		r.space.Mark(p.id)
	}
	r.fetchPage(now, p)
}

// fetchPage asks for the next page.
func (r *Registrar) fetchPage(now time.Time, p *peer) {
	p.fetch.tries = 0
	p.fetch.first = p.exchange.asked + 1
	r.askPage(now, p)
}

func (r *Registrar) askPage(now time.Time, p *peer) {
	f := p.fetch
	f.pages++
	f.tries++
	m := &enrp.HandleTableRequest{Sender: r.id, Receiver: p.id, OwnOnly: f.ownOnly}
	if !p.isForeign() {
		m.After = f.after
	}
	if p.exchange.conn != p.conn {
		p.exchange.conn, p.exchange.answered = p.conn, p.exchange.asked
	}
	if r.tell(p, m) {
		p.exchange.asked++
		p.exchange.last = now
	}
	r.timers.set(timerKey{kind: timerSync, id: uint64(p.id)}, now.Add(r.profile.MaxTimeNoResponse))
}

// endSync ends the fetching of a table, complete or not. Without the last page
// nothing is swept.
func (r *Registrar) endSync(p *peer) {
	r.timers.stop(timerKey{kind: timerSync, id: uint64(p.id)})
	if f := p.fetch; f != nil {
		r.space.Unmark(p.id)
		p.exchange.rest = p.isForeign() && f.pages > 0
		p.fetch = nil
	}
}

// pauseSync is called when the association with a peer is lost. What was asked for on
// it will not come; a table goes on when the peer is back, if it can.
func (r *Registrar) pauseSync(now time.Time, p *peer) {
	f := p.fetch
	switch {
	case f == nil:
	case p.isForeign():
		r.endSync(p)
	case r.phase == phaseStarting: // another mentor may be asked; if none, the same goes on
		p.partial = f.after
		r.endSync(p)
	default:
		f.paused = true
		r.timers.set(timerKey{kind: timerSync, id: uint64(p.id)}, now.Add(r.profile.MaxTimeLastHeard))
	}
}

// resumeSync goes on with a table on a new association.
func (r *Registrar) resumeSync(now time.Time, p *peer) {
	if f := p.fetch; f != nil && f.paused {
		f.paused = false
		r.fetchPage(now, p)
	}
}

// syncTimeout asks for a page again that does not come, and gives the table up after
// some attempts; the next PRESENCE starts over.
func (r *Registrar) syncTimeout(now time.Time, id rserpool.RegistrarID) {
	p := r.peers[id]
	if p == nil {
		return
	}
	starting := r.phase == phaseStarting && r.mentors.current == id
	if f := p.fetch; f != nil && f.tries < maxPageTries && !f.paused && !p.isForeign() && !starting {
		r.askPage(now, p)
		return
	}
	r.endSync(p)
	if starting {
		r.mentorRejected(now, p)
	}
}

// tableResponse takes in a page (RFC 5353 §3.2.3 steps 3 to 5, §3.6.3 steps 4, 5).
func (r *Registrar) tableResponse(now time.Time, c *conn, p *peer, m *enrp.HandleTableResponse) {
	f, x := p.fetch, &p.exchange
	expected := x.conn == c.id && x.answered < x.asked
	if expected {
		x.answered++
	}
	if f == nil || !expected || x.answered < f.first {
		r.stats.Dropped++ // nobody waits for it any more
		return
	}
	if m.Reject {
		r.endSync(p)
		p.exchange.rest = false
		p.audit.notBefore = now.Add(r.profile.MentorRetry)
		if r.phase == phaseStarting && r.mentors.current == p.id {
			r.mentorRejected(now, p)
		}
		return
	}
	for _, pool := range m.Pools {
		for i := range pool.Elements {
			r.takeIn(now, p, pool.Handle, &pool.Elements[i])
			f.count++
			f.after = &enrp.TablePlace{Handle: pool.Handle, PEID: pool.Elements[i].ID}
		}
	}
	switch {
	case p.fetch != f: // taking an element in has ended it
	case m.More && f.count <= r.limits.Elements && f.pages <= r.limits.Elements:
		r.fetchPage(now, p)
	case m.More:
		r.endSync(p)
		r.refused(p, "handle table without end")
	default:
		r.fetched(now, p)
	}
}

// takeIn stores one element of a table. A table of own elements may name no
// others; rsplib's last page can. A table of all elements is hearsay about those
// of other registrars, which does not count against what they said themselves.
func (r *Registrar) takeIn(now time.Time, p *peer, h rserpool.PoolHandle, pe *rserpool.PoolElement) {
	k := handlespace.Key{Handle: h, ID: pe.ID}
	if pe.Home == 0 || p.fetch.ownOnly && pe.Home != p.id {
		r.stats.Dropped++
		return
	}
	if old, exists := r.lookup(k); exists && old.Home != pe.Home {
		o := r.peers[old.Home]
		alive := o != nil && o.state == peerActive
		switch {
		case pe.Home != p.id && (old.Home == r.id || pe.Home == r.id || alive):
			return
		case pe.Home == p.id && alive && old.Home > p.id:
			// Two peers claim it and do not hear each other, else one of them would give
			// way. Until then the larger identifier has it.
			return
		}
	}
	if pe.Home == r.id && r.phase != phaseStarting {
		return // who is home here is known here
	}
	r.accept(now, p, k, *pe, false)
}

// fetched ends a complete table: of the peer's own elements those are removed that
// it does not have any more.
func (r *Registrar) fetched(now time.Time, p *peer) {
	f := p.fetch
	if f.rest {
		p.fetch, p.exchange.rest = nil, false
		r.startFetch(now, p, f.ownOnly)
		return
	}
	var gone []handlespace.Element
	if f.ownOnly {
		gone = r.space.Sweep(p.id)
		for _, el := range gone {
			r.swept(now, el)
		}
		p.audit.fetched = true
	}
	r.endSync(p)
	p.exchange.rest = false
	r.event(Event{Kind: EventResynced, Registrar: p.id, Count: f.count})
	if r.phase == phaseStarting && r.mentors.current == p.id {
		r.begin(now, "handlespace of "+p.id.String())
	}
	if len(gone) > 0 {
		r.auditOthers(now, p)
	}
}

// swept handles an element that its home does not list any more: "SHOULD silently
// remove" (RFC 5353 §3.6.3).
func (r *Registrar) swept(now time.Time, el handlespace.Element) {
	k := el.Key()
	r.timers.stop(elementTimer(timerLife, k))
	if r.reclaim(now, el) {
		return
	}
	if e := r.entries[k]; e != nil {
		r.dropEntry(now, e)
	}
	r.event(Event{Kind: EventRemoved, Handle: k.Handle, PE: k.ID, Registrar: el.Home, Reason: "not listed by its home"})
	r.poolChanged(now, k.Handle)
}
