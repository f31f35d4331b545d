package rx

import (
	"github.com/rserpool/rserpool/sctp/wire"
)

// Overhead is what one DATA chunk is charged in the receive buffer besides its
// bytes: what the bookkeeping of a tiny message takes at worst. Many tiny chunks
// must not outgrow the buffer by much.
const Overhead = 256

// Info describes the (part of a) message that a read returned.
type Info struct {
	Stream    wire.StreamID
	SSN       wire.SSN
	PPID      wire.PPID
	TSN       wire.TSN // of the first fragment
	Unordered bool
	End       bool // the message ends here
	Torn      bool // instead of the rest of the message, which will not come
}

// Verdict says what Insert did with a DATA chunk.
type Verdict uint8

// Verdicts.
const (
	Accepted  Verdict = iota
	Violation         // the chunk contradicts what was received: RFC 9260 §3.3.10.13
)

// message is a message, or the part of one that may be delivered, with its place
// in two queues: all readable ones, and those of its stream.
type message struct {
	info       Info
	parts      chain
	whole      bool // no more fragments will come
	queued     bool // in the queue of readable messages
	begun      bool // part of it was read
	prev, next *message
	streamNext *message
}

// Inbox reassembles, orders and queues received user data.
type Inbox struct {
	limit   int // receive buffer in bytes
	charged int // bytes and overhead held
	user    int // user bytes held
	mean    int // size of chunks, a moving average, in units of 1/meanScale bytes

	streams streams
	pending map[turn]*message
	frags   fragments
	partial *message // under partial delivery, and not complete

	first, last *message // readable, in the order they became so
	readable    int
	woken       queue
	pool        *pool // nil while nothing was in it

	arrived, reassembled uint64 // messages received whole; of these, in fragments
}

// turn is the place of an ordered message in its stream.
type turn struct {
	stream wire.StreamID
	ssn    wire.SSN
}

// Init prepares an inbox with a receive buffer of limit bytes.
func (x *Inbox) Init(limit int) { *x = Inbox{limit: limit} }

// Window is the room left in bytes of user data, as advertised in a_rwnd. The peer
// counts user data only; so the overhead is taken into account as if what comes were
// in chunks of the mean size so far. What is less than a packet's worth is not
// worth advertising (RFC 9260 §6.2, SWS avoidance of RFC 1122 §4.2.3.3).
func (x *Inbox) Window() int {
	w := x.window(x.user, x.charged)
	if w < min(sillyWindow, x.window(0, 0)/4) {
		return 0
	}
	return w
}

// window is the room in bytes of user data with so much in the buffer.
func (x *Inbox) window(user, charged int) int {
	w := max(0, x.limit-user)
	if x.mean > 0 {
		size := int64(max(1, x.mean/meanScale))
		w = min(w, int(int64(max(0, x.most()-charged))*size/(size+Overhead)))
	}
	return w
}

// most is the bytes and overhead that the buffer holds: twice its size, so that
// chunks of moderate size can fill it, and in a small one what an initial congestion
// window brings in tiny chunks, before their size is known.
func (x *Inbox) most() int { return max(2*x.limit, minMost) }

const (
	minMost = 80 << 10
	// sillyWindow is a packet's worth.
	sillyWindow = 1500
	// meanScale is the unit of Inbox.mean, and the weight of the past in it.
	meanScale = 16
)

// Opened says whether the window is so much wider than what was advertised last
// that the peer should hear of it: by a quarter of the buffer (RFC 9260 §6.2), or
// half of it is free again, so that a peer whose chunks are that large may go on.
func (x *Inbox) Opened(advertised int) bool {
	w, all := x.Window(), x.window(0, 0)
	return w-advertised >= all/4 || advertised < all/2 && w >= all/2
}

// Tight says whether the buffer is half full.
func (x *Inbox) Tight() bool { return x.user > x.limit/2 || x.charged > x.most()/2 }

// Held is the number of user bytes held.
func (x *Inbox) Held() int { return x.user }

// Arrived is the number of messages received whole so far, and of these those that
// came in fragments.
func (x *Inbox) Arrived() (all, reassembled uint64) { return x.arrived, x.reassembled }

// Readable is the number of messages, or parts, that wait for a reader.
func (x *Inbox) Readable() int { return x.readable }

// HasRoom says whether a chunk of n bytes may be accepted (RFC 9260 §6.2). Above the
// highest TSN that is so as long as the window is open for it. One that fills a hole
// gets a quarter more. The next one in turn is accepted whatever its size if there
// is nothing to read: all that is held waits for it.
func (x *Inbox) HasRoom(t wire.TSN, n int, m *TSNMap) bool {
	user, charged := x.limit, x.most()
	if t.Less(m.high) {
		user, charged = user+user/4, charged+charged/4
	}
	return x.user+n <= user && x.charged < charged || t == m.cum.Add(1) && x.readable == 0
}

func (x *Inbox) stream(id wire.StreamID) *stream { return x.streams.get(id) }

// Insert takes a DATA chunk whose TSN is new; m already has it recorded. The
// payload is copied.
func (x *Inbox) Insert(d *wire.Data, m *TSNMap) Verdict {
	if !d.Begin || !d.End {
		return x.fragment(d, m)
	}
	if x.frags.count > 0 && x.frags.surround(d.TSN) {
		return Violation // a whole message in the middle of another
	}
	x.arrived++
	msg := x.pooled().message()
	msg.info = Info{Stream: d.Stream, SSN: d.SSN, PPID: d.PPID, TSN: d.TSN, Unordered: d.Unordered}
	msg.whole = true
	msg.parts.append(x.store(d))
	return x.complete(msg, m.Cum())
}

