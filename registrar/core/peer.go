package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// peerState is what this registrar thinks of a peer.
type peerState uint8

const (
	peerHeardOf peerState = iota // known by name; has not introduced itself
	peerActive                   // has introduced itself by a PRESENCE
	peerSuspect                  // silent, and asked for a sign of life
	peerClaimed                  // somebody else takes it over; not monitored
	peerTaking                   // this registrar takes it over
)

var peerStateNames = [...]string{"unknown", "active", "suspect", "inactive", "takeover"}

// String names the state for the status page.
func (s peerState) String() string { return peerStateNames[s] }

// peer is another registrar (RFC 5353 §3.4).
type peer struct {
	id        rserpool.RegistrarID
	state     peerState
	lastHeard time.Time // peer_last_heard
	conn      ConnID    // where it is spoken to; 0 none
	info      *rserpool.ServerInfo
	// foreign says that it is of another implementation: its server information
	// has no UDP port. See LifeAuto and ArbitrationAuto.
	foreign bool
	listed  bool // asked for its peer list
	greeted bool // asked to introduce itself
	// claimant asked to take the peer over and waits for an acknowledgement.
	claimant rserpool.RegistrarID
	fetch    *fetch
	audit    audit
}

// target is an address at which a peer may be reached.
type target struct {
	id     uint64
	at     rserpool.Transport
	static bool // configured; never forgotten
	self   bool // this registrar itself
	conn   ConnID
	peer   rserpool.RegistrarID // who is there; 0 not known
	pause  time.Duration        // before the next attempt
	failed bool                 // the last attempt failed
}

// mayJoin reports whether a registrar may open a connection.
func (r *Registrar) mayJoin(c *conn) bool {
	return !r.cfg.ClosedPeers || slices.ContainsFunc(r.targets, func(t *target) bool {
		return t.static && overlap(t.at.Addrs, c.remote.Addrs)
	})
}

// addTarget notes an address to dial; nil if it is known already.
func (r *Registrar) addTarget(at rserpool.Transport, static bool) *target {
	if slices.ContainsFunc(r.targets, func(t *target) bool { return sameEndpoint(t.at, at) }) {
		return nil
	}
	t := &target{at: at.Clone(), static: static}
	if n := len(r.targets); n > 0 {
		t.id = r.targets[n-1].id
	}
	t.id++
	t.at.Use = rserpool.UseData
	t.self = sameEndpoint(at, r.cfg.ENRP)
	r.targets = append(r.targets, t)
	return t
}

func (r *Registrar) targetOf(id uint64) *target {
	for _, t := range r.targets {
		if t.id == id {
			return t
		}
	}
	return nil
}

// dialTarget opens a connection to t unless there is one.
func (r *Registrar) dialTarget(now time.Time, t *target) {
	if t.self || t.conn != 0 || r.phase == phaseDraining {
		return
	}
	if p := r.peers[t.peer]; p != nil && p.conn != 0 {
		return
	}
	if r.connectedTo(t) {
		r.retryTarget(now, t) // it has dialed first; who it is will be heard
		return
	}
	c := r.links.add(ENRP, t.at)
	c.dialed, c.target, t.conn = true, t, c.id
	r.actions.push(Action{Kind: Dial, Conn: c.id, Channel: ENRP, To: t.at})
}

func (r *Registrar) dialTimeout(now time.Time, id uint64) {
	if t := r.targetOf(id); t != nil {
		r.dialTarget(now, t)
	}
}

// retryTarget dials again after a pause that doubles.
func (r *Registrar) retryTarget(now time.Time, t *target) {
	t.pause = min(max(2*t.pause, r.profile.DialRetryMin), r.profile.DialRetryMax)
	r.timers.set(timerKey{kind: timerDial, id: t.id}, now.Add(r.jitter(t.pause, 4)))
}

// peerConnected introduces this registrar on a new connection: the one that has
// opened it asks for the other's introduction (RFC 5353 §3.4.1).
func (r *Registrar) peerConnected(now time.Time, c *conn) {
	if r.isSelf(c) {
		if c.target != nil {
			c.target.self = true
		}
		r.shut(now, c)
		return
	}
	if c.target != nil {
		c.target.pause, c.target.failed = 0, false
	}
	if c.dialed {
		r.sendPresence(c, 0, true)
	}
}

// isSelf reports whether c connects this registrar with itself.
func (r *Registrar) isSelf(c *conn) bool {
	return c.remote.Port == r.cfg.ENRP.Port && udpPort(c.remote) == udpPort(r.cfg.ENRP) &&
		(overlap(c.remote.Addrs, c.local) || overlap(c.remote.Addrs, r.cfg.ENRP.Addrs))
}

