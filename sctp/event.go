package sctp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"

	"github.com/rserpool/rserpool/sctp/core"
)

// EventMask selects notifications, see Config.Events.
type EventMask uint8

// Kinds of notifications.
const (
	EventAssoc    EventMask = 1 << iota // AssocChange
	EventPath                           // PathChange
	EventRemote                         // RemoteError
	EventShutdown                       // PeerShutdown
	EventDry                            // SenderDry
	EventSend                           // SendFailed
	EventPartial                        // PartialAborted

	EventAll = EventAssoc | EventPath | EventRemote | EventShutdown | EventDry | EventSend | EventPartial
)

// Event is a notification about an association (RFC 9260 §11.2, RFC 6458 §6.1):
// AssocChange, PathChange, RemoteError, PeerShutdown, SenderDry, SendFailed,
// PartialAborted or NotificationsStopped.
type Event interface{ mask() EventMask }

// AssocState is what happened to an association.
type AssocState uint8

// Changes of an association.
const (
	AssocUp        AssocState = iota + 1 // established
	AssocRestarted                       // the peer began anew (RFC 9260 §5.2.4 action A)
	AssocShutdown                        // ended gracefully
	AssocLost                            // ended otherwise
)

// String returns a word for the state.
func (s AssocState) String() string {
	switch s {
	case AssocUp:
		return "up"
	case AssocRestarted:
		return "restarted"
	case AssocShutdown:
		return "shut down"
	case AssocLost:
		return "lost"
	}
	return "unknown"
}

// AssocChange tells that an association came up, was restarted by the peer, or
// ended. After a restart the messages that had arrived whole can still be read;
// what was sent and not acknowledged is lost.
type AssocChange struct {
	State AssocState
	Err   error // for AssocLost: the reason
}

// PathChange tells that the reachability of a peer address changed, or that its path
// became the primary one (RFC 9260 §11.2.3).
type PathChange struct {
	Path    netip.AddrPort // IP address and UDP port
	State   PathState
	Primary bool // it is the primary path now
}

// RemoteError hands over the error causes of an ERROR chunk from the peer.
type RemoteError struct{ Causes []Cause }

// PeerShutdown tells that the peer shuts the association down: nothing can be
// sent any more, received messages can still be read.
type PeerShutdown struct{}

// SenderDry tells that all data that was sent has been acknowledged.
type SenderDry struct{}

// SendFailed hands back a message that was not delivered, or may not have been: its
// lifetime was over before it was begun, or the association ended or was restarted
// before the peer acknowledged all of it (RFC 9260 §11.1.14, §11.1.15, §11.2.2). These
// notifications come in the order the messages were sent, before that of the end.
// They do not count for Config.EventQueue; messages of twice Config.SendBuffer can
// wait.
type SendFailed struct {
	// Message is as it was sent, but Data is only what the peer did not acknowledge;
	// Partial: its end was not given.
	Message Message
	// Acked is the number of bytes before Data, which the peer acknowledged.
	Acked uint64
	// Sent says that the message was begun: the peer may have it, or a part of it.
	Sent bool
	// Err is the reason: ErrExpired, ErrRestarted, ErrShutdown if the peer shut down
	// while the message was being sent piece by piece, or why the association ended.
	Err error
}

// PartialAborted tells that no more comes of a message of which a part was received
// (RFC 6458 §6.1.7): the association ended or was restarted. Who reads the message
// gets io.ErrUnexpectedEOF, or why the association failed.
type PartialAborted struct {
	Stream    StreamID
	SSN       uint16
	PPID      PPID
	Unordered bool
}

// NotificationsStopped tells that the queue of notifications was full and some
// were lost; all that come after it happened after it was read.
type NotificationsStopped struct{}

func (AssocChange) mask() EventMask          { return EventAssoc }
func (PathChange) mask() EventMask           { return EventPath }
func (RemoteError) mask() EventMask          { return EventRemote }
func (PeerShutdown) mask() EventMask         { return EventShutdown }
func (SenderDry) mask() EventMask            { return EventDry }
func (SendFailed) mask() EventMask           { return EventSend }
func (PartialAborted) mask() EventMask       { return EventPartial }
func (NotificationsStopped) mask() EventMask { return EventAll }

// ErrNoEvents is NextEvent of an association whose Config.Events subscribes to
// nothing.
var ErrNoEvents = errors.New("sctp: Config.Events subscribes to nothing")

// eventQueue is the notifications that wait for NextEvent.
type eventQueue struct {
	q       []Event
	head    int // of q: those before it were read
	failed  int // bytes of messages in q, and how many
	sends   int
	stopped bool // the last in q is NotificationsStopped
	ready   gate
}

