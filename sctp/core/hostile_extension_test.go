package core_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Extensions that this implementation does not have are chunks and parameters of
// unknown types: the two high bits of the type say what becomes of the packet and
// whether the peer hears of it (RFC 9260 §3.2, §3.2.1), and nothing else happens.

// Chunks of extensions.
const (
	chunkAuth        = 0x0f // RFC 4895: stop in silence
	chunkIData       = 0x40 // RFC 8260: stop and report
	chunkAsconfAck   = 0x80 // RFC 5061: skip in silence
	chunkReconfig    = 0x82 // RFC 6525: skip in silence
	chunkForwardTSN  = 0xc0 // RFC 3758: skip and report
	chunkAsconf      = 0xc1 // RFC 5061: skip and report
	chunkIForwardTSN = 0xc2 // RFC 8260: skip and report
)

// extension is a chunk of a type that is not implemented.
func extension(typ byte, value ...byte) rawChunk {
	n := 4 + len(value)
	c := append(rawChunk{typ, 0, byte(n >> 8), byte(n)}, value...)
	for len(c)%4 != 0 {
		c = append(c, 0)
	}
	return c
}

// be32 is numbers in network byte order.
func be32(v ...uint32) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// untouched gives the victim a chunk between two DATA chunks and checks that nothing
// comes of it but what the type says.
func (v *victim) untouched(c rawChunk, skip, report bool) {
	v.t.Helper()
	before := v.as.Stats()
	next := v.nextTSN()
	ssn := wire.SSN(before.MessagesIn)
	out := v.inject(v.as.LocalTag(), data(next, ssn, "BE", "ahead"), c, data(next+1, ssn+1, "BE", "behind"))
	require.Equal(v.t, core.Established, v.as.State())
	want := []string{"ahead", "behind"}
	if !skip {
		want = want[:1]
	}
	require.Equal(v.t, want, v.read())
	require.LessOrEqual(v.t, len(out), 1)
	reports := 0
	for _, p := range out {
		for _, cause := range causesOf(v.t, p) {
			require.Equal(v.t, wire.CauseUnrecognizedChunk, cause.Code)
			reports++
		}
	}
	require.Equal(v.t, report, reports == 1, "%v", out)
	require.Equal(v.t, next+wire.TSN(len(want)), v.nextTSN(), "the window did not move")
}

// TestD10: DATA's successor and what goes with it, where nobody negotiated it.
func TestD10IForwardTSNWithoutNegotiation(t *testing.T) {
	v := attacked(t, nil)
	v.untouched(extension(chunkIForwardTSN, be32(uint32(v.nextTSN())+100, 0, 7)...), true, true)
	v.untouched(extension(chunkIData, be32(uint32(v.nextTSN())+1, 0, 0, 0, 0x78000000)...), false, true)
}

// RFC 3758 §3.3.1 negotiates FORWARD TSN; here it is a chunk of an unknown type, which
// RFC 9260 §3.2 says to skip and to report.
func TestD10ForwardTSNWithoutNegotiation(t *testing.T) {
	v := attacked(t, nil)
	v.untouched(extension(chunkForwardTSN, be32(uint32(v.nextTSN())+1)...), true, true)
}

func TestD11ForwardTSNForWhatWasNeverReceived(t *testing.T) {
	v := attacked(t, nil)
	for _, ahead := range []uint32{0, 1, 1000, 70000, 1 << 31} {
		v.untouched(extension(chunkForwardTSN, be32(uint32(v.nextTSN())+ahead)...), true, true)
	}
}

// The message that is being delivered stays what it is.
func TestD12ForwardTSNDuringPartialDelivery(t *testing.T) {
	v := attacked(t, func(c *core.Config) { c.RecvBuffer = 4096 })
	next := v.nextTSN()
	body := string(make([]byte, 1400))
	v.inject(v.as.LocalTag(), data(next, 0, "B", body))
	v.inject(v.as.LocalTag(), data(next+1, 0, "", body))
	buf := make([]byte, 4096)
	info, n, err := v.as.Receive(v.w.now, buf)
	require.NoError(t, err)
	require.False(t, info.End)
	require.Equal(t, 2800, n)
	for range 100 {
		v.inject(v.as.LocalTag(), extension(chunkForwardTSN, be32(uint32(next)+5, 0)...))
	}
	v.inject(v.as.LocalTag(), data(next+2, 0, "E", "end"))
	info, n, err = v.as.Receive(v.w.now, buf)
	require.NoError(t, err)
	require.True(t, info.End)
	require.Equal(t, "end", string(buf[:n]))
	v.b.drain(v.as)
}

