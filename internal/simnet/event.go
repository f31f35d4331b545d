package simnet

import (
	"fmt"
	"time"
)

// Kind says what happened to a packet.
type Kind uint8

// The kinds of events. A packet that is not delivered has exactly one of the
// kinds from Lost on.
const (
	Sent       Kind = iota // handed to the network
	Delivered              // taken out by Deliver, or put into a carrier's queue
	Duplicated             // a second copy is on its way
	Reordered              // held back so that later packets overtake it
	Corrupted              // one bit was flipped
	Marked                 // ECN-capable packet marked CE, by a long queue or at random
	Fragmented             // too big, but passed in fragments
	Lost                   // dropped at random (Link.Loss)
	TooBig                 // larger than Link.MTU
	QueueFull              // no room in the queue of the link (Link.Queue)
	Cut                    // path down or partition, when sent or when it would have arrived
	Filtered               // refused by the filter
	NoMapping              // a NAT had no mapping, or filters this remote address
	NoRoute                // invalid address, or the address families differ
	Unbound                // no carrier is bound to the destination
	Overflow               // the receive queue of the carrier was full

	numKinds = int(Overflow) + 1
)

var kindNames = [numKinds]string{
	"sent", "delivered", "duplicated", "reordered", "corrupted", "marked", "fragmented", "lost", "too-big",
	"queue-full", "cut", "filtered", "no-mapping", "no-route", "unbound", "overflow",
}

// String returns the name of the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Event is something that happened to a packet.
type Event struct {
	At     time.Time
	Kind   Kind
	Packet Packet // Data is shared and must not be changed or kept
	MTU    int    // TooBig only: the MTU of the link, an IP packet size in bytes
}

// String returns one line of a trace; equal runs have equal traces.
func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s > %s len=%d ecn=%d", e.At.UTC().Format("15:04:05.000000000"), e.Kind,
		e.Packet.From, e.Packet.To, len(e.Packet.Data), e.Packet.ECN)
	if e.Kind == TooBig {
		s += fmt.Sprintf(" mtu=%d", e.MTU)
	}
	return s
}

// Observe calls f for every event from now on, instead of the observer before;
// nil ends it. f runs with the network locked: it must be quick and must not call
// methods of the Network.
func (n *Network) Observe(f func(Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.observer = f
}

// SetFilter makes f decide about each packet when it is sent: false drops it.
// Tests use it to lose one particular packet. f runs with the network locked, as
// for Observe. nil removes the filter.
func (n *Network) SetFilter(f func(now time.Time, p Packet) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Count returns how many events of kind k there were.
func (n *Network) Count(k Kind) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if int(k) >= numKinds {
		return 0
	}
	return n.counts[k]
}

// note counts an event and tells the observer.
func (n *Network) note(now time.Time, k Kind, p *Packet) {
	n.counts[k]++
	if n.observer != nil {
		n.observer(Event{At: now, Kind: k, Packet: *p})
	}
}

// noteTooBig is note for a packet larger than mtu.
func (n *Network) noteTooBig(now time.Time, p *Packet, mtu int) {
	n.counts[TooBig]++
	if n.observer != nil {
		n.observer(Event{At: now, Kind: TooBig, Packet: *p, MTU: mtu})
	}
}
