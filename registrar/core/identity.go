package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// bind finds out who speaks on a connection. It returns nil if the message is
// not to be believed.
func (r *Registrar) bind(now time.Time, c *conn, m enrp.Message) *peer {
	from := m.From()
	p := r.peers[from]
	if c.peer == from && p != nil {
		if p.conn == 0 {
			p.conn = c.id
		}
		return p
	}
	_, introduces := m.(*enrp.Presence)
	if old := r.peers[c.peer]; c.peer != from && old != nil && !introduces {
		// Another identifier on a connection is news, and news begins with a
		// PRESENCE; otherwise it is one peer speaking for another.
		r.refused(old, "message in the name of "+from.String())
		return nil
	}
	if p != nil && p.conn != 0 && p.state == peerActive {
		if o := r.links.byID[p.conn]; o != nil && !sameEndpoint(o.remote, c.confirmed()) {
			// Two registrars with one identifier, or one that pretends: the one that
			// was there first and is alive counts.
			r.refused(p, "identifier in use, also claimed at "+c.remote.String())
			r.abort(now, c, "identifier in use")
			return nil
		}
	}
	if p == nil {
		r.makeRoom(now, c)
		if p = r.newPeer(now, from); p == nil {
			r.abort(now, c, "too many peers")
			return nil
		}
	}
	r.rename(now, c, p)
	return p
}

// rename makes p the one that speaks on c. Of two connections with the same peer
// both sides keep the one that the larger identifier has opened; of two
// opened by the same side the newer, because who opens a second one has lost the
// first.
func (r *Registrar) rename(now time.Time, c *conn, p *peer) {
	if old := r.peers[c.peer]; old != nil && old != p && old.conn == c.id {
		old.conn = 0
		r.endSync(old)
		if old.state == peerActive {
			r.suspect(now, old, "goes by "+p.id.String()+" now")
		}
	}
	c.peer = p.id
	r.timers.stop(timerKey{kind: timerRetire, id: uint64(c.id)})
	remote := c.confirmed()
	for _, t := range r.targets {
		if t == c.target || sameEndpoint(t.at, remote) {
			t.peer = p.id
			r.timers.stop(timerKey{kind: timerDial, id: t.id})
		}
	}
	old := r.links.byID[p.conn]
	if old == nil || old == c || !old.up {
		p.conn = c.id
		return
	}
	loser := old
	if old.dialed != c.dialed && old.dialed == (r.id > p.id) {
		loser = c
	}
	if loser == old {
		p.conn = c.id
	}
	// What is on its way on the other one should still arrive.
	r.timers.set(timerKey{kind: timerRetire, id: uint64(loser.id)}, now.Add(r.profile.MaxTimeNoResponse))
}

// ownIdentifier handles a message from another registrar with this one's
// identifier (RFC 5353 §3.2.1). While there is nothing to lose, or if its
// endpoint is the larger of the two, this registrar draws a new one; otherwise a
// PRESENCE tells the other to do so.
func (r *Registrar) ownIdentifier(now time.Time, c *conn) {
	mine := r.serverInfo(c).Transport
	if r.phase == phaseStarting || compareEndpoints(mine, c.remote) > 0 {
		r.redraw(now)
		r.sendPresence(c, 0, true)
		return
	}
	r.sendPresence(c, 0, false)
}

func compareEndpoints(a, b rserpool.Transport) int {
	x, y := endpointOf(a), endpointOf(b)
	switch {
	case x.addr != y.addr:
		return x.addr.Compare(y.addr)
	case x.port != y.port:
		return int(x.port) - int(y.port)
	}
	return int(x.udpPort) - int(y.udpPort)
}

// redraw gives this registrar a new identifier. Its elements are announced under
// it and asserted by keep-alives.
func (r *Registrar) redraw(now time.Time) {
	old := r.id
	for r.id == old || r.id == 0 || r.peers[r.id] != nil {
		r.id = rserpool.RegistrarID(r.rnd.Uint32())
	}
	r.event(Event{Kind: EventIdentifier, Registrar: r.id, Reason: old.String() + " is in use elsewhere"})
	for _, k := range sortedKeys(r.entries) {
		e := r.entries[k]
		if el, ok := r.lookup(k); ok && el.Home == old {
			r.rehome(now, e, el)
		}
	}
}
