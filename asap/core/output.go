package core

import (
	"fmt"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// LinkID numbers the associations with registrars. It is never 0 and never used
// twice by one Endpoint.
type LinkID uint64

// OutputKind says what the Endpoint wants done.
type OutputKind uint8

// The kinds of Output.
const (
	// OutputDial: open an association to Registrar, then call HandleConnected or
	// HandleLost with Link.
	OutputDial OutputKind = iota + 1
	// OutputSend: send Message on Link, PPID 11. If that fails call HandleLost.
	OutputSend
	// OutputClose: give Link up, whether it is established or still being
	// dialed. HandleLost is not called for it. Abort says that the peer does not
	// answer, so that a graceful shutdown would only take time.
	OutputClose
)

// Output is an order to the caller, from PollOutput.
type Output struct {
	Kind      OutputKind
	Link      LinkID
	Registrar rserpool.Transport // OutputDial
	Message   asap.Message       // OutputSend
	Abort     bool               // OutputClose
}

// String describes the output in one line.
func (o Output) String() string {
	switch o.Kind {
	case OutputDial:
		return fmt.Sprintf("dial %d %v", o.Link, o.Registrar)
	case OutputSend:
		return fmt.Sprintf("send %d %v", o.Link, o.Message)
	case OutputClose:
		if o.Abort {
			return fmt.Sprintf("abort %d", o.Link)
		}
		return fmt.Sprintf("close %d", o.Link)
	}
	return fmt.Sprintf("output(%d)", o.Kind)
}

// EventKind says what happened.
type EventKind uint8

// The kinds of Event.
const (
	// EventHome: there is a home registrar: Server if its identifier is known,
	// Registrar its address, Link the association.
	EventHome EventKind = iota + 1
	// EventHomeLost: the home registrar is lost, because of Err.
	EventHomeLost
	// EventRegistered: the registrar accepted a registration. Causes, if any,
	// warn that it changed something (RFC 5352 §2.2.3).
	EventRegistered
	// EventRegisterFailed: registration failed with Err. A *RejectedError whose
	// Temporary is false means that it is not tried again; otherwise it is.
	EventRegisterFailed
	// EventDeregistered: deregistration ended; Err nil means that a registrar
	// confirmed it.
	EventDeregistered
	// EventResolved: the resolution of Handle ended with Resolution.
	EventResolved
	// EventChanged: a registrar sent an update of Handle without being asked, as
	// subscribed (RFC 5352 §2.2.6). The cache has it.
	EventChanged
	// EventRemoteError: a registrar sent an ASAP_ERROR with Causes.
	EventRemoteError
)

// String names the kind.
func (k EventKind) String() string {
	switch k {
	case EventHome:
		return "home"
	case EventHomeLost:
		return "home lost"
	case EventRegistered:
		return "registered"
	case EventRegisterFailed:
		return "register failed"
	case EventDeregistered:
		return "deregistered"
	case EventResolved:
		return "resolved"
	case EventChanged:
		return "changed"
	case EventRemoteError:
		return "remote error"
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is something that the application may want to know, from PollEvent.
// Which fields mean something depends on Kind.
type Event struct {
	Kind       EventKind
	Link       LinkID
	Server     rserpool.RegistrarID
	Registrar  rserpool.Transport
	Handle     rserpool.PoolHandle
	PEID       rserpool.PEID // of the element that the registration events are about
	Resolution Resolution
	Causes     []rserpool.Cause
	Err        error
}
