package sctp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/sctp/wire"
)

// DefaultUDPPort is the registered UDP port of SCTP stacks that encapsulate
// their packets in UDP (RFC 6951 §5.1).
const DefaultUDPPort = 9899

// Addr names an SCTP endpoint: all its IP addresses, its SCTP port and the UDP
// port of the stack it lives in. Its text form is
//
//	IP[/IP…]:PORT[@UDPPORT]
//
// with IPv6 addresses in brackets, for example
// "[2001:db8::1]/192.0.2.1:3863@9899". An Addr is not modified by this package
// and must not be modified while it is in use.
type Addr struct {
	// IPs lists the addresses of the endpoint. Dial sends the first packet to
	// the first one. For Listen an empty list means every local address.
	IPs []netip.Addr

	// Port is the SCTP port. Zero is good for Listen only: any free port.
	Port uint16

	// UDPPort is the UDP encapsulation port (RFC 6951). Zero means
	// DefaultUDPPort where an address is dialed, and any free port where the
	// package-level Listen opens one.
	UDPPort uint16
}

// ParseAddr reads the text form of an address, `IP[/IP…]:PORT[@UDPPORT]`. A
// missing UDPPORT is DefaultUDPPort. Host names are an error; see ResolveAddr.
func ParseAddr(s string) (*Addr, error) {
	p, err := splitAddr(s)
	if err == nil && !p.hasPort {
		err = errors.New("no port")
	}
	if err == nil && len(p.hosts) == 0 {
		err = errors.New("no IP address")
	}
	var a *Addr
	if err == nil {
		a, err = p.literal()
	}
	if err != nil {
		return nil, fmt.Errorf("sctp: address %q: %w", s, err)
	}
	return a, nil
}

// ParseListenAddr reads the form of an address that a listener may have,
// `[IP[/IP…]][:PORT][@UDPPORT]`: without IP addresses it means all local ones,
// without a port, or with port 0, any free one. A missing UDPPORT is
// DefaultUDPPort, UDPPORT 0 any free one.
func ParseListenAddr(s string) (*Addr, error) {
	p, err := splitAddr(s)
	var a *Addr
	if err == nil {
		a, err = p.literal()
	}
	if err != nil {
		return nil, fmt.Errorf("sctp: listen address %q: %w", s, err)
	}
	return a, nil
}

// ResolveAddr reads an address whose hosts may be names and looks them up. It
// returns the alternatives to dial, best first: a single host name with several
// addresses gives one Addr for each, because nothing says that they lead to one
// multi-homed host; anything else gives one Addr with all the addresses.
func ResolveAddr(ctx context.Context, address string) ([]*Addr, error) {
	p, err := splitAddr(address)
	if err == nil && !p.hasPort {
		err = errors.New("no port")
	}
	if err == nil && len(p.hosts) == 0 {
		err = errors.New("no host")
	}
	if err != nil {
		return nil, fmt.Errorf("sctp: address %q: %w", address, err)
	}
	var all []netip.Addr
	for _, h := range p.hosts {
		ips, err := resolveHost(orBackground(ctx), h)
		if err != nil {
			return nil, fmt.Errorf("sctp: address %q: %w", address, err)
		}
		for _, ip := range ips {
			if !slices.Contains(all, ip) {
				all = append(all, ip)
			}
		}
	}
	if len(p.hosts) > 1 {
		return []*Addr{{IPs: all, Port: p.port, UDPPort: p.udpPort}}, nil
	}
	var as []*Addr
	for _, ip := range all {
		as = append(as, &Addr{IPs: []netip.Addr{ip}, Port: p.port, UDPPort: p.udpPort})
	}
	return as, nil
}

// Network returns "sctp".
func (a *Addr) Network() string { return "sctp" }

