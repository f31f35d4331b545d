package simnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// ErrNotLocal says that an address does not belong to the host.
var ErrNotLocal = errors.New("simnet: address is not one of the host's")

// firstEphemeralPort is where a search for a free port starts (RFC 6335 §6).
const firstEphemeralPort = 49152

// Host is a machine with one or more addresses on a Network.
type Host struct {
	net   *Network
	addrs []netip.Addr
}

// Host returns a machine with the given addresses.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	return &Host{net: n, addrs: slices.Clone(addrs)}
}

// Addrs returns the addresses of the host.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

// Carrier binds a carrier to the given addresses and ports of the host. An
// unspecified address stands for all addresses of the host: "0.0.0.0" for the
// IPv4 ones, "::" for all. Port 0 takes a free port, the same for all addresses
// with port 0. Without arguments it binds all addresses to such a port. The error
// is ErrNotLocal for a foreign address and syscall.EADDRINUSE for one that is
// taken.
func (h *Host) Carrier(addrs ...netip.AddrPort) (*Carrier, error) {
	if len(addrs) == 0 {
		addrs = []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), 0)}
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.live.bound == nil {
		h.net.live.bound = make(map[netip.AddrPort]*Carrier)
	}
	want, err := h.expand(addrs)
	if err != nil {
		return nil, err
	}
	port, err := h.freePort(want)
	if err != nil {
		return nil, err
	}
	c := newCarrier(h.net)
	for _, a := range addrs {
		c.local = append(c.local, withPort(a, port))
	}
	for _, a := range want {
		a = withPort(a, port)
		h.net.live.bound[a] = c
		c.bound = append(c.bound, a)
	}
	return c, nil
}

// expand replaces unspecified addresses by those of the host, without repeats.
func (h *Host) expand(addrs []netip.AddrPort) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, a := range addrs {
		found := false
		for _, own := range h.addrs {
			any4 := a.Addr() == netip.IPv4Unspecified() && own.Is4()
			if own != a.Addr() && !any4 && a.Addr() != netip.IPv6Unspecified() {
				continue
			}
			found = true
			if x := netip.AddrPortFrom(own, a.Port()); !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: %s", ErrNotLocal, a)
		}
	}
	return out, nil
}

// freePort checks that all addresses are free and finds a port for those without.
func (h *Host) freePort(addrs []netip.AddrPort) (uint16, error) {
	taken := func(port uint16) bool {
		return slices.ContainsFunc(addrs, func(a netip.AddrPort) bool {
			return a.Port() == 0 && h.net.live.bound[withPort(a, port)] != nil
		})
	}
	for _, a := range addrs {
		if a.Port() != 0 && h.net.live.bound[a] != nil {
			return 0, fmt.Errorf("simnet: bind %s: %w", a, syscall.EADDRINUSE)
		}
	}
	for port := firstEphemeralPort; port < 1<<16; port++ {
		if !taken(uint16(port)) {
			return uint16(port), nil
		}
	}
	return 0, fmt.Errorf("simnet: no free port: %w", syscall.EADDRINUSE)
}

// withPort returns a with port in place of port 0.
func withPort(a netip.AddrPort, port uint16) netip.AddrPort {
	if a.Port() != 0 {
		return a
	}
	return netip.AddrPortFrom(a.Addr(), port)
}
