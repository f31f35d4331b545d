package core

import (
	"io"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/rx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Incoming is the properties of a received message, or of the part of it that a
// read returned: End is false if more follows. Torn comes in the place of the rest of
// a message, without data, if a restart of the peer took that away.
type Incoming = rx.Info

func (a *Association) endError() error {
	if a.err != nil {
		return a.err
	}
	return ErrClosed
}

// Receive reads the oldest message of any stream, or as much of it as fits buf.
// Errors: ErrNoMessage; io.EOF when the peer shut down and all is read,
// io.ErrUnexpectedEOF if that was in the middle of a message; why the association
// ended.
func (a *Association) Receive(now time.Time, buf []byte) (Incoming, int, error) {
	var info Incoming
	n, err := a.ReceiveInto(now, &info, buf)
	return info, n, err
}

// ReceiveInto is Receive with a place for the properties.
func (a *Association) ReceiveInto(now time.Time, in *Incoming, buf []byte) (int, error) {
	n, ok := a.rx.inbox.ReadInto(in, buf)
	if !ok {
		return 0, a.emptyError(a.Torn())
	}
	a.updateWindow(now, n)
	return n, nil
}

// Readable says whether Receive would return a message.
func (a *Association) Readable() bool { return a.rx.inbox.Readable() > 0 }

// ReceiveStream is Receive for one stream.
func (a *Association) ReceiveStream(now time.Time, id wire.StreamID, buf []byte) (Incoming, int, error) {
	info, n, ok := a.rx.inbox.ReadStream(id, buf)
	if !ok {
		return Incoming{}, 0, a.emptyError(a.TornStream(id))
	}
	a.updateWindow(now, n)
	return info, n, nil
}

func (a *Association) emptyError(torn bool) error {
	switch {
	case a.state == Closed && a.err != nil:
		return a.err
	case torn:
		return io.ErrUnexpectedEOF
	case a.ended():
		return io.EOF
	}
	return ErrNoMessage
}

// ended says that the peer sends no more: it had everything acknowledged before its
// SHUTDOWN (§9.2).
func (a *Association) ended() bool {
	return a.state == Closed || a.state == ShutdownReceived || a.state == ShutdownAckSent
}

// Torn says that the peer sends no more although a message that is being delivered
// while it arrives is not complete.
func (a *Association) Torn() bool {
	_, _, open := a.rx.inbox.Partial()
	return open && a.ended()
}

// TornStream says whether Torn is about a stream.
func (a *Association) TornStream(id wire.StreamID) bool {
	info, _, open := a.rx.inbox.Partial()
	return open && info.Stream == id && a.ended()
}

// tear tells the user that no more comes of a message that it is reading. Unread
// parts of it are there until a restart takes them away.
func (a *Association) tear() {
	if info, begun, open := a.rx.inbox.Partial(); open && (begun || a.state == Closed) {
		a.ev.push(Event{Kind: EventPartialAborted, Stream: info.Stream, Message: info})
	}
}

// NextMessage describes the message that Receive would read and the number of its
// bytes that are there, without taking it.
func (a *Association) NextMessage() (Incoming, int, bool) { return a.rx.inbox.Peek() }

// NextStreamMessage is NextMessage for one stream.
func (a *Association) NextStreamMessage(id wire.StreamID) (Incoming, int, bool) {
	return a.rx.inbox.PeekStream(id)
}

// updateWindow sends a SACK when reading has opened the advertised window by a
// quarter of the buffer, no sooner (RFC 9260 §6.2). While there is more to read it looks
// only once for each sixteenth of the buffer.
func (a *Association) updateWindow(now time.Time, n int) {
	a.lastUse = now.UnixNano()
	a.rx.eaten += int32(n + rx.Overhead)
	if int(a.rx.eaten) < a.cfg.RecvBuffer/16 && a.rx.inbox.Readable() > 0 {
		return
	}
	a.rx.eaten = 0
	a.relieve()
	if a.state.receivesData() && a.rx.inbox.Opened(a.rx.advertised) {
		a.rx.sackNow = true
	}
}
