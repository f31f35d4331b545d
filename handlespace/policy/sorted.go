package policy

import (
	"cmp"

	"github.com/rserpool/rserpool/handlespace/internal/ordered"
	"github.com/rserpool/rserpool/rserpool"
)

// Order ranks the elements of a pool for NewSorted.
type Order struct {
	// Key is an element's rank: the smallest is selected first, equals in turn. It
	// depends on p and taken only, where taken is the item's Taken.
	Key func(p rserpool.Policy, taken uint32) uint64
	// Degrading says that Key depends on taken. Every element returned is then
	// ranked anew.
	Degrading bool
}

// sorted is the base of the policies that select by a rank. Among equals it goes
// round robin: the one whose last turn is longest ago comes first.
type sorted struct {
	typ   rserpool.PolicyType
	opts  Options
	order Order
	tree  *ordered.Tree[place, *Item]
	seq   uint64 // 64 bits do not wrap: 10⁷ selections a second last 58,000 years
}

// place is where an item stands in a sorted selector.
type place struct{ key, seq uint64 }

func comparePlaces(a, b place) int {
	if a.key != b.key {
		return cmp.Compare(a.key, b.key)
	}
	return cmp.Compare(a.seq, b.seq)
}

// NewSorted returns an empty Selector that ranks elements by o, for policies of
// type t which are not in this package. Every operation takes O(log n) for each
// element it concerns.
func NewSorted(t rserpool.PolicyType, o Order, opts Options) Selector {
	return &sorted{typ: t, opts: opts, order: o, tree: ordered.New[place, *Item](comparePlaces)}
}

// Type implements Selector.
func (s *sorted) Type() rserpool.PolicyType { return s.typ }

// Len implements Selector.
func (s *sorted) Len() int { return s.tree.Len() }

// Insert implements Selector.
func (s *sorted) Insert(it *Item) {
	if it.in == s {
		return
	}
	it.in, it.taken = s, 0
	s.seq++
	it.key, it.seq = s.order.Key(it.Policy, 0), s.seq
	s.tree.Set(place{it.key, it.seq}, it)
}

// Update implements Selector.
func (s *sorted) Update(it *Item, p rserpool.Policy) {
	if it.in == s {
		it.Policy, it.taken = p, 0
		s.move(it, s.order.Key(p, 0), it.seq)
	}
}

// Remove implements Selector.
func (s *sorted) Remove(it *Item) {
	if it.in == s {
		s.tree.Delete(place{it.key, it.seq})
		it.in = nil
	}
}

// move gives it a new place.
func (s *sorted) move(it *Item, key, seq uint64) {
	if key == it.key && seq == it.seq {
		return
	}
	s.tree.Rekey(place{it.key, it.seq}, place{key, seq})
	it.key, it.seq = key, seq
}

// AppendSelect implements Selector.
func (s *sorted) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	for c := s.tree.First(); c.Valid() && len(dst)-start < n; c = c.Next() {
		if it := c.Value(); skip == nil || !skip(it.ID) {
			it.take()
			dst = append(dst, it)
		}
	}
	turns := s.opts.turns(len(dst) - start)
	for i, it := range dst[start:] {
		key, seq := it.key, it.seq
		if i < turns {
			s.seq++
			seq = s.seq
		} else if !s.order.Degrading {
			break
		}
		if s.order.Degrading {
			key = s.order.Key(it.Policy, it.taken)
		}
		s.move(it, key, seq)
	}
	return dst
}
