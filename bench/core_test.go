package bench

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

var (
	coreEpoch = time.Unix(1_700_000_000, 0)
	coreAddrs = [2]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:9899"), netip.MustParseAddrPort("10.0.0.2:9899")}
)

// dice is a seeded source of tags and nonces.
type dice struct{ *rand.Rand }

func (d dice) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return len(b), nil
}

// pair is two associations that hand each other packets in memory.
type pair struct {
	b    *testing.B
	now  time.Time
	cfg  core.Config
	resp [2]*core.Responder
	as   [2]*core.Association
	bufs [2][]byte
	read []byte
	segs int
}

func newPair(b *testing.B, segs int) *pair {
	p := &pair{b: b, now: coreEpoch, cfg: core.DefaultConfig(), segs: segs, read: make([]byte, 1<<17)}
	p.cfg.Rand = dice{rand.New(rand.NewPCG(1, 2))}
	for i := range 2 {
		r, err := core.NewResponder(p.now, p.cfg.Rand)
		if err != nil {
			b.Fatal(err)
		}
		p.resp[i], p.bufs[i] = r, make([]byte, 0, 1<<16)
	}
	p.open()
	return p
}

// open makes both ends established.
func (p *pair) open() {
	as, err := core.Dial(p.now, &p.cfg, core.Endpoint{LocalPort: 1, PeerPort: 2, PeerAddrs: coreAddrs[1:]}, p.resp[0])
	if err != nil {
		p.b.Fatal(err)
	}
	p.as[0], p.as[1] = as, nil
	for p.pass(0)+p.pass(1) > 0 {
	}
	if as.State() != core.Established {
		p.b.Fatal("not established")
	}
}

// pass carries all packets of one side to the other.
func (p *pair) pass(from int) int {
	if p.as[from] == nil {
		return 0
	}
	n := 0
	for {
		t, ok := p.as[from].PollTransmit(p.now, p.bufs[from], p.segs)
		if !ok {
			break
		}
		size := t.SegmentSize
		if size == 0 {
			size = len(t.Data)
		}
		for d := t.Data; len(d) > 0; d = d[min(size, len(d)):] {
			p.deliver(1-from, d[:min(size, len(d))])
			n++
		}
	}
	for {
		if _, ok := p.as[from].PollEvent(); !ok {
			return n
		}
	}
}

func (p *pair) deliver(to int, data []byte) {
	pkt, err := wire.Parse(data)
	if err != nil {
		p.b.Fatal(err)
	}
	in := core.Inbound{Remote: coreAddrs[1-to]}
	if p.as[to] != nil {
		p.as[to].HandlePacket(p.now, in, pkt)
		return
	}
	t, as := p.resp[to].HandlePacket(p.now, in, pkt, &core.Listening{Config: &p.cfg}, make([]byte, 0, 2048))
	if p.as[to] = as; t.Data != nil {
		p.deliver(1-to, t.Data)
	}
}

// transfer sends count messages from side 0 to side 1 and reads them.
func (p *pair) transfer(count int, m *core.Outgoing, body []byte) { p.carry(0, count, m, body) }

// carry is transfer in either direction.
func (p *pair) carry(from, count int, m *core.Outgoing, body []byte) {
	sent := 0
	for got := 0; got < count; {
		for sent < count && p.as[from].Send(p.now, m, body) == nil {
			sent++
		}
		p.pass(from)
		for {
			info, _, err := p.as[1-from].Receive(p.now, p.read)
			if err != nil {
				break
			}
			if info.End {
				got++
			}
		}
		if p.pass(1-from) == 0 && got < count {
			// What is left to acknowledge waits for its timer.
			p.now = p.now.Add(200 * time.Millisecond)
			p.as[1-from].HandleTimeout(p.now)
			p.pass(1 - from)
		}
	}
}

// BenchmarkCoreTransfer is a message all the way: send, encode, checksum, decode,
// reassemble, acknowledge, read. No network, no system calls.
func BenchmarkCoreTransfer(b *testing.B) {
	for _, size := range []int{64, 1024, 1 << 16} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := newPair(b, 44)
			body := make([]byte, size)
			batch := max(1, (1<<18)/size)
			p.transfer(10*batch, &core.Outgoing{}, body)
			b.SetBytes(int64(size * batch))
			b.ReportAllocs()
			for b.Loop() {
				p.transfer(batch, &core.Outgoing{}, body)
			}
		})
	}
}

// BenchmarkCoreRequest is a request and its answer, each a message of 100 bytes.
func BenchmarkCoreRequest(b *testing.B) {
	p := newPair(b, 1)
	body := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		p.carry(0, 1, &core.Outgoing{}, body)
		p.carry(1, 1, &core.Outgoing{}, body)
	}
}

// BenchmarkCoreHandshake opens and aborts an association.
func BenchmarkCoreHandshake(b *testing.B) {
	p := newPair(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		p.open()
	}
}