func TestD13ForwardTSNWithManyStreams(t *testing.T) {
	v := attacked(t, nil)
	value := be32(uint32(v.nextTSN()) - 1000) // backward
	for i := range 5000 {
		value = append(value, be32(uint32(i*13)<<16|uint32(i))...) // most of no stream
	}
	out := v.inject(v.as.LocalTag(), extension(chunkForwardTSN, value...))
	require.LessOrEqual(t, len(out), 1)
	for _, p := range out {
		require.LessOrEqual(t, len(p.Bytes()), 1472, "a report that does not fit is left out")
	}
	v.alive()
}

// FORWARD TSN's neighbours: cut at every byte, and in every state.
func TestD13ForwardTSNOfAnyLength(t *testing.T) {
	v := attacked(t, nil)
	whole := extension(chunkForwardTSN, be32(uint32(v.nextTSN()), 1, 2)...)
	for n := 4; n <= len(whole); n++ {
		c := append(rawChunk(nil), whole[:n]...)
		c[3] = byte(n)
		for len(c)%4 != 0 {
			c = append(c, 0)
		}
		v.untouched(c, true, true)
	}
	for _, typ := range []byte{chunkForwardTSN, chunkIForwardTSN, chunkAsconf, chunkIData, chunkAuth, chunkReconfig, chunkAsconfAck} {
		for _, state := range []core.State{core.CookieWait, core.CookieEchoed} {
			w, a, b := two(t, 5, nil)
			as := a.dial(b)
			w.until(time.Second, "state", func() bool { return as.State() == state })
			before := a.sent
			a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), extension(typ, be32(1, 2)...)))
			require.Equal(t, state, as.State())
			require.LessOrEqual(t, a.sent-before, 1)
			w.until(10*time.Second, "established", func() bool { return as.State() == core.Established })
		}
	}
}

// An ASCONF, with or without AUTH in front, changes no address. It is skipped and
// reported; the AUTH in front of it ends the packet (RFC 5061 §4.2.1 wants it dropped
// where AUTH is known).
func TestA1AsconfWithoutAuth(t *testing.T) {
	v := attacked(t, nil)
	paths := v.as.Paths()
	add := be32(1, 0x00050008, 0x0a000009, 0xc0010010, 1, 0x00050008, 0x0a000063)
	v.untouched(extension(chunkAsconf, add...), true, true)
	out := v.inject(v.as.LocalTag(), extension(chunkAuth, be32(1, 2, 3, 4, 5, 6)...), extension(chunkAsconf, add...))
	require.Empty(t, out)
	require.Len(t, v.as.Paths(), len(paths))
}

func TestA2AsconfMalformed(t *testing.T) {
	v := attacked(t, nil)
	for _, value := range [][]byte{{}, {1}, be32(1), be32(1, 0x00050000), be32(1, 0x00050008, 0, 0xc0010000), be32(1, 0xc001ffff), make([]byte, 1000)} {
		v.untouched(extension(chunkAsconf, value...), true, true)
		v.untouched(extension(chunkAsconfAck, value...), true, false)
	}
}

func TestA3AsconfSerials(t *testing.T) {
	v := attacked(t, nil)
	for _, serial := range []uint32{1, 1, 1, 0, 0xffffffff, 5, 1} {
		v.untouched(extension(chunkAsconf, be32(serial, 0x00050008, 0x0a000001)...), true, true)
		v.untouched(extension(chunkAsconfAck, be32(serial)...), true, false)
	}
}

func TestA5AsconfWithManyAddresses(t *testing.T) {
	v := attacked(t, nil)
	value := be32(1, 0x00050008, 0x0a000001)
	for i := range uint32(1000) {
		value = append(value, be32(0xc0010010, i, 0x00050008, 0xcb007100+i)...)
	}
	out := v.inject(v.as.LocalTag(), extension(chunkAsconf, value...))
	require.LessOrEqual(t, len(out), 1)
	require.Len(t, v.as.Paths(), 1)
	v.alive()
}

