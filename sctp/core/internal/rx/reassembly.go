package rx

import (
	"slices"

	"github.com/rserpool/rserpool/sctp/wire"
)

// run is consecutive fragments of one incomplete message.
type run struct {
	info        Info
	first, last wire.TSN
	head, tail  *fragment
	size        int
	begin, end  bool     // has the first, the last fragment
	open        *message // under partial delivery: fragments go here
}

func (r *run) same(d *wire.Data) bool {
	return r.info.Stream == d.Stream && r.info.PPID == d.PPID && r.info.Unordered == d.Unordered &&
		(d.Unordered || r.info.SSN == d.SSN)
}

// find returns the index of the first run that begins above t.
func (x *Inbox) find(t wire.TSN) int {
	if n := len(x.runs); n == 0 || x.runs[n-1].first.Less(t) {
		return n
	}
	i, _ := slices.BinarySearchFunc(x.runs, t, func(r *run, t wire.TSN) int {
		if r.first.Less(t) {
			return -1
		}
		return 1
	})
	return i
}

// neighbours returns the runs that end just below t and begin just above it.
func (x *Inbox) neighbours(t wire.TSN) (i int, left, right *run) {
	i = x.find(t)
	if i > 0 && x.runs[i-1].last.Add(1) == t {
		left = x.runs[i-1]
	}
	if i < len(x.runs) && x.runs[i].first == t.Add(1) {
		right = x.runs[i]
	}
	return i, left, right
}

// fits checks a chunk against what was received next to it: a message's fragments
// have consecutive TSNs, begin with B and end with E (RFC 9260 §6.9).
func (x *Inbox) fits(d *wire.Data, m *TSNMap) bool {
	_, left, right := x.neighbours(d.TSN)
	return fits(d, m, left, right)
}

func fits(d *wire.Data, m *TSNMap, left, right *run) bool {
	if d.Begin {
		if left != nil && !left.end {
			return false
		}
	} else if left != nil {
		if left.end || !left.same(d) {
			return false
		}
	} else if m.Received(d.TSN.Add(^uint32(0))) {
		return false // the chunk before belongs to a message that is complete
	}
	if d.End {
		if right != nil && !right.begin {
			return false
		}
	} else if right != nil {
		if right.begin || !right.same(d) {
			return false
		}
	} else if m.Received(d.TSN.Add(1)) {
		return false
	}
	return true
}

// fragment files one fragment of a longer message.
func (x *Inbox) fragment(d *wire.Data, m *TSNMap) Verdict {
	i, left, right := x.neighbours(d.TSN)
	if !fits(d, m, left, right) {
		return Violation
	}
	f := x.pool.get(d.Payload)
	x.charge(len(d.Payload))
	if d.Begin {
		left = nil
	}
	if d.End {
		right = nil
	}
	var r *run
	switch {
	case left != nil:
		r = left
		r.append(f, len(d.Payload))
		r.last = d.TSN
		i--
	default:
		r = &run{first: d.TSN, last: d.TSN, begin: d.Begin,
			info: Info{Stream: d.Stream, SSN: d.SSN, PPID: d.PPID, TSN: d.TSN, Unordered: d.Unordered}}
		r.append(f, len(d.Payload))
		x.runs = slices.Insert(x.runs, i, r)
	}
	r.end = d.End
	if right != nil {
		r.join(right)
		x.runs = slices.Delete(x.runs, i+1, i+2)
	}
	if r.open != nil {
		x.flush(r)
	}
	if r.begin && r.end {
		x.runs = slices.Delete(x.runs, i, i+1)
		return x.finish(r)
	}
	return Accepted
}

func (r *run) append(f *fragment, n int) {
	if r.tail == nil {
		r.head = f
	} else {
		r.tail.next = f
	}
	r.tail = f
	r.size += n
}

// join appends the run that begins where r ends.
func (r *run) join(right *run) {
	if r.tail == nil {
		r.head = right.head
	} else {
		r.tail.next = right.head
	}
	r.tail = right.tail
	r.size += right.size
	r.last, r.end = right.last, right.end
}

// finish turns a run that has both ends into a message.
func (x *Inbox) finish(r *run) Verdict {
	if msg := r.open; msg != nil {
		msg.whole, msg.partialOpen = true, false
		if s := x.stream(msg.info.Stream); s.partial == msg {
			s.partial = nil
			x.advance(s)
		}
		return Accepted
	}
	msg := x.newMessage()
	msg.info = r.info
	msg.info.TSN = r.first
	msg.head, msg.tail, msg.size, msg.whole = r.head, r.tail, r.size, true
	return x.complete(msg)
}

// flush moves the fragments of a run under partial delivery to its message.
func (x *Inbox) flush(r *run) {
	msg := r.open
	if r.head == nil {
		return
	}
	if msg.tail == nil {
		msg.head = r.head
	} else {
		msg.tail.next = r.head
	}
	msg.tail = r.tail
	msg.size += r.size
	r.head, r.tail, r.size = nil, nil, 0
	if !msg.queued {
		x.woken = append(x.woken, msg.info.Stream)
	}
	x.enqueue(msg)
}

// DeliverPartially begins partial delivery of the oldest incomplete message that
// may be delivered next, to free room for its rest (RFC 9260 §6.9). cum is the
// cumulative TSN: only fragments up to it are certain to stay.
func (x *Inbox) DeliverPartially(cum wire.TSN) bool {
	for _, r := range x.runs {
		if cum.Less(r.first) {
			return false
		}
		if !r.begin || r.open != nil {
			continue
		}
		s := x.stream(r.info.Stream)
		if !r.info.Unordered && (r.info.SSN != s.next || s.partial != nil) {
			continue
		}
		msg := x.newMessage()
		msg.info = r.info
		msg.info.TSN = r.first
		msg.partialOpen = true
		if !r.info.Unordered {
			s.partial = msg
		}
		msg.head, msg.tail, msg.size = r.head, r.tail, r.size
		r.head, r.tail, r.size = nil, nil, 0
		r.open = msg
		x.deliver(s, msg)
		return true
	}
	return false
}

// Incomplete is the number of runs of fragments that wait for the rest of their
// message.
func (x *Inbox) Incomplete() int { return len(x.runs) }
