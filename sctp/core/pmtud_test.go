package core_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// discovering turns path MTU discovery on.
func discovering(mtu int) func(*core.Config) {
	return func(c *core.Config) { c.PathMTUDiscovery, c.MTU = true, mtu }
}

// linked is a pair over a link.
func linked(t testing.TB, seed uint64, mtu int, l simnet.Link) (*world, *host, *host) {
	w, a, b := two(t, seed, discovering(mtu))
	w.net.SetDefaultLink(l)
	a.dial(b)
	w.until(30*time.Second, "established", func() bool { return a.only().State() == core.Established && len(b.assocs) == 1 })
	return w, a, b
}

// size is the packet size of the primary path as an IPv4 MTU over UDP.
func (h *host) mtu() int { return h.only().Paths()[0].PacketSize + 28 }

// probeSizes collects the sizes of the probes that a host sends, as IPv4 MTUs.
func probeSizes(h *host) *[]int {
	sizes := new([]int)
	h.tap = func(p wire.Packet) {
		for c := range p.Chunks() {
			if c.Type() == wire.TypePad {
				require.Equal(h.w.t, wire.TypeHeartbeat, p.First().Type(), "RFC 8899 §6.2.1.2: HEARTBEAT and PAD, nothing else")
				require.Equal(h.w.t, wire.HeaderLen+p.First().Len()+c.Len(), len(p.Bytes()))
				*sizes = append(*sizes, len(p.Bytes())+28)
			}
		}
	}
	return sizes
}

func (h *host) say(n int) {
	require.NoError(h.w.t, h.only().Send(h.now(), &core.Outgoing{}, make([]byte, n)))
	h.drain(h.only())
}

// RFC 8899 §5.2: BASE, then SEARCHING, which tries the maximum first. Nothing is
// probed before there is data to send.
func TestDiscoveryReachesTheMaximumInTwoRoundTrips(t *testing.T) {
	for _, mtu := range []int{1500, 9000, 65535} {
		w, a, b := linked(t, 1, mtu, simnet.Link{Delay: 5 * time.Millisecond})
		sizes := probeSizes(a)
		require.Equal(t, 1220, a.mtu(), "BASE_PLPMTU")
		for range 600 {
			a.say(400)
			w.run(time.Second)
		}
		require.Empty(t, *sizes, "§5.1.1: no data that small packets cannot carry, no probes")
		a.say(1000)
		w.run(10 * time.Millisecond)
		w.run(10 * time.Millisecond)
		want := mtu &^ 3
		require.Equal(t, []int{1220, want}, *sizes)
		require.Equal(t, want, a.mtu())
		require.Equal(t, 1220, b.mtu(), "b has sent nothing")
		w.run(time.Hour)
		require.Len(t, *sizes, 2, "PLPMTU is MAX_PLPMTU: nothing to look for")
		require.Zero(t, a.only().Stats().BlackHoles)
	}
}

// Trace.SizeChange tells each size that is found.
func TestTraceOfPacketSizes(t *testing.T) {
	var sizes []int
	w, a, b := two(t, 9, func(c *core.Config) {
		discovering(1500)(c)
		c.Trace = &core.Trace{SizeChange: func(_ netip.AddrPort, size int) { sizes = append(sizes, size) }}
	})
	a.dial(b)
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	a.say(1000)
	w.run(time.Second)
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 1300})
	w.net.SetICMP(true)
	a.say(10_000)
	w.run(time.Second)
	require.Equal(t, []int{1472, 1192, 1272}, sizes)
}

