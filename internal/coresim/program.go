package coresim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// A program is bytes: a head that configures two hosts, then actions, each an
// operation and its arguments. What is missing at the end reads as zero.
const (
	headLen    = 4
	maxActions = 400
	maxFlying  = 256 // packets under way
)

// player is the state of a program that runs.
type player struct {
	w      *World
	a, b   *Host
	code   []byte
	flying []flying
	flows  [2]*Flow // nil if what arrives need not be what was sent any more
	tsn    map[*Host]wire.TSN
}

// flying is a packet under way.
type flying struct {
	from, to *Host
	local    netip.Addr // it is sent to
	remote   netip.AddrPort
	data     []byte
}

// Play runs a program of actions against a pair of associations: users that send,
// read and end; packets that are lost, doubled, reordered, changed behind a right
// checksum, or made up with the right verification tag; time; restarts. After each
// action the associations check themselves. Unless packets were changed or made up,
// messages arrive once, unchanged and in order. In the end the network is honest
// again: then all associations end in bounded time.
func Play(program []byte, trace func(string)) error {
	p := &player{w: NewWorld(1), code: program, tsn: map[*Host]wire.TSN{}}
	if trace != nil {
		p.w.Trace = lines(trace)
	}
	return catch(func() {
		p.setUp()
		for n := 0; len(p.code) > 0 && n < maxActions; n++ {
			p.act()
			p.check()
		}
		p.wind()
	})
}

// lines is an io.Writer that passes text on.
type lines func(string)

func (l lines) Write(b []byte) (int, error) {
	l(string(b))
	return len(b), nil
}

// next takes a byte of the program.
func (p *player) next() byte {
	if len(p.code) == 0 {
		return 0
	}
	b := p.code[0]
	p.code = p.code[1:]
	return b
}

// number takes two bytes.
func (p *player) number() int { return int(p.next())<<8 | int(p.next()) }

// rest takes up to n bytes.
func (p *player) rest(n int) []byte {
	n = min(n, len(p.code))
	b := slices.Clone(p.code[:n])
	p.code = p.code[n:]
	return b
}

// setUp makes two hosts and, unless the program wants to do so, an association.
func (p *player) setUp() {
	head := [headLen]byte{}
	copy(head[:], p.rest(headLen))
	addrs := func(host byte) []netip.Addr {
		all := []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, host}), netip.AddrFrom4([4]byte{10, 0, 1, host}), netip.AddrFrom16([16]byte{0xfd, 15: host})}
		return all[:1+int(head[0]>>6)%3]
	}
	p.w.Batch, p.w.Segments = head[0]&1 != 0, pickByte(head[0]>>1, 1, 4)
	p.w.carry = p.carry
	p.w.Sent = p.note
	p.a = p.w.Host("a", programConfig(head[1], head[3]), addrs(1)...)
	p.b = p.w.Host("b", programConfig(head[2], head[3]), addrs(2)...)
	for _, h := range p.w.hosts {
		h.Config.ECN, h.Config.PathMTUDiscovery = head[0]&16 != 0, head[0]&32 != 0
	}
	p.a.Listen, p.b.Listen = head[0]&4 != 0, true
	if head[0]&8 != 0 {
		return
	}
	tx := p.a.Dial(p.b, Port, 1)
	for range 4 {
		for len(p.flying) > 0 {
			p.deliver(0)
		}
		p.settle()
	}
	if rx := p.b.twin(tx); rx != nil && tx.State() == core.Established {
		p.flows = [2]*Flow{programFlow(tx, rx), programFlow(rx, tx)}
	} else {
		fail("no association on a perfect network: %v", tx)
	}
}

func programFlow(tx, rx *End) *Flow {
	return &Flow{tx: tx, rx: rx, Left: 1 << 30, sent: map[uint32]int{}, struck: map[uint32]bool{}, order: map[wire.StreamID][]uint32{}, buf: make([]byte, 1<<16)}
}

func pickByte[T any](b byte, of ...T) T { return of[int(b)%len(of)] }

// programConfig draws a configuration from two bytes.
func programConfig(x, y byte) core.Config {
	c := core.DefaultConfig()
	c.RecvBuffer = pickByte(x, 4096, 16<<10, 1<<18, 70_000)
	c.SendBuffer = pickByte(x>>2, 1<<16, 3000, 1<<18, 1)
	c.MTU = pickByte(x>>4, 1500, 576, 9000, 1280)
	c.MaxBurst = pickByte(x>>6, 4, 0, 1, 2)
	c.SackFrequency = pickByte(y, 2, 1, 5, 2)
	c.NoDelay = y&4 == 0
	c.RTOMin = pickByte(y>>3, time.Second, 20*time.Millisecond)
	c.RTOMax = pickByte(y>>4, 2*time.Second, 10*time.Second)
	c.OutStreams = pickByte(y>>5, uint16(64), 2)
	c.MaxInStreams = pickByte(y>>6, uint16(65535), 1)
	c.AssociationMaxRetrans, c.MaxInitRetransmits, c.PathMaxRetrans = 6, 4, 2
	c.PotentiallyFailed, c.ReportUndelivered = y&128 != 0, y&64 != 0
	return c
}

