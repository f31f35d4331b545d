package rx

import (
	"github.com/rserpool/rserpool/sctp/wire"
)

// Overhead is what one DATA chunk is charged in the receive buffer besides its
// bytes, so that many tiny chunks cannot outgrow it.
const Overhead = 64

// Info describes the (part of a) message that a read returned.
type Info struct {
	Stream    wire.StreamID
	SSN       wire.SSN
	PPID      wire.PPID
	TSN       wire.TSN
	Unordered bool
	End       bool // the message ends here
}

// Verdict says what Insert did with a DATA chunk.
type Verdict uint8

// Verdicts.
const (
	Accepted  Verdict = iota
	NoRoom            // receive buffer full: drop, do not acknowledge
	Violation         // the chunk contradicts what was received: RFC 9260 §3.3.10.13
)

// message is a message, or the part of one that may be delivered, with its place
// in two queues: all readable ones, and those of its stream.
type message struct {
	info        Info
	head, tail  *fragment
	size        int  // bytes not read yet
	whole       bool // no more fragments will come
	queued      bool // in the queue of readable messages
	prev, next  *message
	streamNext  *message
	partialOpen bool // partial delivery has begun and the end is missing
}

// Inbox reassembles, orders and queues received user data.
type Inbox struct {
	limit   int // receive buffer in bytes
	charged int // bytes and overhead held
	user    int // user bytes held
	readyN  int

	streams map[wire.StreamID]*stream
	last    *stream // the one used last
	runs    []*run  // fragments of incomplete messages, ascending
	first   *message
	lastMsg *message
	pool    pool
	freeMsg *message
	freeN   int

	woken []wire.StreamID // streams that became readable since TakeReadable
}

// stream is the receiving side of one stream.
type stream struct {
	id      wire.StreamID
	next    wire.SSN
	pending map[wire.SSN]*message // complete, before their turn
	head    *message              // deliverable, oldest first
	tail    *message
	partial *message // ordered message under partial delivery
}

// Init prepares an inbox with a receive buffer of limit bytes.
func (x *Inbox) Init(limit int) { *x = Inbox{limit: limit} }

// Window is the room left in bytes of user data, as advertised in a_rwnd. The peer
// counts user data only, so the window does too; but it closes early if the data
// comes in chunks so small that their overhead would take twice the buffer.
func (x *Inbox) Window() int {
	w := max(0, x.limit-x.user)
	if x.charged > x.limit {
		left := int64(max(0, 2*x.limit-x.charged))
		w = min(w, int(left*int64(x.user)/int64(x.charged)))
	}
	if w < min(sillyWindow, x.limit/4) {
		return 0
	}
	return w
}

// sillyWindow is the least room worth advertising: a packet's worth (RFC 9260 §6.2,
// SWS avoidance of RFC 1122 §4.2.3.3).
const sillyWindow = 1500

// Held is the number of user bytes held.
func (x *Inbox) Held() int { return x.user }

// Readable is the number of messages, or parts, that wait for a reader.
func (x *Inbox) Readable() int { return x.readyN }

func (x *Inbox) stream(id wire.StreamID) *stream {
	if x.last != nil && x.last.id == id {
		return x.last
	}
	s := x.streams[id]
	if s == nil {
		if x.streams == nil {
			x.streams = make(map[wire.StreamID]*stream)
		}
		s = &stream{id: id}
		x.streams[id] = s
	}
	x.last = s
	return s
}

func (x *Inbox) newMessage() *message {
	if m := x.freeMsg; m != nil {
		x.freeMsg = m.next
		x.freeN--
		*m = message{}
		return m
	}
	return new(message)
}

func (x *Inbox) freeMessage(m *message) {
	*m = message{}
	if x.freeN < maxFree {
		m.next = x.freeMsg
		x.freeMsg = m
		x.freeN++
	}
}

