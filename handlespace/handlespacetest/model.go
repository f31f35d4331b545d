package handlespacetest

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// model is a handlespace without any index: every question is a loop over all
// elements.
type model struct {
	pools map[rserpool.PoolHandle]*modelPool
	seq   int // rises with everything that has an order
}

type modelPool struct {
	policy   rserpool.PolicyType
	protocol rserpool.Protocol
	use      rserpool.TransportUse
	elements map[rserpool.PEID]*modelElement
}

type modelElement struct {
	handlespace.Element
	turn   int // when it last had its turn or was added
	taken  int // how often it was selected since it registered
	timer  int // when its expiry was set
	marked bool
}

// refusal is the reason why an element must not be registered; nil if it may be.
func (m *model) refusal(h rserpool.PoolHandle, pe rserpool.PoolElement) error {
	p := m.pools[h]
	switch {
	case len(h) == 0 || len(h) > maxHandle:
		return handlespace.ErrPoolHandle
	case pe.ID == 0:
		return handlespace.ErrPEID
	case len(pe.User.Addrs) == 0:
		return handlespace.ErrElement
	case p != nil && pe.Policy.Type != p.policy:
		return handlespace.ErrPolicyMismatch
	case p != nil && pe.User.Protocol != p.protocol:
		return handlespace.ErrTransportType
	case p != nil && pe.User.Use != p.use:
		return handlespace.ErrTransportUse
	case p != nil && p.elements[pe.ID] != nil:
	case m.len() >= maxElements,
		p == nil && len(m.pools) >= maxPools,
		p != nil && len(p.elements) >= maxPerPool:
		return handlespace.ErrLimit
	}
	if len(pe.AppendTo(nil)) > maxElementBytes {
		return handlespace.ErrLimit
	}
	if p == nil && pe.Policy.Type == unsupported {
		return handlespace.ErrPolicyUnsupported
	}
	return nil
}

// register stores an element that there is no refusal for.
func (m *model) register(now time.Time, h rserpool.PoolHandle, pe rserpool.PoolElement) handlespace.Change {
	p := m.pools[h]
	if p == nil {
		p = &modelPool{pe.Policy.Type, pe.User.Protocol, pe.User.Use, map[rserpool.PEID]*modelElement{}}
		m.pools[h] = p
	}
	e := p.elements[pe.ID]
	c := handlespace.Change{Kind: handlespace.Added}
	if e == nil {
		m.seq++
		e = &modelElement{turn: m.seq}
		e.Handle, e.Registered = h, now
		p.elements[pe.ID] = e
	} else {
		c.Old = e.Element
		c.Kind = handlespace.Updated
		if e.PoolElement.Equal(pe) {
			c.Kind = handlespace.Refreshed
		}
	}
	e.PoolElement, e.Updated, e.marked, e.taken = pe.Clone(), now, false, 0
	c.New = e.Element
	return c
}

// find returns an element, nil if there is none.
func (m *model) find(h rserpool.PoolHandle, id rserpool.PEID) *modelElement {
	if p := m.pools[h]; p != nil {
		return p.elements[id]
	}
	return nil
}

func (m *model) remove(e *modelElement) {
	p := m.pools[e.Handle]
	delete(p.elements, e.ID)
	if len(p.elements) == 0 {
		delete(m.pools, e.Handle)
	}
}

// len is the number of elements.
func (m *model) len() int {
	n := 0
	for _, p := range m.pools {
		n += len(p.elements)
	}
	return n
}

// all returns all elements in order of key.
func (m *model) all() []*modelElement {
	var es []*modelElement
	for _, p := range m.pools {
		for _, e := range p.elements {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, func(a, b *modelElement) int { return a.Key().Compare(b.Key()) })
	return es
}

// where returns the elements that keep returns true for, in order of key.
func (m *model) where(keep func(*modelElement) bool) []*modelElement {
	return slices.DeleteFunc(m.all(), func(e *modelElement) bool { return !keep(e) })
}

// owned returns the elements of an owner in order of key.
func (m *model) owned(home rserpool.RegistrarID) []*modelElement {
	return m.where(func(e *modelElement) bool { return e.Home == home })
}

// rank is what the elements of a pool are ordered by, the smallest first; false if
// the policy has no plain order. Values are so small that nothing overflows.
func (e *modelElement) rank() (int64, bool) {
	p := &e.Policy
	load, deg, taken := int64(p.Load), int64(p.LoadDegradation), int64(e.taken)
	penalty := int64(p.DPF) * int64(p.Distance)
	switch p.Type {
	case rserpool.RoundRobin:
		return 0, true
	case rserpool.Priority:
		return -int64(p.Priority), true
	case rserpool.LeastUsed:
		return load, true
	case rserpool.LeastUsedDegradation:
		return load + taken*deg, true
	case rserpool.PriorityLeastUsed:
		return load + deg, true
	case rserpool.RsplibPriorityLeastUsedDegradation:
		return load + deg + taken*deg, true
	case rserpool.RsplibLeastUsedDPF:
		return load + penalty, true
	case rserpool.RsplibLeastUsedDegradationDPF:
		return load + taken*deg + penalty, true
	}
	return 0, false
}

// inTurn returns the elements of a pool in the order of its policy; false if that
// is not a policy with a plain order.
func (p *modelPool) inTurn() ([]*modelElement, bool) {
	es := make([]*modelElement, 0, len(p.elements))
	for _, e := range p.elements {
		if _, ok := e.rank(); !ok {
			return nil, false
		}
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b *modelElement) int {
		x, _ := a.rank()
		y, _ := b.rank()
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.turn, b.turn))
	})
	return es, true
}

// selectable reports whether the policy may ever select e.
func (p *modelPool) selectable(e *modelElement) bool {
	switch p.policy {
	case rserpool.WeightedRoundRobin, rserpool.WeightedRandom, rserpool.RsplibWeightedRandomDPF:
		return e.Policy.Weight > 0
	}
	return true
}

// checksum is RFC 5353 §3.6.2 to the letter: the blocks of home's elements, and
// over them the algorithm of RFC 1071.
func checksum(es []*modelElement, home rserpool.RegistrarID) uint16 {
	var blocks []byte
	for _, e := range es {
		if e.Home != home {
			continue
		}
		blocks = append(blocks, e.Handle...)
		for len(blocks)%4 != 0 {
			blocks = append(blocks, 0)
		}
		blocks = binary.BigEndian.AppendUint32(blocks, uint32(e.ID))
	}
	var sum uint32
	for i := 0; i < len(blocks); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(blocks[i:]))
		sum = sum>>16 + sum&math.MaxUint16
	}
	return ^uint16(sum)
}
