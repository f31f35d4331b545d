package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// heartbeat announces this registrar to all peers each PEER-HEARTBEAT-CYCLE
// (RFC 5353 §3.4.2).
func (r *Registrar) heartbeat(now time.Time) {
	for _, p := range r.sortedPeers() {
		if c := r.links.byID[p.conn]; c != nil {
			r.sendPresence(c, p.id, false)
		}
	}
	r.multicastPresence()
	r.timers.set(timerKey{kind: timerHeartbeat}, now.Add(r.jitter(r.profile.Heartbeat, 8)))
}

// announcePresence tells all peers that this registrar is there, and with it
// the checksum of its elements (RFC 5353 §3.6.1).
func (r *Registrar) announcePresence(replyRequired bool) {
	for _, p := range r.sortedPeers() {
		if c := r.links.byID[p.conn]; c != nil {
			r.sendPresence(c, p.id, replyRequired)
		}
	}
}

// sendPresence sends a PRESENCE with checksum and server information: RFC 5353
// §2.1 makes them optional in part, rsplib reads only messages with both.
func (r *Registrar) sendPresence(c *conn, to rserpool.RegistrarID, replyRequired bool) {
	m := &enrp.Presence{
		Sender: r.id, Receiver: to, ReplyRequired: replyRequired,
		Checksum: r.ownChecksum(r.peers[c.peer]), HasChecksum: true,
	}
	if info := r.serverInfo(c); len(info.Transport.Addrs) > 0 {
		m.Server = &info
	}
	r.send(c, m)
}

// serverInfo is where the other side of c can reach this registrar. The address and
// port must be of the association that it is sent on, or rsplib does not
// believe it.
func (r *Registrar) serverInfo(c *conn) rserpool.ServerInfo {
	t := r.cfg.ENRP.Clone()
	t.Protocol, t.Use = rserpool.ProtoSCTP, rserpool.UseData
	if len(t.Addrs) == 0 {
		t.Addrs = c.local
	}
	return rserpool.ServerInfo{ID: r.id, Transport: t}
}

// heard notes a sign of life (RFC 5353 §3.4.3: "a message of any type"). It ends
// suspicion and stops a takeover (§3.5.1).
func (r *Registrar) heard(now time.Time, p *peer) {
	p.lastHeard, p.claimant = now, 0
	switch p.state {
	case peerTaking:
		r.abandonTakeover(p, "the target is alive")
		fallthrough
	case peerSuspect, peerClaimed:
		p.state = peerHeardOf
		if p.info != nil {
			p.state = peerActive
		}
		r.timers.set(timerKey{kind: timerPeer, id: uint64(p.id)}, now.Add(r.profile.MaxTimeLastHeard))
	}
}

// presence handles a PRESENCE.
func (r *Registrar) presence(now time.Time, c *conn, p *peer, m *enrp.Presence) {
	if m.Server != nil && m.Server.ID == p.id {
		info := *m.Server
		info.Transport = r.believable(c, info.Transport)
		if len(info.Transport.Addrs) == 0 || info.Transport.Port == 0 {
			// It is dialed where it was last then, and others are told that.
			info.Transport.Addrs, info.Transport.Port = c.confirmed().Addrs, c.remote.Port
		}
		p.info = &info
		p.foreign = info.Transport.UDPPort == 0
	}
	isNew := p.state == peerHeardOf && p.info != nil
	if isNew {
		p.state = peerActive
		r.event(Event{Kind: EventPeerUp, Registrar: p.id})
	}
	if o := r.links.byID[p.conn]; o != nil {
		c = o // the one that came with the message may have been given up
	}
	if m.ReplyRequired || isNew {
		// §3.4.1: a new peer is asked to introduce itself; one whose message has
		// its server information has done so.
		r.sendPresence(c, p.id, p.info == nil)
	}
	if p.info == nil {
		return
	}
	if r.phase == phaseStarting {
		if m.ReplyRequired && !isNew {
			delete(r.mentors.rejected, p.id) // it asks around: its start-up has ended
		}
		r.mentorFound(now, p)
		return
	}
	if isNew {
		r.welcome(p)
	}
	if !p.listed {
		r.askList(p)
	}
	r.resumeSync(now, p)
	if m.HasChecksum {
		r.auditPeer(now, p, m.Checksum)
	}
}

// peerTimeout looks after a peer that may have been silent for too long.
func (r *Registrar) peerTimeout(now time.Time, id rserpool.RegistrarID) {
	p := r.peers[id]
	if p == nil {
		return
	}
	switch p.state {
	case peerHeardOf, peerActive:
		if due := p.lastHeard.Add(r.profile.MaxTimeLastHeard); due.After(now) {
			r.timers.set(timerKey{kind: timerPeer, id: uint64(id)}, due)
			return
		}
		r.suspect(now, p, "silent")
	case peerSuspect:
		if p.claimant != 0 {
			r.yieldTo(now, p, p.claimant)
			return
		}
		r.peerDead(now, p)
	case peerClaimed:
		// Whoever wanted to take it over has not done so.
		p.state = peerActive
		r.suspect(now, p, "not taken over by "+p.claimant.String())
	}
}

// suspect asks a silent peer for a sign of life (RFC 5353 §3.4.3) and gives it
// MAX-TIME-NO-RESPONSE for it.
func (r *Registrar) suspect(now time.Time, p *peer, reason string) {
	p.state = peerSuspect
	p.claimant = 0
	if c := r.links.byID[p.conn]; c != nil {
		r.sendPresence(c, p.id, true)
	} else {
		r.reconnect(now, p)
	}
	if p.info != nil {
		r.event(Event{Kind: EventPeerSuspect, Registrar: p.id, Reason: reason})
	}
	r.timers.set(timerKey{kind: timerPeer, id: uint64(p.id)}, now.Add(r.profile.MaxTimeNoResponse))
}

// peerDead ends a peer that did not answer, and initiates the takeover of its
// elements, if it has any (RFC 5353 §3.4.3).
func (r *Registrar) peerDead(now time.Time, p *peer) {
	if r.phase == phaseReady && r.space.OwnedLen(p.id) > 0 {
		r.startTakeover(now, p)
		return
	}
	if r.phase != phaseReady && r.space.OwnedLen(p.id) > 0 {
		p.state = peerActive // its elements are somebody's business later
		r.suspect(now, p, "silent")
		return
	}
	r.removePeer(now, p, "dead")
}

// welcome handles the first PRESENCE of a peer. If its elements were taken over
// from it, it is back and does not know: it is told whose they are before it
// claims them again.
func (r *Registrar) welcome(p *peer) {
	for _, k := range sortedKeys(r.entries) {
		e := r.entries[k]
		if e.takenFrom != p.id {
			continue
		}
		e.takenFrom = 0
		if el, ok := r.lookup(k); ok && el.Home == r.id && e.live() {
			r.sendUpdate(p, enrp.AddPE, el, false)
		}
	}
}
