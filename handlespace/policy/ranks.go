package policy

import (
	"cmp"
	"slices"
)

// rank is where an item of a sorted selector stands.
type rank struct {
	key, seq uint64
	it       *Item
}

func (r *rank) before(o *rank) bool {
	return r.key < o.key || r.key == o.key && r.seq < o.seq
}

// arity is the number of children in the heap: their ranks lie side by side.
const arity = 4

// maxFront is the longest scratch list that a selector keeps.
const maxFront = 1024

// ranks is a heap whose first item is the first in the order. Items know their places.
type ranks []rank

// fix moves the item at i where its rank belongs.
func (h ranks) fix(i int) {
	if i > 0 && h[i].before(&h[(i-1)/arity]) {
		h.up(i)
	} else {
		h.down(i)
	}
}

func (h ranks) up(i int) {
	r := h[i]
	for i > 0 {
		p := (i - 1) / arity
		if !r.before(&h[p]) {
			break
		}
		h[i] = h[p]
		h[i].it.index = i
		i = p
	}
	h[i] = r
	r.it.index = i
}

func (h ranks) down(i int) {
	r, start := h[i], i
	for {
		c := i*arity + 1
		if c >= len(h) {
			break
		}
		for k := c + 1; k < min(i*arity+1+arity, len(h)); k++ {
			if h[k].before(&h[c]) {
				c = k
			}
		}
		if !h[c].before(&r) {
			break
		}
		h[i] = h[c]
		h[i].it.index = i
		i = c
	}
	if i != start {
		h[i] = r
		r.it.index = i
	}
}

// appendThree appends the first n items in their order, three at most: what pool users of
// many implementations ask for.
func (h ranks) appendThree(dst []*Item, n int) []*Item {
	dst = append(dst, h[0].it)
	second := h.least(1, -1)
	if n == 1 || second < 0 {
		return dst
	}
	dst = append(dst, h[second].it)
	if n == 2 {
		return dst
	}
	// The third is a child of either of them.
	third, other := h.least(1, second), h.least(second*arity+1, -1)
	if third < 0 || other >= 0 && h[other].before(&h[third]) {
		third = other
	}
	if third >= 0 {
		dst = append(dst, h[third].it)
	}
	return dst
}

// least is the place of the first in the order among the siblings that begin at a place,
// without one of them; -1 if there is none.
func (h ranks) least(from, without int) int {
	best := -1
	for i := from; i < min(from+arity, len(h)); i++ {
		if i != without && (best < 0 || h[i].before(&h[best])) {
			best = i
		}
	}
	return best
}

// sort puts all items in order, which is a heap too. What is sorted but for a few items
// takes little time.
func (h ranks) sort() {
	slices.SortFunc(h, func(a, b rank) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(a.seq, b.seq)
	})
	for i := range h {
		h[i].it.index = i
	}
}

// frontUp restores the order of a heap of places, the last of which is new.
func (h ranks) frontUp(f []int) {
	i := len(f) - 1
	for i > 0 {
		p := (i - 1) / 2
		if !h[f[i]].before(&h[f[p]]) {
			return
		}
		f[i], f[p] = f[p], f[i]
		i = p
	}
}

// frontDown restores the order of a heap of places, the first of which is new.
func (h ranks) frontDown(f []int) {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(f) {
			return
		}
		if c+1 < len(f) && h[f[c+1]].before(&h[f[c]]) {
			c++
		}
		if !h[f[c]].before(&h[f[i]]) {
			return
		}
		f[i], f[c] = f[c], f[i]
		i = c
	}
}
