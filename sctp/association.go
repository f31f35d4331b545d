package sctp

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// StreamID identifies a stream of an association, one in each direction.
type StreamID = wire.StreamID

// PPID is a payload protocol identifier: four bytes that SCTP passes on for the
// application (RFC 9260 §15.5).
type PPID = wire.PPID

// Message is a user message, to send or received.
type Message struct {
	// Stream is the stream of the message.
	Stream StreamID
	// PPID tells the peer's application what the message is.
	PPID PPID
	// Unordered messages overtake others of their stream (RFC 9260 §6.6).
	Unordered bool
	// Immediate asks the peer to acknowledge at once (RFC 9260 §11.1.5). It is not
	// reported for received messages.
	Immediate bool
	// More says that another message follows at once, so that this one may wait for
	// it, about a millisecond, and leave with it in fewer and fuller packets and
	// system calls. Only messages to send have it.
	More bool
	// Partial is set for received messages only: Data is not the end of the
	// message, either because the buffer was too small or because the message is
	// delivered while it arrives (RFC 9260 §6.9). The next piece is read from the
	// same stream.
	Partial bool
	// Data is the content, at least one byte. It is not kept after a call to send
	// it; of a received message it is a part of the buffer of the call.
	Data []byte
}

// Association is an SCTP association: a connection that carries messages on many
// streams. Its methods may be called by several goroutines at once.
//
// There are three ways to read, which should not be mixed: Receive gives the
// messages of all streams, a Stream those of one, and Conn the bytes of stream 0.
//
// An Association must be closed with Close, also after it ended by itself.
type Association struct {
	stack             *Stack
	settings          *settings
	listener          *Listener // who let it in, nil if it was dialed
	ourPort, peerPort uint16
	dialed            bool
	id                uint32  // our number of it, see ledger
	tracer            *tracer // nil: nobody watches

	mu   sync.Mutex
	core *core.Association // nil after a restart took it away

	taken     *Stats // what a restarted machine had counted here when it went away
	inherited *Stats // what it had counted before it came here

	timer *time.Timer
	armed time.Time // when timer will fire; zero: it is not running
	now   time.Time // of the last turn
	held  int       // bytes taken to send since the last turn, see Message.More
	eaten int       // bytes given to readers since the last turn

	tag    wire.VTag // as the demux knows it; guarded by demux.mu for writing
	tuples []tuple   // likewise
	claims []tuple   // likewise: all addresses of the peer, verified or not
	rekey  bool      // the demux must be told about changes
	via    *link     // where the latest packet came in
	waits  uint64    // calls that had to wait so far
	roused bool      // the input let a call go
	unread bool      // messages waited when a packet with another tag came

	established bool
	shutting    bool      // Shutdown or Close was called
	closed      bool      // Close was called
	closeBy     time.Time // when Close gives up the graceful way
	done        bool      // the machine has ended
	err         error     // why, nil if gracefully

	changed gate // established, done
	readers gate // Receive
	writers gate // all that send

	assembling bool // ReceiveMessage is in the middle of a message
	rest       gate // and waits for the rest

	streams *streams    // nil until used
	events  *eventQueue // nil until used
}

func newAssociation(s *Stack, st *settings, ourPort, peerPort uint16) *Association {
	return &Association{stack: s, settings: st, ourPort: ourPort, peerPort: peerPort, id: s.ledger.number()}
}

// Send sends a message. It blocks while the send buffer is full. Data is copied.
//
// The error is net.ErrClosed after Close, ErrShutdown after either end began a
// graceful shutdown, the reason if the association failed, that of ctx if it ended
// before there was room, ErrMessageTooLarge, ErrEmptyMessage or ErrInvalidStream.
func (a *Association) Send(ctx context.Context, m *Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.send(ctx, m, nil)
}

// TrySend is Send without waiting: it returns ErrWouldBlock while the send buffer
// is full.
func (a *Association) TrySend(m *Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trySend(m)
}

// trySend gives a message to the machine and runs the turn. The caller holds a.mu.
func (a *Association) trySend(m *Message) error {
	if err := a.writeError(); err != nil {
		return err
	}
	now := a.now
	if !m.More || a.held == 0 { // else the turn that is due will look at the clock
		now = time.Now()
	}
	out := core.Outgoing{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Immediate: m.Immediate}
	switch err := a.core.Send(now, &out, m.Data); {
	case err == nil:
		switch a.held += len(m.Data); {
		case !m.More:
			a.turn(now)
		case a.held >= maxHeld:
			a.turn(time.Now())
		case a.held == len(m.Data):
			a.hold(now)
		}
		return nil
	case err == core.ErrWouldBlock && a.held > 0:
		a.turn(time.Now()) // or there would never be room
		return err
	case errors.Is(err, core.ErrShuttingDown), errors.Is(err, core.ErrClosed):
		return ErrShutdown
	default:
		return err
	}
}

// send waits for room and sends. s is the stream whose write deadline applies, or
// nil. The caller holds a.mu.
func (a *Association) send(ctx context.Context, m *Message, s *Stream) error {
	var ended error
	for woken := false; ; woken = true {
		if s != nil {
			if err := s.writable(); err != nil {
				return err
			}
		}
		err := a.trySend(m)
		if err != core.ErrWouldBlock {
			// There may be room for the next in line as well, or it should see the
			// same error.
			if woken {
				a.writers.wakeOne()
			}
			return err
		}
		if ended != nil {
			return ended
		}
		ended = a.wait(ctx, &a.writers, woken)
	}
}

// writeError says why nothing can be sent at all. The caller holds a.mu.
func (a *Association) writeError() error {
	switch {
	case a.closed:
		return net.ErrClosed
	case a.done && a.err != nil:
		return a.err
	case a.done:
		return ErrShutdown
	}
	return nil
}
