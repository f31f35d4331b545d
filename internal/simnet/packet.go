package simnet

import (
	"net/netip"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Header sizes in bytes that count against MTU and bandwidth.
const (
	ipv4HeaderLen = 20
	ipv6HeaderLen = 40
	udpHeaderLen  = 8
)

// Packet is one datagram on the wire.
type Packet struct {
	// From and To are the addresses as the observer of the packet sees them: an
	// event before a NAT shows the inside address, Deliver the translated one.
	From, To netip.AddrPort
	// Data is the UDP payload.
	Data []byte
	// ECN holds the two ECN bits of the IP header (RFC 3168 §5).
	ECN uint8
	// MayFragment lets the packet pass links with a smaller MTU, in fragments that
	// share its fate.
	MayFragment bool
}

// Size returns the size of the packet as IP packet: payload, UDP header and IP
// header without options, in bytes.
func (p *Packet) Size() int {
	if p.To.Addr().Is4() {
		return ipv4HeaderLen + udpHeaderLen + len(p.Data)
	}
	return ipv6HeaderLen + udpHeaderLen + len(p.Data)
}

// Datagram returns the packet in the form in which a Carrier hands it out. Data
// is shared.
func (p *Packet) Datagram() carrier.Datagram {
	return carrier.Datagram{Local: p.To.Addr(), Remote: p.From, Data: p.Data, ECN: p.ECN}
}