// RFC 8899 §5.3: the search finds what a link carries, or the next common size
// below, in a few seconds without the help of ICMP, and at once with it.
func TestDiscoveryFindsTheLink(t *testing.T) {
	for _, c := range []struct{ link, max, want int }{
		{1500, 1500, 1500}, {1492, 1500, 1492}, {1480, 1500, 1480}, {1420, 1500, 1420}, {1400, 1500, 1400}, {1300, 1500, 1280},
		{1280, 1500, 1280}, {1220, 1500, 1220}, {1000, 1500, 768}, {576, 1500, 576}, {1500, 9000, 1500}, {1492, 65535, 1492}, {1006, 65535, 1004},
	} {
		t.Run(fmt.Sprint(c.link, " of ", c.max), func(t *testing.T) {
			w, a, b := linked(t, 1, c.max, simnet.Link{Delay: 5 * time.Millisecond, MTU: c.link})
			sizes := probeSizes(a)
			a.say(1000)
			w.until(20*time.Second, "found", func() bool { return a.mtu() == c.want })
			w.run(20 * time.Second)
			require.Equal(t, c.want, a.mtu(), "%v", *sizes)
			require.LessOrEqual(t, len(*sizes), 13)
			n := len(*sizes)
			w.run(550 * time.Second)
			require.Len(t, *sizes, n, "SEARCH_COMPLETE is quiet")
			require.Zero(t, a.only().Paths()[0].Errors, "§6.2.1.2: lost probes are no errors of the path")
			w.transfer(time.Minute, newFlow(b, a, 1, 1, 5))
		})
		t.Run(fmt.Sprint(c.link, " of ", c.max, " with ICMP"), func(t *testing.T) {
			w, a, _ := linked(t, 1, c.max, simnet.Link{Delay: 5 * time.Millisecond, MTU: c.link})
			w.net.SetICMP(true)
			sizes := probeSizes(a)
			a.say(1000)
			w.run(100 * time.Millisecond)
			require.Equal(t, c.link&^3, a.mtu(), "%v", *sizes)
			require.LessOrEqual(t, len(*sizes), 6)
			require.Zero(t, a.only().Stats().ICMPIgnored)
		})
	}
}

// RFC 8899 §5.1.1: PMTU_RAISE_TIMER after 600 s, if data was sent since the last
// probe; else with the next data.
func TestDiscoveryIsRaised(t *testing.T) {
	w, a, _ := linked(t, 1, 1500, simnet.Link{Delay: 5 * time.Millisecond, MTU: 1400})
	sizes := probeSizes(a)
	a.say(1000)
	w.run(20 * time.Second)
	require.Equal(t, 1400, a.mtu())
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 1500})
	n := len(*sizes)
	a.say(1000)
	w.run(550 * time.Second)
	require.Len(t, *sizes, n)
	w.run(50 * time.Second)
	require.Equal(t, 1500, a.mtu())
	require.Len(t, *sizes, n+1, "the maximum at once")

	w, a, _ = linked(t, 1, 1500, simnet.Link{Delay: 5 * time.Millisecond, MTU: 1400})
	sizes = probeSizes(a)
	a.say(1000)
	w.run(20 * time.Second)
	n = len(*sizes)
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 1500})
	w.run(5 * time.Hour)
	require.Len(t, *sizes, n, "an idle association does not probe")
	a.say(1000)
	w.run(time.Second)
	require.Equal(t, 1500, a.mtu())
}

// F2: the path MTU shrinks in the middle of a transfer, with and without ICMP, to
// whatever size; all arrives. What was cut before goes in fragments of IP (RFC 9260
// §6.9).
func TestF2PathMTUShrinksInMidTransfer(t *testing.T) {
	for _, mtu := range []int{576, 800, 1280, 1400} {
		for _, notify := range []bool{false, true} {
			for _, segments := range []int{1, 16} {
				if segments > 1 && mtu%800 > 0 {
					continue
				}
				t.Run(fmt.Sprint(mtu, " ", notify, " ", segments), func(t *testing.T) {
					w, a, b := linked(t, 1, 1500, simnet.Link{Delay: 10 * time.Millisecond, MTU: 1500, Bandwidth: 2_000_000})
					w.segs = segments
					f := newFlow(a, b, 1, 4, 150)
					back := newFlow(b, a, 2, 4, 10)
					for len(f.seen) < 200 {
						f.pump()
						back.pump()
						w.step(w.now.Add(time.Second))
					}
					require.Equal(t, 1500, a.mtu())
					w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, MTU: mtu, Bandwidth: 2_000_000})
					w.net.SetICMP(notify)
					begin := w.now
					w.transfer(30*time.Second, f, back)
					t.Logf("%v in fragments, took %v", w.net.Count(simnet.Fragmented), w.now.Sub(begin))
					w.run(20 * time.Second)
					require.LessOrEqual(t, a.mtu(), mtu)
					require.GreaterOrEqual(t, a.mtu(), mtu*3/4)
					require.NoError(t, a.only().Verify())
				})
			}
		}
	}
}