// BenchmarkCoreInit answers an INIT out of the blue: what a flood costs.
func BenchmarkCoreInit(b *testing.B) {
	p := newPair(b, 1)
	raw := (&wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1}).AppendTo(wire.Header{SrcPort: 1, DstPort: 2}.AppendTo(nil))
	wire.SetChecksum(raw)
	l := &core.Listening{Config: &p.cfg}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		pkt, _ := wire.Parse(raw)
		if t, _ := p.resp[1].HandlePacket(p.now, core.Inbound{Remote: coreAddrs[0]}, pkt, l, buf); t.Data == nil {
			b.Fatal("no INIT ACK")
		}
	}
}

// BenchmarkCoreBadCookie drops a COOKIE ECHO whose MAC is wrong.
func BenchmarkCoreBadCookie(b *testing.B) {
	p := newPair(b, 1)
	cookie := make([]byte, 100)
	cookie[0] = 1
	raw := (&wire.CookieEcho{Cookie: cookie}).AppendTo(wire.Header{SrcPort: 1, DstPort: 2, VTag: 9}.AppendTo(nil))
	wire.SetChecksum(raw)
	l := &core.Listening{Config: &p.cfg}
	b.ReportAllocs()
	for b.Loop() {
		pkt, _ := wire.Parse(raw)
		if t, as := p.resp[1].HandlePacket(p.now, core.Inbound{Remote: coreAddrs[0]}, pkt, l, nil); t.Data != nil || as != nil {
			b.Fatal("answered")
		}
	}
}

// victim is an association whose peer is the benchmark: it knows the tag and the
// TSNs.
func victim(b *testing.B) (p *pair, tag wire.VTag, next wire.TSN) {
	p = newPair(b, 1)
	if err := p.as[0].Send(p.now, &core.Outgoing{}, []byte("x")); err != nil {
		b.Fatal(err)
	}
	t, ok := p.as[0].PollTransmit(p.now, p.bufs[0], 1)
	if !ok {
		b.Fatal("no DATA")
	}
	pkt, _ := wire.Parse(t.Data)
	var d wire.Data
	if err := d.Decode(pkt.First()); err != nil {
		b.Fatal(err)
	}
	return p, pkt.VTag, d.TSN
}

// feed gives the victim a packet and throws its answers away.
func (p *pair) feed(raw []byte) {
	p.deliver(1, raw)
	for {
		if _, ok := p.as[1].PollTransmit(p.now, p.bufs[1], 1); !ok {
			break
		}
	}
	for {
		if _, ok := p.as[1].PollEvent(); !ok {
			return
		}
	}
}

func packetFrom(tag wire.VTag, chunks ...wire.Chunk) []byte {
	raw := wire.Header{SrcPort: 1, DstPort: 2, VTag: tag}.AppendTo(nil)
	for _, c := range chunks {
		raw = c.AppendTo(raw)
	}
	wire.SetChecksum(raw)
	return raw
}

// BenchmarkCoreHostile is what one packet costs at worst, by what it plays on.
func BenchmarkCoreHostile(b *testing.B) {
	run := func(name string, prepare func(*pair, wire.VTag, wire.TSN), packet func(wire.VTag, wire.TSN) []byte) {
		b.Run(name, func(b *testing.B) {
			p, tag, next := victim(b)
			prepare(p, tag, next)
			raw := packet(tag, next)
			b.ReportAllocs()
			for b.Loop() {
				p.feed(raw)
			}
		})
	}
	nothing := func(*pair, wire.VTag, wire.TSN) {}
	far := func(p *pair, tag wire.VTag, next wire.TSN) {
		p.feed(packetFrom(tag, &wire.Data{TSN: next.Add(65534), Begin: true, End: true, SSN: 9, Payload: []byte("x")}))
	}
	duplicate := func(tag wire.VTag, next wire.TSN) []byte {
		return packetFrom(tag, &wire.Data{TSN: next - 1, Begin: true, End: true, Payload: []byte("x")})
	}
	run("duplicate", nothing, duplicate)
	run("duplicate behind a gap of 65,534", far, duplicate)
	run("duplicate with 10,000 gaps", func(p *pair, tag wire.VTag, next wire.TSN) {
		for i := range uint32(10000) {
			p.feed(packetFrom(tag, &wire.Data{TSN: next.Add(1 + 2*i), Begin: true, End: true, SSN: wire.SSN(1 + i), Payload: []byte("x")}))
		}
	}, duplicate)
	run("duplicates, a packet full", nothing, func(tag wire.VTag, next wire.TSN) []byte {
		var chunks []wire.Chunk
		for range 72 {
			chunks = append(chunks, &wire.Data{TSN: next - 1, Begin: true, End: true, Payload: []byte("x")})
		}
		return packetFrom(tag, chunks...)
	})
	run("unknown chunks, a packet full", nothing, func(tag wire.VTag, _ wire.TSN) []byte {
		raw := packetFrom(tag)
		for len(raw) < 1472 {
			raw = append(raw, 0xfe, 0, 0, 4)
		}
		wire.SetChecksum(raw)
		return raw
	})
	run("INIT", nothing, func(wire.VTag, wire.TSN) []byte {
		return packetFrom(0, &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1})
	})
	run("wrong tag", nothing, func(tag wire.VTag, _ wire.TSN) []byte { return packetFrom(tag+1, &wire.CookieAck{}) })
}

