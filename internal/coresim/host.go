package coresim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Port is the SCTP port that hosts listen on.
const Port = 5001

// Host is a minimal stack around cores: it knows associations, answers what
// belongs to none, and has a clock of its own.
type Host struct {
	Config core.Config
	Listen bool
	Skew   time.Duration // of its clock
	Ends   []*End        // associations, the oldest first
	Sent   int           // packets

	w     *World
	name  string
	addrs []netip.Addr
	gone  []netip.Addr // of these, those that were taken away
	port  uint16       // UDP
	resp  *core.Responder
}

// Host adds a host with some addresses.
func (w *World) Host(name string, cfg core.Config, addrs ...netip.Addr) *Host {
	h := &Host{Config: cfg, w: w, name: name, addrs: addrs, port: 9899}
	h.Config.Rand = newSeeded(w.seed, uint64(len(w.hosts)+1))
	h.watchStates()
	w.hosts = append(w.hosts, h)
	for _, a := range addrs {
		w.byAddr[a] = h
	}
	h.Boot()
	return h
}

// Boot makes the host forget all associations and keys without a word.
func (h *Host) Boot() {
	r, err := core.NewResponder(h.now(), h.Config.Rand)
	must(err, "responder")
	h.resp = r
	h.Ends = nil
}

// now is the time on the host's clock.
func (h *Host) now() time.Time { return h.w.Now.Add(h.Skew) }

// listed is the addresses that the host tells of: all, or none if it has one.
func (h *Host) listed() []netip.Addr {
	if len(h.addrs) < 2 {
		return nil
	}
	return h.addrs
}

// Dial begins an association to some addresses of a host.
func (h *Host) Dial(to *Host, from uint16, n int) *End {
	ep := core.Endpoint{LocalPort: from, PeerPort: Port, LocalAddrs: h.listed()}
	for _, a := range to.addrs[:n] {
		ep.PeerAddrs = append(ep.PeerAddrs, netip.AddrPortFrom(a, to.port))
	}
	a, err := core.Dial(h.now(), &h.Config, ep, h.resp)
	must(err, "dial")
	e := h.end(a)
	e.drain()
	return e
}

// end takes an association in.
func (h *Host) end(a *core.Association) *End {
	e := &End{Association: a, host: h, readable: map[wire.StreamID]bool{}, open: map[wire.StreamID]*partMessage{}}
	h.Ends = append(h.Ends, e)
	return e
}

// Live is the association between two SCTP ports that has not ended, or nil.
func (h *Host) Live(local, peer uint16) *End {
	for _, e := range h.Ends {
		if e.State() != core.Closed && e.LocalPort() == local && e.PeerPort() == peer {
			return e
		}
	}
	return nil
}

// find is the association of a packet: by its tag, else by the addresses, as a
// stack does.
func (h *Host) find(from netip.AddrPort, pkt wire.Packet) *End {
	var byAddr *End
	for _, e := range h.Ends {
		if e.State() == core.Closed || e.LocalPort() != pkt.DstPort || e.PeerPort() != pkt.SrcPort {
			continue
		}
		if pkt.VTag != 0 && pkt.VTag == e.LocalTag() {
			return e
		}
		if slices.Contains(e.PeerAddrs(), from) {
			byAddr = e
		}
	}
	return byAddr
}

func (h *Host) receive(local netip.Addr, from netip.AddrPort, data []byte, ecn uint8) {
	pkt, err := wire.Parse(data)
	if err != nil {
		return
	}
	h.w.tell(h, "<", from, pkt)
	in := core.Inbound{Local: local, Remote: from, ECN: ecn}
	if e := h.find(from, pkt); e != nil {
		h.give(e, in, pkt)
		return
	}
	var i wire.Init
	if i.Decode(pkt.First()) == nil && !i.Ack {
		remotes := make([]netip.AddrPort, len(i.Addrs))
		for n, a := range i.Addrs {
			remotes[n] = netip.AddrPortFrom(a, from.Port())
		}
		if e := h.relative(pkt, remotes); e != nil {
			h.give(e, in, pkt)
			return
		}
	}
	var l *core.Listening
	if h.Listen && pkt.DstPort == Port {
		l = &core.Listening{Config: &h.Config, LocalAddrs: h.listed()}
	}
	t, a := h.resp.HandlePacket(h.now(), in, pkt, l, h.w.buf)
	if t.Data != nil {
		h.transmit(t)
	}
	if a == nil {
		return
	}
	if e := h.relative(pkt, a.PeerAddrs()); e != nil {
		h.give(e, in, pkt)
		return
	}
	h.end(a).drain()
}

