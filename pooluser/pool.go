package pooluser

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// maxPools bounds the pools whose place in the round and whose failures are
// remembered.
const maxPools = 1024

// pool is the state of the selection among a pool's elements.
type pool struct {
	selector policy.Selector
	items    map[rserpool.PEID]*policy.Item // what is in selector
	strikes  map[rserpool.PEID]strike
	used     time.Time
	resolved time.Time // of the resolution in selector
}

// strike is what is held against an element that failed.
type strike struct {
	count int       // how often
	last  time.Time // when
	until time.Time // others are preferred
}

// pool returns the state of a pool. The caller holds pu.mu.
func (pu *PoolUser) pool(now time.Time, h rserpool.PoolHandle) *pool {
	p := pu.pools[h]
	if p == nil {
		if len(pu.pools) >= maxPools {
			pu.forgetOldest()
		}
		p = &pool{items: make(map[rserpool.PEID]*policy.Item), strikes: make(map[rserpool.PEID]strike)}
		pu.pools[h] = p
	}
	p.used = now
	return p
}

func (pu *PoolUser) forgetOldest() {
	var oldest rserpool.PoolHandle
	var at time.Time
	for h, p := range pu.pools {
		if at.IsZero() || p.used.Before(at) {
			oldest, at = h, p.used
		}
	}
	delete(pu.pools, oldest)
}

// update brings the selector in line with a resolution. Elements that stay keep their
// place in the round. Their degradation (RFC 5356 §5.2.2) starts anew with each
// answer of a registrar, which knows the selections of all users.
func (p *pool) update(now time.Time, res *core.Resolution) {
	if p.selector == nil || p.selector.Type() != usable(res.Policy.Type) {
		p.selector = newSelector(res.Policy.Type)
		clear(p.items)
	}
	news := !res.At.Equal(p.resolved)
	p.resolved = res.At
	seen := make(map[rserpool.PEID]bool, len(res.Elements))
	for _, e := range res.Elements {
		addrs := dialable(e.User)
		if len(addrs) == 0 || seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		e.User.Addrs = addrs
		it := p.items[e.ID]
		switch {
		case it == nil:
			it = &policy.Item{ID: e.ID, Policy: e.Policy}
			p.items[e.ID] = it
			p.selector.Insert(it)
		case news, !it.Policy.Equal(e.Policy):
			p.selector.Update(it, e.Policy)
		}
		it.Value = e
	}
	for id, it := range p.items {
		if !seen[id] {
			p.selector.Remove(it)
			delete(p.items, id)
		}
	}
	for id, s := range p.strikes {
		if !seen[id] && now.After(s.until) {
			delete(p.strikes, id)
		}
	}
}

// usable is the policy to apply: Round Robin in place of one that is not known,
// since the registrar has put the elements in the order of the policy already.
func usable(t rserpool.PolicyType) rserpool.PolicyType {
	if policy.Supported(t) {
		return t
	}
	return rserpool.RoundRobin
}

func newSelector(t rserpool.PolicyType) policy.Selector {
	s, err := policy.New(usable(t), policy.Options{})
	if err != nil {
		panic("pooluser: no Round Robin: " + err.Error()) // cannot be: it is built in
	}
	return s
}

// dialable returns the addresses of a transport that can be dialed. What a registrar
// says may be anything.
func dialable(t rserpool.Transport) []netip.Addr {
	switch t.Protocol {
	case rserpool.ProtoSCTP, rserpool.ProtoTCP, rserpool.ProtoUDP:
	default:
		return nil
	}
	if t.Port == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(t.Addrs), func(a netip.Addr) bool {
		return !a.IsValid() || a.IsUnspecified() || a.IsMulticast()
	})
}

// protocols names what the elements speak.
func (p *pool) protocols() string {
	var names []string
	for _, it := range p.items {
		if name := it.Value.(Element).User.Protocol.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// pick selects an element. Those that no says so of are left out; those that failed
// lately come after all others, the one that may be tried again soonest first. Of the
// preferred ones, in that order, the first that did not fail is taken before any other.
func (p *pool) pick(now time.Time, no func(*Element) bool, preferred []rserpool.PEID) (Element, bool) {
	out := func(id rserpool.PEID) bool {
		it := p.items[id]
		if it == nil {
			return true
		}
		el := it.Value.(Element)
		return no(&el)
	}
	struck := func(id rserpool.PEID) bool { return now.Before(p.strikes[id].until) || out(id) }
	for _, id := range preferred {
		if it := p.items[id]; it != nil && !struck(id) {
			return it.Value.(Element), true
		}
	}
	if p.selector == nil {
		return Element{}, false
	}
	if its := p.selector.AppendSelect(nil, 1, struck); len(its) == 1 {
		return its[0].Value.(Element), true
	}
	its := p.selector.AppendSelect(nil, len(p.items), out)
	if len(its) == 0 {
		return Element{}, false
	}
	first := slices.MinFunc(its, func(a, b *policy.Item) int {
		return p.strikes[a.ID].until.Compare(p.strikes[b.ID].until)
	})
	return first.Value.(Element), true
}

// strike notes a failure of an element.
func (p *pool) strike(now time.Time, id rserpool.PEID, b core.Backoff, rnd *rand.Rand) {
	s := p.strikes[id]
	if now.Sub(s.last) > 2*b.Max {
		s.count = 0 // long ago
	}
	s.count++
	s.last = now
	s.until = now.Add(b.Pause(s.count, rnd))
	p.strikes[id] = s
}
