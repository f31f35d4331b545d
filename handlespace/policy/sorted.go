package policy

import "github.com/rserpool/rserpool/rserpool"

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
//
// The items are in a heap: what a selection changes are mostly the first few, which stay
// there, and of the order behind them nobody wants to know.
type sorted struct {
	typ   rserpool.PolicyType
	opts  Options
	order Order
	heap  ranks
	front []int  // scratch of AppendSelect: places in heap, itself a heap
	seq   uint64 // 64 bits do not wrap: 10⁷ selections a second last 58,000 years
}

// NewSorted returns an empty Selector that ranks elements by o, for policies of
// type t which are not in this package. Every operation takes O(log n) for each
// element it concerns.
func NewSorted(t rserpool.PolicyType, o Order, opts Options) Selector {
	return &sorted{typ: t, opts: opts, order: o}
}

// Type implements Selector.
func (s *sorted) Type() rserpool.PolicyType { return s.typ }

// Len implements Selector.
func (s *sorted) Len() int { return len(s.heap) }

// Insert implements Selector.
func (s *sorted) Insert(it *Item) {
	if it.in == s {
		return
	}
	it.in, it.taken = s, 0
	s.seq++
	it.index = len(s.heap)
	s.heap = append(s.heap, rank{s.order.Key(it.Policy, 0), s.seq, it})
	s.heap.up(it.index)
}

// Update implements Selector.
func (s *sorted) Update(it *Item, p rserpool.Policy) {
	if it.in == s {
		it.Policy, it.taken = p, 0
		if k := s.order.Key(p, 0); k != s.heap[it.index].key {
			s.heap[it.index].key = k
			s.heap.fix(it.index)
		}
	}
}

// Remove implements Selector.
func (s *sorted) Remove(it *Item) {
	if it.in != s {
		return
	}
	it.in = nil
	i, last := it.index, len(s.heap)-1
	if i != last {
		s.heap[i] = s.heap[last]
		s.heap[i].it.index = i
	}
	s.heap[last] = rank{}
	s.heap = s.heap[:last]
	if i != last {
		s.heap.fix(i)
	}
}

// AppendSelect implements Selector.
func (s *sorted) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	switch {
	case n <= 0 || len(s.heap) == 0:
		return dst
	case n <= 3 && skip == nil:
		dst = s.heap.appendThree(dst, n)
	case n >= len(s.heap)/4:
		s.heap.sort() // and remains a heap
		for i := 0; i < len(s.heap) && len(dst)-start < n; i++ {
			if it := s.heap[i].it; skip == nil || !skip(it.ID) {
				dst = append(dst, it)
			}
		}
	default:
		dst = s.appendFirst(dst, n, skip)
	}
	turns := s.opts.turns(len(dst) - start)
	for i, it := range dst[start:] {
		it.take()
		r := &s.heap[it.index]
		if i < turns {
			s.seq++
			r.seq = s.seq
		} else if !s.order.Degrading {
			continue
		}
		if s.order.Degrading {
			r.key = s.order.Key(it.Policy, it.taken)
		}
		s.heap.fix(it.index)
	}
	return dst
}

// appendFirst appends the first n items in their order. Of those that may come next it
// keeps the places: the children of those that it has seen.
func (s *sorted) appendFirst(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	front := append(s.front[:0], 0)
	for len(front) > 0 {
		i := front[0]
		if it := s.heap[i].it; skip == nil || !skip(it.ID) {
			dst = append(dst, it)
			if n--; n == 0 {
				break
			}
		}
		last := len(front) - 1
		front[0] = front[last]
		front = front[:last]
		s.heap.frontDown(front)
		for c := i*arity + 1; c <= i*arity+arity && c < len(s.heap); c++ {
			front = append(front, c)
			s.heap.frontUp(front)
		}
	}
	s.front = front[:0]
	if cap(front) > maxFront {
		s.front = nil
	}
	return dst
}
