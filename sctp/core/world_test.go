package core_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:9899")
	addrB = netip.MustParseAddrPort("10.0.0.2:9899")
	epoch = time.Unix(1_700_000_000, 0)
)

// seeded is a deterministic io.Reader.
type seeded struct{ r *rand.Rand }

func newSeeded(seed uint64) seeded { return seeded{rand.New(rand.NewPCG(seed, 0))} }

func (s seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}

// host is a minimal stack around cores: responder, listener, associations.
type host struct {
	w      *world
	addr   netip.AddrPort
	homes  []netip.Addr // its addresses if it has several, that of addr first
	cfg    core.Config
	listen *core.Listening
	resp   *core.Responder
	assocs []*core.Association
	events []core.Event
	sent   int // packets
	tap    func(wire.Packet)
	skew   time.Duration // of its clock
	bleach bool          // its network clears the ECN bits

	largest int // packet sent, in bytes
	drains  int

	firstTSN wire.TSN // of the INIT sent
}

// world is hosts on a simulated network with one clock.
type world struct {
	t     testing.TB
	now   time.Time
	net   *simnet.Network
	hosts map[netip.Addr]*host
	order []*host
	segs  int
	batch bool // packets that arrive together are taken together
	buf   []byte
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, now: epoch, net: simnet.New(seed), hosts: map[netip.Addr]*host{}, segs: 1, buf: make([]byte, 0, 65536)}
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond})
	return w
}

func (w *world) host(addr netip.AddrPort, seed uint64, change func(*core.Config)) *host {
	h := &host{w: w, addr: addr, cfg: core.DefaultConfig()}
	h.cfg.Rand = newSeeded(seed)
	if change != nil {
		change(&h.cfg)
	}
	r, err := core.NewResponder(w.now, h.cfg.Rand)
	require.NoError(w.t, err)
	h.resp = r
	w.hosts[addr.Addr()] = h
	w.order = append(w.order, h)
	return h
}

// two makes a dialer and a listener with the same configuration.
func two(t testing.TB, seed uint64, change func(*core.Config)) (*world, *host, *host) {
	w := newWorld(t, seed)
	a, b := w.host(addrA, seed*2+1, change), w.host(addrB, seed*2+2, change)
	b.listen = &core.Listening{Config: &b.cfg}
	return w, a, b
}

// now is the time on the host's clock.
func (h *host) now() time.Time { return h.w.now.Add(h.skew) }

func (h *host) dial(to *host) *core.Association {
	a, err := core.Dial(h.now(), &h.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: []netip.AddrPort{to.addr}}, h.resp)
	require.NoError(h.w.t, err)
	h.assocs = append(h.assocs, a)
	h.drain(a)
	return a
}

// drain is the caller's part of the contract in core's package comment.
func (h *host) drain(a *core.Association) {
	for i := 0; ; i++ {
		require.Less(h.w.t, i, 100000, "PollTransmit does not end")
		t, ok := a.PollTransmit(h.now(), h.w.buf, h.w.segs)
		if !ok {
			break
		}
		h.send(t)
	}
	for {
		e, ok := a.PollEvent()
		if !ok {
			break
		}
		h.events = append(h.events, e)
	}
	if h.drains++; h.drains%16 == 0 {
		require.NoError(h.w.t, a.Verify())
	}
}

func (h *host) send(t core.Transmit) {
	n := len(t.Data)
	if t.SegmentSize > 0 {
		n = t.SegmentSize
	}
	for b := t.Data; len(b) > 0; b = b[min(n, len(b)):] {
		h.sent++
		h.largest = max(h.largest, min(n, len(b)))
		h.note(b[:min(n, len(b))])
		pkt, err := wire.Parse(b[:min(n, len(b))])
		require.NoError(h.w.t, err, "a malformed packet was sent")
		if h.tap != nil {
			h.tap(pkt)
		}
	}
	from, ecn := h.addr, t.ECN
	if h.bleach {
		ecn = 0
	}
	if t.Local.IsValid() {
		from = netip.AddrPortFrom(t.Local, h.addr.Port())
		require.Same(h.w.t, h, h.w.hosts[t.Local], "a packet left from %v, which is not an address of the host", t.Local)
	}
	h.w.net.Send(h.w.now, from, carrier.Datagram{Remote: t.Remote, Data: bytes.Clone(t.Data), SegmentSize: t.SegmentSize,
		ECN: ecn, MayFragment: t.MayFragment})
}

