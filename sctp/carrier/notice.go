package carrier

import (
	"fmt"
	"net/netip"
)

// NoticeKind is what an ICMP or ICMPv6 message says about a packet.
type NoticeKind uint8

// The kinds of notices. Everything else that ICMP can say is of no use to SCTP
// (RFC 9260 §10) and is not passed on.
const (
	// NoticeUnreachable: the host or its network cannot be reached, or a router on
	// the way forbids it.
	NoticeUnreachable NoticeKind = iota + 1
	// NoticePort: nobody has the UDP port there. RFC 6951 §5.5 gives this the
	// meaning of NoticeProtocol where SCTP is encapsulated.
	NoticePort
	// NoticeProtocol: the host does not speak the protocol (ICMP Protocol
	// Unreachable, ICMPv6 Unrecognized Next Header).
	NoticeProtocol
	// NoticeTooBig: the packet does not fit a link and must not be fragmented.
	NoticeTooBig
)

// String is the kind in lower case.
func (k NoticeKind) String() string {
	switch k {
	case NoticeUnreachable:
		return "unreachable"
	case NoticePort:
		return "port-unreachable"
	case NoticeProtocol:
		return "protocol-unreachable"
	case NoticeTooBig:
		return "too-big"
	}
	return fmt.Sprintf("notice(%d)", uint8(k))
}

// Notice is an ICMP or ICMPv6 message about a packet that left through a carrier,
// or one that somebody forged: nothing but the quoted packet vouches for it.
type Notice struct {
	Kind NoticeKind

	// Local is the source of the quoted packet, the zero Addr if it is not known.
	Local netip.Addr

	// Remote is the destination of the quoted packet, not the sender of the notice.
	Remote netip.AddrPort

	// MTU is, for NoticeTooBig, the largest IP packet in bytes that fits the next
	// link; 0 if the router did not tell.
	MTU int

	// Quoted is the SCTP packet as far as it was quoted, from its common header on.
	// Eight bytes of it are certain only without encapsulation. It is valid during
	// the call.
	Quoted []byte
}

// Notifier is a Carrier that passes on ICMP messages. No Carrier has to be one, and
// no user may rely on notices (RFC 6951 §5.5).
type Notifier interface {
	// SetNotify makes the carrier call f for each notice from inside ReadBatch, in
	// the goroutine that called that. It must be called before the first ReadBatch;
	// nil, the default, discards notices.
	SetNotify(f func(Notice))
}

// Fragmenter is a Carrier that controls the fragmentation of its packets.
type Fragmenter interface {
	// DontFragment says that packets leave whole or not at all and that routers do
	// not fragment them (the Don't Fragment bit of IPv4), except those of a
	// Datagram with MayFragment. Only then can a path MTU be found by probing
	// (RFC 8899). It does not change.
	DontFragment() bool
}
