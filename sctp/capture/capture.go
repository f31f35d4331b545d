package capture

import (
	"net/netip"
	"time"
)

// Packet is one SCTP packet that a stack sent or received.
type Packet struct {
	Time time.Time
	Out  bool // sent; else received
	// Local and Remote are the IP addresses and UDP encapsulation ports of both ends.
	// Both ports are 0 if the packet travels directly in IP. The address of Local is
	// the zero Addr if it is not known, as for the first packets of a stack that is
	// bound to the unspecified address: the operating system chooses it.
	Local, Remote netip.AddrPort
	ECN           uint8  // the ECN bits of the IP header
	Data          []byte // from the SCTP common header on; valid during the call
}

// Sink takes the packets of a stack. Capture is called in the middle of sending and
// receiving, by several goroutines: it must not wait, nor call back into the stack.
type Sink interface {
	Capture(p Packet)
}
