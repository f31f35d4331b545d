package coresim

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// act does the next action of the program.
func (p *player) act() {
	op := p.next()
	h, other := p.a, p.b
	if op&1 != 0 {
		h, other = p.b, p.a
	}
	switch op >> 1 % 18 {
	case 0:
		p.deliver(0)
	case 1:
		for range 1 + int(p.next()) {
			p.deliver(0)
		}
	case 2:
		p.deliver(int(p.next()))
	case 3:
		_, _ = p.take(int(p.next()))
	case 4:
		if f, ok := p.take(int(p.next())); ok {
			p.flying = append(p.flying, f, f)
		}
	case 5:
		p.send(h, op)
	case 6:
		p.read(int(op&1), p.number())
	case 7:
		p.advance(p.w.Now.Add(24 * time.Hour))
	case 8:
		for limit := p.w.Now.Add(time.Duration(p.number()) * time.Millisecond); p.advance(limit); {
		}
	case 9:
		p.mutate()
	case 10:
		p.inject(h, other, p.raw())
	case 11:
		p.inject(h, other, p.structured(h, other))
	case 12:
		p.end(h, op)
	case 13:
		p.restart(h, other)
	case 14:
		p.skew(h)
	case 15:
		p.move()
	case 16:
		p.knob(h)
	case 17:
		p.icmp(h)
	}
}

// send lets a user send a message.
func (p *player) send(h *Host, op byte) {
	x := p.next()
	n := 1 + p.number()%maxMessage
	m := core.Outgoing{Stream: wire.StreamID(x >> 3 % 32), Unordered: x&1 != 0, Immediate: x&2 != 0}
	if f := p.flows[op&1]; f != nil {
		m.Stream = wire.StreamID(int(m.Stream) % max(f.tx.OutStreams(), 1))
		if f.tx.State() == core.Established && f.put(m, n) {
			f.tx.drain()
		}
		return
	}
	for _, e := range h.Ends {
		_ = e.Send(h.now(), &m, make([]byte, n))
		e.drain()
	}
}

// dirty is called when what arrives need not be what was sent any more.
func (p *player) dirty() { p.flows = [2]*Flow{} }

// mutate changes a packet under way and repairs its checksum.
func (p *player) mutate() {
	i, kind, at, with := int(p.next()), p.next(), p.number(), p.next()
	if len(p.flying) == 0 {
		return
	}
	p.dirty()
	f := &p.flying[i%len(p.flying)]
	f.data = slices.Clone(f.data)
	body := f.data[wire.HeaderLen:]
	if len(body) == 0 {
		return
	}
	switch kind % 4 {
	case 0: // one byte
		body[at%len(body)] ^= with
	case 1: // cut
		f.data = f.data[:wire.HeaderLen+at%len(body)]
	case 2: // a chunk more than once
		f.data = append(f.data, body[:min(len(body), 1400)]...)
	case 3: // a 32-bit number goes up or down a little
		if w := body[at%len(body):]; len(w) >= 4 {
			binary.BigEndian.PutUint32(w, binary.BigEndian.Uint32(w)+uint32(int8(with)))
		}
	}
	wire.SetChecksum(f.data)
}

// inject gives a host a chunk in the name of its peer, with the right tag.
func (p *player) inject(h, other *Host, chunk []byte) {
	p.dirty()
	if len(chunk) < 4 {
		return
	}
	hdr := wire.Header{SrcPort: Port, DstPort: Port, VTag: 1}
	for _, e := range h.Ends {
		if e.State() != core.Closed {
			hdr.VTag = e.LocalTag()
		}
	}
	if wire.ChunkType(chunk[0]) == wire.TypeInit {
		hdr.VTag = 0
	}
	b := append(hdr.AppendTo(nil), chunk...)
	wire.SetChecksum(b)
	x := p.next()
	to := h.addrs[int(x)%len(h.addrs)]
	from := other.source(to)
	if from.IsValid() {
		h.receive(to, netip.AddrPortFrom(from, other.port+uint16(x>>6)), b, x>>4&3)
		p.settle()
	}
}

