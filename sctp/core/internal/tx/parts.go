package tx

import (
	"maps"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/wire"
)

// parts is the messages that their users write piece by piece and have not written
// to the end (RFC 6458 §8.1.26), one to a stream at most.
//
// The fragments of a message have consecutive TSNs (RFC 9260 §6.9). So once such a
// message is begun, all other streams wait for its user. Therefore it stays parked,
// outside of the queue, until enough of it is there.
type parts struct {
	open   map[wire.StreamID]*Message
	parked int // bytes charged for those that are parked
}

// Open is the message of a stream that its user has not written to the end, nil if
// there is none.
func (q *Queue) Open(s wire.StreamID) *Message {
	if len(q.parts.open) == 0 {
		return nil
	}
	return q.parts.open[s]
}

// Composing says whether there is a message that its user has not written to the
// end.
func (q *Queue) Composing() bool {
	for _, m := range q.parts.open {
		if !m.dropped {
			return true
		}
	}
	return false
}

// Parked is the number of bytes charged for messages without a place in the queue:
// they wait for their users only.
func (q *Queue) Parked() int { return q.parts.parked }

// Compose begins a message with its first piece; the message is parked.
func (q *Queue) Compose(p *Props, data []byte) *Message {
	m := q.accept(p, data)
	q.parts.parked += len(data) + Overhead
	if q.parts.open == nil {
		q.parts.open = make(map[wire.StreamID]*Message)
	}
	q.parts.open[p.Stream] = m
	return m
}

// Continue adds a piece to a message that is open, the last one perhaps, which may
// be empty and say that its reception should be acknowledged at once.
func (q *Queue) Continue(m *Message, data []byte, last, ack bool) {
	q.write(m, data)
	q.held += len(data)
	if m.queued {
		q.bytes += len(data)
	} else {
		q.parts.parked += len(data)
	}
	if last {
		m.ended, m.ack = true, ack
		delete(q.parts.open, m.Stream)
		q.Ready(m)
	}
}

// Ready gives a parked message its place in the queue.
func (q *Queue) Ready(m *Message) {
	if !m.queued {
		q.parts.parked -= m.Held() + Overhead
		q.enqueue(m)
	}
}

// Stuck is the message that is begun and waits for its user, so that nothing else
// can be sent, nil if there is none.
func (q *Queue) Stuck() *Message {
	if m := q.head; m != nil && m.started && !m.ended {
		return m
	}
	return nil
}

// Forget ends the memory of a message that was dropped while its user wrote it.
func (q *Queue) Forget(m *Message) { delete(q.parts.open, m.Stream) }

// streams is the streams with an open message in ascending order.
func (p *parts) streams() []wire.StreamID { return slices.Sorted(maps.Keys(p.open)) }

// Timed says whether a message that is not begun has a life time.
func (q *Queue) Timed() bool { return q.timed > 0 }

// Expire gives up the messages that were not begun within their life time (RFC
// 9260 §11.1.5) and tells drop of each. It returns when the next one is due, the
// zero time if none is.
func (q *Queue) Expire(now time.Time, drop func(*Message)) time.Time {
	var next time.Time
	due := func(m *Message) bool {
		switch {
		case m.started || m.dropped || m.Expires().IsZero():
			return false
		case !m.Expires().After(now):
			return true
		case next.IsZero() || m.Expires().Before(next):
			next = m.Expires()
		}
		return false
	}
	q.unlink(due, drop)
	for _, s := range q.parts.streams() {
		if m := q.parts.open[s]; !m.queued && due(m) {
			q.withdraw(m, drop)
		}
	}
	return next
}

// Cancel gives up the message that the user of a stream is writing, which must not
// be begun.
func (q *Queue) Cancel(m *Message) {
	if !m.dropped {
		q.withdraw(m, func(*Message) {})
	}
	q.Forget(m)
}

// CancelAll does it for all of them and tells drop of each.
func (q *Queue) CancelAll(drop func(*Message)) {
	for _, s := range q.parts.streams() {
		if m := q.parts.open[s]; !m.dropped {
			q.withdraw(m, drop)
		}
	}
	q.parts.open = nil
}

// withdraw gives up a message wherever it is.
func (q *Queue) withdraw(m *Message, drop func(*Message)) {
	if m.queued {
		q.unlink(func(o *Message) bool { return o == m }, drop)
		return
	}
	q.parts.parked -= m.Held() + Overhead
	q.giveUp(m, drop)
}

// unlink takes the messages from the queue for which which is true. They must not be
// begun.
func (q *Queue) unlink(which func(*Message) bool, drop func(*Message)) {
	var before *Message
	for m := q.head; m != nil; {
		next := m.next
		if !which(m) {
			before, m = m, next
			continue
		}
		if before == nil {
			q.head = next
		} else {
			before.next = next
		}
		if q.tail == m {
			q.tail = before
		}
		m.next = nil
		q.bytes -= int(m.left)
		q.giveUp(m, drop)
		m = next
	}
}

// giveUp takes a message that is not begun and has no place any more out of the
// counts. Its user is told if it is still being written.
func (q *Queue) giveUp(m *Message, drop func(*Message)) {
	q.uncount(m)
	q.held -= m.Held() + Overhead
	q.count--
	m.queued, m.dropped = false, true
	drop(m)
	m.head, m.at, m.tail, m.one = nil, nil, nil, segment{}
}

// Undelivered calls f for each message that is not wholly acknowledged: first
// those that are begun, by TSN, then the others in the order they would have been
// sent. Nothing can be done with the queue afterwards.
func (q *Queue) Undelivered(o *Outstanding, f func(*Message)) {
	var last *Message
	for t := o.base; t != o.next; t = t.Add(1) {
		if m := o.At(t).Message(); m != last {
			last = m
			f(m)
		}
	}
	for m := q.head; m != nil; m = m.next {
		if m != last {
			f(m)
		}
	}
	for _, s := range q.parts.streams() {
		if m := q.parts.open[s]; !m.queued && !m.dropped {
			f(m)
		}
	}
}

// Unacknowledged is the bytes of a message that were not cumulatively acknowledged,
// and how many before them were. Its memory is not the queue's any more.
func (m *Message) Unacknowledged() (data []byte, acked uint64) {
	return m.rest(), m.acked + uint64(m.head.acked)
}

// Shift moves all life times by d, because the clock was set.
func (q *Queue) Shift(d time.Duration) {
	if q.timed == 0 {
		return
	}
	move := func(m *Message) {
		if !m.Expires().IsZero() {
			m.Wishes.Expires = m.Wishes.Expires.Add(d)
		}
	}
	for m := q.head; m != nil; m = m.next {
		move(m)
	}
	for _, m := range q.parts.open {
		if !m.queued {
			move(m)
		}
	}
}
