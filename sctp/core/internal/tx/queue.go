// Package tx holds what an association has to send: user messages waiting for
// their turn, and the DATA chunks in flight with what is known of their fate.
package tx

import (
	"github.com/rserpool/rserpool/sctp/wire"
)

// Overhead is what one message is charged in the send buffer besides its bytes,
// so that many tiny messages cannot outgrow it.
const Overhead = 64

// Message is one user message from the moment it is accepted until all of its
// fragments are acknowledged.
type Message struct {
	Data                 []byte
	Stream               wire.StreamID
	SSN                  wire.SSN
	PPID                 wire.PPID
	Context              uint32
	Unordered, Immediate bool

	cut  int // bytes already put into DATA chunks
	live int // chunks not cumulatively acknowledged
	next *Message
}

// Remaining is the number of bytes not yet put into DATA chunks.
func (m *Message) Remaining() int { return len(m.Data) - m.cut }

// Started says whether part of the message was sent.
func (m *Message) Started() bool { return m.cut > 0 }

// Queue is the messages not yet sent whole, in the order they were accepted
// (first come, first served), and the pool that their memory comes from.
// It also counts the send buffer, to which chunks in flight belong.
type Queue struct {
	head, tail *Message
	bytes      int // not yet in DATA chunks
	held       int // charged to the send buffer: waiting and in flight
	count      int
	waiting    int        // of these, those not begun
	ssn        []wire.SSN // next stream sequence number by stream, grown on use
	free       *Message
	freeLen    int
	buffers    buffers
}

// Push copies data into a new message at the end of the queue.
func (q *Queue) Push(m Message, data []byte) {
	n := q.free
	if n == nil {
		n = new(Message)
	} else {
		q.free = n.next
		q.freeLen--
	}
	*n = m
	n.Data = append(q.buffers.get(len(data)), data...)
	if q.tail == nil {
		q.head = n
	} else {
		q.tail.next = n
	}
	q.tail = n
	q.bytes += len(data)
	q.held += len(data) + Overhead
	q.count++
	q.waiting++
}

// Front is the message to send from next, nil if there is none.
func (q *Queue) Front() *Message { return q.head }

// Bytes is the number of user bytes not yet put into DATA chunks.
func (q *Queue) Bytes() int { return q.bytes }

// Held is the number of bytes charged to the send buffer.
func (q *Queue) Held() int { return q.held }

// Cut takes the next n bytes of the front message as one fragment. The stream
// sequence number is given with the first (RFC 9260 §6.5, §6.6).
func (q *Queue) Cut(n int) Chunk {
	m := q.head
	c := Chunk{Msg: m, Off: int32(m.cut), Len: int32(n)}
	if m.cut == 0 {
		c.Begin = true
		q.waiting--
		if !m.Unordered {
			m.SSN = q.nextSSN(m.Stream)
		}
	}
	m.cut += n
	m.live++
	q.bytes -= n
	if m.cut == len(m.Data) {
		c.End = true
		q.head = m.next
		m.next = nil
		if q.head == nil {
			q.tail = nil
		}
	}
	return c
}

func (q *Queue) nextSSN(s wire.StreamID) wire.SSN {
	if int(s) >= len(q.ssn) {
		q.ssn = append(q.ssn, make([]wire.SSN, int(s)+1-len(q.ssn))...)
	}
	n := q.ssn[s]
	q.ssn[s] = n.Add(1)
	return n
}

// Release drops one fragment of a message. When it was the last, the message's
// memory returns to the pool and its charge is lifted.
func (q *Queue) Release(m *Message) {
	m.live--
	if m.live > 0 || m.cut < len(m.Data) {
		return
	}
	q.held -= len(m.Data) + Overhead
	q.count--
	q.buffers.put(m.Data)
	*m = Message{}
	if q.freeLen < maxFree {
		m.next = q.free
		q.free = m
		q.freeLen++
	}
}

// Messages is the number of messages accepted and not yet wholly acknowledged.
func (q *Queue) Messages() int { return q.count }

// Waiting is the number of messages of which nothing was sent yet.
func (q *Queue) Waiting() int { return q.waiting }

// maxOrdered bounds the messages begun and not acknowledged, so that no stream has
// more than 2^16-1 ordered ones in the send window (RFC 9260 §6.1).
const maxOrdered = 1<<16 - 1

// SequenceFull says whether m must wait before it may be begun, lest stream
// sequence numbers become ambiguous.
func (q *Queue) SequenceFull(m *Message) bool {
	return !m.Unordered && !m.Started() && q.count-q.waiting >= maxOrdered
}

// Trim gives pooled memory back to the garbage collector.
func (q *Queue) Trim() {
	q.free, q.freeLen = nil, 0
	q.buffers.trim()
}
