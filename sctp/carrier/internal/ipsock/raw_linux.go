package ipsock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// protocolSCTP is the number of SCTP in the IP header (RFC 9260 §14).
const protocolSCTP = 132

// ListenRaw opens a raw socket for SCTP packets to one address. An unspecified
// address stands for all of its family.
func ListenRaw(addr netip.Addr, cfg *Config) (*Socket, error) {
	addr = addr.Unmap()
	if !addr.IsValid() {
		return nil, errors.New("invalid address")
	}
	network := "ip6:"
	if addr.Is4() {
		network = "ip4:"
	}
	conn, err := net.ListenIP(network+strconv.Itoa(protocolSCTP), &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("%w (CAP_NET_RAW is needed)", err)
	}
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		cfg = &Config{}
	}
	s := &Socket{conn: conn, local: netip.AddrPortFrom(addr, 0)}
	if err := s.setUp(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Fields of the IPv4 header (RFC 791 §3.1).
const (
	minIPv4Header = 20
	ipv4HeaderLen = 0xf // in words of 32 bits, in the first byte
)

// payload takes the IP header off what was received: raw IPv4 sockets get it, others
// do not. False if it is cut.
func (s *Socket) payload(b []byte) ([]byte, bool) {
	if s.encapsulated() || !s.is4() {
		return b, true
	}
	if len(b) < minIPv4Header {
		return nil, false
	}
	n := 4 * int(b[0]&ipv4HeaderLen)
	if n < minIPv4Header || n > len(b) {
		return nil, false
	}
	return b[n:len(b):len(b)], true
}