// note remembers the initial TSN of an INIT or INIT ACK.
func (h *host) note(b []byte) {
	pkt, err := wire.Parse(b)
	if err != nil {
		return
	}
	var i wire.Init
	if t := pkt.First().Type(); (t == wire.TypeInit || t == wire.TypeInitAck) && i.Decode(pkt.First()) == nil {
		h.firstTSN = i.InitialTSN
	}
}

func (h *host) receive(from netip.AddrPort, data []byte) { h.receiveAt(h.addr.Addr(), from, data) }

// receiveAt is receive at one of several addresses.
func (h *host) receiveAt(local netip.Addr, from netip.AddrPort, data []byte) {
	h.receiveMarked(local, from, data, 0)
}

// receiveMarked is receiveAt of a packet with ECN bits.
func (h *host) receiveMarked(local netip.Addr, from netip.AddrPort, data []byte, ecn uint8) {
	pkt, err := wire.Parse(data)
	if err != nil {
		return
	}
	in := core.Inbound{Local: local, Remote: from, ECN: ecn}
	for _, a := range h.assocs {
		if a.State() != core.Closed && a.LocalPort() == pkt.DstPort && a.PeerPort() == pkt.SrcPort {
			a.HandlePacket(h.now(), in, pkt)
			if !h.w.batch {
				h.drain(a)
			}
			return
		}
	}
	t, a := h.resp.HandlePacket(h.now(), in, pkt, h.listen, h.w.buf)
	if t.Data != nil {
		h.send(t)
	}
	if a != nil {
		h.assocs = append(h.assocs, a)
		h.drain(a)
	}
}

// notice is what a stack does with ICMP.
func (h *host) notice(m carrier.Notice) {
	require.Equal(h.w.t, carrier.NoticeTooBig, m.Kind)
	for _, a := range h.assocs {
		a.HandleICMP(h.now(), core.ICMP{Kind: core.ICMPTooBig, Remote: m.Remote, MTU: m.MTU, Quoted: m.Quoted})
		h.drain(a)
	}
}

// step moves the clock to the next thing that happens, false if nothing will
// before the limit.
func (w *world) step(limit time.Time) bool {
	next, ok := w.net.Next()
	for _, h := range w.order {
		for _, a := range h.assocs {
			if t, running := a.NextTimeout(); running && (!ok || t.Add(-h.skew).Before(next)) {
				next, ok = t.Add(-h.skew), true
			}
		}
	}
	if !ok || next.After(limit) {
		w.now = limit
		return false
	}
	if next.After(w.now) {
		w.now = next
	}
	for _, p := range w.net.Deliver(w.now) {
		if h := w.hosts[p.To.Addr()]; h != nil {
			h.receiveMarked(p.To.Addr(), p.From, p.Data, p.ECN)
		}
	}
	for _, m := range w.net.Notices() {
		if h := w.hosts[m.Local]; h != nil {
			h.notice(m)
		}
	}
	for _, h := range w.order {
		for _, a := range h.assocs {
			if t, running := a.NextTimeout(); running && !t.After(h.now()) {
				a.HandleTimeout(h.now())
			} else if !w.batch {
				continue
			}
			h.drain(a)
		}
	}
	return true
}

// run lets simulated time pass.
func (w *world) run(d time.Duration) {
	for limit := w.now.Add(d); w.step(limit); {
	}
}

// until runs until the condition holds, or fails after a simulated time.
func (w *world) until(d time.Duration, what string, cond func() bool) {
	w.t.Helper()
	for limit := w.now.Add(d); !cond(); {
		if !w.step(limit) {
			require.True(w.t, cond(), "after %v: %s", d, what)
			return
		}
	}
}

func (h *host) only() *core.Association {
	require.Len(h.w.t, h.assocs, 1)
	return h.assocs[0]
}

