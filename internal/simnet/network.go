package simnet

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Network is a set of links and the packets on their way. Its methods may be
// called from several goroutines; for a reproducible run the calls that send and
// deliver must come in the same order.
type Network struct {
	mu       sync.Mutex
	seed     uint64
	seq      uint64
	queue    flights
	fallback Link
	paths    map[direction]*path
	blocks   []block
	nats     []*NAT
	observer func(Event)
	filter   func(time.Time, Packet) bool
	icmp     bool
	notices  []carrier.Notice
	counts   [numKinds]int
	live     live
}

// New returns a network in which all addresses reach each other over perfect
// links. All randomness derives from seed.
func New(seed uint64) *Network {
	return &Network{seed: seed, paths: make(map[direction]*path)}
}

// SetLink sets both directions of the path between the addresses a and b. It may
// be called at any time: packets already sent keep their fate, a bandwidth queue
// keeps its content.
func (n *Network) SetLink(a, b netip.Addr, l Link) {
	n.SetLinkOneWay(a, b, l)
	n.SetLinkOneWay(b, a, l)
}

// SetLinkOneWay is SetLink for the direction from → to only.
func (n *Network) SetLinkOneWay(from, to netip.Addr, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(direction{from, to})
	p.link, p.explicit = l, true
}

// SetDefaultLink sets the link of all pairs of addresses for which SetLink was
// not called.
func (n *Network) SetDefaultLink(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fallback = l
}

// Link returns what applies now to the direction from → to.
func (n *Network) Link(from, to netip.Addr) Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.link(direction{from, to})
}

// Send puts a datagram from the given address and port on its way at time now,
// each segment as a packet of its own. dg.Remote is the destination; dg.Local, if
// set, replaces the address of from. The data is copied.
func (n *Network) Send(now time.Time, from netip.AddrPort, dg carrier.Datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send(now, from, &dg)
}

// Next returns when the next packet arrives; false if none is on its way.
func (n *Network) Next() (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next()
}

// Deliver takes out all packets that have arrived by now, in order of arrival.
// The caller owns them. A Network whose hosts have carriers delivers by itself.
func (n *Network) Deliver(now time.Time) []Packet {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Packet
	for f := n.due(now); f != nil; f = n.due(now) {
		if f.icmp != nil {
			if !n.cut(f.hop) {
				n.notices = append(n.notices, *f.icmp)
			}
		} else if n.arrive(f) {
			n.note(f.at, Delivered, &f.pack)
			out = append(out, f.pack)
		}
	}
	return out
}

// InFlight returns how many packets are on their way.
func (n *Network) InFlight() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue)
}

func (n *Network) next() (time.Time, bool) {
	if len(n.queue) == 0 {
		return time.Time{}, false
	}
	return n.queue[0].at, true
}

// path returns the state of direction d and creates it if necessary.
func (n *Network) path(d direction) *path {
	p := n.paths[d]
	if p == nil {
		p = newPath(n.seed, d)
		n.paths[d] = p
	}
	return p
}

func (n *Network) send(now time.Time, from netip.AddrPort, dg *carrier.Datagram) {
	if dg.Local.IsValid() {
		from = netip.AddrPortFrom(dg.Local, from.Port())
	}
	for seg := range dg.Segments() {
		n.sendOne(now, Packet{From: from, To: dg.Remote, Data: seg, ECN: dg.ECN & 3, MayFragment: dg.MayFragment})
	}
}

// sendOne decides the fate of one packet. The order is that of a real path: the
// sender's own network (filter, route, NAT), the interface (MTU, queue), the
// wire.
func (n *Network) sendOne(now time.Time, p Packet) {
	n.note(now, Sent, &p)
	if n.filter != nil && !n.filter(now, p) {
		n.note(now, Filtered, &p)
		return
	}
	src, dst := p.From.Addr(), p.To.Addr()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		n.note(now, NoRoute, &p)
		return
	}
	f := flight{hop: direction{src, dst}, pack: p, sent: ends{p.From, p.To}}
	if !n.translate(now, &f) {
		n.note(now, NoMapping, &p)
		return
	}
	if n.cut(f.hop) {
		n.note(now, Cut, &p)
		return
	}
	n.cross(now, f)
}

// cross sends a packet over the link of its hop.
func (n *Network) cross(now time.Time, f flight) {
	st, l := n.paths[f.hop], n.link(f.hop)
	size := f.pack.Size()
	if l.MTU > 0 && size > l.MTU {
		if !f.pack.MayFragment {
			n.noteTooBig(now, &f.pack, l.MTU)
			n.report(now, &f, carrier.NoticeTooBig, l)
			return
		}
		n.note(now, Fragmented, &f.pack)
	}
	if l.perfect() {
		// No memory for a pair that needs none: a flood from a million spoofed
		// addresses must not fill the map.
		f.at, f.pack.Data = now.Add(l.Delay), bytes.Clone(f.pack.Data)
		n.add(f)
		return
	}
	if st == nil {
		st = n.path(f.hop)
	}
	if l.Bandwidth > 0 {
		backlog := st.backlog(l, now)
		if l.Queue > 0 && backlog+size > l.Queue {
			n.note(now, QueueFull, &f.pack)
			return
		}
		if l.MarkAt > 0 && backlog >= l.MarkAt && f.pack.ECN != 0 && f.pack.ECN != 3 {
			f.pack.ECN = 3
			n.note(now, Marked, &f.pack)
		}
	}
	if f.pack.ECN != 0 && f.pack.ECN != 3 && st.chance(l.Mark) {
		f.pack.ECN = 3
		n.note(now, Marked, &f.pack)
	}
	departure := st.transmit(l, now, size)
	if st.lose(l) {
		n.note(now, Lost, &f.pack)
		return
	}
	n.fly(now, departure, f, st, l)
}

// fly computes the arrival of a packet that survived, and of its copy.
func (n *Network) fly(now, departure time.Time, f flight, st *path, l *Link) {
	f.pack.Data = bytes.Clone(f.pack.Data)
	twin, duplicate := f, st.chance(l.Duplicate)
	if duplicate {
		n.note(now, Duplicated, &f.pack)
		twin.pack.Data = bytes.Clone(f.pack.Data)
		twin.at = departure.Add(l.Delay + st.jitter(l))
	}
	if st.chance(l.Corrupt) {
		st.corrupt(f.pack.Data)
		n.note(now, Corrupted, &f.pack)
	}
	var held bool
	if f.at, held = st.arrival(l, departure); held {
		n.note(now, Reordered, &f.pack)
	}
	n.add(f)
	if duplicate {
		n.add(twin)
	}
}

// arrive applies what happens at the far end at the time of arrival; false if the
// packet got lost there.
func (n *Network) arrive(f *flight) bool {
	if n.cut(f.hop) {
		n.note(f.at, Cut, &f.pack)
		return false
	}
	if f.nat != nil && !f.nat.inbound(f.at, &f.pack) {
		n.note(f.at, NoMapping, &f.pack)
		return false
	}
	return true
}