// messageOverhead is what a message in a notification counts besides its data.
const messageOverhead = 64

// full says whether there is no room for ev.
func (e *eventQueue) full(ev Event, s *settings) bool {
	if _, ok := ev.(SendFailed); ok {
		return e.failed > 2*s.sendBuffer
	}
	return len(e.q)-e.head-e.sends >= s.eventQueue
}

// count adds or, with n -1, takes off what ev counts.
func (e *eventQueue) count(ev Event, n int) {
	if f, ok := ev.(SendFailed); ok {
		e.failed += n * (len(f.Message.Data) + messageOverhead)
		e.sends += n
	}
}

// pop takes the oldest notification.
func (e *eventQueue) pop() Event {
	ev := e.q[e.head]
	e.q[e.head] = nil
	e.count(ev, -1)
	if e.head++; e.head == len(e.q) {
		e.q, e.head, e.stopped = e.q[:0], 0, false
	}
	return ev
}

// notify queues a notification if it is wanted. The caller holds a.mu.
func (a *Association) notify(ev Event) {
	if a.settings.events&ev.mask() == 0 {
		return
	}
	if a.events == nil {
		a.events = &eventQueue{}
	}
	e := a.events
	switch {
	case e.stopped:
		return
	case e.full(ev, a.settings):
		e.stopped = true
		ev = NotificationsStopped{}
	}
	e.count(ev, 1)
	e.q = append(e.q, ev)
	e.ready.wakeOne()
}

// NextEvent waits for the next notification of the kinds in Config.Events. They
// wait in a bounded queue; if the application does not read them in time, it gets
// a NotificationsStopped in place of the lost ones. After the last notification of
// an association that ended, the error is io.EOF for a graceful end, else the
// reason; it is net.ErrClosed after Close, that of ctx if it ends first, and
// ErrNoEvents where Config.Events is zero.
func (a *Association) NextEvent(ctx context.Context) (Event, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.settings.events == 0 {
		return nil, ErrNoEvents
	}
	if a.events == nil {
		a.events = &eventQueue{}
	}
	e := a.events
	var ended error
	for {
		switch {
		case len(e.q) > 0:
			ev := e.pop()
			if len(e.q) > 0 {
				e.ready.wakeOne()
			}
			return ev, nil
		case a.closed:
			return nil, net.ErrClosed
		case a.done && a.err != nil:
			return nil, a.err
		case a.done:
			return nil, io.EOF
		case ended != nil:
			return nil, ended
		}
		ended = e.ready.wait(ctx, &a.mu, &a.stack.waiters, false)
	}
}

// handleEvent acts on an event of the machine. The caller holds a.mu.
func (a *Association) handleEvent(ev *core.Event) {
	switch ev.Kind {
	case core.EventReadable:
		a.onReadable(ev.Stream)
	case core.EventWritable:
		a.roused = a.roused || a.writers.waiting() || a.pieces.waiting()
		a.writers.wakeOne()
		a.pieces.wakeAll()
	case core.EventUndelivered:
		a.sendFailed()
	case core.EventPartialAborted:
		in := &ev.Message
		a.notify(PartialAborted{Stream: in.Stream, SSN: uint16(in.SSN), PPID: in.PPID, Unordered: in.Unordered})
	case core.EventAllAcked:
		a.notify(SenderDry{})
	case core.EventEstablished:
		a.established, a.rekey = true, true
		if a.dialed {
			a.stack.count.connected.Add(1)
		}
		a.roused = a.roused || a.changed.waiting()
		a.changed.wakeAll()
		a.notify(AssocChange{State: AssocUp})
	case core.EventPeerShutdown:
		a.notify(PeerShutdown{})
		a.wakeAll()
	case core.EventClosed:
		a.finish(publicError(ev.Err))
	case core.EventRestart:
		a.onRestart()
	case core.EventPathState:
		a.rekey = a.rekey || ev.PathState == PathActive // it may have been verified
		a.notify(PathChange{Path: ev.Path, State: ev.PathState, Primary: ev.Primary})
	case core.EventRemoteError:
		a.notify(RemoteError{Causes: causes(ev.Causes)})
	}
}

// sendFailed hands the messages that could not be delivered back. The caller holds
// a.mu.
func (a *Association) sendFailed() {
	for {
		u, ok := a.core.TakeUndelivered()
		if !ok {
			return
		}
		a.notify(SendFailed{Acked: u.Acked, Sent: u.Sent, Err: publicError(u.Err), Message: Message{
			Stream: u.Stream, PPID: u.PPID, Unordered: u.Unordered, Partial: u.Partial, Immediate: u.Immediate,
			NoBundle: u.NoBundle, Path: u.Path, Context: u.Context, Data: u.Data,
		}})
	}
}
