package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

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
	if !r.allows(OpPeer, c, "") {
		return false
	}
	return !r.cfg.ClosedPeers || slices.ContainsFunc(r.targets, func(t *target) bool {
		return t.static && overlap(t.at.Addrs, c.confirmed().Addrs)
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
	if p.info == nil || !r.mayDial(p.info.Transport.Addrs) {
		return
	}
	if t := r.addTarget(p.info.Transport, false); t != nil {
		t.peer = p.id
		r.dialTarget(now, t)
	}
}

// mayDial reports whether addresses that somebody has named may be those of a peer.
func (r *Registrar) mayDial(addrs []netip.Addr) bool {
	return (!r.cfg.ClosedPeers || r.configured(addrs)) && r.cfg.Access.Allows(OpPeer, firstAddr(addrs), "")
}

func (r *Registrar) configured(addrs []netip.Addr) bool {
	return slices.ContainsFunc(r.targets, func(t *target) bool { return t.static && overlap(t.at.Addrs, addrs) })
}
