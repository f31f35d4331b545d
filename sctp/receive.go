package sctp

import (
	"context"
	"io"
	"net"
	"slices"

	"github.com/rserpool/rserpool/sctp/core"
)

// Receive waits for the next message of any stream and copies it, or as much of it
// as fits, to buf; Data of the result is a part of buf. The rest of a longer
// message follows with the next calls, see Message.Partial.
//
// The error is io.EOF when the association was shut down gracefully and all is
// read, the reason if it failed, net.ErrClosed after Close, io.ErrShortBuffer for
// an empty buf, and that of ctx if it ends before there is a message. A message
// that is there beats a context that has ended. It is io.ErrUnexpectedEOF, with the
// stream in the Message, in the place of the rest of a message that a restart of the
// peer took away, and at the end if that came in the middle of a message.
func (a *Association) Receive(ctx context.Context, buf []byte) (m Message, err error) {
	if len(buf) == 0 {
		return m, io.ErrShortBuffer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, _, err = a.awaitMessage(ctx); err == nil {
		err = a.receive(&m, buf)
	}
	return m, err
}

// awaitMessage waits until a message can be received, and for its turn to do so. It
// returns the stream of the message, and how many bytes of it there are. The caller
// holds a.mu.
func (a *Association) awaitMessage(ctx context.Context) (id StreamID, size int, err error) {
	var ended error
	for {
		if a.closed {
			return 0, 0, net.ErrClosed
		}
		if !a.assembling {
			for a.core != nil {
				in, size, ok := a.core.NextMessage()
				if ok && a.unwanted(in.Stream) {
					continue
				}
				if ok {
					return in.Stream, size, nil
				}
				break
			}
			if err := a.drained(a.core != nil && a.core.Torn()); err != nil {
				a.readers.wakeOne() // the next in line shall see it too
				return 0, 0, err
			}
		}
		if ended != nil {
			return 0, 0, ended
		}
		ended = a.wait(ctx, &a.readers, false)
	}
}

// receive takes a message that is there. The caller holds a.mu.
func (a *Association) receive(m *Message, buf []byte) error {
	var in core.Incoming
	n, err := a.core.ReceiveInto(a.now, &in, buf)
	if err != nil {
		return err
	}
	more := a.core.Readable()
	if more {
		a.readers.wakeOne()
	}
	a.afterRead(n, more)
	m.Stream, m.PPID, m.SSN = in.Stream, in.PPID, uint16(in.SSN)
	m.Unordered, m.Partial, m.Data = in.Unordered, !in.End, buf[:n]
	if in.Torn {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// drained says why no message will come any more: io.EOF after a graceful
// shutdown, io.ErrUnexpectedEOF if that was in the middle of a message (torn), else
// why the association failed; nil while one may come. It does not look at messages
// that wait. The caller holds a.mu.
func (a *Association) drained(torn bool) error {
	switch {
	case a.done && a.err != nil:
		return a.err
	case torn:
		return io.ErrUnexpectedEOF
	case a.done:
		return io.EOF
	}
	switch a.core.State() {
	case core.ShutdownReceived, core.ShutdownAckSent:
		return io.EOF // the peer sends SHUTDOWN when all its data is acknowledged
	}
	return nil
}

// tornStream is the argument of drained for one stream. The caller holds a.mu.
func (a *Association) tornStream(id StreamID) bool { return a.core != nil && a.core.TornStream(id) }

// ReceiveMessage waits for the next message of any stream and returns it whole. It
// is stored in buf, or, if it does not fit, in a bigger slice of at most limit
// bytes. The error is a *MessageSizeError as soon as there is more of a message than
// limit; the message is dropped, also what is still to come of it. The other
// errors are those of Receive. With an error in the middle of a message, what was
// read of it is returned, too; Receive reads on.
func (a *Association) ReceiveMessage(ctx context.Context, buf []byte, limit int) (m Message, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, size, err := a.awaitMessage(ctx)
	if err != nil {
		return m, err
	}
	if size > limit {
		return m, a.tooLong(id, size, limit)
	}
	if buf = buf[:cap(buf)]; size > len(buf) {
		buf = make([]byte, size)
	}
	if err = a.receive(&m, buf); err == nil && m.Partial {
		a.assembling = true
		m, err = a.assemble(ctx, m, limit)
		a.assembling = false
		a.readers.wakeOne() // for whom it was no turn meanwhile
	}
	return m, err
}

// assemble reads the pieces that complete m. The caller holds a.mu.
func (a *Association) assemble(ctx context.Context, m Message, limit int) (Message, error) {
	var ended error
	for m.Partial {
		if a.closed || a.core == nil {
			return m, net.ErrClosed
		}
		n := len(m.Data)
		if _, more, ok := a.core.NextStreamMessage(m.Stream); ok {
			if n+more > limit {
				return Message{}, a.tooLong(m.Stream, n+more, limit)
			}
			m.Data = slices.Grow(m.Data, more)
			in, k, err := a.core.ReceiveStream(a.now, m.Stream, m.Data[n:n+more])
			if err == nil && in.Torn {
				return m, io.ErrUnexpectedEOF
			}
			m.Data, m.Partial = m.Data[:n+k], !in.End
			a.afterRead(k, false)
			continue
		}
		if err := a.drained(a.tornStream(m.Stream)); err != nil {
			return m, err
		}
		if ended != nil {
			return m, ended
		}
		ended = a.wait(ctx, &a.rest, false)
	}
	return m, nil
}

// tooLong drops a message of which there are size bytes, more than limit. The caller
// holds a.mu.
func (a *Association) tooLong(id StreamID, size, limit int) error {
	a.skip(id)
	return &MessageSizeError{Size: size, Max: max(limit, 0)}
}

// skip reads to the end of the message that comes next on a stream. If that is not
// there yet, whoever reads the stream next goes on with that. The caller holds a.mu.
func (a *Association) skip(id StreamID) {
	var scratch [4096]byte
	eaten := 0
	for {
		in, n, err := a.core.ReceiveStream(a.now, id, scratch[:])
		eaten += n
		switch {
		case err != nil:
			if a.skipped == nil {
				a.skipped = make(map[StreamID]struct{})
			}
			a.skipped[id] = struct{}{}
		case in.End:
			delete(a.skipped, id)
		default:
			continue
		}
		a.afterRead(eaten, false)
		return
	}
}

// unwanted reads over the rest of a message that was too long, if the stream has one
// to be read next. The caller holds a.mu.
func (a *Association) unwanted(id StreamID) bool {
	if len(a.skipped) == 0 {
		return false
	}
	_, ok := a.skipped[id]
	if ok {
		a.skip(id)
	}
	return ok
}