// String returns the text form, which ParseListenAddr, and ParseAddr if it has
// an IP address, read back. The UDP port is left out if it is DefaultUDPPort.
func (a *Addr) String() string {
	if a == nil {
		return "<nil>"
	}
	var b strings.Builder
	for i, ip := range a.IPs {
		if i > 0 {
			b.WriteByte('/')
		}
		if ip.Is4() {
			b.WriteString(ip.String())
		} else {
			b.WriteByte('[')
			b.WriteString(ip.String())
			b.WriteByte(']')
		}
	}
	b.WriteByte(':')
	b.WriteString(strconv.Itoa(int(a.Port)))
	if a.UDPPort != DefaultUDPPort {
		b.WriteByte('@')
		b.WriteString(strconv.Itoa(int(a.UDPPort)))
	}
	return b.String()
}

// targets returns the UDP destinations of a peer address, most wanted first.
func (a *Addr) targets() []netip.AddrPort {
	ts := make([]netip.AddrPort, len(a.IPs))
	for i, ip := range a.IPs {
		ts[i] = netip.AddrPortFrom(ip.Unmap(), a.UDPPort)
	}
	return ts
}

// validPeer says why a cannot be dialed. RFC 9260 §8.4 (1): endpoints have
// unicast addresses only.
func (a *Addr) validPeer() error {
	switch {
	case a == nil || len(a.IPs) == 0:
		return &net.AddrError{Err: "no IP address", Addr: a.String()}
	case a.Port == 0:
		return &net.AddrError{Err: "no SCTP port", Addr: a.String()}
	}
	for _, ip := range a.IPs {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			return &net.AddrError{Err: "not a unicast address", Addr: ip.String()}
		}
	}
	return nil
}

// addrParts is an address cut into its fields.
type addrParts struct {
	hosts   []string // IPv6 addresses still in brackets
	port    uint16
	hasPort bool
	udpPort uint16
}

func splitAddr(s string) (addrParts, error) {
	p := addrParts{udpPort: DefaultUDPPort}
	hosts := s
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		n, err := parsePort(hosts[i+1:])
		if err != nil {
			return p, fmt.Errorf("UDP port: %w", err)
		}
		p.udpPort, hosts = n, hosts[:i]
	}
	if i := strings.LastIndexByte(hosts, ':'); i > strings.LastIndexByte(hosts, ']') {
		n, err := parsePort(hosts[i+1:])
		if err != nil {
			return p, fmt.Errorf("port: %w", err)
		}
		p.port, p.hasPort, hosts = n, true, hosts[:i]
	}
	if hosts == "" {
		return p, nil
	}
	p.hosts = strings.Split(hosts, "/")
	// The peer's INIT is read with the same limit, so more could never be used.
	if len(p.hosts) > wire.MaxInitAddrs {
		return p, fmt.Errorf("more than %d addresses", wire.MaxInitAddrs)
	}
	return p, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number from 0 to 65535", s)
	}
	return uint16(n), nil
}

func (p addrParts) literal() (*Addr, error) {
	a := &Addr{Port: p.port, UDPPort: p.udpPort}
	for _, h := range p.hosts {
		ip, err := literalIP(h)
		if err != nil {
			return nil, err
		}
		if slices.Contains(a.IPs, ip) {
			return nil, fmt.Errorf("%v appears twice", ip)
		}
		a.IPs = append(a.IPs, ip)
	}
	return a, nil
}

var errNotIP = errors.New("not an IP address (IPv6 goes in brackets)")

func literalIP(h string) (netip.Addr, error) {
	if in, ok := strings.CutPrefix(h, "["); ok {
		in, ok = strings.CutSuffix(in, "]")
		ip, err := netip.ParseAddr(in)
		if !ok || err != nil || ip.Is4() {
			return netip.Addr{}, fmt.Errorf("%q: %w", h, errNotIP)
		}
		return ip.Unmap(), nil
	}
	ip, err := netip.ParseAddr(h)
	if err != nil || !ip.Is4() {
		return netip.Addr{}, fmt.Errorf("%q: %w", h, errNotIP)
	}
	return ip, nil
}

func resolveHost(ctx context.Context, h string) ([]netip.Addr, error) {
	if ip, err := literalIP(h); err == nil {
		return []netip.Addr{ip}, nil
	}
	// Colons and brackets are in no host name: this was meant to be an address.
	if h == "" || strings.ContainsAny(h, ":[]%") {
		return nil, fmt.Errorf("%q: %w", h, errNotIP)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", h)
	if err != nil {
		return nil, err
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, nil
}
