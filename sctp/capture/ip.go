package capture

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers of IP.
const (
	protoUDP  = 17
	protoSCTP = 132
)

// Sizes of headers in bytes, and what the length fields of IPv4 and UDP can say.
const (
	ipv4Len  = 20
	ipv6Len  = 40
	udpLen   = 8
	hopLimit = 64 // what is on the wire is not known
	maxLen   = 1<<16 - 1
)

// ends returns source and destination. An address that is not known is the
// unspecified one of the other's family.
func (p *Packet) ends() (src, dst netip.AddrPort) {
	local, remote := p.Local, p.Remote
	if a := remote.Addr().Unmap(); local.Addr().Unmap().Is4() != a.Is4() {
		unknown := netip.IPv6Unspecified()
		if a.Is4() {
			unknown = netip.IPv4Unspecified()
		}
		local = netip.AddrPortFrom(unknown, local.Port())
	}
	if p.Out {
		return local, remote
	}
	return remote, local
}

// appendIP appends the packet with its IP and UDP headers and returns where SCTP
// begins in it.
func (p *Packet) appendIP(b []byte) (_ []byte, sctp int) {
	src, dst := p.ends()
	encapsulated := src.Port() != 0 || dst.Port() != 0
	proto, n := byte(protoSCTP), len(p.Data)
	if encapsulated {
		proto, n = protoUDP, n+udpLen
	}
	be := binary.BigEndian
	if from, to := src.Addr().Unmap(), dst.Addr().Unmap(); from.Is4() {
		start := len(b)
		b = append(b, 0x45, p.ECN&3)
		b = be.AppendUint16(b, uint16(min(ipv4Len+n, maxLen)))
		b = append(b, 0, 0, 0, 0, hopLimit, proto, 0, 0)
		f, t := from.As4(), to.As4()
		b = append(append(b, f[:]...), t[:]...)
		be.PutUint16(b[start+10:], ^fold(sum(0, b[start:])))
	} else {
		b = append(b, 0x60, p.ECN&3<<4, 0, 0)
		b = be.AppendUint16(b, uint16(min(n, maxLen)))
		b = append(b, proto, hopLimit)
		f, t := from.As16(), to.As16()
		b = append(append(b, f[:]...), t[:]...)
	}
	if encapsulated {
		b = be.AppendUint16(b, src.Port())
		b = be.AppendUint16(b, dst.Port())
		b = be.AppendUint16(b, uint16(min(n, maxLen)))
		b = append(b, 0, 0) // see setUDPChecksum
	}
	sctp = len(b)
	return append(b, p.Data...), sctp
}

// setUDPChecksum fills in the checksum of the UDP header that ends at sctp, over the
// packet that begins at start (RFC 768, RFC 8200 §8.1).
func setUDPChecksum(b []byte, start, sctp int) {
	datagram := b[sctp-udpLen:]
	addrs := b[start+12 : start+ipv4Len]
	if b[start]>>4 == 6 {
		addrs = b[start+8 : start+ipv6Len]
	}
	c := ^fold(sum(sum(uint64(len(datagram))+protoUDP, addrs), datagram))
	if c == 0 {
		c = 0xffff // 0 means that there is none
	}
	binary.BigEndian.PutUint16(datagram[6:], c)
}

// sum adds the 16-bit words of b to s (RFC 1071), four bytes at a time: the carries
// gather above the lower 32 bits.
func sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 4; b = b[4:] {
		s += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold makes the one's complement sum of 16 bits of s.
func fold(s uint64) uint16 {
	for s > maxLen {
		s = s>>16 + s&maxLen
	}
	return uint16(s)
}
