package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// claim is an attempt of this registrar to take over a dead peer (RFC 5353 §3.5).
type claim struct {
	waiting map[rserpool.RegistrarID]bool // whose acknowledgement is missing
	rounds  int                           // announcements so far
}

// maxTakeoverRounds is how often an INIT_TAKEOVER is sent to peers that are alive
// and do not acknowledge it. RFC 5353 waits for all of them for ever; but
// a mere prober of the ENRP port is a peer too, and would keep the elements of a
// dead registrar orphaned.
const maxTakeoverRounds = 3

// startTakeover begins the arbitration: all peers are asked, the target too, and
// those believed alive have to agree (RFC 5353 §3.5.1). Where there is no third
// registrar it is over at once.
func (r *Registrar) startTakeover(now time.Time, p *peer) {
	p.state = peerTaking
	c := &claim{waiting: make(map[rserpool.RegistrarID]bool)}
	r.takeovers[p.id] = c
	r.stats.TakeoversStarted++
	r.event(Event{Kind: EventTakeoverStarted, Registrar: p.id})
	for _, o := range r.sortedPeers() {
		if o.info != nil && (o.state == peerActive || o.state == peerSuspect) {
			c.waiting[o.id] = true
		}
	}
	r.unawait(now, p.id) // for takeovers of others it has no say any more
	r.broadcast(func(o *peer) enrp.Message {
		return &enrp.InitTakeover{Sender: r.id, Receiver: o.id, Target: p.id}
	})
	c.rounds = 1
	r.timers.set(timerKey{kind: timerTakeover, id: uint64(p.id)}, now.Add(r.profile.MaxTimeNoResponse))
	r.checkTakeover(now, p.id)
}

// takeoverTimeout asks those again that have not answered.
func (r *Registrar) takeoverTimeout(now time.Time, target rserpool.RegistrarID) {
	c := r.takeovers[target]
	if c == nil {
		return
	}
	if c.rounds >= maxTakeoverRounds {
		r.forceTakeover(now, c, target)
		return
	}
	c.rounds++
	r.broadcast(func(o *peer) enrp.Message {
		if !c.waiting[o.id] {
			return nil
		}
		return &enrp.InitTakeover{Sender: r.id, Receiver: o.id, Target: target}
	})
	r.timers.set(timerKey{kind: timerTakeover, id: uint64(target)}, now.Add(r.profile.MaxTimeNoResponse))
}

// forceTakeover ends the waiting. Peers of this implementation have a reason when
// they do not agree: they hear the target, or take it over themselves. Then the
// target is watched on. Others are taken for probers.
func (r *Registrar) forceTakeover(now time.Time, c *claim, target rserpool.RegistrarID) {
	for id := range c.waiting {
		if p := r.peers[id]; p != nil && !p.foreign {
			t := r.peers[target]
			r.abandonTakeover(t, "peers do not agree")
			r.suspect(now, t, "silent, but peers hear it")
			return
		}
	}
	clear(c.waiting)
	r.checkTakeover(now, target)
}

// wins decides the arbitration with another registrar that takes over the same
// target: by RFC 5353 §3.5.1 2A the larger identifier wins, by rsplib the smaller.
func (r *Registrar) wins(other rserpool.RegistrarID) bool {
	smaller := r.profile.Arbitration == ArbitrationSmaller
	if r.profile.Arbitration == ArbitrationAuto {
		for _, p := range r.peers {
			smaller = smaller || p.foreign
		}
	}
	return (r.id < other) == smaller
}

// initTakeover handles an INIT_TAKEOVER (RFC 5353 §3.5.1).
func (r *Registrar) initTakeover(now time.Time, from *peer, target rserpool.RegistrarID) {
	switch {
	case target == r.id: // 1: "MUST immediately announce an ENRP_PRESENCE"
		r.announcePresence(false)
		return
	case target == from.id:
		r.refused(from, "takeover of itself")
		return
	case !r.mayTakeOver(from):
		r.refused(from, "takeover is denied")
		return
	}
	t := r.peers[target]
	if t == nil {
		r.ackTakeover(from.id, target)
		return
	}
	if r.takeovers[target] != nil { // 2
		if r.wins(from.id) {
			return // 2B: ignore
		}
		r.abandonTakeover(t, from.id.String()+" takes it over")
		r.yieldTo(now, t, from.id) // 2A
		return
	}
	if r.profile.HoldTakeoverAck && t.state == peerActive && t.conn != 0 && now.Sub(t.lastHeard) < r.profile.MaxTimeLastHeard {
		r.suspect(now, t, from.id.String()+" wants to take it over")
		t.claimant = from.id
		return
	}
	r.yieldTo(now, t, from.id) // 3
}

// mayTakeOver reports whether a peer may take over another.
func (r *Registrar) mayTakeOver(from *peer) bool {
	c := r.links.byID[from.conn]
	return c != nil && r.allows(OpTakeOver, c, "")
}

