package coresim

import (
	"errors"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// writing is a message that its user sends piece by piece.
type writing struct {
	m     core.Outgoing
	id    uint32
	n, at int // bytes in all, and sent
}

func (f *Flow) write(over bool) {
	e := f.tx
	if over || f.Left <= 0 && f.writing == nil || e.State() != core.Established || f.blocked && !e.writable {
		return
	}
	f.blocked = false
	for (f.Left > 0 || f.writing != nil) && !f.blocked {
		f.blocked = !f.send()
		if f.blocked && !f.told {
			f.blocked = false
			break
		}
	}
	e.drain()
}

// send sends a random message, or a piece of one; false if the send buffer is full.
func (f *Flow) send() bool {
	r := f.r
	m := core.Outgoing{Stream: wire.StreamID(r.IntN(f.streams)), Unordered: r.IntN(5) == 0, Immediate: r.IntN(20) == 0, NoBundle: r.IntN(20) == 0}
	if f.writing != nil && r.IntN(100) == 0 && f.cancel() {
		return true
	}
	if w := f.writing; w != nil && (f.Left <= 0 || m.Stream == w.m.Stream || r.IntN(2) == 0) {
		return f.piece()
	}
	n := 1 + r.IntN(300)
	if r.IntN(f.big) == 0 {
		n = 1 + r.IntN(maxMessage)
	}
	if f.tx.host.Config.ReportUndelivered && r.IntN(10) == 0 {
		m.Lifetime = time.Duration(1+r.IntN(5000)) * time.Millisecond
	}
	if r.IntN(10) == 0 {
		m.Path = pick(r, f.tx.Paths()...).Remote.Addr()
	}
	if f.writing == nil && r.IntN(f.pieces) == 0 {
		f.writing = &writing{m: m, n: 3 * n}
		return f.piece()
	}
	// Who waits for room must not be the one who holds it: a message that is begun
	// keeps all others back.
	return f.put(m, n) || f.writing != nil && f.piece()
}

// bytesOf is bytes of a message from an offset on.
func bytesOf(id uint32, at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = body(id, at+i)
	}
	return b
}

// put sends the next message, of n bytes; false if the send buffer is full.
func (f *Flow) put(m core.Outgoing, n int) bool {
	m.PPID = wire.PPID(f.next)
	f.tx.writable = false
	err := f.tx.Send(f.tx.host.now(), &m, bytesOf(f.next, 0, n))
	if errors.Is(err, core.ErrWouldBlock) {
		return false
	}
	must(err, "%v: Send", f.tx)
	f.enter(&m, n)
	return true
}

// enter notes a message, or the first piece of one, as sent.
func (f *Flow) enter(m *core.Outgoing, n int) {
	f.sent[f.next] = n
	if !m.Unordered {
		f.order[m.Stream] = append(f.order[m.Stream], f.next)
	}
	f.next++
	f.Left--
}

// strike takes a message that will not arrive off the list.
func (f *Flow) strike(id uint32, stream wire.StreamID) {
	delete(f.sent, id)
	f.struck[id] = true
	f.order[stream] = slices.DeleteFunc(f.order[stream], func(x uint32) bool { return x == id })
}

// piece sends some more of the message that is being written.
func (f *Flow) piece() bool {
	w := f.writing
	if w.at == 0 {
		w.id = f.next
	}
	k := min(1+f.r.IntN(5000), w.n-w.at)
	m := w.m
	m.PPID, m.Partial = wire.PPID(w.id), w.at+k < w.n
	f.tx.writable = false
	err := f.tx.Send(f.tx.host.now(), &m, bytesOf(w.id, w.at, k))
	switch {
	case errors.Is(err, core.ErrWouldBlock):
		return false
	case errors.Is(err, core.ErrExpired) && w.at > 0 && m.Lifetime > 0:
		f.strike(w.id, m.Stream)
		f.writing = nil
		return true
	}
	must(err, "%v: Send of a piece", f.tx)
	if w.at == 0 {
		f.enter(&m, w.n)
	}
	if w.at += k; w.at == w.n {
		f.writing = nil
	}
	return true
}

// cancel gives up the message that is being written; false if some of it was sent.
func (f *Flow) cancel() bool {
	w := f.writing
	if w.at > 0 {
		if err := f.tx.Cancel(f.tx.host.now(), w.m.Stream); errors.Is(err, core.ErrIncomplete) {
			return false
		}
		f.tx.drain()
		f.strike(w.id, w.m.Stream)
	}
	f.writing = nil
	return true
}

// abandon gives up the message that is being written; false if that ends the
// association, because some of it was sent.
func (f *Flow) abandon() bool {
	if f.writing == nil || f.tx.State() == core.Closed || f.cancel() {
		return true
	}
	f.writing = nil
	return false
}

// takeBack looks at the messages that were not delivered: what was not sent at all
// cannot have arrived.
func (f *Flow) takeBack() {
	for _, u := range f.tx.back {
		id := uint32(u.PPID)
		if id < f.first {
			continue
		}
		if id >= f.next {
			fail("%v: message %d is given back, %d were sent", f.tx, id, f.next)
		}
		for i, b := range u.Data {
			if b != body(id, int(u.Acked)+i) {
				fail("%v: message %d of %d is given back with other bytes at %d of %d, %d acknowledged, sent %v, %v", f.tx, id, f.sent[id], i, len(u.Data), u.Acked, u.Sent, u.Err)
			}
		}
		n, missing := f.sent[id]
		switch {
		case u.Sent, f.struck[id]:
			// Nobody knows whether it arrived.
		case !missing:
			fail("%v: message %d arrived, and was given back as not sent", f.tx, id)
		case !u.Partial && len(u.Data)+int(u.Acked) != n:
			fail("%v: message %d of %d bytes is given back: %d bytes, %d acknowledged", f.tx, id, n, len(u.Data), u.Acked)
		default:
			f.strike(id, u.Stream)
		}
	}
	f.tx.back = nil
}
