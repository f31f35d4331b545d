package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// download is a handle table that a peer of another implementation fetches page by
// page (RFC 5353 §3.2.3): "MUST keep track of the progress".
type download struct {
	ownOnly bool
	cursor  handlespace.Cursor
}

// tableRequest answers a HANDLE_TABLE_REQUEST with the next page: the one behind the
// element that the request names, or, for a peer of another implementation, behind
// the last one it got. A request of the other kind, or after the last page, starts
// over.
func (r *Registrar) tableRequest(now time.Time, c *conn, p *peer, m *enrp.HandleTableRequest) {
	resp := &enrp.HandleTableResponse{Sender: r.id, Receiver: p.id}
	if r.phase == phaseStarting {
		resp.Reject = true // RFC 5353 §3.2.3: MUST
		r.send(c, resp)
		return
	}
	var cursor handlespace.Cursor
	switch {
	case m.After != nil:
		cursor = handlespace.CursorAfter(handlespace.Key{Handle: m.After.Handle, ID: m.After.PEID})
	case p.isForeign() && c.serve != nil && c.serve.ownOnly == m.OwnOnly:
		cursor = c.serve.cursor
	}
	home := rserpool.RegistrarID(0)
	if m.OwnOnly {
		home = r.id
	}
	bytes := r.limits.PageBytes
	if p.isForeign() {
		bytes = min(bytes, maxForeignPage)
	}
	page, next, more := r.space.Page(home, cursor, r.limits.PageElements, bytes)
	resp.More, resp.Pools = more, r.entriesFor(p, page)
	if c.serve = nil; more && p.isForeign() {
		c.serve = &download{ownOnly: m.OwnOnly, cursor: next}
		r.timers.set(timerKey{kind: timerServe, id: uint64(c.id)}, now.Add(r.profile.MaxTimeNoResponse))
	} else {
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
