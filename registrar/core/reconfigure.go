package core

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Reconfigure takes over what may change while a registrar runs: Peers, ClosedPeers,
// SuggestTakeovers, Access, Permit, StrictAddresses and Limits of the configuration.
// Its other fields are not looked at. An error means that nothing has changed.
//
// What the old configuration allowed and the new one does not ends now: elements that
// this registrar is the home of are removed, and told so as at the end of their life;
// subscriptions end; peers are dropped together with their elements. Limits count for
// what comes from now on, and take nothing away that is there.
func (r *Registrar) Reconfigure(now time.Time, cfg Config) error {
	if err := checkPeers(cfg.Peers); err != nil {
		return err
	}
	old := r.cfg
	r.cfg.Peers, r.cfg.ClosedPeers, r.cfg.SuggestTakeovers = cfg.Peers, cfg.ClosedPeers, cfg.SuggestTakeovers
	r.cfg.Access, r.cfg.Permit, r.cfg.StrictAddresses = cfg.Access, cfg.Permit, cfg.StrictAddresses
	r.setLimits(cfg.Limits)
	before := r.peering()
	r.setPeers(now, cfg.Peers)
	r.expelPeers(now, old, before)
	r.expelElements(now, old)
	r.expelSubscribers(now, old)
	r.event(Event{Kind: EventReconfigured, Registrar: r.id})
	return nil
}

// checkPeers checks the addresses of configured peers.
func checkPeers(peers []rserpool.Transport) error {
	for _, t := range peers {
		if err := t.Validate(); err != nil || t.Protocol != rserpool.ProtoSCTP || t.Port == 0 {
			return fmt.Errorf("registrar: bad peer %s", t)
		}
	}
	return nil
}

// setLimits changes the limits. What is counted by source is counted again if sources
// are other ones now.
func (r *Registrar) setLimits(l Limits) {
	r.cfg.Limits = l
	bits := r.limits.SourceBits
	r.limits = l.withDefaults()
	r.space.SetLimits(r.limits.Pools, r.limits.Elements, r.limits.ElementsPerPool)
	if r.limits.SourceBits == bits {
		return
	}
	r.meter = newMeter()
	clear(r.links.source)
	for _, c := range r.links.byID {
		if c.source.IsValid() {
			c.source = r.sourceOf(c)
			r.links.source[c.source]++
		}
	}
	clear(r.sources)
	for k, e := range r.entries {
		if !e.owned {
			continue
		}
		e.source = netip.Addr{}
		if c := r.links.byID[e.conn]; c != nil {
			e.source = r.sourceOf(c)
		} else if el, ok := r.lookup(k); ok && el.ASAP != nil {
			e.source = r.source(firstAddr(el.ASAP.Addrs))
		}
		r.sources[e.source]++
	}
}

// setPeers makes the list of configured peers another one. New ones are dialed. Those
// that are not in it any more are peers like others that have come by themselves, or
// are not looked for any more.
func (r *Registrar) setPeers(now time.Time, peers []rserpool.Transport) {
	for _, t := range r.targets {
		t.static = t.static && slices.ContainsFunc(peers, func(at rserpool.Transport) bool { return sameEndpoint(t.at, at) })
	}
	for _, at := range peers {
		if i := slices.IndexFunc(r.targets, func(t *target) bool { return sameEndpoint(t.at, at) }); i >= 0 {
			r.targets[i].static = true
		} else if t := r.addTarget(at, true); t != nil {
			r.dialTarget(now, t)
		}
	}
	for _, t := range slices.Clone(r.targets) {
		if !t.static && r.peers[t.peer] == nil {
			r.dropTarget(now, t)
		}
	}
	if r.mentors.current == 0 {
		r.tryColdStart(now)
	}
}

// dropTarget stops dialing an address.
func (r *Registrar) dropTarget(now time.Time, t *target) {
	r.targets = slices.DeleteFunc(r.targets, func(o *target) bool { return o == t })
	r.timers.stop(timerKey{kind: timerDial, id: t.id})
	if c := r.links.byID[t.conn]; c != nil {
		t.conn, c.target = 0, nil
		if c.peer == 0 {
			r.abort(now, c, "not a peer any more")
		}
	}
}

