package sctp

import (
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// link is a carrier in use, with the goroutine that reads it.
type link struct {
	carrier.Carrier
	addrs  []netip.AddrPort
	door   *door
	reader *reader
	pump   pump
}

func newLink(s *Stack, c carrier.Carrier) *link {
	l := &link{Carrier: c, addrs: c.LocalAddrs()}
	l.reader = &reader{stack: s, link: l, packets: make([]inPacket, 0, maxPackets)}
	l.pump.init(c)
	return l
}

// door is the carriers that are bound to the same addresses: one, or those that share
// a UDP port so that several goroutines can read it (StackConfig.Sockets). Through
// which of them a packet comes in or leaves makes no difference to the peer.
type door struct {
	addrs []netip.AddrPort
	udp   bool                    // packets are encapsulated (RFC 6951); else they are directly in IP
	list  atomic.Pointer[[]*link] // replaced when a carrier is added
}

func (d *door) links() []*link { return *d.list.Load() }

// add lets a carrier share the door. Only one change of a stack is made at a time.
func (d *door) add(l *link) {
	var links []*link
	if old := d.list.Load(); old != nil {
		links = slices.Clone(*old)
	}
	links = append(links, l)
	d.list.Store(&links)
	l.door = d
}

// pick is the link that an association sends through: the one that its packets come
// in by, or, before any came, one that its tag decides about.
func (d *door) pick(a *Association) *link {
	links := d.links()
	switch {
	case len(links) == 1:
		return links[0]
	case a.via != nil && a.via.door == d:
		return a.via
	}
	return links[uint32(a.tag)%uint32(len(links))]
}

// bound names a door by one of its addresses.
type boundTo struct {
	ip  netip.Addr
	udp bool
}

// wiring is what a stack sends and receives through. It is replaced, never modified,
// once the stack uses it, so that reading it takes no lock.
type wiring struct {
	links []*link
	doors []*door           // the same by what they are bound to
	ips   []netip.Addr      // addresses to tell peers: bound ones that are not unspecified
	local map[boundTo]*door // and what is bound to them
	away  []netip.Addr      // bound addresses that the host does not have at the moment
}

// wires is the wiring in use.
func (s *Stack) wires() *wiring { return s.wired.Load() }

// attach takes a carrier into a wiring that is not in use yet.
func (w *wiring) attach(s *Stack, c carrier.Carrier) *link {
	l := newLink(s, c)
	s.takeNotices(l)
	w.links = append(w.links, l)
	for _, d := range w.doors {
		if slices.Equal(d.addrs, l.addrs) {
			d.add(l)
			return l
		}
	}
	d := &door{addrs: l.addrs}
	d.udp = slices.ContainsFunc(l.addrs, func(a netip.AddrPort) bool { return a.Port() != 0 })
	d.add(l)
	w.doors = append(w.doors, d)
	for _, a := range d.addrs {
		ip := a.Addr()
		if ip.IsUnspecified() {
			continue
		}
		if !slices.Contains(w.ips, ip) {
			w.ips = append(w.ips, ip)
		}
		if at := (boundTo{ip, d.udp}); w.local[at] == nil {
			w.local[at] = d
		}
	}
	return l
}

// wildcard says whether a carrier is bound to all addresses of a family.
func (w *wiring) wildcard() bool {
	return slices.ContainsFunc(w.doors, func(d *door) bool {
		return slices.ContainsFunc(d.addrs, func(a netip.AddrPort) bool { return a.Addr().IsUnspecified() })
	})
}

// reserver is a carrier that can reserve SCTP ports, nil if none can.
func (w *wiring) reserver() carrier.PortReserver {
	for _, l := range w.links {
		if r, ok := l.Carrier.(carrier.PortReserver); ok {
			return r
		}
	}
	return nil
}

// encapsulates says whether the stack has a UDP port; if not, it speaks SCTP directly
// over IP only.
func (s *Stack) encapsulates() bool {
	return slices.ContainsFunc(s.wires().doors, func(d *door) bool { return d.udp })
}

// direct says whether the stack can speak SCTP directly over IP.
func (s *Stack) direct() bool {
	return slices.ContainsFunc(s.wires().doors, func(d *door) bool { return !d.udp })
}

// route picks the door for a packet: the one bound to its source address, else the
// first that is bound to an address of the family of the destination. A destination
// without a UDP port is not encapsulated.
func (s *Stack) route(from netip.Addr, to netip.AddrPort) *door {
	w := s.wires()
	if len(w.doors) == 1 {
		return w.doors[0]
	}
	udp := to.Port() != 0
	if d := w.local[boundTo{from, udp}]; d != nil {
		return d
	}
	var fallback *door
	for _, d := range w.doors {
		if d.udp != udp {
			continue
		}
		for _, a := range d.addrs {
			if a.Addr().Is4() == to.Addr().Is4() {
				return d
			}
		}
		if fallback == nil {
			fallback = d
		}
	}
	if fallback == nil {
		fallback = w.doors[0]
	}
	return fallback
}

// source picks the source address towards a path of which the machine knows none
// yet, where the stack is bound to several: the one that has most in common with
// the destination, so that the paths of a multi-homed association use different
// networks at both ends. The zero Addr leaves it to the operating system.
func (s *Stack) source(to netip.Addr) netip.Addr {
	var best netip.Addr
	most := -1
	for _, ip := range s.wires().ips {
		if ip.Is4() != to.Is4() || ip.IsLoopback() != to.IsLoopback() {
			continue
		}
		if n := commonBits(ip, to); n > most {
			best, most = ip, n
		}
	}
	return best
}

// commonBits is the length of the longest prefix that two addresses share.
func commonBits(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return 8*i + bits.LeadingZeros8(d)
		}
	}
	return 128
}