// BenchmarkCoreSack applies SACKs to 1,000 chunks in flight.
func BenchmarkCoreSack(b *testing.B) {
	for _, blocks := range []int{0, 10, 300} {
		b.Run(fmt.Sprint(blocks, " blocks"), func(b *testing.B) {
			p := newPair(b, 44)
			p.transfer(3000, &core.Outgoing{}, make([]byte, 1000)) // open the window
			for range 1000 {
				if err := p.as[0].Send(p.now, &core.Outgoing{}, make([]byte, 1000)); err != nil {
					break
				}
			}
			var first wire.TSN
			var tag wire.VTag
			inFlight := 0
			for {
				t, ok := p.as[0].PollTransmit(p.now, p.bufs[0], 1)
				if !ok {
					break
				}
				pkt, _ := wire.Parse(t.Data)
				for c := range pkt.Chunks() {
					var d wire.Data
					if d.Decode(c) == nil {
						if inFlight == 0 {
							first = d.TSN
						}
						inFlight++
					}
				}
				tag = p.as[0].LocalTag()
			}
			s := &wire.Sack{CumTSN: first - 1, ARwnd: 1 << 20}
			for i := range min(blocks, inFlight/2-1) {
				s.Gaps = append(s.Gaps, wire.GapBlock{Start: uint16(2*i + 2), End: uint16(2*i + 2)})
			}
			raw := wire.Header{SrcPort: 2, DstPort: 1, VTag: tag}.AppendTo(nil)
			raw = s.AppendTo(raw)
			wire.SetChecksum(raw)
			b.ReportMetric(float64(inFlight), "chunks")
			b.ReportAllocs()
			for b.Loop() {
				p.deliver(0, raw)
			}
		})
	}
}

// BenchmarkCoreLossyNetwork sends 1 MiB over a simulated network and reports how long
// it takes in simulated time: a change of the loss recovery shows here.
func BenchmarkCoreLossyNetwork(b *testing.B) {
	for _, loss := range []float64{0, 0.01, 0.05} {
		b.Run(fmt.Sprintf("%v%%", 100*loss), func(b *testing.B) {
			var total time.Duration
			runs := 0
			for b.Loop() {
				total += lossy(b, uint64(runs), loss)
				runs++
			}
			b.ReportMetric(total.Seconds()/float64(runs), "sim-s/op")
		})
	}
}

// lossy is one run of the above.
func lossy(b *testing.B, seed uint64, loss float64) time.Duration {
	p := newPair(b, 1)
	net := simnet.New(seed)
	net.SetDefaultLink(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss, Bandwidth: 5_000_000, Queue: 200_000})
	body := make([]byte, 1000)
	sent, got := 0, 0
	for got < 1000 {
		for sent < 1000 && p.as[0].Send(p.now, &core.Outgoing{}, body) == nil {
			sent++
		}
		for i, as := range p.as {
			for {
				t, ok := as.PollTransmit(p.now, p.bufs[i], 1)
				if !ok {
					break
				}
				net.Send(p.now, coreAddrs[i], carrier.Datagram{Remote: t.Remote, Data: t.Data})
			}
		}
		next, ok := net.Next()
		for _, as := range p.as {
			if t, running := as.NextTimeout(); running && (!ok || t.Before(next)) {
				next, ok = t, true
			}
		}
		if !ok {
			b.Fatal("stands still")
		}
		if next.After(p.now) {
			p.now = next
		}
		for _, d := range net.Deliver(p.now) {
			to := 0
			if d.To == coreAddrs[1] {
				to = 1
			}
			p.deliver(to, d.Data)
		}
		for _, as := range p.as {
			as.HandleTimeout(p.now)
		}
		for {
			if _, _, err := p.as[1].Receive(p.now, p.read); err != nil {
				break
			}
			got++
		}
	}
	return p.now.Sub(coreEpoch)
}

// BenchmarkCoreIdle reports the memory of an association that has nothing to do.
func BenchmarkCoreIdle(b *testing.B) {
	const n = 2000
	for b.Loop() {
		p := newPair(b, 1)
		all := make([][2]*core.Association, 0, n)
		before := heapBytes()
		for range n {
			p.open()
			p.transfer(3, &core.Outgoing{}, make([]byte, 500))
			all = append(all, p.as)
		}
		later := p.now.Add(10 * time.Second)
		for _, as := range all {
			for _, a := range as {
				a.HandleTimeout(later) // gives the pools back
			}
		}
		b.ReportMetric(float64(heapBytes()-before)/(2*n), "B/association")
		runtime.KeepAlive(all)
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