// F2: a path that stops to carry even small packets, in between, does not leave the
// association with small packets for long.
func TestDiscoverySurvivesAnOutage(t *testing.T) {
	for _, outage := range []time.Duration{3 * time.Second, 10 * time.Second, 40 * time.Second} {
		w, a, b := linked(t, 3, 1500, simnet.Link{Delay: 10 * time.Millisecond})
		a.only() // established
		f := newFlow(a, b, 3, 1, 300)
		for range 100 {
			f.pump()
			w.step(w.now.Add(time.Second))
		}
		require.Equal(t, 1500, a.mtu())
		w.net.SetFilter(nothing)
		w.run(outage)
		w.net.SetFilter(nil)
		w.transfer(5*time.Minute, f)
		w.run(5 * time.Second)
		require.Equal(t, 1500, a.mtu(), "after %v", outage)
	}
}

// Lost probes are tried again: they may be lost for other reasons (RFC 8899 §5.3.3).
func TestDiscoveryUnderLoss(t *testing.T) {
	full := 0
	for seed := range uint64(20) {
		w, a, b := linked(t, 100+seed, 1500, simnet.Link{Delay: 10 * time.Millisecond})
		w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.2})
		f := newFlow(a, b, seed, 1, 100)
		w.transfer(10*time.Minute, f)
		w.run(10 * time.Second)
		if a.mtu() == 1500 {
			full++
		}
	}
	require.GreaterOrEqual(t, full, 14)
}

// F2: a link that becomes so small that it carries only small packets, while only
// middling ones are sent: smaller than the base size, which passed before. Small ones and
// HEARTBEATs go on to be answered, so that the path never fails.
func TestF2LinkBelowTheBase(t *testing.T) {
	w, a, b := linked(t, 7, 1500, simnet.Link{Delay: 5 * time.Millisecond})
	a.say(1000)
	w.run(time.Second)
	require.Equal(t, 1500, a.mtu())
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 700})
	for range 20 {
		a.say(20)
		a.say(850)
		w.run(500 * time.Millisecond)
	}
	w.until(20*time.Second, "acknowledged", func() bool { return a.only().Buffered() == 0 })
	require.Equal(t, uint64(1000+20*870), b.only().Stats().BytesIn)
	require.Less(t, a.mtu(), 700)
}

// RFC 8899 §5.2, ERROR: packets that are too large even at the smallest size go in
// fragments, and the search is tried again no more than each 600 s.
func TestPathBelowTheMinimum(t *testing.T) {
	w, a, b := linked(t, 6, 1500, simnet.Link{Delay: 5 * time.Millisecond, MTU: 400})
	sizes := probeSizes(a)
	f := newFlow(a, b, 6, 2, 50)
	w.transfer(time.Minute, f)
	require.Equal(t, 576, a.mtu())
	n := len(*sizes)
	require.LessOrEqual(t, n, 12)
	for range 50 {
		a.say(2000)
		w.run(10 * time.Second)
	}
	require.LessOrEqual(t, len(*sizes), n+6)
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 1500})
	w.run(610 * time.Second)
	require.Equal(t, 1500, a.mtu())
}

