package core

import (
	"io"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/rx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Incoming is the properties of a received message, or of the part of it that a
// read returned: End is false if more follows.
type Incoming = rx.Info

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
