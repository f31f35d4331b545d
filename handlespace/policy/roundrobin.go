package policy

import "github.com/rserpool/rserpool/rserpool"

// ring is Round Robin (RFC 5356 §4.1): the circular list of §4.1.2. Its order is
// that of registration; an element that was returned first goes to the end.
type ring struct {
	typ  rserpool.PolicyType
	opts Options
	head Item // sentinel: head.next is whose turn it is
	n    int
}

func newRing(t rserpool.PolicyType, o Options) Selector {
	r := &ring{typ: t, opts: o}
	r.head.next, r.head.prev = &r.head, &r.head
	return r
}

// Type implements Selector.
func (r *ring) Type() rserpool.PolicyType { return r.typ }

// Len implements Selector.
func (r *ring) Len() int { return r.n }

// link puts it at the end of the list.
func (r *ring) link(it *Item) {
	it.prev, it.next = r.head.prev, &r.head
	it.prev.next, it.next.prev = it, it
}

// unlink takes it out of the list.
func (it *Item) unlink() {
	it.prev.next, it.next.prev = it.next, it.prev
	it.prev, it.next = nil, nil
}

// Insert implements Selector.
func (r *ring) Insert(it *Item) {
	if it.in == r {
		return
	}
	it.in, it.taken = r, 0
	r.link(it)
	r.n++
}

// Update implements Selector. The element keeps its place.
func (r *ring) Update(it *Item, p rserpool.Policy) {
	if it.in == r {
		it.Policy, it.taken = p, 0
	}
}

// Remove implements Selector.
func (r *ring) Remove(it *Item) {
	if it.in == r {
		it.unlink()
		it.in = nil
		r.n--
	}
}

// AppendSelect implements Selector.
func (r *ring) AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item {
	start := len(dst)
	for it := r.head.next; it != &r.head && len(dst)-start < n; it = it.next {
		if skip == nil || !skip(it.ID) {
			it.take()
			dst = append(dst, it)
		}
	}
	for _, it := range dst[start : start+r.opts.turns(len(dst)-start)] {
		it.unlink()
		r.link(it)
	}
	return dst
}
