package simnet

import (
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// firstNATPort is the lowest port that a NAT uses on its public side.
const firstNATPort = 1024

// NATConfig describes a network address and port translator (RFC 4787). It must
// not be changed after AddNAT.
type NATConfig struct {
	// Public is the address that the outside sees.
	Public netip.Addr
	// Inside lists the addresses behind the NAT. Among themselves they talk
	// without translation.
	Inside []netip.Addr
	// Idle is how long a mapping lives after the last packet from the inside
	// (RFC 4787 §4.3); packets from the outside do not refresh it. 0 = for ever.
	Idle time.Duration
	// PerRemote gives each remote address and port a mapping of its own
	// (address- and port-dependent mapping, RFC 4787 §4.1). False means one
	// mapping per inside address and port for all remotes.
	PerRemote bool
	// Open lets anybody send to a mapped port (endpoint-independent filtering,
	// RFC 4787 §5). False admits only addresses to which the inside has sent.
	Open bool
	// Ports is how many public ports the NAT has; a packet that needs one more is
	// dropped. 0 = all from 1024 on.
	Ports int
}

// NAT is a translator in front of some addresses.
type NAT struct {
	net     *Network
	cfg     NATConfig
	public  netip.Addr
	retired []netip.Addr // former public addresses: packets to them end here
	rand    *rand.Rand
	byFlow  map[flow]*mapping
	byPort  map[uint16]*mapping
}

// flow identifies a mapping from the inside; remote is zero unless PerRemote.
type flow struct{ inside, remote netip.AddrPort }

// mapping is one entry of the translation table.
type mapping struct {
	flow    flow
	port    uint16
	used    time.Time // last packet from the inside
	remotes map[netip.Addr]bool
}

// AddNAT puts a NAT in front of cfg.Inside. Links and partitions between an inside
// address and an outside one are still set and looked up under the inside
// address, whatever the outside sees.
func (n *Network) AddNAT(cfg NATConfig) *NAT {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := fnv.New64a()
	b := cfg.Public.As16()
	h.Write(b[:])
	t := &NAT{net: n, cfg: cfg, public: cfg.Public, rand: rand.New(rand.NewPCG(n.seed, h.Sum64()))}
	t.cfg.Inside = slices.Clone(cfg.Inside)
	t.forget()
	n.nats = append(n.nats, t)
	return t
}

// Rebind forgets all mappings, as a NAT that restarts: the next packet from the
// inside gets another port, packets to the old one are lost.
func (t *NAT) Rebind() {
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	t.forget()
}

// SetPublic changes the public address and forgets all mappings, as after a
// change of the access network.
func (t *NAT) SetPublic(a netip.Addr) {
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	t.retired = append(t.retired, t.public)
	t.public = a
	t.forget()
}

// Mapping returns the public address and port that now stand for an inside
// address and port towards remote; false if there is no mapping. remote matters
// only for NATs with PerRemote.
func (t *NAT) Mapping(now time.Time, inside, remote netip.AddrPort) (netip.AddrPort, bool) {
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	m := t.byFlow[t.flow(inside, remote)]
	if m == nil || t.expired(now, m) {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(t.public, m.port), true
}

// translate applies the NATs at the sender's side, and finds out which inside
// address the packet is for, which decides about its link.
func (n *Network) translate(now time.Time, f *flight) bool {
	for _, t := range n.nats {
		if t.inside(f.hop.from) && !t.inside(f.hop.to) && !t.outbound(now, &f.pack) {
			return false
		}
	}
	for _, t := range n.nats {
		if !t.owns(f.pack.To.Addr()) {
			continue
		}
		f.nat = t // the mapping is looked up again on arrival: it may have changed by then
		if m := t.lookup(now, &f.pack); m != nil {
			f.hop.to = m.flow.inside.Addr()
		}
	}
	return true
}

// outbound rewrites the source of a packet from the inside and refreshes its
// mapping; false if no port is free.
func (t *NAT) outbound(now time.Time, p *Packet) bool {
	k := t.flow(p.From, p.To)
	m := t.byFlow[k]
	if m != nil && t.expired(now, m) {
		t.remove(m)
		m = nil
	}
	if m == nil {
		if m = t.bind(now, k); m == nil {
			return false
		}
	}
	m.used = now
	m.remotes[p.To.Addr()] = true
	p.From = netip.AddrPortFrom(t.public, m.port)
	return true
}

// inbound rewrites the destination of a packet to the public address; false if
// there is no mapping.
func (t *NAT) inbound(now time.Time, p *Packet) bool {
	m := t.lookup(now, p)
	if m == nil {
		return false
	}
	p.To = m.flow.inside
	return true
}

// lookup returns the mapping for a packet from the outside, nil if it must not
// pass.
func (t *NAT) lookup(now time.Time, p *Packet) *mapping {
	m := t.byPort[p.To.Port()]
	switch {
	case m == nil, p.To.Addr() != t.public, t.expired(now, m):
		return nil
	case t.cfg.PerRemote && m.flow.remote != p.From && !t.cfg.Open:
		return nil
	case !t.cfg.Open && !m.remotes[p.From.Addr()]:
		return nil
	}
	return m
}

// bind makes a mapping for k with a random free port; nil if none is free.
func (t *NAT) bind(now time.Time, k flow) *mapping {
	ports := 1<<16 - firstNATPort
	if t.cfg.Ports > 0 {
		ports = min(ports, t.cfg.Ports)
	}
	start := t.rand.IntN(ports)
	for i := range ports {
		port := uint16(firstNATPort + (start+i)%ports)
		if old := t.byPort[port]; old != nil {
			if !t.expired(now, old) {
				continue
			}
			t.remove(old)
		}
		m := &mapping{flow: k, port: port, remotes: make(map[netip.Addr]bool)}
		t.byFlow[k], t.byPort[port] = m, m
		return m
	}
	return nil
}

func (t *NAT) flow(inside, remote netip.AddrPort) flow {
	if !t.cfg.PerRemote {
		remote = netip.AddrPort{}
	}
	return flow{inside, remote}
}

func (t *NAT) forget() {
	t.byFlow, t.byPort = make(map[flow]*mapping), make(map[uint16]*mapping)
}

func (t *NAT) remove(m *mapping) {
	delete(t.byFlow, m.flow)
	delete(t.byPort, m.port)
}

func (t *NAT) expired(now time.Time, m *mapping) bool {
	return t.cfg.Idle > 0 && now.Sub(m.used) >= t.cfg.Idle
}

func (t *NAT) inside(a netip.Addr) bool { return slices.Contains(t.cfg.Inside, a) }

func (t *NAT) owns(a netip.Addr) bool { return a == t.public || slices.Contains(t.retired, a) }