// carry takes the packets that hosts send.
func (p *player) carry(from *Host, dg carrier.Datagram) {
	to := p.w.byAddr[dg.Remote.Addr()]
	if to == nil || dg.Remote.Port() != to.port {
		return
	}
	for seg := range dg.Segments() {
		if len(p.flying) >= maxFlying {
			return
		}
		p.flying = append(p.flying, flying{from: from, to: to, local: dg.Remote.Addr(), remote: netip.AddrPortFrom(dg.Local, from.port), data: slices.Clone(seg)})
	}
}

// note remembers the last TSN that a host sent, near which made-up chunks do
// something.
func (p *player) note(from *Host, _ netip.AddrPort, pkt wire.Packet) {
	for c := range pkt.Chunks() {
		var d wire.Data
		var i wire.Init
		switch {
		case d.Decode(c) == nil:
			p.tsn[from] = d.TSN
		case i.Decode(c) == nil:
			p.tsn[from] = i.InitialTSN - 1
		}
	}
}

// take removes a packet that is under way.
func (p *player) take(i int) (flying, bool) {
	if len(p.flying) == 0 {
		return flying{}, false
	}
	i %= len(p.flying)
	f := p.flying[i]
	p.flying = slices.Delete(p.flying, i, i+1)
	return f, true
}

// deliver lets a packet arrive.
func (p *player) deliver(i int) {
	if f, ok := p.take(i); ok {
		f.to.receive(f.local, f.remote, f.data, 0)
		p.settle()
	}
}

// settle serves what is due now and sends what was not drained yet.
func (p *player) settle() {
	for range 100 {
		p.a.timeouts()
		p.b.timeouts()
		due := false
		for _, h := range []*Host{p.a, p.b} {
			for _, e := range h.Ends {
				due = due || !e.armed.IsZero() && !e.armed.After(p.w.Now)
			}
		}
		if !due {
			return
		}
	}
	fail("the timers do not come to rest")
}

func (p *player) check() {
	for _, h := range []*Host{p.a, p.b} {
		for _, e := range h.Ends {
			e.check()
		}
	}
}

// advance lets time pass up to a limit, or until something is due if that is
// sooner; false if nothing was.
func (p *player) advance(limit time.Time) bool {
	next, ok := p.w.next()
	if !ok || next.After(limit) {
		p.w.Now = limit
		return false
	}
	if next.After(p.w.Now) {
		p.w.Now = next
	}
	p.settle()
	return true
}

// wind lets the users end everything on an honest network.
func (p *player) wind() {
	p.a.Skew, p.b.Skew = 0, 0
	limit := p.w.Now.Add(30 * time.Minute)
	ended := false
	for rounds := 0; ; rounds++ {
		for len(p.flying) > 0 {
			p.deliver(0)
		}
		p.read(0, 1<<20)
		p.read(1, 1<<20)
		if len(p.flying) > 0 {
			continue
		}
		if rounds >= 50 && !ended {
			ended = true
			for _, h := range []*Host{p.a, p.b} {
				for _, e := range h.Ends {
					_ = e.Shutdown(h.now())
					e.drain()
				}
			}
			continue
		}
		if !p.advance(limit) {
			break
		}
		p.check()
		if rounds > 100_000 {
			fail("this does not end")
		}
	}
	for _, h := range []*Host{p.a, p.b} {
		for _, e := range h.Ends {
			if e.State() != core.Closed {
				fail("still there: %v", e)
			}
		}
	}
	for _, f := range p.flows {
		if f != nil && f.tx.Err() == nil && f.rx.Err() == nil && f.Missing() > 0 {
			fail("messages %v are missing after a graceful end: %v\n%v\n%v", f.sent, f, f.tx, f.rx)
		}
	}
}

// read lets a user read up to n bytes in pieces.
func (p *player) read(side, n int) {
	h := []*Host{p.b, p.a}[side]
	if f := p.flows[side]; f != nil {
		f.buf = f.buf[:min(max(n, 1), cap(f.buf))]
		for range 1000 {
			if !f.read(f.rx.Receive(f.rx.host.now(), f.buf)) {
				break
			}
		}
		f.rx.drain()
		return
	}
	buf := make([]byte, min(max(n, 1), 1<<16))
	for _, e := range h.Ends {
		for range 1000 {
			if _, k, err := e.Receive(h.now(), buf); err != nil || k == 0 {
				break
			}
		}
		e.drain()
	}
	p.settle()
}
