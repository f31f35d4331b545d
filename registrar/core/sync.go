package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// download is a handle table that a peer fetches page by page (RFC 5353 §3.2.3).
type download struct {
	ownOnly bool
	cursor  handlespace.Cursor
}

// fetch is a handle table that this registrar fetches from a peer.
type fetch struct {
	ownOnly bool
	count   int // elements so far
	pages   int
}

// audit is how well the elements of a peer agree with what it announces.
type audit struct {
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
	if r.agrees(p, sum) {
		p.audit = audit{}
		return
	}
	if p.fetch != nil || now.Before(p.audit.notBefore) {
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

// startFetch asks a peer for a handle table: of its own elements, which are
// marked before (RFC 5353 §3.6.3), or of all.
func (r *Registrar) startFetch(now time.Time, p *peer, ownOnly bool) {
	p.fetch = &fetch{ownOnly: ownOnly}
	if ownOnly {
		r.space.Mark(p.id)
	}
	r.fetchPage(now, p)
}

func (r *Registrar) fetchPage(now time.Time, p *peer) {
	p.fetch.pages++
	r.tell(p, &enrp.HandleTableRequest{Sender: r.id, Receiver: p.id, OwnOnly: p.fetch.ownOnly})
	r.timers.set(timerKey{kind: timerSync, id: uint64(p.id)}, now.Add(r.profile.MaxTimeNoResponse))
}

// endSync ends the fetching of a table, complete or not. Without the last page
// nothing is swept.
func (r *Registrar) endSync(p *peer) {
	r.timers.stop(timerKey{kind: timerSync, id: uint64(p.id)})
	if p.fetch != nil {
		r.space.Unmark(p.id)
		p.fetch = nil
	}
}

// syncTimeout gives a table up whose next page does not come; the next PRESENCE
// starts over.
func (r *Registrar) syncTimeout(now time.Time, id rserpool.RegistrarID) {
	p := r.peers[id]
	if p == nil {
		return
	}
	r.endSync(p)
	if r.phase == phaseStarting && r.mentors.current == id {
		r.mentorRejected(now, p)
	}
}

// tableResponse takes in a page (RFC 5353 §3.2.3 steps 3 to 5, §3.6.3 steps 4, 5).
func (r *Registrar) tableResponse(now time.Time, p *peer, m *enrp.HandleTableResponse) {
	f := p.fetch
	if f == nil {
		r.stats.Dropped++
		return
	}
	if m.Reject {
		r.endSync(p)
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
	if old, exists := r.lookup(k); exists && pe.Home != p.id {
		if o := r.peers[old.Home]; old.Home == r.id || pe.Home == r.id || o != nil && o.state == peerActive {
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
	if f.ownOnly {
		for _, el := range r.space.Sweep(p.id) {
			r.swept(now, el)
		}
		p.audit.fetched = true
	}
	r.endSync(p)
	r.event(Event{Kind: EventResynced, Registrar: p.id, Count: f.count})
	if r.phase == phaseStarting && r.mentors.current == p.id {
		r.begin(now, "handlespace of "+p.id.String())
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

// tableRequest answers a HANDLE_TABLE_REQUEST with the next page. A request of the
// other kind, or after the last page, starts over.
func (r *Registrar) tableRequest(now time.Time, c *conn, p *peer, m *enrp.HandleTableRequest) {
	resp := &enrp.HandleTableResponse{Sender: r.id, Receiver: p.id}
	if r.phase == phaseStarting {
		resp.Reject = true // RFC 5353 §3.2.3: MUST
		r.send(c, resp)
		return
	}
	if c.serve == nil || c.serve.ownOnly != m.OwnOnly {
		c.serve = &download{ownOnly: m.OwnOnly}
	}
	home := rserpool.RegistrarID(0)
	if m.OwnOnly {
		home = r.id
	}
	bytes := r.limits.PageBytes
	if p.isForeign() {
		bytes = min(bytes, maxForeignPage)
	}
	page, next, more := r.space.Page(home, c.serve.cursor, r.limits.PageElements, bytes)
	resp.More, resp.Pools = more, r.entriesFor(p, page)
	if c.serve.cursor = next; more {
		r.timers.set(timerKey{kind: timerServe, id: uint64(c.id)}, now.Add(r.profile.MaxTimeNoResponse))
	} else {
		c.serve = nil
		r.timers.stop(timerKey{kind: timerServe, id: uint64(c.id)})
	}
	r.stats.PagesSent++
	r.send(c, resp)
}

// entriesFor turns a page into what a peer understands.
func (r *Registrar) entriesFor(p *peer, page []handlespace.PoolEntry) []enrp.PoolEntries {
	var out []enrp.PoolEntries
	for _, pool := range page {
		els := make([]rserpool.PoolElement, 0, len(pool.Elements))
		for i := range pool.Elements {
			if pe := &pool.Elements[i]; pe.Home != 0 && p.takes(pool.Handle, pe) {
				els = append(els, r.forPeer(*pe, p))
			}
		}
		if len(els) > 0 {
			out = append(out, enrp.PoolEntries{Handle: pool.Handle, Elements: els})
		}
	}
	return out
}

// serveTimeout ends a download that the peer does not go on with (RFC 5353 §3.2.3).
func (r *Registrar) serveTimeout(id ConnID) {
	if c := r.links.byID[id]; c != nil {
		c.serve = nil
	}
}