// An AUTH chunk, wherever it is, is of a type that ends the packet in silence. So what
// comes behind it is not taken for authenticated, nor is it an answer that tells
// anything.
func TestU1AuthEndsThePacket(t *testing.T) {
	v := attacked(t, nil)
	for _, value := range [][]byte{{}, be32(0x00010001), be32(0x00010001, 1, 2, 3, 4, 5), make([]byte, 1000)} {
		v.untouched(extension(chunkAuth, value...), false, false)
		next := v.nextTSN()
		require.Empty(t, v.inject(v.as.LocalTag(), extension(chunkAuth, value...), data(next, 0, "BE", "x")))
		require.Equal(t, next, v.nextTSN())
		require.Empty(t, v.inject(v.as.LocalTag(), extension(chunkAuth, value...), &wire.Abort{}), "not even an ABORT counts behind it")
		require.Equal(t, core.Established, v.as.State())
	}
}

// U4: the parameters that offer AUTH are skipped: no chunk that is sent later is
// preceded by AUTH, and the INIT ACK claims none of it.
func TestU4AuthIsNeitherOfferedNorAccepted(t *testing.T) {
	_, _, b := two(t, 3, nil)
	offer := []byte{
		0x80, 0x02, 0, 36, // RANDOM
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
		0x80, 0x03, 0, 6, chunkAsconf, chunkAsconfAck, 0, 0, // CHUNKS
		0x80, 0x04, 0, 6, 0, 1, 0, 0, // HMAC-ALGO
		0x80, 0x08, 0, 7, chunkAuth, chunkAsconf, chunkForwardTSN, 0, // Supported Extensions
		0xc0, 0x00, 0, 4, // Forward-TSN-Supported
	}
	for _, extra := range [][]byte{offer, offer[:36], offer[36:], offer[44:52], append(append([]byte(nil), offer...), offer...)} {
		var acks []wire.Packet
		b.tap = func(p wire.Packet) { acks = append(acks, clone(t, p)) }
		i := &wire.Init{InitiateTag: 77, ARwnd: 1 << 16, OutStreams: 1, InStreams: 1, InitialTSN: 1, Extra: extra}
		b.receive(addrA, packetTo(5000, 5001, 0, i))
		require.Len(t, acks, 1)
		var ack wire.Init
		require.NoError(t, ack.Decode(acks[0].First()))
		for _, u := range ack.Unrecognized {
			require.Equal(t, []byte{0xc0, 0, 0, 4}, u, "what is to be reported, and nothing of AUTH")
		}
		for _, typ := range []byte{2, 3, 4, 8} {
			require.NotContains(t, string(acks[0].Bytes()), string([]byte{0x80, typ, 0}), "nothing is offered")
		}
	}
}

// Ten thousand requests to reconfigure streams: skipped, unanswered, and nothing kept.
func TestM5ReconfigRequests(t *testing.T) {
	v := attacked(t, nil)
	v.untouched(extension(chunkReconfig, be32(0x000d0010, 1, 2, 3)...), true, false)
	var before, after runtime.MemStats
	pkt := mustParse(t, v.packet(extension(chunkReconfig, be32(0x000d0010, 1, 2, 3)...)))
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10_000 {
		v.as.HandlePacket(v.w.now, core.Inbound{Local: addrB.Addr(), Remote: addrA}, pkt)
		_, answered := v.as.PollTransmit(v.w.now, v.w.buf, 1)
		require.False(t, answered)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(100_000))
}

// K6: SACKs with as many blocks as fit 64 KiB, one after the other. Each costs time in
// proportion to its blocks and to what is outstanding, and no memory; the association
// lives.
func TestK6SacksWithManyBlocks(t *testing.T) {
	const chunks = 4000
	v, first := sending(t, chunks, 1, func(c *core.Config) { c.MaxBurst, c.RTOMin = 0, time.Hour })
	for i := range wire.TSN(1000) { // open the window until all of them are out
		v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first + i, ARwnd: 1 << 24})
	}
	outstanding := int(v.as.Stats().DataOut) - 1000
	require.Greater(t, outstanding, 1000)
	sack := func(n int) wire.Packet {
		s := &wire.Sack{CumTSN: first + 999, ARwnd: 1 << 24}
		for i := range n {
			s.Gaps = append(s.Gaps, wire.GapBlock{Start: uint16(4*i + 2), End: uint16(4*i + 3)})
		}
		return mustParse(t, v.packet(s))
	}
	in := core.Inbound{Local: addrB.Addr(), Remote: addrA}
	took := map[int]time.Duration{}
	for _, n := range []int{100, 16_000} {
		pkt := sack(n)
		v.as.HandlePacket(v.w.now, in, pkt)
		v.b.drain(v.as)
		require.Zero(t, testing.AllocsPerRun(10, func() { v.as.HandlePacket(v.w.now, in, pkt) }))
		took[n] = time.Hour
		for range 200 { // the least is what it takes while nobody else has the processor
			start := time.Now()
			v.as.HandlePacket(v.w.now, in, pkt)
			took[n] = min(took[n], time.Since(start))
		}
	}
	require.Less(t, took[16_000], 200*took[100]+20*time.Millisecond, "%v", took)
	require.Equal(t, core.Established, v.as.State())
	v.w.net.SetFilter(nil)
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first + wire.TSN(v.as.Stats().DataOut) - 1, ARwnd: 1 << 24})
	v.w.run(time.Second)
	require.NoError(t, v.as.Verify())
}

