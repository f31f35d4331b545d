package handlespace

import (
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// expiry is a binary heap of the elements that expire, the next one on top. Ties
// go to the one set first, so that the order does not depend on the heap's shape.
type expiry struct {
	heap []deadline
	seq  uint64
}

type deadline struct {
	at  time.Time
	seq uint64
	r   *record
}

func (d deadline) before(o deadline) bool {
	if c := d.at.Compare(o.at); c != 0 {
		return c < 0
	}
	return d.seq < o.seq
}

// set stores d at index i.
func (x *expiry) set(i int, d deadline) {
	x.heap[i] = d
	d.r.timer = i + 1
}

// up moves d from the hole at i towards the top to where it belongs.
func (x *expiry) up(i int, d deadline) {
	for i > 0 {
		parent := (i - 1) / 2
		if !d.before(x.heap[parent]) {
			break
		}
		x.set(i, x.heap[parent])
		i = parent
	}
	x.set(i, d)
}

// down moves d from the hole at i away from the top to where it belongs.
func (x *expiry) down(i int, d deadline) {
	for {
		child := 2*i + 1
		if child >= len(x.heap) {
			break
		}
		if child+1 < len(x.heap) && x.heap[child+1].before(x.heap[child]) {
			child++
		}
		if !x.heap[child].before(d) {
			break
		}
		x.set(i, x.heap[child])
		i = child
	}
	x.set(i, d)
}

// add lets r expire at a time, whether it did before or not.
func (x *expiry) add(r *record, at time.Time) {
	r.el.Expiry = at
	x.seq++
	d := deadline{at, x.seq, r}
	if r.timer == 0 {
		x.heap = append(x.heap, d)
		x.up(len(x.heap)-1, d)
		return
	}
	x.settle(r.timer-1, d)
}

// settle puts d into the hole at i and from there to where it belongs.
func (x *expiry) settle(i int, d deadline) {
	if i > 0 && d.before(x.heap[(i-1)/2]) {
		x.up(i, d)
	} else {
		x.down(i, d)
	}
}

// remove lets r never expire.
func (x *expiry) remove(r *record) {
	if r.timer == 0 {
		return
	}
	i, last := r.timer-1, len(x.heap)-1
	d := x.heap[last]
	x.heap[last] = deadline{}
	x.heap = x.heap[:last]
	if i != last {
		x.settle(i, d)
	}
	r.timer = 0
}

// SetExpiry lets element id of pool h expire at a time; the zero time means never.
// It returns false if there is no such element.
func (s *Space) SetExpiry(h rserpool.PoolHandle, id rserpool.PEID, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record(h, id)
	if r == nil {
		return false
	}
	if at.IsZero() {
		s.expiry.remove(r)
		r.el.Expiry = at
	} else {
		s.expiry.add(r, at)
	}
	return true
}

// NextExpiry is when the next element expires; false if none does.
func (s *Space) NextExpiry() (time.Time, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.expiry.heap) == 0 {
		return time.Time{}, false
	}
	return s.expiry.heap[0].at, true
}

// Expire removes the elements whose time has come and returns them, earliest
// first.
func (s *Space) Expire(now time.Time) []Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []Element
	for len(s.expiry.heap) > 0 && !s.expiry.heap[0].at.After(now) {
		r := s.expiry.heap[0].r
		s.unlink(r)
		gone = append(gone, r.el)
	}
	return gone
}
