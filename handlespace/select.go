package handlespace

import (
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// Select returns up to n elements of pool h, none twice, in the order in which a
// pool user should try them, and the pool's policy without any values; false if
// there is no such pool. It advances the policy's state. What the elements' slices
// and pointers refer to is shared and never changes: do not write to it.
//
// There may be fewer elements than both n and the pool has: policies with weights
// never select an element of weight 0, which is "not capable of providing any
// service" (RFC 5356 §3.2).
func (s *Space) Select(h rserpool.PoolHandle, n int) ([]rserpool.PoolElement, rserpool.Policy, bool) {
	return s.AppendSelect(nil, h, n, nil)
}

// AppendSelect is Select, but appends to dst, and passes over the elements that
// skip reports; skip may be nil and must not use the Space. It allocates nothing if
// dst has room.
func (s *Space) AppendSelect(dst []rserpool.PoolElement, h rserpool.PoolHandle, n int, skip func(rserpool.PEID) bool) ([]rserpool.PoolElement, rserpool.Policy, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.pools[h]
	if p == nil {
		return dst, rserpool.Policy{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.picked = p.selector.AppendSelect(p.picked[:0], n, skip)
	for _, it := range p.picked {
		dst = append(dst, it.Value.(*record).el.PoolElement)
	}
	p.forget()
	return dst, rserpool.Policy{Type: p.policy}, true
}

// keepPicked is the longest scratch list a pool keeps, in items.
const keepPicked = 64

// forget empties the scratch list, so that it does not hold on to elements that are
// gone.
func (p *pool) forget() {
	clear(p.picked)
	if cap(p.picked) > keepPicked {
		p.picked = make([]*policy.Item, 0, keepPicked)
	}
}