// RFC 9260 §7.3: each path has its own size, and fragments fit the smallest. A chunk
// that was cut before that was known is sent again, and fragmented, on any of them.
func TestFragmentsFitTheSmallestPath(t *testing.T) {
	w, a, b := manyHomes(t, 1, 3, 3, discovering(1500))
	w.net.SetLink(homes[0][1], homes[1][1], simnet.Link{Delay: 5 * time.Millisecond, MTU: 1400})
	as := a.dialAll(homes[1][0])
	w.until(30*time.Second, "all paths active", func() bool { return len(b.assocs) == 1 && active(a) == 3 && active(b) == 3 })
	a.say(1000)
	w.run(20 * time.Second)
	for i, mtu := range []int{1500 - 28, 1400 - 28, 1500 - 48} {
		require.Equal(t, mtu, as.Paths()[i].PacketSize, "%v", as.Paths()[i].Remote)
	}
	largest := 0
	a.tap = func(p wire.Packet) {
		if p.First().Type() == wire.TypeData {
			largest = max(largest, p.First().Len())
		}
	}
	a.say(100_000)
	w.run(10 * time.Second)
	require.Equal(t, 1400-28-wire.HeaderLen, largest)
}

// RFC 8899 §5.2, RFC 9260 §5.4: no probes to an address that is not verified, nor to one
// that has failed.
func TestOnlyWorkingPathsAreSearched(t *testing.T) {
	w, a, b := manyHomes(t, 2, 2, 2, discovering(1500))
	w.net.SetLink(homes[0][1], homes[1][1], simnet.Link{Loss: 1})
	w.net.SetLink(homes[0][1], homes[1][0], simnet.Link{Loss: 1})
	w.net.SetLink(homes[0][0], homes[1][1], simnet.Link{Loss: 1})
	as := a.dialAll(homes[1][0])
	w.until(30*time.Second, "established", func() bool { return as.State() == core.Established && len(b.assocs) == 1 })
	probes := map[netip.Addr]int{}
	w.net.Observe(func(e simnet.Event) {
		if pkt, err := wire.Parse(e.Packet.Data); err == nil && e.Kind == simnet.Sent {
			for c := range pkt.Chunks() {
				if c.Type() == wire.TypePad {
					probes[e.Packet.To.Addr()]++
				}
			}
		}
	})
	a.say(1000)
	w.run(time.Minute)
	require.Equal(t, map[netip.Addr]int{homes[1][0]: 2}, probes)
	w.net.SetDefaultLink(simnet.Link{Loss: 1})
	for range 20 {
		w.run(time.Minute)
		if as.State() == core.Established && as.Paths()[0].State == core.PathInactive {
			break
		}
	}
	require.Equal(t, core.PathInactive, as.Paths()[0].State)
	_ = as.Send(w.now, &core.Outgoing{}, make([]byte, 2000))
	a.drain(as)
	w.run(time.Minute)
	require.Equal(t, map[netip.Addr]int{homes[1][0]: 2}, probes)
}

// F2: the primary path dies, and the other one carries less than what was sent. The
// chunks in flight no longer fit (RFC 9260 §6.4, §6.9).
func TestF2FailoverToASmallerPath(t *testing.T) {
	w, a, b := manyHomes(t, 1, 2, 2, discovering(1500))
	as := a.dialAll(homes[1][0])
	w.until(30*time.Second, "all paths active", func() bool { return len(b.assocs) == 1 && active(a) == 2 && active(b) == 2 })
	a.say(1000)
	w.run(time.Second)
	require.Equal(t, 1472, as.Paths()[1].PacketSize)
	a.say(300_000)
	w.run(20 * time.Millisecond)
	w.net.SetDefaultLink(simnet.Link{Loss: 1})
	w.net.SetLink(homes[0][1], homes[1][1], simnet.Link{Delay: 5 * time.Millisecond, MTU: 800})
	w.until(2*time.Minute, "acknowledged", func() bool { return as.Buffered() == 0 })
	require.Positive(t, w.net.Count(simnet.Fragmented))
	require.Equal(t, uint64(301_000), b.only().Stats().BytesIn)
}