// peerConnLost handles the end of an ENRP connection, or of the attempt to open
// one. A peer without a connection is suspect at once: that is how the
// crash of a process that its system reports is noticed early.
func (r *Registrar) peerConnLost(now time.Time, c *conn, wasUp bool, reason string) {
	if t := c.target; t != nil && t.conn == c.id {
		t.conn = 0
		t.failed = !wasUp
		r.retryTarget(now, t)
		r.mentorFailed(now, t)
	}
	p := r.peers[c.peer]
	if p == nil || p.conn != c.id {
		return
	}
	p.conn = 0
	r.endSync(p)
	for _, o := range r.links.enrp {
		if o.up && (o.peer == p.id || o.peer == 0 && sameEndpoint(o.remote, c.remote)) {
			o.peer, p.conn = p.id, o.id
			return
		}
	}
	if r.phase == phaseDraining {
		return
	}
	r.reconnect(now, p)
	if p.state == peerActive {
		r.suspect(now, p, "connection lost: "+reason)
	}
}

// reconnect dials a peer at its configured or announced address.
func (r *Registrar) reconnect(now time.Time, p *peer) {
	for _, t := range r.targets {
		if t.peer == p.id || p.info != nil && sameEndpoint(t.at, p.info.Transport) {
			t.peer, t.pause = p.id, 0
			r.timers.stop(timerKey{kind: timerDial, id: t.id})
			r.dialTarget(now, t)
			return
		}
	}
	if p.info == nil || r.cfg.ClosedPeers && !r.configured(p.info.Transport.Addrs) {
		return
	}
	if t := r.addTarget(p.info.Transport, false); t != nil {
		t.peer = p.id
		r.dialTarget(now, t)
	}
}

func (r *Registrar) configured(addrs []netip.Addr) bool {
	return slices.ContainsFunc(r.targets, func(t *target) bool { return t.static && overlap(t.at.Addrs, addrs) })
}

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
		if o := r.links.byID[p.conn]; o != nil && !sameEndpoint(o.remote, c.remote) {
			// Two registrars with one identifier, or one that pretends: the one that
			// was there first and is alive counts.
			r.refused(p, "identifier in use, also claimed at "+c.remote.String())
			r.abort(now, c, "identifier in use")
			return nil
		}
	}
	if p == nil {
		if p = r.newPeer(now, from); p == nil {
			r.abort(now, c, "too many peers")
			return nil
		}
	}
	r.rename(now, c, p)
	return p
}

// newPeer adds a peer to the list, nil if the list is full.
func (r *Registrar) newPeer(now time.Time, id rserpool.RegistrarID) *peer {
	if len(r.peers) >= r.limits.Peers {
		r.stats.Refused++
		return nil
	}
	p := &peer{id: id, lastHeard: now}
	r.peers[id] = p
	r.timers.set(timerKey{kind: timerPeer, id: uint64(id)}, now.Add(r.profile.MaxTimeLastHeard))
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
	for _, t := range r.targets {
		if t == c.target || sameEndpoint(t.at, c.remote) {
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

// removePeer forgets a peer. Configured addresses are tried on.
func (r *Registrar) removePeer(now time.Time, p *peer, reason string) {
	introduced := p.info != nil
	delete(r.peers, p.id)
	r.endSync(p)
	for _, k := range []timerKind{timerPeer, timerSync, timerTakeover} {
		r.timers.stop(timerKey{kind: k, id: uint64(p.id)})
	}
	delete(r.takeovers, p.id)
	for _, c := range slices.Clone(r.links.enrp) {
		if c.peer == p.id {
			r.abort(now, c, reason)
		}
	}
	r.targets = slices.DeleteFunc(r.targets, func(t *target) bool {
		if t.peer != p.id || t.static {
			return false
		}
		r.timers.stop(timerKey{kind: timerDial, id: t.id})
		if c := r.links.byID[t.conn]; c != nil {
			t.conn, c.target = 0, nil
			r.abort(now, c, reason)
		}
		return true
	})
	for _, t := range r.targets {
		if t.peer == p.id {
			t.peer = 0
			if t.conn == 0 && !r.timers.running(timerKey{kind: timerDial, id: t.id}) {
				r.retryTarget(now, t)
			}
		}
	}
	if introduced {
		r.event(Event{Kind: EventPeerDown, Registrar: p.id, Reason: reason})
	}
	r.unawait(now, p.id)
}

// sortedPeers returns the peers in the order of their identifiers.
func (r *Registrar) sortedPeers() []*peer {
	ps := make([]*peer, 0, len(r.peers))
	for _, p := range r.peers {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *peer) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return ps
}

// broadcast sends a message to every peer that there is a connection with;
// make builds it for one receiver. RFC 5353 §3.1 calls this a group-cast.
func (r *Registrar) broadcast(build func(p *peer) enrp.Message) {
	for _, p := range r.sortedPeers() {
		if m := build(p); m != nil {
			r.tell(p, m)
		}
	}
}

// tell sends a message to a peer if there is a connection with it.
func (r *Registrar) tell(p *peer, m enrp.Message) bool {
	c := r.links.byID[p.conn]
	if c == nil {
		return false
	}
	r.send(c, m)
	return c.up
}
