package policy

import (
	"math"
	"math/bits"

	"github.com/rserpool/rserpool/rserpool"
)

// lottery is the base of the random policies with weights: item i holds as many
// lots as it has weight, and each draw leaves out who won before.
type lottery struct {
	typ   rserpool.PolicyType
	rnd   func() uint64
	weigh func(p rserpool.Policy, taken uint32) uint64
	items []*Item // item i has index i and its weight is lots i, unless drawn
	lots  sums
	out   []*Item // taken out of lots for the rest of one AppendSelect
	picks uint64  // number of calls of AppendSelect, to recognise who won in this one
}

// NewWeighted returns an empty Selector that picks an element with a probability
// of its weight by the sum of weights, for policies of type t which are not in
// this package. weigh depends on p and taken only, where taken is the item's
// Taken. Weights beyond 2³² - 1 count as that; weight 0 is never selected. Every
// operation takes O(log n) for each element it concerns.
func NewWeighted(t rserpool.PolicyType, weigh func(p rserpool.Policy, taken uint32) uint64, o Options) Selector {
	return &lottery{typ: t, rnd: o.random(), weigh: weigh}
}

// Type implements Selector.
func (l *lottery) Type() rserpool.PolicyType { return l.typ }

// Len implements Selector.
func (l *lottery) Len() int { return len(l.items) }

// Insert implements Selector.
func (l *lottery) Insert(it *Item) {
	if it.in == l {
		return
	}
	it.in, it.taken, it.index, it.seq = l, 0, len(l.items), 0
	it.weight = l.weightOf(it)
	l.items = append(l.items, it)
	l.lots.push(it.weight)
}

// weightOf is the weight of it. The bound keeps the sum over any number of items
// that fits into memory below 2⁶⁴.
func (l *lottery) weightOf(it *Item) uint64 {
	return min(l.weigh(it.Policy, it.taken), math.MaxUint32)
}

// Update implements Selector.
func (l *lottery) Update(it *Item, p rserpool.Policy) {
	if it.in == l {
		it.Policy, it.taken = p, 0
		l.reweigh(it)
	}
}

// reweigh puts the present weight of it into the sums.
func (l *lottery) reweigh(it *Item) {
	if w := l.weightOf(it); w != it.weight {
		l.lots.add(it.index, w-it.weight)
		it.weight = w
	}
}

// Remove implements Selector. The last item takes the free place.
func (l *lottery) Remove(it *Item) {
	if it.in != l {
		return
	}
	end := len(l.items) - 1
	last := l.items[end]
	l.lots.add(end, -last.weight)
	if last != it {
		l.lots.add(it.index, last.weight-it.weight)
		l.items[it.index] = last
		last.index = it.index
	}
	l.lots.pop()
	l.items[end] = nil
	l.items = l.items[:end]
	it.in = nil
}

// AppendSelect implements Selector. A draw that hits an item which won before, or
// is to be skipped, is void; the item's lots then leave the drum. That draws from
// the others with the right probabilities, and the sums change only if an item
// was hit twice: rarely, in a large pool.
func (l *lottery) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	l.picks++
	n = min(n, len(l.items))
	for l.lots.total > 0 && len(dst)-start < n {
		it := l.items[l.lots.find(below(l.rnd, l.lots.total))]
		if it.seq != l.picks && (skip == nil || !skip(it.ID)) {
			it.seq = l.picks
			dst = append(dst, it)
			continue
		}
		l.lots.add(it.index, -it.weight)
		l.out = append(l.out, it)
	}
	for i, it := range l.out {
		l.lots.add(it.index, it.weight)
		l.out[i] = nil
	}
	l.out = l.out[:0]
	for _, it := range dst[start:] {
		it.take()
		l.reweigh(it)
	}
	return dst
}

// below is a uniformly distributed number less than n, which is not 0 (Lemire,
// "Fast Random Integer Generation in an Interval", 2019). With a rnd that is not
// random at all it still returns.
func below(rnd func() uint64, n uint64) uint64 {
	hi, lo := bits.Mul64(rnd(), n)
	if lo < n {
		bound := -n % n
		for tries := 0; lo < bound && tries < 64; tries++ {
			hi, lo = bits.Mul64(rnd(), n)
		}
	}
	return hi
}
