package main

import (
	"encoding/binary"
	"net/netip"
)

// linkType is what a frame begins with, as in capture files.
type linkType uint32

// Link types whose frames can be read.
const (
	linkNull     linkType = 0
	linkEthernet linkType = 1
	linkRawBSD   linkType = 12
	linkRawOpen  linkType = 14
	linkRaw      linkType = 101
	linkLoop     linkType = 108
	linkLinux    linkType = 113
	linkIPv4     linkType = 228
	linkIPv6     linkType = 229
	linkLinux2   linkType = 276
)

// Protocols in IP.
const (
	protoUDP  = 17
	protoSCTP = 132
)

// ipPacket is a packet of either family. Reading it here takes sixty lines; a package
// that knows every protocol takes a twentieth of a second whenever this program starts,
// whatever for.
type ipPacket struct {
	src, dst netip.Addr
	proto    uint8
	payload  []byte // as far as it was captured
	length   int    // of the whole payload
	fragment bool   // it is only a part of one
}

// readIP finds the IP packet in a frame.
func readIP(link linkType, b []byte) (ipPacket, bool) {
	switch link {
	case linkEthernet:
		at := 12
		for len(b) >= at+2 && isVLAN(binary.BigEndian.Uint16(b[at:])) {
			at += 4
		}
		if len(b) < at+2 || !isIP(binary.BigEndian.Uint16(b[at:])) {
			return ipPacket{}, false
		}
		b = b[at+2:]
	case linkNull, linkLoop:
		b = b[min(4, len(b)):]
	case linkLinux:
		if len(b) < 16 || !isIP(binary.BigEndian.Uint16(b[14:])) {
			return ipPacket{}, false
		}
		b = b[16:]
	case linkLinux2:
		if len(b) < 20 || !isIP(binary.BigEndian.Uint16(b)) {
			return ipPacket{}, false
		}
		b = b[20:]
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
	default:
		return ipPacket{}, false
	}
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return readIPv4(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		return readIPv6(b)
	}
	return ipPacket{}, false
}

// isVLAN says whether an EtherType announces a tag with another behind it.
func isVLAN(t uint16) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 }

func isIP(t uint16) bool { return t == 0x0800 || t == 0x86dd }

func readIPv4(b []byte) (ipPacket, bool) {
	head, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if length == 0 { // captured before the card cut it up
		length = len(b)
	}
	if head < 20 || head > len(b) || head > length {
		return ipPacket{}, false
	}
	return ipPacket{
		src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:])), proto: b[9],
		payload: b[head:min(length, len(b))], length: length - head,
		fragment: binary.BigEndian.Uint16(b[6:])&0x3fff != 0, // More Fragments, or an offset
	}, true
}

func readIPv6(b []byte) (ipPacket, bool) {
	p := ipPacket{src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:])), proto: b[6]}
	p.length = int(binary.BigEndian.Uint16(b[4:]))
	if p.payload = b[40:]; p.length == 0 {
		p.length = len(p.payload)
	}
	p.payload = p.payload[:min(p.length, len(p.payload))]
	for {
		n := 0
		switch p.proto {
		case 0, 43, 60: // options and routing
			if len(p.payload) >= 8 {
				n = 8 + 8*int(p.payload[1])
			}
		case 44: // fragment
			if n = 8; len(p.payload) >= n {
				p.fragment = p.fragment || binary.BigEndian.Uint16(p.payload[2:])&0xfff9 != 0
			}
		default:
			return p, true
		}
		if n == 0 || n > len(p.payload) {
			return p, true // cut off
		}
		p.proto, p.payload, p.length = p.payload[0], p.payload[n:], p.length-n
		if p.fragment {
			return p, true
		}
	}
}

// udpPacket is a UDP datagram.
type udpPacket struct {
	src, dst uint16
	length   int    // of the whole payload
	payload  []byte // as far as it was captured
}

// readUDP reads the datagram in an IP packet.
func readUDP(p *ipPacket) (udpPacket, bool) {
	b := p.payload
	if p.proto != protoUDP || p.fragment || len(b) < udpHeader {
		return udpPacket{}, false
	}
	u := udpPacket{src: binary.BigEndian.Uint16(b), dst: binary.BigEndian.Uint16(b[2:])}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 {
		n = p.length
	}
	if n < udpHeader {
		return udpPacket{}, false
	}
	u.length, u.payload = n-udpHeader, b[udpHeader:min(n, len(b))]
	return u, true
}
