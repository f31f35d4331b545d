// Package tx holds what an association has to send: user messages waiting for
// their turn, and the DATA chunks in flight with what is known of their fate.
package tx

// Queue is the messages not yet sent whole, in the order they were accepted
// (first come, first served), and the pool that their memory comes from.
// It also counts the send buffer, to which chunks in flight belong.
type Queue struct {
	head, tail *Message
	bytes      int   // of queued messages, not yet in DATA chunks
	held       int   // charged to the send buffer: waiting and in flight
	count      int   // messages, parked ones included
	waiting    int   // queued messages that are not begun
	begun      int   // messages begun and not wholly acknowledged
	urgent     int32 // of those waiting, the ones that must not wait for others
	timed      int32 // messages not begun that have a life time
	sequence   sequence
	parts      parts

	spare *spare // nil while nothing was in it
}

// spare is memory for messages to come.
type spare struct {
	free     *Message
	freeLen  int
	segments *segment
	segLen   int
	buffers  buffers
}

// pool is the spare memory, which an idle queue has not.
func (q *Queue) pool() *spare {
	if q.spare == nil {
		q.spare = new(spare)
	}
	return q.spare
}

// message makes a message of data.
func (q *Queue) message(p *Props, data []byte) *Message {
	pool := q.pool()
	m := pool.free
	if m == nil {
		m = new(Message)
	} else {
		pool.free = m.next
		pool.freeLen--
	}
	n := min(len(data), segmentSize)
	*m = Message{Props: *p, left: int32(n), held: int32(n)}
	s := &m.one
	s.msg, s.data = m, append(pool.buffers.get(n), data[:n]...)
	m.head, m.at, m.tail = s, s, s
	if n < len(data) {
		q.write(m, data[n:])
	}
	return m
}

// segment returns an empty segment.
func (q *Queue) segment() *segment {
	pool := q.pool()
	s := pool.segments
	if s == nil {
		return new(segment)
	}
	pool.segments = s.next
	pool.segLen--
	s.next = nil
	return s
}

// Push copies data into a new message at the end of the queue.
func (q *Queue) Push(p *Props, data []byte) {
	m := q.accept(p, data)
	m.ended, m.ack = true, p.Immediate
	q.enqueue(m)
}

// accept makes a message of data and charges it.
func (q *Queue) accept(p *Props, data []byte) *Message {
	m := q.message(p, data)
	q.held += len(data) + Overhead
	q.count++
	if p.Wishes != nil && !p.Wishes.Expires.IsZero() {
		q.timed++
	}
	return m
}

// enqueue gives a message its place.
func (q *Queue) enqueue(m *Message) {
	m.queued = true
	if q.tail == nil {
		q.head = m
	} else {
		q.tail.next = m
	}
	q.tail = m
	q.bytes += int(m.left)
	q.waiting++
	if m.hurried() {
		q.urgent++
	}
}

// hurried says that the message must not wait to be bundled with others.
func (m *Message) hurried() bool { return m.NoBundle || m.Immediate }

// Front is the message to send from next, nil if there is none.
func (q *Queue) Front() *Message { return q.head }

// Bytes is the number of user bytes that wait in the queue for DATA chunks.
func (q *Queue) Bytes() int { return q.bytes }

// Held is the number of bytes charged to the send buffer.
func (q *Queue) Held() int { return q.held }

// Urgent says whether a message waits that must not wait for others.
func (q *Queue) Urgent() bool { return q.urgent > 0 }

// Cut takes the next n bytes of the front message, at most Contiguous, as one
// fragment. The stream sequence number is given with the first (RFC 9260 §6.5,
// §6.6).
func (q *Queue) Cut(n int) Chunk {
	m := q.head
	s := m.at
	c := Chunk{seg: s, Off: s.cut, Len: int32(n)}
	if !m.started {
		c.Begin = true
		q.begin(m)
	}
	s.cut += int32(n)
	m.left -= int32(n)
	q.bytes -= n
	if int(s.cut) == len(s.data) && s.next != nil {
		m.at = s.next
	}
	if m.left == 0 && m.ended {
		c.End = true
		q.head = m.next
		m.next = nil
		if q.head == nil {
			q.tail = nil
		}
	}
	return c
}

// begin counts a message from which the first fragment is cut.
func (q *Queue) begin(m *Message) {
	m.started = true
	q.uncount(m)
	q.begun++
	if !m.Unordered {
		m.SSN = q.sequence.next(m.Stream)
	}
}

// uncount takes a message out of the counts of those that are not begun.
func (q *Queue) uncount(m *Message) {
	if m.queued {
		q.waiting--
		if m.hurried() {
			q.urgent--
		}
	}
	if m.Wishes != nil && !m.Wishes.Expires.IsZero() {
		q.timed--
	}
}

// Release drops a fragment that is cumulatively acknowledged; that happens in
// order. Its charge is lifted, and memory that is not needed any more returns to the
// pool.
func (q *Queue) Release(c *Chunk) {
	s := c.seg
	c.seg = nil
	s.acked += c.Len
	m := s.msg
	m.held -= c.Len
	q.held -= int(c.Len)
	n := len(s.data)
	if int(s.acked) < n {
		return
	}
	q.pool().buffers.put(s.data)
	if m.head = s.next; m.head != nil {
		m.acked += uint64(n)
		q.putSegment(s)
		return
	}
	q.held -= Overhead
	q.count--
	q.begun--
	if s != &m.one {
		q.putSegment(s)
	}
	q.putMessage(m)
}

// putSegment recycles a segment, unless it is part of its message.
func (q *Queue) putSegment(s *segment) {
	own := s == &s.msg.one
	*s = segment{}
	pool := q.pool()
	if own || pool.segLen >= maxSegments {
		return
	}
	s.next = pool.segments
	pool.segments = s
	pool.segLen++
}

// putMessage recycles a message.
func (q *Queue) putMessage(m *Message) {
	m.one.data, m.Wishes = nil, nil
	if pool := q.pool(); pool.freeLen < maxFree {
		m.next = pool.free
		pool.free = m
		pool.freeLen++
	}
}

// Messages is the number of messages accepted and not yet wholly acknowledged.
func (q *Queue) Messages() int { return q.count }

// Waiting is the number of messages in the queue of which nothing was sent yet.
func (q *Queue) Waiting() int { return q.waiting }

// maxOrdered bounds the messages begun and not acknowledged, so that no stream has
// more than 2^16-1 ordered ones in the send window (RFC 9260 §6.1).
const maxOrdered = 1<<16 - 1

// SequenceFull says whether m must wait before it may be begun, lest stream
// sequence numbers become ambiguous.
func (q *Queue) SequenceFull(m *Message) bool {
	return !m.Unordered && !m.started && q.begun >= maxOrdered
}

// Trim gives pooled memory back to the garbage collector.
func (q *Queue) Trim() {
	q.spare = nil
}
