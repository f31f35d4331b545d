package core

import (
	"fmt"
	"net/netip"

	"github.com/rserpool/rserpool/rserpool"
)

// Check verifies that the tables of the registrar agree with each other. Tests call
// it after every input.
func (r *Registrar) Check() error {
	if err := r.checkEntries(); err != nil {
		return err
	}
	if err := r.checkConns(); err != nil {
		return err
	}
	return r.checkPeers()
}

func (r *Registrar) checkEntries() error {
	sources := map[netip.Addr]int{}
	for k, e := range r.entries {
		el, ok := r.lookup(k)
		timers := map[timerKind]bool{}
		for _, kind := range []timerKind{timerKeepAlive, timerKeepAliveTimeout, timerLink, timerElementDial} {
			timers[kind] = r.timers.running(elementTimer(kind, k))
		}
		switch {
		case e.owned != (ok && el.Home == r.id):
			return fmt.Errorf("%s: owned %v, in the handlespace %v with home %s", k, e.owned, ok, el.Home)
		case e.ghost != nil && ok:
			return fmt.Errorf("%s: ghost of an element that is there", k)
		case e.conn != 0 && (r.links.byID[e.conn] == nil || !r.links.byID[e.conn].up):
			return fmt.Errorf("%s: on connection %d, which is not up", k, e.conn)
		case e.asking && !timers[timerKeepAliveTimeout]:
			return fmt.Errorf("%s: asked without timer", k)
		case e.owned && e.conn == 0 && !timers[timerLink]:
			return fmt.Errorf("%s: without connection and without timer", k)
		case e.owned && e.conn != 0 && !timers[timerKeepAlive] && !timers[timerKeepAliveTimeout]:
			return fmt.Errorf("%s: never asked", k)
		case !e.owned && e.conn == 0 && !timers[timerLink]:
			return fmt.Errorf("%s: kept for nothing", k)
		}
		if e.owned {
			sources[e.source]++
		}
		if c := r.links.byID[e.conn]; c != nil {
			if !c.held.has(k) {
				return fmt.Errorf("%s: not on its connection's list", k)
			}
		}
	}
	if len(sources) != len(r.sources) {
		return fmt.Errorf("%d sources counted, %d are", len(r.sources), len(sources))
	}
	for a, n := range sources {
		if r.sources[a] != n {
			return fmt.Errorf("%d elements of %s counted, %d are", r.sources[a], a, n)
		}
	}
	for _, el := range r.space.Owned(r.id) {
		if e := r.entries[el.Key()]; r.phase != phaseStarting && (e == nil || !e.owned) {
			return fmt.Errorf("%s: owned without entry", el.Key())
		}
	}
	return nil
}

func (r *Registrar) checkConns() error {
	asap := 0
	for id, c := range r.links.byID {
		pools := map[rserpool.PoolHandle]int{}
		for k := range c.held.all() {
			if e := r.entries[k]; e == nil || e.conn != id {
				return fmt.Errorf("connection %d holds %s, which is not on it", id, k)
			}
			pools[k.Handle]++
		}
		for h, n := range pools {
			if c.held.inPool(h) != n {
				return fmt.Errorf("connection %d: %d elements of %s, %d counted", id, n, h, c.held.inPool(h))
			}
		}
		if c.channel == ASAP && c.up && !c.tcp {
			asap++
		}
		if c.channel == ASAP && c.dialed && c.up && c.held.count() == 0 && len(c.subs) == 0 {
			return fmt.Errorf("connection %d is open for nothing", id)
		}
		for h := range c.subs {
			if _, ok := r.subs[h][id]; !ok {
				return fmt.Errorf("connection %d: subscription to %s not listed", id, h)
			}
		}
	}
	for _, ids := range r.links.asap {
		for _, id := range ids {
			asap--
			if r.links.byID[id] == nil {
				return fmt.Errorf("connection %d listed by endpoint is gone", id)
			}
		}
	}
	if asap != 0 {
		return fmt.Errorf("%d connections not listed by endpoint", asap)
	}
	for at, id := range r.dials.pending {
		if c := r.links.byID[id]; c == nil || c.up {
			return fmt.Errorf("dial %d of %v is not pending", id, at)
		}
	}
	return nil
}

func (r *Registrar) checkPeers() error {
	for id, p := range r.peers {
		key := timerKey{kind: timerPeer, id: uint64(id)}
		switch c := r.links.byID[p.conn]; {
		case p.conn != 0 && (c == nil || !c.up || c.peer != id):
			return fmt.Errorf("peer %s: connection %d is not its own", id, p.conn)
		case p.state == peerTaking && r.takeovers[id] == nil:
			return fmt.Errorf("peer %s: no takeover", id)
		case p.state != peerTaking && r.takeovers[id] != nil:
			return fmt.Errorf("peer %s: takeover in state %s", id, p.state)
		case p.state != peerTaking && !r.timers.running(key):
			return fmt.Errorf("peer %s: state %s without timer", id, p.state)
		case p.state == peerActive && p.info == nil:
			return fmt.Errorf("peer %s: active without introduction", id)
		case p.fetch != nil && !r.timers.running(timerKey{kind: timerSync, id: uint64(id)}):
			return fmt.Errorf("peer %s: fetch without timer", id)
		}
	}
	for _, t := range r.targets {
		if c := r.links.byID[t.conn]; t.conn != 0 && (c == nil || c.target != t) {
			return fmt.Errorf("target %d: connection %d is not its own", t.id, t.conn)
		}
	}
	if len(r.peers) < r.limits.Peers {
		for _, id := range r.space.Owners() {
			if id != r.id && r.peers[id] == nil && r.phase != phaseDraining {
				return fmt.Errorf("owner %s is not watched", id)
			}
		}
	}
	return nil
}
