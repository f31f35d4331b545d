package sctp

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// maxWrite is the largest message that Write makes of its bytes.
const maxWrite = 64 << 10

// Stream is one stream of an association, in both directions: what this end sends
// on it and what the peer sends on its stream of the same number. It is a net.Conn
// for who wants bytes, and has messages for who wants these. Its methods may be
// called by several goroutines at once.
//
// The handle is local: SCTP neither announces that a stream is opened nor that it
// is closed.
type Stream struct {
	assoc *Association
	id    StreamID

	// Guarded by assoc.mu.
	closed      bool
	readers     gate
	read, write deadline
}

var _ net.Conn = (*Stream)(nil)

// streams is the part of an association that has to do with Stream handles.
type streams struct {
	open    map[StreamID]*Stream
	arrived streamLine // became readable without being open
	accept  gate
	nextOut int // where OpenStream looks first
}

// table returns the streams of a. The caller holds a.mu.
func (a *Association) table() *streams {
	if a.streams == nil {
		a.streams = &streams{open: make(map[StreamID]*Stream)}
	}
	return a.streams
}

// wakeAll wakes all that wait for any stream.
func (t *streams) wakeAll() {
	t.accept.wakeAll()
	for _, s := range t.open {
		s.readers.wakeAll()
	}
}

// stopDeadlines ends the timers of the streams of an association that is closed.
func (t *streams) stopDeadlines() {
	for _, s := range t.open {
		s.read.stop()
		s.write.stop()
	}
}

// onReadable lets go who waits for a message of stream id. The caller holds a.mu.
func (a *Association) onReadable(id StreamID) {
	if a.polled != nil {
		a.polled.tell()
		return // nobody accepts streams
	}
	a.roused = a.roused || a.rest.waiting() || a.readers.waiting()
	if a.assembling {
		a.rest.wakeOne()
	} else {
		a.readers.wakeOne()
	}
	t := a.table()
	if s := t.open[id]; s != nil {
		a.roused = a.roused || s.readers.waiting()
		s.readers.wakeOne()
		return
	}
	t.announce(id)
}

// announce tells AcceptStream of a stream. The list is no longer than there are
// streams.
func (t *streams) announce(id StreamID) {
	if t.arrived.put(id) {
		t.accept.wakeOne()
	}
}

// Stream returns the stream with an identifier, which may be open already: then it
// is the same. The error is a *StreamError if neither end can send on it.
func (a *Association) Stream(id StreamID) (*Stream, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writeError(); err != nil && (a.closed || a.core == nil) {
		return nil, err
	}
	if int(id) >= max(a.core.OutStreams(), a.core.InStreams()) {
		return nil, &StreamError{Stream: id, Streams: max(a.core.OutStreams(), a.core.InStreams())}
	}
	return a.stream(id), nil
}

// stream opens a stream. The caller holds a.mu.
func (a *Association) stream(id StreamID) *Stream {
	t := a.table()
	s := t.open[id]
	if s == nil {
		s = &Stream{assoc: a, id: id}
		t.open[id] = s
	}
	return s
}

// OpenStream opens a stream that no Stream handle of this end exists for and that
// the peer's OpenStream does not return either: the dialing end takes the even
// identifiers from 2 on, the accepting end the odd ones. Stream 0 is left to Conn.
// The peer learns of it from AcceptStream when something is sent. The error is
// ErrNoStream if all are open. Where both ends dialed at the same time they have
// to agree on identifiers themselves and use Stream.
func (a *Association) OpenStream() (*Stream, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writeError(); err != nil {
		return nil, err
	}
	first := 1
	if a.dialed {
		first = 2
	}
	t := a.table()
	last := min(a.core.OutStreams(), a.core.InStreams())
	t.nextOut = max(t.nextOut, first)
	for range last {
		if t.nextOut >= last {
			t.nextOut = first
		}
		id := StreamID(t.nextOut)
		t.nextOut += 2
		if t.open[id] == nil && !t.arrived.holds(id) && int(id) < last {
			return a.stream(id), nil
		}
	}
	return nil, ErrNoStream
}

// AcceptStream waits for a message on a stream that is not open and opens it. The
// error is io.EOF when the association was shut down gracefully and no such stream
// is left, else as for Receive.
func (a *Association) AcceptStream(ctx context.Context) (*Stream, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ended error
	for {
		t := a.table()
		switch s := t.next(a); {
		case a.closed:
			return nil, net.ErrClosed
		case s != nil:
			if !t.arrived.empty() {
				t.accept.wakeOne()
			}
			return s, nil
		}
		if err := a.drained(false); err != nil {
			t.accept.wakeOne() // the next in line shall see it too
			return nil, err
		}
		if ended != nil {
			return nil, ended
		}
		ended = t.accept.wait(ctx, &a.mu, &a.stack.waiters, false)
	}
}

// next opens the first announced stream that is still unopened, nil if there is
// none.
func (t *streams) next(a *Association) *Stream {
	for id, ok := t.arrived.take(); ok; id, ok = t.arrived.take() {
		if t.open[id] == nil {
			return a.stream(id)
		}
	}
	return nil
}

// ID returns the identifier of the stream.
func (s *Stream) ID() StreamID { return s.id }

// Association returns the association of the stream.
func (s *Stream) Association() *Association { return s.assoc }

