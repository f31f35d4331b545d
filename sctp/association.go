package sctp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

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

	mu   sync.Mutex
	core *core.Association // nil after a restart took it away

	timer *time.Timer
	armed time.Time // when timer will fire; zero: it is not running
	held  int       // bytes taken since the last turn because of Message.More

	tag    wire.VTag // as the demux knows it; guarded by demux.mu for writing
	tuples []tuple   // likewise
	rekey  bool      // the demux must be told about changes
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
	return &Association{stack: s, settings: st, ourPort: ourPort, peerPort: peerPort}
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
	return a.trySend(time.Now(), m)
}

// trySend gives a message to the machine and runs the turn. The caller holds a.mu.
func (a *Association) trySend(now time.Time, m *Message) error {
	if err := a.writeError(); err != nil {
		return err
	}
	out := core.Outgoing{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Immediate: m.Immediate}
	switch err := a.core.Send(now, &out, m.Data); {
	case err == nil:
		if a.held += len(m.Data); !m.More || a.held >= maxHeld {
			a.turn(now)
		} else {
			a.hold(now)
		}
		return nil
	case err == core.ErrWouldBlock && a.held > 0:
		a.turn(now) // or there would never be room
		return err
	case errors.Is(err, core.ErrShuttingDown), errors.Is(err, core.ErrClosed):
		return ErrShutdown
	default:
		return err
	}
}

