package policy

import (
	"math/bits"

	"github.com/rserpool/rserpool/handlespace/internal/ordered"
	"github.com/rserpool/rserpool/rserpool"
)

// weightedRoundRobin is Weighted Round Robin (RFC 5356 §4.2). The circular list
// of §4.2.2, in which an element of weight w stands w times, "as evenly
// distributed as possible", is never built: it would have as many entries as the
// sum of weights. Instead a round is the interval from 0 to 1, in which an element
// has w slots of 1/w each, and it takes one turn in each slot. With a sum of
// weights W a turn lasts 1/W, so all slots of a round are served when it ends.
//
// Whose turn is it? Of the elements whose slot has begun, the one whose slot ends
// first, else the one whose slot ended would be served too late ("worst-case fair
// weighted fair queueing", Bennett and Zhang, 1996). To find it without looking at
// every element, elements of similar weight (same power of two) share a tree in
// the order in which their slots begin, and only the first of each is a candidate
// ("quick fair queueing", Checconi et al., 2013).
//
// Elements of weight 0 are "not capable of providing any service" (§3.2): they
// have no slots.
type weightedRoundRobin struct {
	typ     rserpool.PolicyType
	opts    Options
	n       int
	seq     uint64
	total   uint64 // sum of weights
	round   uint64 // the time is this round and
	now     fraction
	rest    uint64 // what the time is beyond now, in units of 2⁻⁶⁴/total
	classes [weightClasses]*ordered.Tree[slotPlace, *Item]
}

// weightClasses is one more than the bits of a weight; the class of a weight is
// the number of bits it has.
const weightClasses = 33

// candidates has the first item of each class that is not to be skipped. Bit i of
// used is set if class i has one.
type candidates struct {
	cursors [weightClasses]ordered.Cursor[slotPlace, *Item]
	used    uint64
	skip    func(rserpool.PEID) bool
}

// settle makes c, moved on to an item that is not to be skipped, the candidate of
// class i.
func (cs *candidates) settle(i int, c ordered.Cursor[slotPlace, *Item]) {
	for c.Valid() && cs.skip != nil && cs.skip(c.Value().ID) {
		c = c.Next()
	}
	cs.cursors[i] = c
	if c.Valid() {
		cs.used |= 1 << i
	} else {
		cs.used &^= 1 << i
	}
}

func newWeightedRoundRobin(t rserpool.PolicyType, o Options) Selector {
	return &weightedRoundRobin{typ: t, opts: o}
}

// Type implements Selector.
func (w *weightedRoundRobin) Type() rserpool.PolicyType { return w.typ }

// Len implements Selector.
func (w *weightedRoundRobin) Len() int { return w.n }

// begun reports whether the slot of it has begun.
func (w *weightedRoundRobin) begun(it *Item) bool {
	return it.round < w.round || it.round == w.round && it.start <= w.now
}

// enter sets the slot of it to the one that now is in.
func (w *weightedRoundRobin) enter(it *Item) {
	it.round, it.slot = w.round, slotAt(w.now, it.weight)
	it.start = slotStart(it.slot, it.weight)
}

// link puts it where its slot says.
func (w *weightedRoundRobin) link(it *Item) {
	class := &w.classes[bits.Len64(it.weight)]
	if *class == nil {
		*class = ordered.New[slotPlace, *Item](compareSlots)
	}
	(*class).Set(slotPlace{it.round, it.start, ^it.weight, it.seq}, it)
}

func (w *weightedRoundRobin) unlink(it *Item) {
	w.classes[bits.Len64(it.weight)].Delete(slotPlace{it.round, it.start, ^it.weight, it.seq})
}

// resize changes the sum of weights by d (modulo 2⁶⁴, so it may be negative).
func (w *weightedRoundRobin) resize(d uint64) {
	w.total += d
	w.rest = 0
}

// Insert implements Selector. The element's first slot is the next one to begin,
// so that it cannot gain turns by leaving and joining.
func (w *weightedRoundRobin) Insert(it *Item) {
	if it.in == w {
		return
	}
	w.seq++
	w.n++
	it.in, it.taken, it.weight, it.seq = w, 0, uint64(it.Policy.Weight), w.seq
	w.join(it)
}