// Insert takes a DATA chunk whose TSN is new; m already has it recorded. The
// payload is copied.
func (x *Inbox) Insert(d *wire.Data, m *TSNMap) Verdict {
	n := len(d.Payload)
	if d.Begin && d.End {
		if len(x.runs) > 0 && !x.fits(d, m) {
			return Violation
		}
		msg := x.newMessage()
		msg.info = Info{Stream: d.Stream, SSN: d.SSN, PPID: d.PPID, TSN: d.TSN, Unordered: d.Unordered}
		msg.head = x.pool.get(d.Payload)
		msg.tail, msg.size, msg.whole = msg.head, n, true
		x.charge(n)
		return x.complete(msg)
	}
	return x.fragment(d, m)
}

func (x *Inbox) charge(n int) {
	x.charged += n + Overhead
	x.user += n
}

// HasRoom says whether a chunk of n bytes may be accepted: as long as the window
// is open for it (RFC 9260 §6.2).
func (x *Inbox) HasRoom(n int) bool { return x.user+n <= x.limit && x.charged < 2*x.limit }

// HasSlack is HasRoom for a chunk that fills a hole, which gets a quarter more:
// without it the messages behind the hole could never be delivered.
func (x *Inbox) HasSlack(n int) bool {
	return x.user+n <= x.limit+x.limit/4 && x.charged < 2*x.limit+x.limit/2
}

// complete files a whole message by the order of its stream (RFC 9260 §6.6).
func (x *Inbox) complete(m *message) Verdict {
	s := x.stream(m.info.Stream)
	if m.info.Unordered {
		x.deliver(s, m)
		return Accepted
	}
	if m.info.SSN != s.next {
		if m.info.SSN.Less(s.next) || s.pending[m.info.SSN] != nil {
			return Violation // a sequence number used twice under different TSNs
		}
		if s.pending == nil {
			s.pending = make(map[wire.SSN]*message)
		}
		s.pending[m.info.SSN] = m
		return Accepted
	}
	x.deliver(s, m)
	x.advance(s)
	return Accepted
}

// advance steps the stream's sequence and delivers what waited for it.
func (x *Inbox) advance(s *stream) {
	s.next = s.next.Add(1)
	for len(s.pending) > 0 {
		m := s.pending[s.next]
		if m == nil {
			return
		}
		delete(s.pending, s.next)
		x.deliver(s, m)
		s.next = s.next.Add(1)
	}
}

// deliver appends a message to the stream's queue and to that of all streams.
func (x *Inbox) deliver(s *stream, m *message) {
	if s.tail == nil {
		s.head = m
		x.woken = append(x.woken, s.id)
	} else {
		s.tail.streamNext = m
	}
	s.tail = m
	x.enqueue(m)
}

func (x *Inbox) enqueue(m *message) {
	if m.queued {
		return
	}
	m.queued = true
	m.prev, m.next = x.lastMsg, nil
	if x.lastMsg == nil {
		x.first = m
	} else {
		x.lastMsg.next = m
	}
	x.lastMsg = m
	x.readyN++
}

func (x *Inbox) dequeue(m *message) {
	if !m.queued {
		return
	}
	m.queued = false
	if m.prev == nil {
		x.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		x.lastMsg = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
	x.readyN--
}

// TakeReadable returns a stream that became readable since it was last asked.
func (x *Inbox) TakeReadable() (wire.StreamID, bool) {
	if len(x.woken) == 0 {
		return 0, false
	}
	id := x.woken[0]
	x.woken = x.woken[:copy(x.woken, x.woken[1:])]
	return id, true
}

// Trim gives pooled memory back to the garbage collector.
func (x *Inbox) Trim() {
	x.pool.trim()
	x.freeMsg, x.freeN = nil, 0
}

// Restart drops what is incomplete or out of turn and begins all streams anew;
// whole messages that wait for a reader stay (RFC 9260 §5.2.4 action A).
func (x *Inbox) Restart() {
	kept := Inbox{limit: x.limit, woken: x.woken}
	for m := x.first; m != nil; m = m.next {
		if !m.whole {
			continue
		}
		c := &message{info: m.info, head: m.head, tail: m.tail, size: m.size, whole: true}
		for f := m.head; f != nil; f = f.next {
			kept.charge(len(f.data))
		}
		kept.deliver(kept.stream(m.info.Stream), c)
	}
	*x = kept
}