// V6: PTB messages with impossible sizes, or sizes that are no news, have no effect;
// floods of them do not keep the size down (RFC 8899 §4.6.2, §5.3.3).
func TestV6ForgedTooBig(t *testing.T) {
	w, a, b := linked(t, 4, 1500, simnet.Link{Delay: 5 * time.Millisecond})
	q := quotesOf(a)
	f := newFlow(a, b, 4, 1, 3000)
	f.pump()
	w.run(time.Second)
	require.Equal(t, 1500, a.mtu())
	as := a.only()
	tell := func(mtu int) {
		as.HandleICMP(w.now, core.ICMP{Kind: core.ICMPTooBig, Remote: addrB, MTU: mtu, Quoted: q.last(t, wire.TypeData)[:8]})
		a.drain(as)
	}
	for _, mtu := range []int{0, -1, 1, 27, 28, 40, 67, 68, 296, 512, 575, 1500, 1501, 9000, 65535, 65536, 1 << 31 >> 1} {
		tell(mtu)
		require.Equal(t, 1500, a.mtu(), "%d", mtu)
	}
	for _, c := range []struct{ mtu, want int }{{576, 576}, {1000, 576}, {1280, 1220}} {
		tell(c.mtu)
		require.Equal(t, c.want, a.mtu(), "%d: down to the base, or below", c.mtu)
		w.run(100 * time.Millisecond)
		require.Equal(t, 1500, a.mtu(), "%d: the search finds that it was wrong", c.mtu)
	}
	for range 1000 {
		tell(600)
		require.Equal(t, 1500, a.mtu(), "after three wrong ones they are not believed")
		f.pump()
		w.run(10 * time.Millisecond)
	}
	w.transfer(time.Minute, f)
	w.run(600 * time.Second)
	tell(600)
	require.Equal(t, 576, a.mtu(), "but not for ever")
}

// Without discovery the size is what was configured, whatever ICMP says.
func TestTooBigWithoutDiscovery(t *testing.T) {
	w, a, _ := connected(t, 4, nil)
	q := quotesOf(a)
	a.say(1000)
	a.only().HandleICMP(w.now, core.ICMP{Kind: core.ICMPTooBig, Remote: addrB, MTU: 1000, Quoted: q.last(t, wire.TypeData)})
	require.Equal(t, 1500, a.mtu())
	require.Zero(t, a.only().Stats().MTUProbes)
}

// An answer that does not carry the nonce of the probe confirms nothing.
func TestProbesAreConfirmedByTheirNonce(t *testing.T) {
	w, a, _ := linked(t, 5, 1500, simnet.Link{})
	w.net.SetFilter(nothing)
	a.say(1000)
	for n := range byte(50) {
		info := make([]byte, 12)
		info[7] = n
		a.receive(addrB, packetTo(5001, 5000, a.only().LocalTag(), &wire.Heartbeat{Ack: true, Info: info}))
	}
	require.Equal(t, 1220, a.mtu())
	w.run(500 * time.Millisecond)
	require.Equal(t, 1220, a.mtu())
}

// Before anything is known of a path, packets that not every path carries whole may be
// fragmented: those of the handshake cannot be made smaller.
func TestLargeHandshakePacketsMayBeFragmented(t *testing.T) {
	_, _, b := two(t, 8, discovering(1500))
	for size, want := range map[int]bool{10: false, 400: true} {
		i := wire.Init{InitiateTag: 1, ARwnd: 65536, OutStreams: 1, InStreams: 1, InitialTSN: 1}
		i.Unrecognized = [][]byte{append([]byte{0xC0, 0xAA, byte((size + 4) >> 8), byte(size + 4)}, make([]byte, size)...)}
		pkt, err := wire.Parse(packetTo(5000, 5001, 0, &i))
		require.NoError(t, err)
		tr, _ := b.resp.HandlePacket(b.now(), core.Inbound{Local: addrB.Addr(), Remote: addrA}, pkt, b.listen, nil)
		require.Equal(t, want, tr.MayFragment, "INIT ACK of %d bytes", len(tr.Data))
		require.Equal(t, want, len(tr.Data) > 512)
	}
}