// give passes a packet to an association.
func (h *Host) give(e *End, in core.Inbound, pkt wire.Packet) {
	e.HandlePacket(h.now(), in, pkt)
	e.pending = true
	if !h.w.Batch {
		e.drain()
	}
}

// relative is the association whose peer has one of these addresses, if it is
// verified: a stack finds by it whom an INIT or a COOKIE ECHO from an unknown address
// of that peer is for.
func (h *Host) relative(pkt wire.Packet, remotes []netip.AddrPort) *End {
	e := h.Live(pkt.DstPort, pkt.SrcPort)
	if e == nil {
		return nil
	}
	for _, p := range e.Paths() {
		if p.State != core.PathUnconfirmed && slices.Contains(remotes, p.Remote) {
			return e
		}
	}
	return nil
}

// timeouts serves the timers that are due and sends what batches left over.
func (h *Host) timeouts() {
	for _, e := range h.Ends {
		if e.pending {
			e.drain()
		}
		if !e.armed.IsZero() && !e.armed.After(h.w.Now) {
			e.fired()
			e.HandleTimeout(h.now())
			e.drain()
			if when, ok := e.NextTimeout(); ok && !when.After(h.now()) {
				fail("%v: a deadline has passed by %v", e, h.now().Sub(when))
			}
		}
	}
}

// transmit puts packets on the network, each checked to be well-formed.
func (h *Host) transmit(t core.Transmit) {
	if !t.Local.IsValid() {
		t.Local = h.source(t.Remote.Addr())
	}
	dg := carrier.Datagram{Local: t.Local, Remote: t.Remote, Data: t.Data, SegmentSize: t.SegmentSize, ECN: t.ECN, MayFragment: t.MayFragment}
	for seg := range dg.Segments() {
		h.Sent++
		pkt, err := wire.Parse(seg)
		must(err, "%s sent a malformed packet", h.name)
		h.w.tell(h, ">", t.Remote, pkt)
		if h.w.Sent != nil {
			h.w.Sent(h, t.Remote, pkt)
		}
	}
	if !slices.Contains(h.addrs, t.Local) || slices.Contains(h.gone, t.Local) {
		return // a stack cannot send from it
	}
	if h.w.carry != nil {
		h.w.carry(h, dg)
		return
	}
	h.w.Net.Send(h.w.Now, netip.AddrPortFrom(t.Local, h.port), dg)
}

// withdraw takes an address away.
func (h *Host) withdraw(a netip.Addr) {
	h.gone = append(h.gone, a)
	for _, e := range h.Ends {
		e.RemoveLocalAddr(h.now(), a)
		e.drain()
	}
}

// restore gives all addresses back.
func (h *Host) restore() {
	for _, a := range h.gone {
		for _, e := range h.Ends {
			e.AddLocalAddr(h.now(), a)
			e.drain()
		}
	}
	h.gone = nil
}

// source chooses the address to send from as routes do: of the same network if
// there is one, else the first of the same family.
func (h *Host) source(to netip.Addr) netip.Addr {
	var out netip.Addr
	for _, a := range h.addrs {
		switch {
		case a.Is4() != to.Is4(), slices.Contains(h.gone, a):
		case network(a) == network(to):
			return a
		case !out.IsValid():
			out = a
		}
	}
	return out
}

// network is the network of an address: all but its last byte.
func network(a netip.Addr) netip.Prefix {
	p, _ := a.Prefix(a.BitLen() - 8)
	return p
}
