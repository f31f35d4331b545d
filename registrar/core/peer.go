package core

import (
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
	listDue bool // and has not answered yet
	greeted bool // asked to introduce itself
	// claimant asked to take the peer over and waits for an acknowledgement.
	claimant rserpool.RegistrarID
	fetch    *fetch
	exchange exchange
	partial  *enrp.TablePlace // how far its table got during the start-up
	audit    audit
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
	}
	r.peerUnreachable(now, c, reason)
	if r.phase == phaseStarting {
		r.tryColdStart(now)
	}
}

// peerUnreachable goes on without the connection with a peer.
func (r *Registrar) peerUnreachable(now time.Time, c *conn, reason string) {
	p := r.peers[c.peer]
	if p == nil || p.conn != c.id {
		return
	}
	p.conn = 0
	p.listed = false // the answer may be lost; and others may be known by then
	r.pauseSync(now, p)
	for _, o := range r.links.enrp {
		if o.up && (o.peer == p.id || o.peer == 0 && sameEndpoint(o.confirmed(), c.remote)) {
			o.peer, p.conn = p.id, o.id
			r.resumeSync(now, p)
			return
		}
	}
	if r.phase == phaseDraining {
		return
	}
	r.mentorFailed(now, p)
	r.reconnect(now, p)
	if p.state == peerActive {
		r.suspect(now, p, "connection lost: "+reason)
	}
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

// makeRoom lets a registrar that has come itself join although the list of peers is
// full: one that is known from lists only makes way, so that a peer that names many
// (RFC 5355 §2.12) does not keep the others out. Who is configured comes in any case.
func (r *Registrar) makeRoom(now time.Time, c *conn) {
	if len(r.peers) < r.limits.Peers {
		return
	}
	for _, p := range r.sortedPeers() {
		if p.state == peerHeardOf && p.info == nil && p.conn == 0 && r.space.OwnedLen(p.id) == 0 {
			r.removePeer(now, p, "makes room")
			return
		}
	}
	if !r.configured(c.confirmed().Addrs) {
		return
	}
	for _, p := range r.sortedPeers() {
		if p.info == nil || !r.configured(p.info.Transport.Addrs) {
			r.removePeer(now, p, "makes room for a configured one")
			return
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
