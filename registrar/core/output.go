package core

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// Channel says which of the two protocols a connection carries.
type Channel uint8

// The channels. They differ in the local SCTP port and the payload protocol
// identifier.
const (
	ASAP Channel = iota + 1 // with pool elements and pool users
	ENRP                    // with other registrars
)

// PPID is the SCTP payload protocol identifier of the channel's messages.
func (c Channel) PPID() uint32 {
	if c == ASAP {
		return rserpool.ASAPPPID
	}
	return rserpool.ENRPPPID
}

// String is "asap" or "enrp".
func (c Channel) String() string {
	if c == ASAP {
		return "asap"
	}
	return "enrp"
}

// ConnID numbers connections. It is never 0 and never used twice by one
// Registrar.
type ConnID uint64

// Message is what a Send action sends: an asap.Message or an enrp.Message.
type Message interface {
	AppendTo(b []byte) []byte
	String() string
}

// ActionKind says what the Registrar wants done.
type ActionKind uint8

// The kinds of Action.
const (
	// Dial: open an association to To, from the local port of Channel if it
	// is ENRP (peers of other implementations know a registrar by it), then call
	// Connected or Lost with Conn.
	Dial ActionKind = iota + 1
	// Send: send Message on Conn, ordered on stream 0. If that fails call Lost.
	Send
	// Close: shut Conn down; what was sent before still arrives.
	Close
	// Abort: end Conn at once, or give up dialing it.
	Abort
	// Multicast: send a datagram to the group of Channel, on each interface that has
	// to do with it: Action.For makes its message.
	Multicast
)

// Action is an order to the caller, from PollAction.
type Action struct {
	Kind    ActionKind
	Conn    ConnID
	Channel Channel
	To      rserpool.Transport // Dial
	Message Message            // Send; Multicast, without addresses
	Reason  string             // Abort, for the peer and for logs
}

// String describes the action in one line.
func (a Action) String() string {
	switch a.Kind {
	case Dial:
		return fmt.Sprintf("dial %d %s %s", a.Conn, a.Channel, a.To)
	case Send:
		return fmt.Sprintf("send %d %s", a.Conn, a.Message)
	case Close:
		return fmt.Sprintf("close %d", a.Conn)
	case Abort:
		return fmt.Sprintf("abort %d: %s", a.Conn, a.Reason)
	case Multicast:
		return fmt.Sprintf("multicast %s %s", a.Channel, a.Message)
	}
	return fmt.Sprintf("action(%d)", a.Kind)
}

// EventKind says what happened.
type EventKind uint8

// The kinds of Event, with the fields that go with them.
const (
	EventReady               EventKind = iota + 1 // start-up has ended: accept ASAP now; Reason
	EventIdentifier                               // the registrar has a new identifier: Registrar
	EventRegistered                               // Handle, PE: new here, or moved here from Registrar
	EventRemoved                                  // Handle, PE is gone; Reason
	EventMoved                                    // Handle, PE has a new home, Registrar
	EventRejected                                 // a registration or deregistration was refused; Handle, PE, Reason
	EventPeerUp                                   // Registrar is a peer
	EventPeerSuspect                              // Registrar does not answer; Reason
	EventPeerDown                                 // Registrar is no peer any more; Reason
	EventResync                                   // the elements of Registrar differ from what it announced
	EventResynced                                 // they were fetched again: Count of them
	EventTakeoverStarted                          // this registrar wants to take over Registrar
	EventTakeoverAborted                          // and does not after all; Reason
	EventTakeover                                 // it took Count elements over from Registrar
	EventTakenOver                                // another registrar, By, took over Registrar
	EventElementUnresponsive                      // Handle, PE did not acknowledge a keep-alive
	EventRefused                                  // something a peer sent was refused; Registrar, Reason
	EventRemoteError                              // an ASAP_ERROR or ENRP_ERROR came; Reason
	EventDrained                                  // after Drain: all elements have new homes, or nobody takes them
	EventReconfigured                             // Reconfigure has been carried out
	EventRestoring                                // Count elements of an image are asked whether they are there
)

var eventNames = [...]string{
	EventReady: "ready", EventIdentifier: "new identifier", EventRegistered: "element registered",
	EventRemoved: "element removed", EventMoved: "element moved", EventRejected: "request rejected",
	EventPeerUp: "peer up", EventPeerSuspect: "peer suspect", EventPeerDown: "peer down",
	EventResync: "handlespace differs", EventResynced: "handlespace synchronized",
	EventTakeoverStarted: "takeover started", EventTakeoverAborted: "takeover aborted",
	EventTakeover: "took over", EventTakenOver: "taken over by another registrar",
	EventElementUnresponsive: "element does not answer", EventRefused: "refused",
	EventRemoteError: "remote error", EventDrained: "drained",
	EventReconfigured: "reconfigured", EventRestoring: "asking elements of before the restart",
}

// EventKinds returns all kinds.
func EventKinds() []EventKind {
	kinds := make([]EventKind, 0, len(eventNames))
	for k, name := range eventNames {
		if name != "" {
			kinds = append(kinds, EventKind(k))
		}
	}
	return kinds
}

// String names the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event tells what happened, from PollEvent. Which fields mean something depends
// on Kind.
type Event struct {
	Kind      EventKind
	Conn      ConnID
	Registrar rserpool.RegistrarID
	By        rserpool.RegistrarID
	Handle    rserpool.PoolHandle
	PE        rserpool.PEID
	Count     int
	Reason    string
}

// String describes the event in one line.
func (e Event) String() string {
	s := e.Kind.String()
	if e.Registrar != 0 {
		s += " registrar=" + e.Registrar.String()
	}
	if e.By != 0 {
		s += " by=" + e.By.String()
	}
	if e.Handle != "" {
		s += " pool=" + e.Handle.String() + " pe=" + e.PE.String()
	}
	if e.Count != 0 {
		s += fmt.Sprintf(" count=%d", e.Count)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// queue is a first-in first-out list of outputs.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

func (q *queue[T]) pop() (T, bool) {
	var zero T
	if q.head == len(q.items) {
		return zero, false
	}
	v := q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v, true
}