// peering says, for each host that ENRP is spoken with, whether it was configured.
func (r *Registrar) peering() map[ConnID]bool {
	m := make(map[ConnID]bool)
	for _, c := range r.links.enrp {
		m[c.id] = r.configured(c.confirmed().Addrs)
	}
	return m
}

// expelPeers ends what there is with registrars that were allowed and are not. Their
// elements go with them, since nobody here is to speak to their home: they are neither
// taken over nor announced.
func (r *Registrar) expelPeers(now time.Time, old Config, configured map[ConnID]bool) {
	for _, c := range slices.Clone(r.links.enrp) {
		if r.links.byID[c.id] != c || r.mayDial(c.confirmed().Addrs) {
			continue
		}
		if was, known := configured[c.id]; known && (old.ClosedPeers && !was || !old.Access.Allows(OpPeer, firstAddr(c.remote.Addrs), "")) {
			continue // it was not allowed before: it is not spoken to for another reason
		}
		if p := r.peers[c.peer]; p != nil && p.conn == c.id {
			r.expel(now, p)
		}
		if r.links.byID[c.id] == c {
			c.peer = 0
			r.abort(now, c, "not a peer any more")
		}
	}
}

// expel forgets a peer and its elements.
func (r *Registrar) expel(now time.Time, p *peer) {
	for _, el := range r.space.Owned(p.id) {
		r.remove(now, r.entryOf(el.Key()), "its home is not a peer any more")
	}
	for _, t := range r.targets {
		if t.peer == p.id {
			t.static = false
		}
	}
	starting := r.phase == phaseStarting && r.mentors.current == p.id
	r.removePeer(now, p, "not a peer any more")
	if starting {
		r.mentors.current = 0
		r.nextMentor(now)
	}
}

// expelElements removes the owned elements that may not be in their pool any more.
func (r *Registrar) expelElements(now time.Time, old Config) {
	for _, k := range sortedKeys(r.entries) {
		e := r.entries[k]
		el, ok := r.lookup(k)
		if !ok || !e.owned {
			continue
		}
		c := r.links.byID[e.conn]
		var from []netip.Addr
		switch {
		case c != nil:
			from = c.confirmed().Addrs
		case el.ASAP != nil:
			from = el.ASAP.Addrs
		}
		if !old.mayRegister(k, from) || r.cfg.mayRegister(k, from) {
			continue
		}
		r.stats.Denied++
		if c != nil {
			r.send(c, &asap.DeregistrationResponse{Handle: k.Handle, PEID: k.ID})
		}
		r.remove(now, e, "not allowed any more")
	}
}

func (c *Config) mayRegister(k handlespace.Key, from []netip.Addr) bool {
	return c.Access.Allows(OpRegister, firstAddr(from), k.Handle) && (c.Permit == nil || c.Permit(k.Handle, from))
}

// expelSubscribers ends the subscriptions of users that may not resolve the pool any
// more. They are told as in an answer to a resolution.
func (r *Registrar) expelSubscribers(now time.Time, old Config) {
	for _, id := range sortedConns(r.links.byID) {
		c := r.links.byID[id]
		if c == nil {
			continue
		}
		from := firstAddr(c.remote.Addrs)
		for _, h := range sortedHandles(c.subs) {
			if !r.cfg.Access.Allows(OpResolve, from, h) && old.Access.Allows(OpResolve, from, h) {
				r.stats.Denied++
				r.send(c, &asap.HandleResolutionResponse{Handle: h, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}}})
				r.unsubscribe(c, h)
				r.closeIdle(now, c)
			}
		}
	}
}

func sortedConns(m map[ConnID]*conn) []ConnID {
	ids := make([]ConnID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func sortedHandles(m map[rserpool.PoolHandle]struct{}) []rserpool.PoolHandle {
	hs := make([]rserpool.PoolHandle, 0, len(m))
	for h := range m {
		hs = append(hs, h)
	}
	slices.Sort(hs)
	return hs
}