// send waits for room and sends. d is the write deadline that applies, or nil. The
// caller holds a.mu.
func (a *Association) send(ctx context.Context, m *Message, s *Stream) error {
	var ended error
	for woken := false; ; woken = true {
		if s != nil {
			if err := s.writable(); err != nil {
				return err
			}
		}
		err := a.trySend(time.Now(), m)
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
		ended = a.writers.wait(ctx, &a.mu, &a.stack.waiters, woken)
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

// Receive waits for the next message of any stream and copies it, or as much of it
// as fits, to buf; Data of the result is a part of buf. The rest of a longer
// message follows with the next calls, see Message.Partial.
//
// The error is io.EOF when the association was shut down gracefully and all is
// read, the reason if it failed, net.ErrClosed after Close, io.ErrShortBuffer for
// an empty buf, and that of ctx if it ends before there is a message. A message
// that is there beats a context that has ended.
func (a *Association) Receive(ctx context.Context, buf []byte) (Message, error) {
	if len(buf) == 0 {
		return Message{}, io.ErrShortBuffer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.awaitMessage(ctx); err != nil {
		return Message{}, err
	}
	return a.receive(buf)
}

// awaitMessage waits until a message can be received, and for its turn to do so.
// The caller holds a.mu.
func (a *Association) awaitMessage(ctx context.Context) error {
	var ended error
	for {
		if a.closed {
			return net.ErrClosed
		}
		if !a.assembling {
			if a.core != nil {
				if _, _, ok := a.core.NextMessage(); ok {
					return nil
				}
			}
			if err := a.drained(); err != nil {
				a.readers.wakeOne() // the next in line shall see it too
				return err
			}
		}
		if ended != nil {
			return ended
		}
		ended = a.readers.wait(ctx, &a.mu, &a.stack.waiters, false)
	}
}

// receive takes a message that is there. The caller holds a.mu.
func (a *Association) receive(buf []byte) (Message, error) {
	now := time.Now()
	in, n, err := a.core.Receive(now, buf)
	if err != nil {
		return Message{}, err
	}
	a.turn(now)
	a.passRead()
	return message(&in, buf[:n]), nil
}

// passRead wakes the next reader if there is something for it. The caller holds
// a.mu.
func (a *Association) passRead() {
	if !a.readers.waiting() || a.core == nil {
		return
	}
	if _, _, more := a.core.NextMessage(); more {
		a.readers.wakeOne()
	}
}

// drained says why no message will come any more: io.EOF after a graceful
// shutdown, else why the association failed; nil while one may come. It does not
// look at messages that wait. The caller holds a.mu.
func (a *Association) drained() error {
	switch {
	case a.done && a.err != nil:
		return a.err
	case a.done:
		return io.EOF
	}
	switch a.core.State() {
	case core.ShutdownReceived, core.ShutdownAckSent:
		return io.EOF // the peer sends SHUTDOWN when all its data is acknowledged
	}
	return nil
}

func message(in *core.Incoming, data []byte) Message {
	return Message{Stream: in.Stream, PPID: in.PPID, Unordered: in.Unordered, Partial: !in.End, Data: data}
}

// ReceiveMessage waits for the next message of any stream and returns it whole. It
// is stored in buf, or, if it does not fit, in a bigger slice of at most limit
// bytes. A message longer than limit is dropped: ErrMessageTooLarge. The other
// errors are those of Receive. With an error in the middle of a message, what was
// read of it is returned, too; Receive reads on.
func (a *Association) ReceiveMessage(ctx context.Context, buf []byte, limit int) (Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.awaitMessage(ctx); err != nil {
		return Message{}, err
	}
	buf = buf[:cap(buf)]
	if _, size, _ := a.core.NextMessage(); size > len(buf) {
		buf = make([]byte, min(size, max(limit, 1)))
	}
	m, err := a.receive(buf)
	if err == nil && m.Partial {
		a.assembling = true
		m, err = a.assemble(ctx, m, limit)
		a.assembling = false
		a.passRead()
	}
	if err == nil && len(m.Data) > limit {
		return Message{}, ErrMessageTooLarge
	}
	return m, err
}

// assemble reads the pieces that complete m. Of a message that is longer than
// limit it keeps limit+1 bytes. The caller holds a.mu.
func (a *Association) assemble(ctx context.Context, m Message, limit int) (Message, error) {
	var ended error
	for m.Partial {
		if a.closed || a.core == nil {
			return m, net.ErrClosed
		}
		n := len(m.Data)
		if n > limit {
			n = limit + 1
		} else if n == cap(m.Data) {
			m.Data = slices.Grow(m.Data, max(n, 4096))
		}
		if n == cap(m.Data) { // n > limit and no room to read the rest to
			m.Data = slices.Grow(m.Data[:n], 4096)
		}
		now := time.Now()
		in, k, err := a.core.ReceiveStream(now, m.Stream, m.Data[n:cap(m.Data)])
		if err == nil {
			m.Data, m.Partial = m.Data[:n+k], !in.End
			a.turn(now)
			continue
		}
		if err := a.drained(); err != nil {
			return m, err
		}
		if ended != nil {
			return m, ended
		}
		ended = a.rest.wait(ctx, &a.mu, &a.stack.waiters, false)
	}
	return m, nil
}

// Shutdown ends the association gracefully (RFC 9260 §9.2): everything that was
// sent is delivered first. It returns when that is done; meanwhile messages of the
// peer can and should be received. If ctx ends first its error is returned and the
// shutdown goes on. The error is nil if the end was graceful.
func (a *Association) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		a.shutting = true
		now := time.Now()
		if err := a.core.Shutdown(now); err != nil && !a.done {
			return publicError(err)
		}
		a.turn(now)
		a.wakeAll() // writers fail from now on
	}
	var ended error
	for !a.done {
		if ended != nil {
			return ended
		}
		ended = a.changed.wait(ctx, &a.mu, &a.stack.waiters, false)
	}
	return a.err
}

// Abort ends the association at once and tells the peer why (RFC 9260 §9.1): its
// calls fail with an *AbortError whose Reason is reason. Data that was not
// acknowledged is lost. Abort does nothing if the association has ended.
func (a *Association) Abort(reason string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abort(time.Now(), reason)
	return nil
}

// abort is Abort. The caller holds a.mu.
func (a *Association) abort(now time.Time, reason string) {
	if a.done {
		return
	}
	_ = a.core.Abort(now, []byte(reason)) // cannot fail: it has not ended
	a.turn(now)
	if !a.done {
		a.finish(&AbortError{Local: true})
	}
}

// Close ends the association gracefully within Config.Linger, else by an abort,
// and waits for that. Messages that nobody received are dropped, and so are those
// that still arrive. All blocked calls return net.ErrClosed. Close is idempotent.
// Its error is ErrShutdownTimeout if the graceful end took too long, else nil.
func (a *Association) Close() error {
	a.beginClose()
	err := a.endClose()
	a.stack.awaitRetired()
	return err
}

// beginClose starts the end and does not wait for it.
func (a *Association) beginClose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed, a.shutting = true, true
	now := time.Now()
	a.closeBy = now.Add(a.settings.linger)
	defer a.wakeAll()
	if a.done {
		return
	}
	if !a.established || a.settings.linger < 0 || a.core.Shutdown(now) != nil {
		a.abort(now, "")
		return
	}
	a.turn(now)
}

// endClose waits until the association has ended.
func (a *Association) endClose() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), a.closeBy)
	defer cancel()
	for !a.done {
		if err := a.changed.wait(ctx, &a.mu, &a.stack.waiters, false); err != nil && !a.done {
			a.abort(time.Now(), "linger time is over")
			return ErrShutdownTimeout
		}
	}
	return nil
}

// discard drops what arrives after Close, so that a peer that sends gets to its
// shutdown instead of to a closed window. The caller holds a.mu.
func (a *Association) discard(now time.Time) bool {
	var scratch [4096]byte
	some := false
	for !a.done {
		if _, _, err := a.core.Receive(now, scratch[:]); err != nil {
			break
		}
		some = true
	}
	return some
}

