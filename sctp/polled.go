package sctp

import (
	"bytes"
	"io"
	"net"
	"slices"
)

// ReceiveMessage returns the next message of any stream, whole, in buf or, if it does not
// fit, in a bigger slice of at most limit bytes, as Association.ReceiveMessage does, but
// without waiting: if no whole message is there the error is ErrWouldBlock. It is to be
// called between Next and Done only.
//
// Of a message that is too large for the receive buffer, and so is delivered while it
// arrives, it keeps what is there, until the rest comes or it is more than limit.
func (r *Polled) ReceiveMessage(buf []byte, limit int) (Message, error) {
	a := r.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.closed && a.core != nil {
		if r.begun != nil {
			return r.goOn(limit)
		}
		in, size, ok := a.core.NextMessage()
		switch {
		case ok && a.unwanted(in.Stream):
			continue // that was a turn, and much may happen in one
		case !ok:
			return Message{}, r.empty(a.core.Torn())
		case size > limit:
			return Message{}, a.tooLong(in.Stream, size, limit)
		}
		if buf = buf[:cap(buf)]; size > len(buf) {
			buf = make([]byte, size)
		}
		var m Message
		if err := a.receive(&m, buf); err != nil || !m.Partial {
			return m, err
		}
		r.begin(m)
	}
	r.ended = true
	if a.closed {
		return Message{}, net.ErrClosed
	}
	return Message{}, a.err // the peer restarted it
}

// begin keeps a part of a message. The caller holds assoc.mu.
func (r *Polled) begin(m Message) {
	m.Data = bytes.Clone(m.Data) // the buffer is the caller's
	r.begun = &m
}

// empty is why there is no message. The caller holds assoc.mu.
func (r *Polled) empty(torn bool) error {
	if err := r.assoc.drained(torn); err != nil {
		r.ended = true
		return err
	}
	return ErrWouldBlock
}

// goOn reads the rest of a message that was begun. The caller holds assoc.mu.
func (r *Polled) goOn(limit int) (Message, error) {
	a, m := r.assoc, r.begun
	for a.core != nil {
		n := len(m.Data)
		_, more, ok := a.core.NextStreamMessage(m.Stream)
		if !ok {
			return Message{}, r.empty(a.tornStream(m.Stream))
		}
		if n+more > limit {
			r.begun = nil
			return Message{}, a.tooLong(m.Stream, n+more, limit)
		}
		m.Data = slices.Grow(m.Data, more)
		in, k, err := a.core.ReceiveStream(a.now, m.Stream, m.Data[n:n+more])
		if err == nil && in.Torn {
			r.begun = nil
			return *m, io.ErrUnexpectedEOF
		}
		m.Data, m.Partial = m.Data[:n+k], !in.End
		a.afterRead(k, false)
		if !m.Partial {
			r.begun = nil
			return *m, nil
		}
	}
	r.ended = true
	return Message{}, a.err // the peer restarted it
}
