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

	EventAll = EventAssoc | EventPath | EventRemote | EventShutdown | EventDry
)

// Event is a notification about an association (RFC 9260 §11.2, RFC 6458 §6.1):
// AssocChange, PathChange, RemoteError, PeerShutdown, SenderDry or
// NotificationsStopped.
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

// NotificationsStopped tells that the queue of notifications was full and some
// were lost; all that come after it happened after it was read.
type NotificationsStopped struct{}

func (AssocChange) mask() EventMask          { return EventAssoc }
func (PathChange) mask() EventMask           { return EventPath }
func (RemoteError) mask() EventMask          { return EventRemote }
func (PeerShutdown) mask() EventMask         { return EventShutdown }
func (SenderDry) mask() EventMask            { return EventDry }
func (NotificationsStopped) mask() EventMask { return EventAll }

var errNoEvents = errors.New("sctp: Config.Events subscribes to nothing")

// eventQueue is the notifications that wait for NextEvent.
type eventQueue struct {
	q       []Event
	stopped bool // the last in q is NotificationsStopped
	ready   gate
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
	case len(e.q) >= a.settings.eventQueue:
		e.stopped = true
		ev = NotificationsStopped{}
	}
	e.q = append(e.q, ev)
	e.ready.wakeOne()
}

// NextEvent waits for the next notification of the kinds in Config.Events. They
// wait in a bounded queue; if the application does not read them in time, it gets
// a NotificationsStopped in place of the lost ones. After the last notification of
// an association that ended, the error is io.EOF for a graceful end, else the
// reason; it is net.ErrClosed after Close, and that of ctx if it ends first.
func (a *Association) NextEvent(ctx context.Context) (Event, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.settings.events == 0 {
		return nil, errNoEvents
	}
	if a.events == nil {
		a.events = &eventQueue{}
	}
	e := a.events
	var ended error
	for {
		switch {
		case len(e.q) > 0:
			ev := e.q[0]
			e.q = append(e.q[:0], e.q[1:]...)
			if e.stopped && len(e.q) == 0 {
				e.stopped = false
			}
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
		a.roused = a.roused || a.writers.waiting()
		a.writers.wakeOne()
	case core.EventAllAcked:
		a.notify(SenderDry{})
	case core.EventEstablished:
		a.established, a.rekey = true, true
		if a.dialed {
			a.stack.count.connected.Add(1)
		}
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
