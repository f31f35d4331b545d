package core

import (
	"net/netip"

	"github.com/rserpool/rserpool/sctp/wire"
)

// EventKind says what an Event reports (RFC 9260 §11.2).
type EventKind uint8

// Kinds of events.
const (
	EventEstablished    EventKind = iota + 1 // COMMUNICATION UP
	EventReadable                            // a message waits on Stream where none did
	EventWritable                            // the send buffer has room again after ErrWouldBlock
	EventAllAcked                            // nothing is queued or unacknowledged any more
	EventPeerShutdown                        // the peer began a graceful shutdown
	EventClosed                              // the association ended; Err nil: gracefully
	EventRestart                             // the peer restarted: RESTART notification
	EventPathState                           // Path is now in PathState, or became the primary: NETWORK STATUS CHANGE
	EventRemoteError                         // the peer sent an ERROR chunk: Causes
	EventUndelivered                         // a message waits for TakeUndelivered: SEND FAILURE
	EventPartialAborted                      // no more comes of the message that Stream delivers partially
)

// String is the event's name.
func (k EventKind) String() string {
	names := [...]string{"", "Established", "Readable", "Writable", "AllAcked", "PeerShutdown", "Closed", "Restart", "PathState", "RemoteError", "Undelivered", "PartialAborted"}
	if int(k) < len(names) {
		return names[k]
	}
	return "Unknown"
}

// Event is what the user of an association should know. Only the fields of its
// kind are set.
type Event struct {
	Kind      EventKind
	Stream    wire.StreamID
	Message   Incoming // of EventPartialAborted
	Err       error
	Path      netip.AddrPort
	PathState PathState
	Primary   bool   // of EventPathState: the path is the primary one
	Causes    []byte // raw error causes
}

// maxEvents bounds the events waiting for PollEvent. Those that carry state
// (Established, Closed, Restart) are never dropped.
const maxEvents = 256

// events is a queue whose memory is reused.
type events struct {
	q    []Event
	head int
}

func (e *events) push(v Event) {
	if len(e.q)-e.head >= maxEvents {
		switch v.Kind {
		case EventPathState, EventRemoteError:
			return
		}
	}
	e.q = append(e.q, v)
}

func (e *events) pop() (Event, bool) {
	if e.head == len(e.q) {
		return Event{}, false
	}
	v := e.q[e.head]
	e.q[e.head] = Event{}
	e.head++
	if e.head == len(e.q) {
		e.q, e.head = e.q[:0], 0
		if v.Kind == EventEstablished {
			e.q = nil // there may be no other for long
		}
	}
	return v, true
}

// trim gives the memory of an empty queue back.
func (e *events) trim() {
	if e.head == len(e.q) {
		*e = events{}
	}
}

// ReadNews says, after everything was polled and then messages were read, whether that
// has brought anything about: a SACK with the window that is open again, or an event.
func (a *Association) ReadNews() bool {
	return a.rx.sackNow || a.ev.head < len(a.ev.q) || a.rx.inbox.Woken()
}

// PollEvent returns the next event, false if there is none.
func (a *Association) PollEvent() (Event, bool) {
	if v, ok := a.ev.pop(); ok {
		return v, ok
	}
	if id, ok := a.rx.inbox.TakeReadable(); ok {
		return Event{Kind: EventReadable, Stream: id}, true
	}
	return Event{}, false
}