// finish is the end of the association. The caller holds a.mu.
func (a *Association) finish(err error) {
	if a.done {
		return
	}
	a.done, a.err = true, err
	if a.timer != nil {
		a.timer.Stop()
	}
	s := a.stack
	s.demux.remove(a)
	if err == nil {
		s.count.closed.Add(1)
		a.notify(AssocChange{State: AssocShutdown})
	} else {
		s.count.failed.Add(1)
		a.notify(AssocChange{State: AssocLost, Err: err})
		if a.listener != nil {
			a.listener.drop(a)
		}
	}
	if a.established {
		s.log.Debug("association ended", zap.Stringer("peer", a.remote()), zap.Error(err))
	}
	a.wakeAll()
	s.retire()
}

// wakeAll lets every blocked call look at the state again. The caller holds a.mu.
func (a *Association) wakeAll() {
	a.changed.wakeAll()
	a.readers.wakeAll()
	a.writers.wakeAll()
	a.rest.wakeAll()
	if a.streams != nil {
		a.streams.wakeAll()
	}
	if a.events != nil {
		a.events.ready.wakeAll()
	}
}

// handlePacket gives a packet to the machine. The caller holds a.mu.
func (a *Association) handlePacket(now time.Time, p *inPacket) {
	if handshake(&p.pkt) {
		// These involve the cookie keys, which all associations share.
		a.stack.keeper.mu.Lock()
		defer a.stack.keeper.mu.Unlock()
	}
	if len(a.tuples) == 0 || a.tuples[0].remote != p.in.Remote {
		a.rekey = a.rekey || !a.knows(p.in.Remote)
	}
	if p.pkt.VTag != a.tag {
		// This may be a restart, which must not mix old messages with new ones.
		_, _, a.unread = a.core.NextMessage()
	}
	a.core.HandlePacket(now, p.in, p.pkt)
}

// knows says whether the demux has a path to remote for a.
func (a *Association) knows(remote netip.AddrPort) bool {
	return slices.ContainsFunc(a.tuples, func(t tuple) bool { return t.remote == remote })
}

// onRestart makes a restart by the peer visible (RFC 9260 §5.2.4 action A). Who
// asked for EventAssoc is told and goes on. For everybody else the association
// ends, since its streams begin anew and data may be lost; the new one that the
// peer believes to have goes to the listener of the port, if there is one. If there
// is none, or if messages from before the restart still wait to be read here, it is
// aborted, and the peer may try again. The caller holds a.mu.
func (a *Association) onRestart() {
	s := a.stack
	a.rekey = true
	s.log.Info("peer restarted the association", zap.Stringer("peer", a.remote()), zap.Uint16("port", a.ourPort))
	if a.settings.events&EventAssoc != 0 && !a.shutting {
		a.notify(AssocChange{State: AssocRestarted})
		return
	}
	l := s.demux.listener(a.ourPort, netip.Addr{})
	if l == nil || a.unread || !l.reserve() {
		now := time.Now()
		_ = a.core.Abort(now, []byte("restart not wanted")) // cannot fail
		a.transmit(now)
		a.finish(ErrRestarted)
		return
	}
	c := a.core
	a.finish(ErrRestarted)
	a.core = nil
	l.enter(time.Now(), c)
}

// LocalAddr returns the *Addr of this end.
func (a *Association) LocalAddr() net.Addr {
	ad := &Addr{IPs: a.stack.specificAddrs(), Port: a.ourPort, UDPPort: a.stack.UDPPort()}
	if len(ad.IPs) == 0 {
		for _, p := range a.Paths() {
			if p.Local.IsValid() && !slices.Contains(ad.IPs, p.Local) {
				ad.IPs = append(ad.IPs, p.Local)
			}
		}
	}
	return ad
}

// RemoteAddr returns the *Addr of the peer: its addresses, that of the primary
// path first, and the UDP port of that one.
func (a *Association) RemoteAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remote()
}

// remote is RemoteAddr. The caller holds a.mu.
func (a *Association) remote() *Addr {
	ad := &Addr{Port: a.peerPort}
	if a.core == nil {
		return ad
	}
	for i, p := range a.core.PeerAddrs() {
		if i == 0 {
			ad.UDPPort = p.Port()
		}
		ad.IPs = append(ad.IPs, p.Addr())
	}
	return ad
}

// Paths describes the peer's addresses and what is known of the paths to them.
func (a *Association) Paths() []PathInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return nil
	}
	return a.core.Paths()
}

// Stats returns the counters of the association.
func (a *Association) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return Stats{}
	}
	return a.core.Stats()
}

// Buffered returns how many bytes wait in the send buffer, to be sent or to be
// acknowledged.
func (a *Association) Buffered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.Buffered()
}

// OutStreams returns the number of streams to send on; their identifiers are those
// below it.
func (a *Association) OutStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.OutStreams()
}

// InStreams returns the number of streams that the peer may send on.
func (a *Association) InStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.InStreams()
}
