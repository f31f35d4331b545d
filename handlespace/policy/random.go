package policy

import "github.com/rserpool/rserpool/rserpool"

// shuffle is Random (RFC 5356 §4.3): each selection starts a Fisher-Yates shuffle
// of the items and stops when it has enough, so no item comes twice (§4.3.2).
type shuffle struct {
	typ   rserpool.PolicyType
	rnd   func() uint64
	items []*Item // item i has index i; the order means nothing
}

func newShuffle(t rserpool.PolicyType, o Options) Selector {
	return &shuffle{typ: t, rnd: o.random()}
}

// Type implements Selector.
func (s *shuffle) Type() rserpool.PolicyType { return s.typ }

// Len implements Selector.
func (s *shuffle) Len() int { return len(s.items) }

// Insert implements Selector.
func (s *shuffle) Insert(it *Item) {
	if it.in == s {
		return
	}
	it.in, it.taken, it.index = s, 0, len(s.items)
	s.items = append(s.items, it)
}

// Update implements Selector.
func (s *shuffle) Update(it *Item, p rserpool.Policy) {
	if it.in == s {
		it.Policy, it.taken = p, 0
	}
}

// Remove implements Selector.
func (s *shuffle) Remove(it *Item) {
	if it.in != s {
		return
	}
	last := len(s.items) - 1
	s.swap(it.index, last)
	s.items[last] = nil
	s.items = s.items[:last]
	it.in = nil
}

func (s *shuffle) swap(i, j int) {
	a, b := s.items[i], s.items[j]
	s.items[i], s.items[j] = b, a
	a.index, b.index = j, i
}

// AppendSelect implements Selector.
func (s *shuffle) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	for i := 0; i < len(s.items) && len(dst)-start < n; i++ {
		s.swap(i, i+int(below(s.rnd, uint64(len(s.items)-i))))
		if it := s.items[i]; skip == nil || !skip(it.ID) {
			it.take()
			dst = append(dst, it)
		}
	}
	return dst
}
