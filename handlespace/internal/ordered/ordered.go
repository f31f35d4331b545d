// Package ordered is a map with ordered keys: a B+ tree whose leaves are linked,
// so that a walk from any key is a walk over arrays. Lookup, insertion and
// deletion take O(log n); the first key is found in O(1).
//
// It is not safe for concurrent use.
package ordered

import "slices"

// fanout is the most entries of a leaf and the most children of a branch. Wide
// nodes keep 100,000 entries three levels deep, which is three cache misses.
const fanout = 64

// sparse is the length below which a node merges with a neighbour, or levels
// with it if both together are longer than roomy. The gaps between sparse, half
// of roomy and fanout keep alternating insertions and deletions from working on
// the same nodes again and again.
const (
	sparse = fanout / 4
	roomy  = fanout * 3 / 4
)

// Tree maps keys to values in the order of the comparison it was made with. Use
// New; the zero value has no order.
type Tree[K, V any] struct {
	cmp  func(a, b K) int
	root *node[K, V]
	head *node[K, V] // leftmost leaf: it never moves, since merges go leftward
	n    int
	free *node[K, V] // emptied leaves for the next splits, linked by next
	kept int         // number of leaves in free
}

// node is a leaf (kids is nil; keys[i] belongs to vals[i]) or a branch (keys[i]
// separates kids[i], whose keys are smaller, from kids[i+1]). No leaf but the
// root is empty, no branch has fewer than two children.
type node[K, V any] struct {
	keys []K
	vals []V
	kids []*node[K, V]
	next *node[K, V] // right neighbour of a leaf
}

// New returns an empty tree ordered by cmp, which is negative if a sorts before
// b, zero if they are the same key and positive otherwise.
func New[K, V any](cmp func(a, b K) int) *Tree[K, V] {
	leaf := &node[K, V]{}
	return &Tree[K, V]{cmp: cmp, root: leaf, head: leaf}
}

// Len is the number of entries.
func (t *Tree[K, V]) Len() int { return t.n }

// lower is the index of the first key in keys that is not less than k.
func (t *Tree[K, V]) lower(keys []K, k K) (int, bool) {
	lo, hi := 0, len(keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := t.cmp(keys[mid], k); {
		case c < 0:
			lo = mid + 1
		case c > 0:
			hi = mid
		default:
			return mid, true
		}
	}
	return lo, false
}

// child is the index of the child of branch b that holds k: a key equal to a
// separator lives right of it.
func (t *Tree[K, V]) child(b *node[K, V], k K) int {
	i, same := t.lower(b.keys, k)
	if same {
		i++
	}
	return i
}

// leaf is the leaf where k is or would be.
func (t *Tree[K, V]) leaf(k K) *node[K, V] {
	nd := t.root
	for nd.kids != nil {
		nd = nd.kids[t.child(nd, k)]
	}
	return nd
}

// Get returns the value of key k.
func (t *Tree[K, V]) Get(k K) (V, bool) {
	nd := t.leaf(k)
	if i, ok := t.lower(nd.keys, k); ok {
		return nd.vals[i], true
	}
	var zero V
	return zero, false
}

// Set stores v under k and says whether k was new.
func (t *Tree[K, V]) Set(k K, v V) bool {
	before := t.n
	if right, sep := t.set(t.root, k, v); right != nil {
		t.root = &node[K, V]{keys: []K{sep}, kids: []*node[K, V]{t.root, right}}
	}
	return t.n > before
}

// set stores below nd. If nd had to split, it returns the new right half and the
// key that separates the two.
func (t *Tree[K, V]) set(nd *node[K, V], k K, v V) (*node[K, V], K) {
	var none K
	if nd.kids == nil {
		i, same := t.lower(nd.keys, k)
		if same {
			nd.vals[i] = v
			return nil, none
		}
		nd.keys = slices.Insert(nd.keys, i, k)
		nd.vals = slices.Insert(nd.vals, i, v)
		t.n++
		if len(nd.keys) <= fanout {
			return nil, none
		}
		return t.splitLeaf(nd, i)
	}
	i := t.child(nd, k)
	right, sep := t.set(nd.kids[i], k, v)
	if right == nil {
		return nil, none
	}
	nd.keys = slices.Insert(nd.keys, i, sep)
	nd.kids = slices.Insert(nd.kids, i+1, right)
	if len(nd.kids) <= fanout {
		return nil, none
	}
	return nd.splitBranch(i + 1)
}

// Rekey stores the value of key k, which must be there, under key to, which must
// not. It is Delete and Set, but cheap if nothing lies between the two keys.
func (t *Tree[K, V]) Rekey(k, to K) {
	nd := t.leaf(k)
	if i, ok := t.lower(nd.keys, k); ok && i+1 < len(nd.keys) && t.cmp(k, to) < 0 && t.cmp(to, nd.keys[i+1]) < 0 {
		nd.keys[i] = to // still not less than what separates the leaf from the left
		return
	}
	if v, ok := t.Delete(k); ok {
		t.Set(to, v)
	}
}

// Delete removes key k and returns the value it had.
func (t *Tree[K, V]) Delete(k K) (V, bool) {
	v, ok := t.delete(t.root, k)
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	return v, ok
}

func (t *Tree[K, V]) delete(nd *node[K, V], k K) (v V, ok bool) {
	if nd.kids == nil {
		i, ok := t.lower(nd.keys, k)
		if !ok {
			return v, false
		}
		v = nd.vals[i]
		nd.keys = slices.Delete(nd.keys, i, i+1)
		nd.vals = slices.Delete(nd.vals, i, i+1)
		t.n--
		return v, true
	}
	i := t.child(nd, k)
	if v, ok = t.delete(nd.kids[i], k); ok {
		t.tidy(nd, i)
	}
	return v, ok
}

// Cursor is a place in a tree. A change of the tree makes it invalid.
type Cursor[K, V any] struct {
	leaf *node[K, V]
	i    int
}

// First is the place of the smallest key.
func (t *Tree[K, V]) First() Cursor[K, V] {
	return Cursor[K, V]{leaf: t.head}.settle()
}

// Seek is the place of the first key that is not less than k.
func (t *Tree[K, V]) Seek(k K) Cursor[K, V] {
	nd := t.leaf(k)
	i, _ := t.lower(nd.keys, k)
	return Cursor[K, V]{leaf: nd, i: i}.settle()
}

// settle moves a place behind the end of a leaf to the next leaf. Only the root
// may be an empty leaf, so one step is enough.
func (c Cursor[K, V]) settle() Cursor[K, V] {
	if c.i >= len(c.leaf.keys) {
		return Cursor[K, V]{leaf: c.leaf.next}
	}
	return c
}

// Valid is false behind the last key.
func (c Cursor[K, V]) Valid() bool { return c.leaf != nil }

// Key is the key at c, which must be valid.
func (c Cursor[K, V]) Key() K { return c.leaf.keys[c.i] }

// Value is the value at c, which must be valid.
func (c Cursor[K, V]) Value() V { return c.leaf.vals[c.i] }

// Next is the place after c, which must be valid.
func (c Cursor[K, V]) Next() Cursor[K, V] {
	c.i++
	return c.settle()
}
