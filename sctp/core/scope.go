package core

import (
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/sctp/wire"
)

// scope is how far an address means anything. What is told to a peer, and believed of
// it, has at least the scope that both are known to share: that of the address the
// peer is reached at (RFC 9260 §5.1.2 leaves it open; see
// docs/decisions/0013-address-scopes.md).
type scope uint8

const (
	loopbackScope scope = iota // this host
	linkScope                  // this link
	privateScope               // this site: RFC 1918, RFC 4193, RFC 6598
	globalScope
)

// sharedSpace is the addresses between carrier-grade NATs and their customers.
var sharedSpace = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

func scopeOf(a netip.Addr) scope {
	switch a = a.Unmap(); {
	case a.IsLoopback():
		return loopbackScope
	case a.IsLinkLocalUnicast():
		return linkScope
	case a.IsPrivate(), sharedSpace.Contains(a):
		return privateScope
	}
	return globalScope
}

// narrowest is the least scope of the addresses that a user names for one peer.
func narrowest(peers []netip.AddrPort) scope {
	s := globalScope
	for _, p := range peers {
		s = min(s, scopeOf(p.Addr()))
	}
	return s
}

// families is a set of address families.
type families uint8

const (
	ipv4 families = 1 << iota
	ipv6
)

func familyOf(a netip.Addr) families {
	if a.Unmap().Is4() {
		return ipv4
	}
	return ipv6
}

// types is the content of a Supported Address Types parameter (RFC 9260 §3.3.2.1.5).
func (f families) types() []wire.ParamType {
	var t []wire.ParamType
	if f&ipv4 != 0 {
		t = append(t, wire.ParamIPv4)
	}
	if f&ipv6 != 0 {
		t = append(t, wire.ParamIPv6)
	}
	return t
}

// supported is the families that the sender of an INIT can use: those it says, that
// of the packet, and those of the addresses it lists (RFC 9260 §5.1.2). Who says
// nothing can use all.
func supported(i *wire.Init, source netip.Addr) families {
	if len(i.SupportedAddrTypes) == 0 {
		return ipv4 | ipv6
	}
	f := familyOf(source)
	for _, t := range i.SupportedAddrTypes {
		switch t {
		case wire.ParamIPv4:
			f |= ipv4
		case wire.ParamIPv6:
			f |= ipv6
		}
	}
	for _, a := range i.Addrs {
		f |= familyOf(a)
	}
	return f
}

// tell is which of its own addresses an end lists in INIT or INIT ACK: those of the
// families and the scope that the peer can use, if together with the source of the
// packet, own, they are more than one. A single one the peer takes from the packet
// (RFC 9260 §5.1.2 A), which a NAT may have changed (RFC 6951 §5.7).
func tell(bound []netip.Addr, own netip.Addr, s scope, f families) []netip.Addr {
	var out []netip.Addr
	others := 0
	for _, a := range bound {
		if !unicast(a) || scopeOf(a) < s || familyOf(a)&f == 0 || slices.Contains(out, a) || len(out) == maxOwnAddrs {
			continue
		}
		out = append(out, a)
		if a != own {
			others++
		}
	}
	if len(out) < 2 && (!own.IsValid() || others == 0) {
		return nil
	}
	return out
}

// locals is what the peer will know this end by, as far as that can be told before the
// handshake: the addresses to list, or the only one that is of use.
func (e *Endpoint) locals() locals {
	var l locals
	s := narrowest(e.PeerAddrs)
	l.told = tell(e.LocalAddrs, netip.Addr{}, s, ipv4|ipv6)
	l.settle(netip.Addr{})
	if l.told == nil {
		for _, a := range e.LocalAddrs {
			if unicast(a) && scopeOf(a) >= s {
				l.known = []netip.Addr{a}
			}
		}
	}
	return l
}

// families is the address families to announce; none if that is not known.
func (e *Endpoint) families() families {
	f := ipv4 | ipv6
	if !e.NoIPv4 && !e.NoIPv6 {
		f = 0
		for _, a := range e.LocalAddrs {
			f |= familyOf(a)
		}
	}
	if e.NoIPv4 {
		f &^= ipv4
	}
	if e.NoIPv6 {
		f &^= ipv6
	}
	return f
}

// maxOwnAddrs bounds the addresses that this end lists.
const maxOwnAddrs = 32

// digest stands for a list of addresses in a cookie.
func digest(addrs []netip.Addr) uint32 {
	if len(addrs) == 0 {
		return 0
	}
	h := fnv.New32a()
	for _, a := range addrs {
		b := a.As16()
		_, _ = h.Write(b[:])
	}
	return h.Sum32()
}

// ListedAddrs is the transport addresses that a packet with an INIT from a stranger
// claims besides its source, as far as they are believed. One of them may belong to an
// association that exists, which then has to answer (RFC 9260 §5.1.2 D).
func ListedAddrs(in Inbound, pkt wire.Packet) []netip.AddrPort {
	var i wire.Init
	c := pkt.First()
	if c.Type() != wire.TypeInit || c.Len() <= wire.ChunkHeaderLen+initFields || pkt.VTag != 0 || i.Decode(c) != nil {
		return nil
	}
	return peerAddrs(in.Remote, i.Addrs)[1:]
}

// onLinkOf gives a link-local IPv6 address the zone of source.
func onLinkOf(a, source netip.Addr) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(source.Zone())
	}
	return a
}

// peerAddrs is the peer's transport addresses: the source of its packet first, then
// the listed ones that make sense and are of no lesser scope than that source (RFC
// 9260 §5.1.2 C). Link-local ones are on the link of the source.
func peerAddrs(source netip.AddrPort, addrs []netip.Addr) []netip.AddrPort {
	out := []netip.AddrPort{source}
	least := scopeOf(source.Addr())
	for _, a := range addrs {
		a = onLinkOf(a.Unmap(), source.Addr())
		p := netip.AddrPortFrom(a, source.Port())
		if len(out) == maxPeerAddrs || !unicast(a) || slices.Contains(out, p) || scopeOf(a) < least {
			continue
		}
		out = append(out, p)
	}
	return out
}