// join gives it slots if it has weight.
func (w *weightedRoundRobin) join(it *Item) {
	if it.weight == 0 {
		return
	}
	w.resize(it.weight)
	w.enter(it)
	if it.start != w.now {
		it.nextSlot()
	}
	w.link(it)
}

// leave takes the slots of it away.
func (w *weightedRoundRobin) leave(it *Item) {
	if it.weight != 0 {
		w.unlink(it)
		w.resize(-it.weight)
	}
}

// Update implements Selector. With another weight, an element that is due stays
// so, and one that had its turn waits for the next slot.
func (w *weightedRoundRobin) Update(it *Item, p rserpool.Policy) {
	if it.in != w {
		return
	}
	it.Policy, it.taken = p, 0
	weight := uint64(p.Weight)
	if weight == it.weight {
		return
	}
	if it.weight == 0 || weight == 0 {
		w.leave(it)
		it.weight = weight
		w.join(it)
		return
	}
	w.unlink(it)
	w.resize(weight - it.weight)
	due := w.begun(it)
	it.weight = weight
	w.enter(it)
	if !due {
		it.nextSlot()
	}
	w.link(it)
}

// Remove implements Selector.
func (w *weightedRoundRobin) Remove(it *Item) {
	if it.in == w {
		w.leave(it)
		it.in = nil
		w.n--
	}
}

// AppendSelect implements Selector.
func (w *weightedRoundRobin) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	cs := candidates{skip: skip}
	for i, class := range w.classes {
		if class != nil {
			cs.settle(i, class.First())
		}
	}
	for cs.used != 0 && len(dst)-start < n {
		best, from := (*Item)(nil), 0
		for set := cs.used; set != 0; set &= set - 1 {
			i := bits.TrailingZeros64(set)
			if it := cs.cursors[i].Value(); best == nil || w.before(it, best) {
				best, from = it, i
			}
		}
		best.take()
		dst = append(dst, best)
		cs.settle(from, cs.cursors[from].Next())
	}
	for _, it := range dst[start : start+w.opts.turns(len(dst)-start)] {
		w.turn(it)
	}
	return dst
}

// before reports whether the turn of a comes before that of b.
func (w *weightedRoundRobin) before(a, b *Item) bool {
	begun := w.begun(a)
	if begun != w.begun(b) {
		return begun
	}
	if !begun && (a.round != b.round || a.start != b.start) {
		return a.round < b.round || a.round == b.round && a.start < b.start
	}
	ar, af := a.ends()
	br, bf := b.ends()
	switch {
	case ar != br:
		return ar < br
	case af != bf:
		return af < bf
	default:
		return a.seq < b.seq
	}
}

// turn lets it have its turn: the time advances by the turn's length, and the item
// waits for its next slot.
func (w *weightedRoundRobin) turn(it *Item) {
	w.unlink(it)
	if !w.begun(it) { // only if all that are due are skipped, or one call takes several turns
		w.round, w.now, w.rest = it.round, it.start, 0
	}
	w.tick()
	it.nextSlot()
	w.catchUp(it)
	w.seq++
	it.seq = w.seq
	w.link(it)
}

// catchUp moves it to the slot that now is in, unless its slot is later. An
// element that was skipped for long is behind by many slots; it would get all the
// turns until it has made up for them.
func (w *weightedRoundRobin) catchUp(it *Item) {
	if k := slotAt(w.now, it.weight); it.round < w.round || it.round == w.round && it.slot < k {
		w.enter(it)
	}
}

// tick advances the time by 1/total. The remainder is carried along, so that total
// ticks are a round exactly.
func (w *weightedRoundRobin) tick() {
	if w.total == 1 {
		w.round++
		return
	}
	q, r := bits.Div64(1, 0, w.total)
	if w.rest += r; w.rest >= w.total {
		w.rest -= w.total
		q++
	}
	sum, carry := bits.Add64(uint64(w.now), q, 0)
	w.now = fraction(sum)
	w.round += carry
}