// yieldTo leaves a peer to a registrar that takes it over: the peer is not
// monitored for a while, and the takeover acknowledged.
func (r *Registrar) yieldTo(now time.Time, t *peer, to rserpool.RegistrarID) {
	t.state, t.claimant = peerClaimed, to
	r.timers.set(timerKey{kind: timerPeer, id: uint64(t.id)}, now.Add(r.profile.TakeoverGuard))
	r.ackTakeover(to, t.id)
	r.unawait(now, t.id)
}

func (r *Registrar) ackTakeover(to, target rserpool.RegistrarID) {
	if p := r.peers[to]; p != nil {
		r.tell(p, &enrp.InitTakeoverAck{Sender: r.id, Receiver: to, Target: target})
	}
}

// initTakeoverAck counts an acknowledgement.
func (r *Registrar) initTakeoverAck(now time.Time, from *peer, target rserpool.RegistrarID) {
	c := r.takeovers[target]
	if c == nil || !c.waiting[from.id] {
		r.stats.Dropped++
		return
	}
	delete(c.waiting, from.id)
	r.checkTakeover(now, target)
}

// unawait stops waiting for a peer that cannot answer any more.
func (r *Registrar) unawait(now time.Time, id rserpool.RegistrarID) {
	targets := make([]rserpool.RegistrarID, 0, len(r.takeovers))
	for t, c := range r.takeovers {
		if c.waiting[id] {
			targets = append(targets, t)
		}
	}
	slices.Sort(targets)
	for _, t := range targets {
		if c := r.takeovers[t]; c != nil {
			delete(c.waiting, id)
			r.checkTakeover(now, t)
		}
	}
}

// abandonTakeover stops this registrar's own attempt.
func (r *Registrar) abandonTakeover(t *peer, reason string) {
	if r.takeovers[t.id] == nil {
		return
	}
	delete(r.takeovers, t.id)
	r.timers.stop(timerKey{kind: timerTakeover, id: uint64(t.id)})
	r.stats.TakeoversAborted++
	r.event(Event{Kind: EventTakeoverAborted, Registrar: t.id, Reason: reason})
}

// checkTakeover enforces the takeover once all have agreed (RFC 5353 §3.5.2): the
// peers are told, the target is forgotten, and each of its elements is asked to
// take this registrar as its home.
func (r *Registrar) checkTakeover(now time.Time, target rserpool.RegistrarID) {
	c, t := r.takeovers[target], r.peers[target]
	if c == nil || t == nil || len(c.waiting) > 0 {
		return
	}
	delete(r.takeovers, target)
	r.broadcast(func(o *peer) enrp.Message {
		if o == t {
			return nil
		}
		return &enrp.TakeoverServer{Sender: r.id, Receiver: o.id, Target: target}
	})
	els := r.space.TakeOver(target, r.id)
	r.removePeer(now, t, "taken over")
	r.stats.TakeoversWon++
	r.event(Event{Kind: EventTakeover, Registrar: target, Count: len(els)})
	for _, el := range els {
		e := r.entryOf(el.Key())
		e.takenFrom = target
		r.adopt(now, e, el)
	}
	r.announcePresence(false) // with the new checksum
}

// adopt makes an element this registrar's that has not registered here: it is
// asked by keep-alive with H flag, on an association to its ASAP endpoint
// (RFC 5353 §3.5.2 step 2).
func (r *Registrar) adopt(now time.Time, e *entry, el handlespace.Element) {
	var source netip.Addr
	if el.ASAP != nil {
		source = r.source(firstAddr(el.ASAP.Addrs))
	}
	r.own(e, source)
	r.setLife(now, el)
	e.assert, e.pause, e.until = true, 0, time.Time{}
	if e.conn != 0 {
		e.asking = false
		r.sendKeepAlive(now, e)
		return
	}
	r.await(now, e)
	r.reach(now, e)
}

// takeoverServer handles a TAKEOVER_SERVER (RFC 5353 §3.5.2): the elements of the
// target have a new home. It is believed only about peers that are not known to
// be alive; rsplib believes it about anybody, itself included, so that one
// message can take its handlespace away.
func (r *Registrar) takeoverServer(now time.Time, from *peer, target rserpool.RegistrarID) {
	t := r.peers[target]
	switch {
	case target == r.id:
		r.refused(from, "takeover of this registrar")
		r.announcePresence(false)
		return
	case !r.mayTakeOver(from):
		r.refused(from, "takeover is denied")
		return
	case target == from.id, t != nil && t.state == peerActive:
		r.refused(from, "takeover of "+target.String()+", which is alive")
		return
	}
	els := r.space.TakeOver(target, from.id)
	if t != nil {
		r.abandonTakeover(t, "taken over by "+from.id.String())
		r.removePeer(now, t, "taken over by "+from.id.String())
	}
	r.event(Event{Kind: EventTakenOver, Registrar: target, By: from.id, Count: len(els)})
}
