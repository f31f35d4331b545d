package tx

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Overhead is what one message is charged in the send buffer besides its bytes,
// so that many tiny messages cannot outgrow it.
const Overhead = 64

// segmentSize bounds the bytes of a message that lie in one buffer. A longer
// message is a list of segments, so that whatever its length it needs no memory
// but what the pool hands out, and what is acknowledged of it returns there.
const segmentSize = 1 << 16

// Props is what the user wants of a message (RFC 9260 §11.1.5).
type Props struct {
	PPID      wire.PPID
	Context   uint32
	Stream    wire.StreamID
	Unordered bool
	Immediate bool
	NoBundle  bool
	Wishes    *Wishes // nil: none
}

// Wishes is what few users want of a message.
type Wishes struct {
	Path    *path.Path // where to send it if that is possible; nil: anywhere
	Expires time.Time  // it is not begun from then on; zero: never
}

// Path is where the user wants the message to go, nil if it does not care.
func (p *Props) Path() *path.Path {
	if p.Wishes == nil {
		return nil
	}
	return p.Wishes.Path
}

// Expires is when the life time of the message is over, the zero time if never.
func (p *Props) Expires() time.Time {
	if p.Wishes == nil {
		return time.Time{}
	}
	return p.Wishes.Expires
}

// Message is one user message from the moment that its first bytes are accepted
// until all of its fragments are acknowledged. There are as many as fit the send
// buffer, so it should take two cache lines and no more.
type Message struct {
	Props
	SSN wire.SSN

	ended   bool // nothing will be added to it
	ack     bool // its last fragment asks for an acknowledgement at once
	started bool // part of it is in DATA chunks
	queued  bool // it has its place in the queue; else it is parked
	dropped bool // given up while its user was still writing it

	left  int32    // bytes not yet in DATA chunks
	held  int32    // bytes that are not acknowledged
	acked uint64   // bytes in segments that were released
	head  *segment // the first that is not wholly acknowledged
	at    *segment // where the next fragment is cut
	tail  *segment
	next  *Message

	one segment // the first, which is the only one of most messages
}

// segment is bytes of a message that lie together.
type segment struct {
	msg   *Message
	data  []byte
	cut   int32 // of these, in DATA chunks
	acked int32 // and of these, cumulatively acknowledged
	next  *segment
}

// Remaining is the number of bytes that are there and not yet put into DATA chunks.
func (m *Message) Remaining() int { return int(m.left) }

// Contiguous is how many of them one fragment can take.
func (m *Message) Contiguous() int { return len(m.at.data) - int(m.at.cut) }

// Started says whether part of the message was sent.
func (m *Message) Started() bool { return m.started }

// Ended says whether the message is there to its end. If not, its user is writing
// it, and its last byte so far must wait for the next: there is no fragment
// without user data that could carry the E bit (RFC 9260 §3.3.1).
func (m *Message) Ended() bool { return m.ended }

// AckEnd says whether the reception of its last fragment should be acknowledged
// without delay (RFC 9260 §11.1.5).
func (m *Message) AckEnd() bool { return m.ack }

// Held is the number of bytes of the message that are not cumulatively acknowledged.
func (m *Message) Held() int { return int(m.held) }

// Dropped says that the message was given up before its user had written it all.
func (m *Message) Dropped() bool { return m.dropped }

// rest is the bytes of the message that were not cumulatively acknowledged. The
// message cannot be used afterwards.
func (m *Message) rest() []byte {
	if m.head == m.tail {
		return m.head.data[m.head.acked:]
	}
	b := make([]byte, 0, m.held)
	for s := m.head; s != nil; s = s.next {
		b = append(b, s.data[s.acked:]...)
	}
	return b
}

// write copies data behind what the message has.
func (q *Queue) write(m *Message, data []byte) {
	m.held += int32(len(data))
	m.left += int32(len(data))
	for len(data) > 0 {
		s := m.tail
		switch {
		case len(s.data) == segmentSize:
			s = q.segment()
			s.msg, s.data = m, q.pool().buffers.get(min(len(data), segmentSize))
			m.tail.next, m.tail = s, s
		case len(s.data) == cap(s.data):
			old := s.data
			s.data = append(q.pool().buffers.get(min(len(old)+len(data), segmentSize)), old...)
			q.pool().buffers.put(old)
		}
		n := min(cap(s.data)-len(s.data), segmentSize-len(s.data), len(data))
		s.data = append(s.data, data[:n]...)
		data = data[n:]
	}
	if m.at != m.tail && int(m.at.cut) == len(m.at.data) {
		m.at = m.at.next // more came behind a segment that is used up
	}
}