// Read reads bytes of the stream: as many as are there and fit, without regard to
// the limits of messages. The error is io.EOF after a graceful shutdown, net.ErrClosed
// after Close, os.ErrDeadlineExceeded when the read deadline has passed, or why the
// association failed.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	_, k, err := s.next(context.Background(), p)
	for err == nil {
		if n += k; n == len(p) {
			break
		}
		_, k, err = a.core.ReceiveStream(a.now, s.id, p[n:])
	}
	if n == 0 {
		return 0, err
	}
	s.taken(n)
	return n, nil
}

// ReadMessage waits for the next message of the stream and copies it, or as much as
// fits, to buf; see Association.Receive, whose errors it has besides those of Read.
// The read deadline applies to it, too.
func (s *Stream) ReadMessage(ctx context.Context, buf []byte) (Message, error) {
	if len(buf) == 0 {
		return Message{}, io.ErrShortBuffer
	}
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	in, n, err := s.next(ctx, buf)
	if err != nil {
		return Message{}, err
	}
	s.taken(n)
	return received(&in, buf[:n]), nil
}

// next waits for a message and takes it from the machine. The caller holds the
// lock, and calls taken if there is no error.
func (s *Stream) next(ctx context.Context, p []byte) (core.Incoming, int, error) {
	a := s.assoc
	var ended error
	for {
		switch {
		case a.closed || s.closed:
			return core.Incoming{}, 0, net.ErrClosed
		case s.read.passed():
			return core.Incoming{}, 0, os.ErrDeadlineExceeded
		case a.core == nil:
			return core.Incoming{}, 0, a.err
		}
		if a.unwanted(s.id) && a.core == nil {
			continue // that was a turn, and much may happen in one
		}
		in, n, err := a.core.ReceiveStream(a.now, s.id, p)
		if err == nil && in.Torn {
			s.taken(0)
			return in, 0, io.ErrUnexpectedEOF
		}
		if err == nil {
			return in, n, nil
		}
		if err := a.drained(a.tornStream(s.id)); err != nil {
			s.readers.wakeOne() // the next in line shall see it too
			return core.Incoming{}, 0, err
		}
		if ended != nil {
			return core.Incoming{}, 0, ended
		}
		ended = a.wait(ctx, &s.readers, false)
	}
}

// taken follows a read of n bytes: the next reader goes on if something is left.
func (s *Stream) taken(n int) {
	a := s.assoc
	_, _, more := a.core.NextStreamMessage(s.id)
	if more {
		s.readers.wakeOne()
	}
	a.afterRead(n, more)
}

// Write sends p on the stream, as ordered messages of at most 64 KiB. It blocks
// while the send buffer is full and returns how many bytes it took; see
// Association.Send for its errors, and os.ErrDeadlineExceeded when the write
// deadline has passed. It ends a message of the stream that was begun with
// Message.Partial.
func (s *Stream) Write(p []byte) (int, error) {
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	limit := min(maxWrite, a.settings.maxMessage)
	n := 0
	for {
		end := min(len(p), n+limit)
		m := Message{Stream: s.id, PPID: a.settings.ppid, More: end < len(p), Data: p[n:end]}
		if len(p) == 0 {
			return 0, s.writable() // there are no empty messages
		}
		if err := a.send(context.Background(), &m, s); err != nil {
			return n, err
		}
		if n += len(m.Data); n == len(p) {
			return n, nil
		}
	}
}

// WriteMessage sends m on this stream, whatever m.Stream says; see
// Association.Send. The write deadline applies to it, too.
func (s *Stream) WriteMessage(ctx context.Context, m *Message) error {
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	var own Message
	if m != nil {
		own = *m
	}
	own.Stream = s.id
	return a.send(ctx, &own, s)
}

// writable says why nothing can be written. The caller holds the lock.
func (s *Stream) writable() error {
	switch {
	case s.assoc.closed || s.closed:
		return net.ErrClosed
	case s.write.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Close gives the handle back: blocked calls return net.ErrClosed. The association
// goes on, the peer is not told, and messages that wait or arrive later are
// announced by AcceptStream again. It is idempotent.
func (s *Stream) Close() error {
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.read.stop()
	s.write.stop()
	s.readers.wakeAll()
	a.writers.wakeAll()
	a.pieces.wakeAll()
	if t := a.table(); t.open[s.id] == s {
		delete(t.open, s.id)
		if a.core != nil {
			if _, _, waits := a.core.NextStreamMessage(s.id); waits {
				t.announce(s.id)
			}
		}
	}
	return nil
}

// LocalAddr returns the address of this end of the association.
func (s *Stream) LocalAddr() net.Addr { return s.assoc.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (s *Stream) RemoteAddr() net.Addr { return s.assoc.RemoteAddr() }

// SetDeadline sets both deadlines; the zero time means none. Calls that are blocked
// or made later fail with os.ErrDeadlineExceeded once it has passed.
func (s *Stream) SetDeadline(t time.Time) error { return s.setDeadlines(t, true, true) }

// SetReadDeadline sets the deadline of Read and ReadMessage.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of Write and WriteMessage.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.setDeadlines(t, false, true) }

func (s *Stream) setDeadlines(t time.Time, read, write bool) error {
	a := s.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.closed || a.closed {
		return net.ErrClosed
	}
	if read {
		s.read.set(t, &a.mu, &s.readers)
	}
	if write {
		s.write.set(t, &a.mu, &a.writers, &a.pieces)
	}
	return nil
}