// F3: the window is full and what fills it is lost from some point on, together with
// the SACKs that would open it. The transfer goes on nonetheless.
func TestF3WindowFullAndTailLost(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w, a, b := connected(t, 900+seed, func(c *core.Config) {
				c.RecvBuffer, c.RTOMin = 6000, 100*time.Millisecond
				c.NoDelay = seed%2 == 0
			})
			f := newFlow(a, b, seed, 2, 60)
			f.pump()
			blackout := func(d time.Duration, forth, back bool) {
				w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool {
					return !(forth && p.To == addrB || back && p.To == addrA)
				})
				for end := w.now.Add(d); w.now.Before(end); {
					// The reader sleeps, so that the window closes meanwhile.
					if !w.step(end) {
						break
					}
				}
				w.net.SetFilter(nil)
			}
			for i := 0; !f.done() && i < 2000; i++ {
				blackout(time.Duration(5+7*i%40)*time.Millisecond, i%3 != 1, i%3 != 0)
				f.pump()
				w.run(time.Duration(50+i*13%300) * time.Millisecond)
				f.pump()
			}
			w.transfer(time.Hour, f)
			require.NoError(t, a.only().Verify())
		})
	}
}

// The same with the largest message that the windows allow, whose last fragment is
// lost each time it is sent for a while.
func TestF3LastFragmentLost(t *testing.T) {
	w, a, b := connected(t, 7, func(c *core.Config) { c.RecvBuffer, c.SendBuffer, c.RTOMin = 8000, 8000, 100*time.Millisecond })
	lost := 0
	w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool {
		pkt, err := wire.Parse(p.Data)
		if err != nil || p.To != addrB {
			return true
		}
		for c := range pkt.Chunks() {
			var d wire.Data
			if c.Type() == wire.TypeData && d.Decode(c) == nil && d.End && lost < 4 {
				lost++
				return false
			}
		}
		return true
	})
	require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, make([]byte, 30_000)))
	a.drain(a.only())
	got, buf := 0, make([]byte, 4096)
	w.until(time.Minute, "all of it", func() bool {
		for {
			info, n, err := b.only().Receive(w.now, buf)
			if err != nil {
				b.drain(b.only())
				return false
			}
			if got += n; info.End {
				return true
			}
		}
	})
	require.Equal(t, 30_000, got)
	require.Equal(t, 4, lost)
}

// U3: a peer wants DATA authenticated. There are no keys and no AUTH chunk; the data
// goes out as it is, as if the peer had not asked.
func TestU3NothingIsAuthenticated(t *testing.T) {
	w, _, b := two(t, 3, nil)
	sent := map[wire.ChunkType]int{}
	var echo wire.CookieEcho
	tag := wire.VTag(0)
	b.tap = func(p wire.Packet) {
		for _, typ := range chunkTypes(p) {
			sent[typ]++
		}
		var i wire.Init
		if p.First().Type() == wire.TypeInitAck && i.Decode(p.First()) == nil {
			echo.Cookie, tag = append([]byte(nil), i.Cookie...), i.InitiateTag
		}
	}
	chunks := []byte{0x80, 0x03, 0, 5, byte(wire.TypeData), 0, 0, 0}
	b.receive(addrA, packetTo(5000, 5001, 0, &wire.Init{InitiateTag: 77, ARwnd: 1 << 16, OutStreams: 1, InStreams: 1, InitialTSN: 1, Extra: chunks}))
	b.receive(addrA, packetTo(5000, 5001, tag, &echo))
	require.Equal(t, core.Established, b.only().State())
	require.NoError(t, b.only().Send(w.now, &core.Outgoing{}, []byte("plain")))
	b.drain(b.only())
	require.Equal(t, 1, sent[wire.TypeData])
	require.Zero(t, sent[chunkAuth])
}
