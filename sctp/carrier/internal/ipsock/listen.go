package ipsock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// portTries is how often ListenShared looks for a port that is free on all
// addresses.
const portTries = 32

// Listen binds a UDP socket to one address. "[::]" stands for all addresses of
// both families where the system allows that (else for those that it has),
// "0.0.0.0" for all IPv4 addresses. Port 0 takes a free one. A nil Config is the
// same as an empty one.
func Listen(addr netip.AddrPort, cfg *Config) (*Socket, error) {
	return bind(addr, false, cfg)
}

// ListenShared binds sockets to each of several addresses, all with the same UDP
// port, since a stack has only one (RFC 6951 §5.1): ports that differ are an
// error, except that those of 0 follow the others. If all are 0, one that is free
// on all addresses is chosen. "[::]" next to an IPv4 address stands for the IPv6
// addresses only.
//
// With a count above 1 each address has as many sockets, one after the other in what
// it returns. SCTP packets go to one of them by their verification tag: to that with the
// index tag modulo count.
func ListenShared(addrs []netip.AddrPort, count int, cfg *Config) ([]*Socket, error) {
	socks, err := listenAll(addrs, func(a netip.AddrPort, v6only bool) (*Socket, error) { return bind(a, v6only, cfg) })
	if err != nil || count <= 1 {
		return socks, err
	}
	return share(socks, min(count, maxShared), cfg)
}

// maxShared bounds the sockets of an address.
const maxShared = 256

// binder binds a socket; v6only makes one for "[::]" that leaves IPv4 alone.
type binder func(a netip.AddrPort, v6only bool) (*Socket, error)

func listenAll(addrs []netip.AddrPort, bind binder) ([]*Socket, error) {
	port, err := commonPort(addrs)
	if err != nil {
		return nil, err
	}
	tries := 1
	if port == 0 && len(addrs) > 1 {
		tries = portTries // another address may have the port in use already
	}
	var socks []*Socket
	for range tries {
		if socks, err = bindAll(addrs, port, bind); err == nil {
			break
		}
	}
	return socks, err
}

// commonPort returns the port that all addresses share, 0 if none has one.
func commonPort(addrs []netip.AddrPort) (uint16, error) {
	if len(addrs) == 0 {
		return 0, errors.New("no address to listen on")
	}
	var port uint16
	for _, a := range addrs {
		switch p := a.Port(); {
		case p == 0 || p == port:
		case port == 0:
			port = p
		default:
			return 0, fmt.Errorf("two UDP ports, %d and %d, for one stack", port, p)
		}
	}
	return port, nil
}

// bindAll binds all addresses to port, or to the port that the first one gets.
func bindAll(addrs []netip.AddrPort, port uint16, bind binder) ([]*Socket, error) {
	v6only := false
	for _, a := range addrs {
		v6only = v6only || a.Addr().Unmap().Is4()
	}
	socks := make([]*Socket, 0, len(addrs))
	for _, a := range addrs {
		s, err := bind(netip.AddrPortFrom(a.Addr(), port), v6only)
		if err != nil {
			closeAll(socks)
			return nil, err
		}
		socks = append(socks, s)
		port = s.local.Port()
	}
	return socks, nil
}

func closeAll(socks []*Socket) {
	for _, s := range socks {
		_ = s.Close() // cannot fail
	}
}

func bind(addr netip.AddrPort, v6only bool, cfg *Config) (*Socket, error) {
	return bindBy(net.ListenUDP, addr, v6only, cfg)
}

// bindBy is bind with a replacement for net.ListenUDP.
func bindBy(listen listener, addr netip.AddrPort, v6only bool, cfg *Config) (*Socket, error) {
	if !addr.Addr().IsValid() {
		return nil, errors.New("invalid address")
	}
	conn, err := listenUDP(addr, v6only, listen)
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		cfg = &Config{}
	}
	return newSocket(conn, cfg)
}

// listener is net.ListenUDP.
type listener func(network string, a *net.UDPAddr) (*net.UDPConn, error)

// listenUDP opens the socket by means of listen, which is net.ListenUDP. That one
// makes a dual-stack socket of an unspecified address with network "udp", and of
// nothing else.
func listenUDP(addr netip.AddrPort, v6only bool, listen listener) (*net.UDPConn, error) {
	ip := addr.Addr().Unmap()
	network := "udp6"
	switch {
	case ip.Is4():
		network = "udp4"
	case ip == netip.IPv6Unspecified() && !v6only:
		network = "udp"
	}
	conn, err := listen(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, addr.Port())))
	if network == "udp" && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		// A host without IPv6: all addresses are then the IPv4 ones.
		any4 := netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
		if conn4, err4 := listen("udp4", net.UDPAddrFromAddrPort(any4)); err4 == nil {
			return conn4, nil
		}
	}
	return conn, err
}
