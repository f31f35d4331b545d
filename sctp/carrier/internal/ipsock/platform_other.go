//go:build !linux

package ipsock

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// controlSpace is enough for a control message with an address on all systems.
const controlSpace = 128

// truncated: buffers of 64 KiB cut no datagram, and lost control data means no
// more than an unknown local address.
const truncated = 0

// probe asks for the local addresses of received datagrams; systems on which
// golang.org/x/net cannot do that leave them unknown.
func (s *Socket) probe(*Config) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw = raw
	if !s.local.Addr().IsUnspecified() {
		return nil
	}
	if s.is4() {
		_ = ipv4.NewPacketConn(s.conn).SetControlMessage(ipv4.FlagDst, true)
	} else {
		_ = ipv6.NewPacketConn(s.conn).SetControlMessage(ipv6.FlagDst, true)
	}
	return nil
}

// useBatches does nothing: the basic reader and writer stay.
func (s *Socket) useBatches() error { return nil }

// appendControl returns the control data that makes the system send d from
// d.Local. It has none for IPv4 destinations of IPv6 sockets, since systems differ
// in whether they take them.
func (s *Socket) appendControl(b []byte, d *carrier.Datagram, _ int) []byte {
	src := s.source(d.Local)
	switch {
	case !src.IsValid() || src.IsUnspecified():
	case s.is4() && src.Is4():
		return (&ipv4.ControlMessage{Src: src.AsSlice()}).Marshal()
	case !s.is4() && src.Is6():
		return (&ipv6.ControlMessage{Src: src.AsSlice()}).Marshal()
	}
	return b
}

// parseControl reads the local address.
func (s *Socket) parseControl(b []byte) control {
	var dst net.IP
	if s.is4() {
		var m ipv4.ControlMessage
		if m.Parse(b) == nil {
			dst = m.Dst
		}
	} else {
		var m ipv6.ControlMessage
		if m.Parse(b) == nil {
			dst = m.Dst
		}
	}
	local, _ := netip.AddrFromSlice(dst)
	return control{local: local.Unmap()}
}

// gsoFailure: without offload no send fails because of it.
func gsoFailure(error) bool { return false }

// gsoBroken: see gsoFailure.
func gsoBroken(error, bool) bool { return false }

// setBuffers asks for kernel buffers of recv and send bytes; 0 leaves one alone.
func setBuffers(conn conn, recv, send int) {
	if recv > 0 {
		_ = conn.SetReadBuffer(recv)
	}
	if send > 0 {
		_ = conn.SetWriteBuffer(send)
	}
}

// buffers: the systems differ in what they tell.
func (s *Socket) buffers() (recv, send int) { return 0, 0 }

// fragmentable is not called: DontFragment is false.
func (s *Socket) fragmentable(f func()) { f() }

// fromICMP: ICMP messages are not asked for.
func (s *Socket) fromICMP(error) bool { return false }