// raw is a chunk as the program has it; its length field is right.
func (p *player) raw() []byte {
	b := p.rest(int(p.next()) * 4)
	if len(b) >= 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

// structured is a well-formed chunk whose numbers lie near those that matter.
func (p *player) structured(h, other *Host) []byte {
	kind, x, y := p.next(), p.next(), p.number()
	in := p.tsn[other].Add(uint32(int32(int8(x))))
	out := p.tsn[h].Add(uint32(int32(int8(x))))
	var c wire.Chunk
	switch kind % 16 {
	case 0, 1:
		c = &wire.Data{TSN: in, Stream: wire.StreamID(y >> 8 % 4), SSN: wire.SSN(y & 15), Unordered: y&16 != 0, Begin: y&32 == 0, End: y&64 == 0,
			Immediate: y&128 != 0, Payload: make([]byte, 1+int(p.next())*8)}
	case 2, 3:
		s := &wire.Sack{CumTSN: out, ARwnd: uint32(y) * 16}
		for range kind >> 4 % 4 {
			start := 1 + uint16(p.next())
			s.Gaps = append(s.Gaps, wire.GapBlock{Start: start, End: start + uint16(p.next()%8)})
		}
		c = s
	case 4:
		c = &wire.Shutdown{CumTSN: out}
	case 5:
		c = &wire.ShutdownAck{}
	case 6:
		c = &wire.ShutdownComplete{T: x&1 != 0}
	case 7:
		c = &wire.Abort{T: x&1 != 0}
	case 8:
		c = &wire.OperationError{Causes: wire.AppendStaleCookie(nil, uint32(y))}
	case 9:
		c = &wire.Heartbeat{Info: make([]byte, y%600)}
	case 10:
		c = &wire.CookieAck{}
	case 11, 12:
		i := &wire.Init{Ack: kind&1 == 0, InitiateTag: wire.VTag(x), ARwnd: 1500 + uint32(y), OutStreams: 1 + uint16(y>>8), InStreams: 1 + uint16(y>>4), InitialTSN: wire.TSN(y)}
		if x&64 != 0 {
			i.Addrs = append(i.Addrs, other.addrs...)
		}
		if x&128 != 0 {
			i.Addrs = append(i.Addrs, netip.AddrFrom4([4]byte{10, 0, 9, x}), netip.AddrFrom4([4]byte{10, 0, 9, 1}))
		}
		if i.Ack {
			i.HasCookie, i.Cookie = true, make([]byte, 1+int(p.next()))
		}
		c = i
	case 13:
		c = &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseCode(x), make([]byte, y%100))}
	default:
		return append([]byte{x, byte(y), 0, 8, 0, 0, 0, 0}, make([]byte, 0)...)
	}
	return c.AppendTo(nil)
}

// end lets a user end its association.
func (p *player) end(h *Host, op byte) {
	for _, e := range h.Ends {
		if op>>6 == 0 {
			_ = e.Abort(h.now(), []byte("enough"))
		} else {
			_ = e.Shutdown(h.now())
		}
		e.drain()
	}
}

// restart lets a host forget everything, or dial, or both.
func (p *player) restart(h, other *Host) {
	x := p.next()
	p.dirty()
	if x&1 != 0 {
		h.Boot()
	}
	if x&2 != 0 && h.Live(Port, Port) == nil && len(h.Ends) < 8 {
		h.Dial(other, Port, 1+int(x>>2)%len(other.addrs))
	}
}

// skew sets the clock of a host, for half an hour at most in all.
func (p *player) skew(h *Host) {
	d := time.Duration(int16(p.number())) * 50 * time.Millisecond
	if s := h.Skew + d; s.Abs() < 30*time.Minute {
		h.Skew = s
	}
}

// move changes where a packet under way comes from, as a NAT that rebinds does.
func (p *player) move() {
	i, port := int(p.next()), p.next()
	if len(p.flying) > 0 {
		f := &p.flying[i%len(p.flying)]
		f.remote = netip.AddrPortFrom(f.remote.Addr(), 9899+uint16(port%4))
	}
}

// knob turns one of the knobs of a host's association.
func (p *player) knob(h *Host) {
	x, y := p.next(), p.next()
	if len(h.Ends) == 0 {
		return
	}
	e, now := h.Ends[len(h.Ends)-1], h.now()
	paths := e.Paths()
	if len(paths) == 0 {
		return
	}
	at := paths[int(y)%len(paths)].Remote.Addr()
	switch x % 6 {
	case 0:
		_ = e.SetPrimary(now, at)
	case 1:
		_ = e.RequestHeartbeat(now, at)
	case 2:
		_ = e.SetPathSettings(now, at, core.PathSettings{MaxRetrans: int(y >> 4), PotentiallyFailed: y&1 != 0, PFMaxRetrans: int(y >> 2 & 3), HeartbeatInterval: time.Second})
	case 3:
		par := e.Parameters()
		par.SackDelay, par.SackFrequency, par.MaxBurst, par.NoDelay = time.Duration(y)*time.Millisecond, 1+int(y&3), int(y&7), y&8 != 0
		_ = e.SetParameters(now, par)
	case 4:
		e.RemoveLocalAddr(now, h.addrs[int(y)%len(h.addrs)])
	case 5:
		e.AddLocalAddr(now, h.addrs[int(y)%len(h.addrs)])
	}
	e.drain()
}

// icmp gives a host an ICMP message about a packet of its that is under way, or about
// something like it.
func (p *player) icmp(h *Host) {
	i, kind, mtu, change := int(p.next()), p.next(), p.number(), p.next()
	if len(p.flying) == 0 {
		return
	}
	p.dirty() // it may end the association
	f := &p.flying[i%len(p.flying)]
	quoted := slices.Clone(f.data[:min(len(f.data), 8+int(kind))])
	quoted[int(change)%8] ^= change >> 3
	for _, e := range h.Ends {
		e.HandleICMP(h.now(), core.ICMP{Kind: core.ICMPKind(kind % 5), Remote: netip.AddrPortFrom(f.local, f.to.port), MTU: mtu, Quoted: quoted})
		e.drain()
	}
}
