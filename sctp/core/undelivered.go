package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/tx"
)

// Undelivered is a message that could not be delivered, or may not have been (RFC
// 9260 §11.1.14, §11.1.15, §11.2.2).
type Undelivered struct {
	Outgoing // as it was given to Send; Partial: its end was not
	// Data is what the peer did not acknowledge of it.
	Data []byte
	// Acked is the number of bytes before Data that the peer acknowledged.
	Acked uint64
	// Sent says that some of Data was sent, so that the peer may have it.
	Sent bool
	// Err is the reason: ErrExpired, ErrRestarted, ErrShuttingDown or why the
	// association ended.
	Err error
	// Missed is how many messages before this one were not kept, because nobody took
	// those that wait.
	Missed int
}

// undelivered is the messages that wait for TakeUndelivered.
type undelivered struct {
	list   []Undelivered
	head   int
	bytes  int
	missed int
}

// giveBack keeps a message that is given up for its user.
func (a *Association) giveBack(m *tx.Message, err error) {
	if !a.cfg.ReportUndelivered {
		return
	}
	if a.back == nil {
		a.back = new(undelivered)
	}
	u := a.back
	if u.bytes > 2*a.cfg.SendBuffer { // the user does not look at them
		u.missed++
		return
	}
	data, acked := m.Unacknowledged()
	o := Undelivered{Data: data, Acked: acked, Sent: m.Started(), Err: err, Missed: u.missed, Outgoing: Outgoing{
		Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Immediate: m.Immediate,
		NoBundle: m.NoBundle, Context: m.Context, Partial: !m.Ended(),
	}}
	if p := m.Path(); p != nil {
		o.Path = p.Remote.Addr()
	}
	u.missed = 0
	u.list = append(u.list, o)
	u.bytes += len(data) + tx.Overhead
	if len(u.list)-u.head == 1 {
		a.ev.push(Event{Kind: EventUndelivered})
	}
}

// giveBackAll does it for all messages that are not acknowledged, because nothing of
// them will be sent any more.
func (a *Association) giveBackAll(err error) {
	if !a.cfg.ReportUndelivered {
		return
	}
	a.tx.queue.Undelivered(&a.tx.out, func(m *tx.Message) { a.giveBack(m, err) })
}

// TakeUndelivered returns the next message that could not be delivered, in the
// order they were sent, false if there is none; EventUndelivered says when to ask.
// Messages are kept only with Config.ReportUndelivered, and not many more than the
// send buffer holds twice.
func (a *Association) TakeUndelivered() (Undelivered, bool) {
	u := a.back
	if u == nil || u.head == len(u.list) {
		return Undelivered{}, false
	}
	m := u.list[u.head]
	u.list[u.head] = Undelivered{}
	u.head++
	u.bytes -= len(m.Data) + tx.Overhead
	if u.head == len(u.list) {
		u.list, u.head = nil, 0
	}
	return m, true
}

// expiryGrain is how far apart the looks for expired messages are, so that many
// messages with life times of their own cost little.
const expiryGrain = 10 * time.Millisecond

// expireBy makes sure that a message is given up soon after its life time.
func (a *Association) expireBy(when time.Time) {
	a.timers.setEarlier(timerExpiry, when)
}

// expire gives up the messages that were not begun within their life time (RFC 9260
// §11.1.5).
func (a *Association) expire(now time.Time) {
	a.timers.stop(timerExpiry)
	n := a.tx.queue.Messages()
	next := a.tx.queue.Expire(now, func(m *tx.Message) { a.giveBack(m, ErrExpired) })
	if !next.IsZero() {
		if soon := now.Add(expiryGrain); next.Before(soon) {
			next = soon
		}
		a.timers.set(timerExpiry, next)
	}
	if a.tx.queue.Messages() < n {
		a.released(now)
	}
}
