package core

import (
	"math"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Outgoing is the properties of a message to send (RFC 9260 §11.1.5).
type Outgoing struct {
	Stream    wire.StreamID
	PPID      wire.PPID
	Unordered bool
	Immediate bool   // ask for an acknowledgement without delay (I bit)
	NoBundle  bool   // do not wait for other messages to share a packet with
	Context   uint32 // the user's own, for failure reports
	// Partial says that the message goes on with what is sent next on its stream; it
	// ends with the first piece without Partial, which may be empty. The properties
	// are those of the first piece, but Immediate counts in the last.
	Partial bool
	// Lifetime is how long the message may wait to be begun; then it is given up. 0:
	// for ever.
	Lifetime time.Duration
	// Path is the address of the peer to send the message to, if it is usable when
	// its turn comes; the zero address: where everything else goes.
	Path netip.Addr
}

// Send queues a copy of data as one message, or as a piece of one. Errors:
// ErrWouldBlock, ErrMessageTooLarge, ErrEmptyMessage, ErrInvalidStream,
// ErrNoPath, ErrNotConnected, ErrShuttingDown, why the association ended, and,
// for a piece that is not the first, ErrExpired: the message was given up, and the
// next Send on the stream begins another.
func (a *Association) Send(now time.Time, m *Outgoing, data []byte) error {
	switch {
	case a.state == Closed:
		return a.endError()
	case a.state.setup():
		return ErrNotConnected
	case a.state != Established:
		return ErrShuttingDown
	case len(data) > a.cfg.MaxMessageSize:
		return ErrMessageTooLarge
	case int(m.Stream) >= a.id.outStreams:
		return ErrInvalidStream
	}
	q := &a.tx.queue
	open := q.Open(m.Stream)
	switch {
	case open != nil && open.Dropped():
		q.Forget(open)
		return ErrExpired
	case len(data) == 0 && (open == nil || m.Partial):
		return ErrEmptyMessage
	}
	var to *path.Path
	if m.Path.IsValid() && open == nil {
		if to = a.paths.Find(m.Path.Unmap()); to == nil {
			return ErrNoPath
		}
	}
	now = a.read(now)
	if !a.accepts(open, len(data)) {
		a.tx.blocked, a.tx.hurry = true, open != nil
		return ErrWouldBlock
	}
	a.touch(now)
	a.tx.dirty = true
	if open == nil {
		p := tx.Props{Stream: m.Stream, PPID: m.PPID, Context: m.Context, Unordered: m.Unordered,
			Immediate: m.Immediate, NoBundle: m.NoBundle}
		if m.Lifetime != 0 || to != nil {
			p.Wishes = a.wishes(now, m.Lifetime, to)
		}
		if !m.Partial {
			q.Push(&p, data)
			return nil
		}
		open = q.Compose(&p, data)
	} else {
		q.Continue(open, data, !m.Partial, m.Immediate)
		a.tx.hurry = false
	}
	// A single byte cannot be sent yet, see tx.Message.Ended: begun with no more it
	// would hold up all others and itself.
	if open.Held() > 1 && (open.Held() >= a.beginAt() || q.Held() > a.cfg.SendBuffer) {
		q.Ready(open)
	}
	return nil
}

// wishes is the life time and the path of a message.
func (a *Association) wishes(now time.Time, life time.Duration, to *path.Path) *tx.Wishes {
	w := &tx.Wishes{Path: to}
	if life != 0 {
		w.Expires = now.Add(life)
		a.expireBy(w.Expires)
	}
	return w
}

// beginAt is how much of a message that its user writes piece by piece must be
// there before it is begun: from then on nothing else can be sent before it is
// complete, since its fragments have consecutive TSNs (RFC 9260 §6.9).
func (a *Association) beginAt() int { return min(a.cfg.SendBuffer/2, maxParked) }

// maxParked bounds beginAt.
const maxParked = 64 << 10

// accepts says whether the send buffer has room for n bytes, of open if that is
// there. What is larger than the buffer may go when nothing else is in it. A
// message that holds up all others has a send buffer of its own, or they could
// hold it up.
func (a *Association) accepts(open *tx.Message, n int) bool {
	q := &a.tx.queue
	if open != nil && open.Started() {
		return open.Held()+n <= a.cfg.SendBuffer || open.Held() <= 1
	}
	held := q.Held()
	return held == q.Parked() || held+n+tx.Overhead <= a.cfg.SendBuffer
}

// Writing says whether what is sent next on a stream continues a message.
func (a *Association) Writing(id wire.StreamID) bool { return a.tx.queue.Open(id) != nil }

// Abandon gives up the messages that the user is writing piece by piece, because
// it or the peer wants to end the association gracefully. If one was begun that is
// not possible, since whatever followed in the place of its end would contradict it:
// then the association is aborted, and the result is false.
func (a *Association) Abandon(now time.Time) bool {
	if !a.tx.queue.Composing() {
		return true
	}
	if a.tx.queue.Stuck() != nil {
		a.abortCause(now, wire.CauseUserAbort, []byte("message is not complete"))
		return false
	}
	a.tx.queue.CancelAll(func(m *tx.Message) { a.giveBack(m, ErrShuttingDown) })
	return true
}

// Cancel gives up the message that the user writes piece by piece on a stream, as if
// it had never been begun; it is not reported as undelivered. The error is
// ErrIncomplete if some of it was sent: then the association can only be aborted.
func (a *Association) Cancel(now time.Time, id wire.StreamID) error {
	m := a.tx.queue.Open(id)
	switch {
	case m == nil:
		return nil
	case m.Started():
		return ErrIncomplete
	case m.Dropped():
		a.tx.queue.Forget(m)
		return nil
	}
	a.tx.queue.Cancel(m)
	a.released(a.read(now))
	return nil
}

// front is the message to send from, nil if there is none or its user has to write
// more of it first. Those whose life time is over are given up (RFC 9260 §11.1.5).
func (a *Association) front(now time.Time) *tx.Message {
	for {
		m := a.tx.queue.Front()
		switch {
		case m == nil || m.Ended() && m.Wishes == nil:
			return m
		case !m.Started() && !m.Expires().IsZero() && !m.Expires().After(now):
			a.expire(now)
		case !m.Ended() && a.cutSize(m, math.MaxInt, a.maxFragment()) == 0:
			return nil
		default:
			return m
		}
	}
}

// pathOf is the path for new data of a message: the one that its user wants, if
// that can be used (RFC 9260 §6.4, §6.4.1).
func (a *Association) pathOf(m *tx.Message) *path.Path {
	if m != nil && m.Wishes != nil && m.Path() != nil && m.Path().State == path.Active {
		return m.Path()
	}
	return a.paths.Current()
}

// writable tells the user that there is room again, if it waits for that.
func (a *Association) writable() {
	t := &a.tx
	if !t.blocked {
		return
	}
	// An open message keeps a byte, lest its end be a fragment without data.
	enough := max(a.cfg.SendBuffer*3/4, 1)
	if m := t.queue.Stuck(); t.queue.Held()-t.queue.Parked() <= enough || m != nil && m.Held() <= enough {
		t.blocked = false
		a.ev.push(Event{Kind: EventWritable})
	}
}
