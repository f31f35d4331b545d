package ordered

import "slices"

// keepFree bounds the list of emptied leaves. Selection deletes the first key
// and inserts a later one; its splits are fed by its merges and allocate nothing.
const keepFree = 4

// newLeaf returns an empty leaf with room for one entry beyond fanout, which it
// holds for the moment before it splits.
func (t *Tree[K, V]) newLeaf() *node[K, V] {
	if nd := t.free; nd != nil {
		t.free, nd.next = nd.next, nil
		t.kept--
		return nd
	}
	return &node[K, V]{keys: make([]K, 0, fanout+1), vals: make([]V, 0, fanout+1)}
}

// release takes an emptied leaf back.
func (t *Tree[K, V]) release(nd *node[K, V]) {
	if nd.kids == nil && t.kept < keepFree {
		nd.next, t.free = t.free, nd
		t.kept++
	}
}

// splitAt chooses where an overfull node of n entries splits when the entry at i
// is the new one: in the middle, except that a run of rising keys leaves full
// nodes behind it. The right part gets at least least entries.
func splitAt(n, i, least int) int {
	if i == n-1 {
		return n - least
	}
	return n / 2
}

// splitLeaf moves the upper part of nd, whose entry i is new, to a new leaf and
// returns that with its smallest key.
func (t *Tree[K, V]) splitLeaf(nd *node[K, V], i int) (*node[K, V], K) {
	at := splitAt(len(nd.keys), i, 1)
	right := t.newLeaf()
	right.keys = append(right.keys, nd.keys[at:]...)
	right.vals = append(right.vals, nd.vals[at:]...)
	right.next = nd.next
	nd.keys = slices.Delete(nd.keys, at, len(nd.keys))
	nd.vals = slices.Delete(nd.vals, at, len(nd.vals))
	nd.next = right
	return right, right.keys[0]
}

// splitBranch moves the upper children of nd, whose child i is new, to a new
// branch and returns that with the key that separates the two.
func (nd *node[K, V]) splitBranch(i int) (*node[K, V], K) {
	at := splitAt(len(nd.kids), i, 2)
	sep := nd.keys[at-1]
	right := &node[K, V]{
		keys: append(make([]K, 0, fanout+1), nd.keys[at:]...),
		kids: append(make([]*node[K, V], 0, fanout+1), nd.kids[at:]...),
	}
	nd.keys = slices.Delete(nd.keys, at-1, len(nd.keys))
	nd.kids = slices.Delete(nd.kids, at, len(nd.kids))
	return right, sep
}

// size is the number of entries of a leaf, of children of a branch.
func (nd *node[K, V]) size() int {
	if nd.kids != nil {
		return len(nd.kids)
	}
	return len(nd.keys)
}

// tidy merges or levels child i of nd with a neighbour if it became sparse.
func (t *Tree[K, V]) tidy(nd *node[K, V], i int) {
	if nd.kids[i].size() >= sparse {
		return
	}
	i = max(i-1, 0) // the left one of the pair
	left, right := nd.kids[i], nd.kids[i+1]
	switch n := left.size() + right.size(); {
	case n <= roomy:
		t.merge(nd, i)
	case left.kids == nil:
		levelLeaves(left, right, n/2)
		nd.keys[i] = right.keys[0]
	default:
		nd.keys[i] = levelBranches(left, right, n/2, nd.keys[i])
	}
}

// merge empties child i+1 of nd into child i.
func (t *Tree[K, V]) merge(nd *node[K, V], i int) {
	left, right := nd.kids[i], nd.kids[i+1]
	if left.kids != nil {
		left.keys = append(left.keys, nd.keys[i])
		left.kids = append(left.kids, right.kids...)
	}
	left.keys = append(left.keys, right.keys...)
	left.vals = append(left.vals, right.vals...)
	left.next = right.next
	nd.keys = slices.Delete(nd.keys, i, i+1)
	nd.kids = slices.Delete(nd.kids, i+1, i+2)
	clear(right.keys)
	clear(right.vals)
	right.keys, right.vals = right.keys[:0], right.vals[:0]
	t.release(right)
}

// levelLeaves moves entries between two neighbours so that left has want.
func levelLeaves[K, V any](left, right *node[K, V], want int) {
	if k := want - len(left.keys); k > 0 {
		left.keys = append(left.keys, right.keys[:k]...)
		left.vals = append(left.vals, right.vals[:k]...)
		right.keys = slices.Delete(right.keys, 0, k)
		right.vals = slices.Delete(right.vals, 0, k)
		return
	}
	right.keys = slices.Insert(right.keys, 0, left.keys[want:]...)
	right.vals = slices.Insert(right.vals, 0, left.vals[want:]...)
	left.keys = slices.Delete(left.keys, want, len(left.keys))
	left.vals = slices.Delete(left.vals, want, len(left.vals))
}

// levelBranches moves children between two neighbours separated by sep so that
// left has want, and returns the new separator.
func levelBranches[K, V any](left, right *node[K, V], want int, sep K) K {
	n := len(left.kids)
	left.keys = append(left.keys, sep) // now keys[j] follows kids[j] in both moves
	if k := want - n; k > 0 {
		left.keys = append(left.keys, right.keys[:k]...)
		left.kids = append(left.kids, right.kids[:k]...)
		right.keys = slices.Delete(right.keys, 0, k)
		right.kids = slices.Delete(right.kids, 0, k)
	} else {
		right.keys = slices.Insert(right.keys, 0, left.keys[want:]...)
		right.kids = slices.Insert(right.kids, 0, left.kids[want:]...)
		left.kids = slices.Delete(left.kids, want, n)
	}
	sep = left.keys[want-1]
	left.keys = slices.Delete(left.keys, want-1, len(left.keys))
	return sep
}