// Skip is told of a chunk that is acknowledged but not kept, because its stream
// does not exist.
func (x *Inbox) Skip(t wire.TSN) Verdict {
	if x.frags.count > 0 && x.frags.surround(t) {
		return Violation
	}
	return Accepted
}

// store copies a chunk's data into a fragment and charges it to the buffer.
func (x *Inbox) store(d *wire.Data) *fragment {
	n := len(d.Payload)
	x.charged += n + Overhead
	x.user += n
	if x.mean == 0 {
		x.mean = n * meanScale
	}
	x.mean += n - x.mean/meanScale
	return x.pooled().get(d.Payload)
}

// complete files a whole message by the order of its stream (RFC 9260 §6.6).
//
// Sequence numbers wrap, so a message ahead of its turn cannot be told from one
// whose number was used before by comparing numbers: a sender may have 65,535
// ordered messages on the way. But all those before it in the stream have lower
// TSNs, and the one whose turn it is lacks a TSN above cum.
func (x *Inbox) complete(m *message, cum wire.TSN) Verdict {
	s := x.stream(m.info.Stream)
	if m.info.Unordered {
		x.deliver(s, m)
		return Accepted
	}
	ahead := int32(uint16(m.info.SSN.Sub(s.next)))
	key := turn{s.id, m.info.SSN}
	switch {
	case ahead == 0 && (s.partial == nil || s.partial.info.Unordered):
		x.deliver(s, m)
		x.advance(s)
		return Accepted
	case ahead == 0, ahead >= m.info.TSN.Sub(cum), x.pending[key] != nil:
		return Violation // a sequence number used twice
	}
	if x.pending == nil {
		x.pending = make(map[turn]*message)
	}
	x.pending[key] = m
	return Accepted
}

// advance steps the stream's sequence and delivers what waited for it.
func (x *Inbox) advance(s *stream) {
	s.next = s.next.Add(1)
	for len(x.pending) > 0 {
		key := turn{s.id, s.next}
		m := x.pending[key]
		if m == nil {
			return
		}
		delete(x.pending, key)
		x.deliver(s, m)
		s.next = s.next.Add(1)
	}
}

// deliver appends a message to the stream's queue and, unless another one has to
// be completed first, to that of all streams.
func (x *Inbox) deliver(s *stream, m *message) {
	if s.tail == nil {
		s.head = m
		x.woken.push(s.id)
	} else {
		s.tail.streamNext = m
	}
	s.tail = m
	if s.partial == nil || s.partial == m {
		x.enqueue(m)
	}
}

func (x *Inbox) enqueue(m *message) {
	if m.queued {
		return
	}
	m.queued = true
	m.prev, m.next = x.last, nil
	if x.last == nil {
		x.first = m
	} else {
		x.last.next = m
	}
	x.last = m
	x.readable++
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
		x.last = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
	x.readable--
}

// TakeReadable returns a stream that became readable since it was last asked.
func (x *Inbox) TakeReadable() (wire.StreamID, bool) { return x.woken.pop() }

// Woken says whether TakeReadable has one to return.
func (x *Inbox) Woken() bool { return !x.woken.empty() }

// queue is stream identifiers, first in, first out, whose memory is reused.
type queue struct {
	ids  []wire.StreamID
	head int
}

func (q *queue) empty() bool { return q.head == len(q.ids) }

func (q *queue) push(id wire.StreamID) { q.ids = append(q.ids, id) }

func (q *queue) pop() (wire.StreamID, bool) {
	if q.empty() {
		return 0, false
	}
	id := q.ids[q.head]
	if q.head++; q.head == len(q.ids) {
		q.ids, q.head = q.ids[:0], 0
	}
	return id, true
}

// Trim gives pooled memory back to the garbage collector.
func (x *Inbox) Trim() {
	x.pool = nil
	if len(x.pending) == 0 {
		x.pending = nil
	}
	x.frags.trim()
	x.streams.trim()
	if x.woken.empty() {
		x.woken = queue{}
	}
}

// Partial describes the message that is being delivered while it arrives; begun says
// whether some of it was read.
func (x *Inbox) Partial() (info Info, begun, ok bool) {
	if x.partial == nil {
		return Info{}, false, false
	}
	return x.partial.info, x.partial.begun, true
}

// Restart drops what is incomplete or out of turn and begins all streams anew;
// whole messages that can be read stay (RFC 9260 §5.2.4 action A). Who has read
// the begin of a message that was not complete reads in the place of the rest that
// there is none.
func (x *Inbox) Restart() {
	kept := Inbox{limit: x.limit, mean: x.mean, woken: x.woken, arrived: x.arrived, reassembled: x.reassembled}
	if p := x.partial; p != nil && p.begun {
		torn := &message{info: p.info, whole: true}
		torn.info.Torn = true
		kept.deliver(kept.stream(p.info.Stream), torn)
	}
	for m := x.first; m != nil; m = m.next {
		if !m.whole {
			continue
		}
		for f := m.parts.head; f != nil; f = f.next {
			kept.charged += len(f.data) + Overhead
			kept.user += len(f.data)
		}
		kept.deliver(kept.stream(m.info.Stream), &message{info: m.info, parts: m.parts, whole: true, begun: m.begun})
	}
	*x = kept
}