func (h *host) saw(k core.EventKind) bool {
	for _, e := range h.events {
		if e.Kind == k {
			return true
		}
	}
	return false
}

// connected opens an association and returns both ends.
func connected(t testing.TB, seed uint64, change func(*core.Config)) (*world, *host, *host) {
	w, a, b := two(t, seed, change)
	a.dial(b)
	w.until(30*time.Second, "established", func() bool {
		return a.only().State() == core.Established && len(b.assocs) == 1 && b.only().State() == core.Established
	})
	return w, a, b
}

// pattern is message i of stream s: its length and bytes follow from both.
func pattern(seed uint64, s, i int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(s)<<32|uint64(i)))
	n := 12 + r.IntN(200)
	switch r.IntN(10) {
	case 0:
		n += r.IntN(20000)
	case 1:
		n += r.IntN(3000)
	}
	b := make([]byte, n)
	binary.BigEndian.PutUint32(b, uint32(s))
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	for j := 8; j < n; j++ {
		b[j] = byte(j*7 + i + s)
	}
	return b
}

// flow sends count messages on each of streams from one host to another and checks
// that each arrives once, whole, in order of its stream.
type flow struct {
	from, to       *host
	seed           uint64
	streams, count int
	unordered      bool
	next           int
	got            []int
	seen           map[[2]int]bool
	partial        map[wire.StreamID][]byte
	buf            []byte
}

func newFlow(from, to *host, seed uint64, streams, count int) *flow {
	return &flow{from: from, to: to, seed: seed, streams: streams, count: count, got: make([]int, streams),
		seen: map[[2]int]bool{}, partial: map[wire.StreamID][]byte{}, buf: make([]byte, 4096)}
}

func (f *flow) pump() {
	w := f.from.w
	a := f.from.assocs[len(f.from.assocs)-1]
	for f.next < f.streams*f.count && a.State() == core.Established {
		s, i := f.next%f.streams, f.next/f.streams
		err := a.Send(f.from.now(), &core.Outgoing{Stream: wire.StreamID(s), PPID: 7, Unordered: f.unordered}, pattern(f.seed, s, i))
		if errors.Is(err, core.ErrWouldBlock) {
			break
		}
		require.NoError(w.t, err)
		f.next++
	}
	f.from.drain(a)
	if len(f.to.assocs) == 0 {
		return
	}
	b := f.to.assocs[len(f.to.assocs)-1]
	for {
		info, n, err := b.Receive(f.to.now(), f.buf)
		if err != nil {
			require.True(w.t, errors.Is(err, core.ErrNoMessage) || errors.Is(err, io.EOF), "%v", err)
			break
		}
		f.partial[info.Stream] = append(f.partial[info.Stream], f.buf[:n]...)
		if info.End {
			f.check(info, f.partial[info.Stream])
			f.partial[info.Stream] = f.partial[info.Stream][:0]
		}
	}
	f.to.drain(b)
}

func (f *flow) check(info core.Incoming, b []byte) {
	t := f.from.w.t
	require.GreaterOrEqual(t, len(b), 8)
	s, i := int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	require.Equal(t, int(info.Stream), s)
	require.False(t, f.seen[[2]int{s, i}], "message %d of stream %d twice", i, s)
	f.seen[[2]int{s, i}] = true
	if !f.unordered {
		require.Equal(t, f.got[s], i, "order of stream %d", s)
	}
	f.got[s]++
	require.True(t, bytes.Equal(pattern(f.seed, s, i), b), "content of message %d of stream %d", i, s)
}

func (f *flow) done() bool { return len(f.seen) == f.streams*f.count }

func (f *flow) String() string {
	return fmt.Sprintf("%d of %d messages arrived, %d sent", len(f.seen), f.streams*f.count, f.next)
}

// transfer runs flows to their end.
func (w *world) transfer(d time.Duration, flows ...*flow) {
	w.t.Helper()
	limit := w.now.Add(d)
	for {
		done := true
		for _, f := range flows {
			f.pump()
			done = done && f.done()
		}
		if done {
			return
		}
		if !w.step(limit) {
			for _, f := range flows {
				require.True(w.t, f.done(), "after %v: %v", d, f)
			}
		}
	}
}
