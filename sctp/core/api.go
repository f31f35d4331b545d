package core

import (
	"io"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/rx"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Outgoing is the properties of a message to send (RFC 9260 §11.1.5).
type Outgoing struct {
	Stream    wire.StreamID
	PPID      wire.PPID
	Unordered bool
	Immediate bool   // ask for an acknowledgement without delay (I bit)
	Context   uint32 // the user's own, for failure reports
}

// Incoming is the properties of a received message, or of the part of it that a
// read returned: End is false if more follows.
type Incoming = rx.Info

// Send queues a copy of data as one message. Errors: ErrWouldBlock,
// ErrMessageTooLarge, ErrEmptyMessage, ErrInvalidStream, ErrNotConnected,
// ErrShuttingDown, or why the association ended.
func (a *Association) Send(now time.Time, m *Outgoing, data []byte) error {
	switch {
	case a.state == Closed:
		return a.endError()
	case a.state.setup():
		return ErrNotConnected
	case a.state != Established:
		return ErrShuttingDown
	case len(data) == 0:
		return ErrEmptyMessage
	case len(data) > a.cfg.MaxMessageSize:
		return ErrMessageTooLarge
	case int(m.Stream) >= a.id.outStreams:
		return ErrInvalidStream
	}
	now = a.read(now)
	// A message larger than the buffer may go when the buffer is empty.
	if held := a.tx.queue.Held(); held > 0 && held+len(data)+tx.Overhead > a.cfg.SendBuffer {
		a.tx.blocked = true
		return ErrWouldBlock
	}
	a.touch(now)
	a.tx.dirty = true
	a.tx.queue.Push(tx.Message{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered,
		Immediate: m.Immediate, Context: m.Context}, data)
	return nil
}

func (a *Association) endError() error {
	if a.err != nil {
		return a.err
	}
	return ErrClosed
}

// Receive reads the oldest message of any stream, or as much of it as fits buf.
// Errors: ErrNoMessage; io.EOF when the peer shut down and all is read; why the
// association ended.
func (a *Association) Receive(now time.Time, buf []byte) (Incoming, int, error) {
	info, n, ok := a.rx.inbox.Read(buf)
	if !ok {
		return Incoming{}, 0, a.emptyError()
	}
	a.updateWindow(now)
	return info, n, nil
}

// ReceiveStream is Receive for one stream.
func (a *Association) ReceiveStream(now time.Time, id wire.StreamID, buf []byte) (Incoming, int, error) {
	info, n, ok := a.rx.inbox.ReadStream(id, buf)
	if !ok {
		return Incoming{}, 0, a.emptyError()
	}
	a.updateWindow(now)
	return info, n, nil
}

func (a *Association) emptyError() error {
	switch a.state {
	case Closed:
		if a.err != nil {
			return a.err
		}
		return io.EOF
	case ShutdownReceived, ShutdownAckSent:
		return io.EOF // the peer had everything acknowledged before its SHUTDOWN
	}
	return ErrNoMessage
}

// NextMessage describes the message that Receive would read and the number of its
// bytes that are there, without taking it.
func (a *Association) NextMessage() (Incoming, int, bool) { return a.rx.inbox.Peek() }

// NextStreamMessage is NextMessage for one stream.
func (a *Association) NextStreamMessage(id wire.StreamID) (Incoming, int, bool) {
	return a.rx.inbox.PeekStream(id)
}

// updateWindow sends a SACK when reading has opened the advertised window by a
// quarter of the buffer, no sooner (RFC 9260 §6.2).
func (a *Association) updateWindow(now time.Time) {
	a.relieve()
	if a.state.receivesData() && a.rx.inbox.Opened(a.rx.advertised) {
		a.rx.sackNow = true
	}
	a.lastUse = now
}
