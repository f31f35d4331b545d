package ipsock

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Constants of the Linux ABI that package syscall does not have.
const (
	solUDP         = 17 // SOL_UDP
	udpSegment     = 103
	udpGRO         = 104
	ipv6RecvTClass = 66
	ipv6TClass     = 67
)

// controlSpace is enough for the control data of one message in either direction:
// address, ECN bits, segment size, and error with its sender (44 bytes), each with a
// header of at most 16 bytes.
const controlSpace = 192

// truncated are the flags of a message that lost data or control data.
const truncated = syscall.MSG_TRUNC | syscall.MSG_CTRUNC

// ecnMask is where the ECN bits are in TOS and traffic class (RFC 3168 §5).
const ecnMask = 3

// Offsets in struct in_pktinfo (interface, local address, header destination) and
// struct in6_pktinfo (destination, interface).
const (
	pktinfo4Len    = 12
	pktinfo4Source = 4
	pktinfo4Dest   = 8
	pktinfo6Len    = 20
)

// appendControl appends the control data for sending d in segments: its source
// address unless the kernel takes that one anyway, its ECN bits if there are any,
// and the segment size of a run. b must have room for controlSpace bytes.
//
// The destination decides about the level, not the socket: the kernel sends IPv4
// datagrams of a dual-stack socket through its IPv4 code.
func (s *Socket) appendControl(b []byte, d *carrier.Datagram, segment int) []byte {
	v4 := d.Remote.Addr().Unmap().Is4()
	var body []byte
	if src := s.source(d.Local); src.IsValid() && !src.IsUnspecified() {
		if src.Is4() {
			b, body = appendHeader(b, syscall.IPPROTO_IP, syscall.IP_PKTINFO, pktinfo4Len)
			ip := src.As4()
			copy(body[pktinfo4Source:], ip[:])
		} else {
			b, body = appendHeader(b, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, pktinfo6Len)
			ip := src.As16()
			copy(body, ip[:])
		}
	}
	if ecn := d.ECN & ecnMask; ecn != 0 {
		if v4 {
			b, body = appendHeader(b, syscall.IPPROTO_IP, syscall.IP_TOS, 4)
		} else {
			b, body = appendHeader(b, syscall.IPPROTO_IPV6, ipv6TClass, 4)
		}
		binary.NativeEndian.PutUint32(body, uint32(ecn))
	}
	if segment > 0 {
		b, body = appendHeader(b, solUDP, udpSegment, 2)
		binary.NativeEndian.PutUint16(body, uint16(segment))
	}
	return b
}

// appendHeader appends a control message of n zero bytes with its header and
// padding, and returns those bytes as well.
func appendHeader(b []byte, level, kind, n int) (all, body []byte) {
	start := len(b)
	end := start + syscall.CmsgSpace(n)
	all = b[:end]
	clear(all[start:])
	putLength(all[start:], syscall.CmsgLen(n))
	tail := all[start+lengthLen:]
	binary.NativeEndian.PutUint32(tail, uint32(level))
	binary.NativeEndian.PutUint32(tail[4:], uint32(kind))
	return all, all[start+syscall.CmsgLen(0) : start+syscall.CmsgLen(n)]
}

// parseControl reads the control data of a received message. It never fails:
// what is missing or malformed is not known.
func (s *Socket) parseControl(b []byte) control {
	var c control
	for len(b) >= syscall.SizeofCmsghdr {
		n := length(b)
		if n < syscall.SizeofCmsghdr || n > uint64(len(b)) {
			return c
		}
		tail := b[lengthLen:]
		level, kind := binary.NativeEndian.Uint32(tail), binary.NativeEndian.Uint32(tail[4:])
		c.set(int(level), int(kind), b[syscall.CmsgLen(0):max(n, uint64(syscall.CmsgLen(0)))])
		next := syscall.CmsgSpace(int(n) - syscall.CmsgLen(0))
		if next > len(b) {
			return c
		}
		b = b[next:]
	}
	return c
}

// set takes over one control message.
func (c *control) set(level, kind int, body []byte) {
	switch {
	case level == syscall.IPPROTO_IP && kind == syscall.IP_PKTINFO && len(body) >= pktinfo4Len:
		c.local = netip.AddrFrom4([4]byte(body[pktinfo4Dest:]))
	case level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_PKTINFO && len(body) >= pktinfo6Len:
		c.local = netip.AddrFrom16([16]byte(body)).Unmap()
	case level == syscall.IPPROTO_IP && kind == syscall.IP_TOS && len(body) >= 1:
		c.ecn = body[0] & ecnMask
	case level == syscall.IPPROTO_IPV6 && kind == ipv6TClass && len(body) >= 4:
		c.ecn = uint8(binary.NativeEndian.Uint32(body) & ecnMask)
	case level == solUDP && kind == udpGRO && len(body) >= 4:
		c.segment = max(int(int32(binary.NativeEndian.Uint32(body))), 0)
	case level == syscall.IPPROTO_IP && kind == syscall.IP_RECVERR,
		level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_RECVERR:
		c.extErr = body
	}
}

// lengthLen is the size in bytes of the length field of struct cmsghdr, a size_t;
// two 32 bit fields follow it.
const lengthLen = syscall.SizeofCmsghdr - 8

func length(b []byte) uint64 {
	if lengthLen == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

func putLength(b []byte, n int) {
	if lengthLen == 8 {
		binary.NativeEndian.PutUint64(b, uint64(n))
		return
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
}
