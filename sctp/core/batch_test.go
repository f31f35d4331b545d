package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// A caller may give an association all packets of a batch before it drains it.

// feed gives the victim packets without draining it, then drains it.
func (v *victim) feed(packets ...[]byte) []wire.Packet {
	v.out = nil
	for _, b := range packets {
		pkt, err := wire.Parse(b)
		require.NoError(v.t, err)
		v.as.HandlePacket(v.w.now, core.Inbound{Local: addrB.Addr(), Remote: addrA}, pkt)
	}
	v.b.drain(v.as)
	return v.out
}

func (v *victim) packet(chunks ...appender) []byte {
	return packetTo(5000, 5001, v.as.LocalTag(), chunks...)
}

func TestCookieEchoOvertakenByTheOtherSide(t *testing.T) { // RFC 9260 §5.2.4 action D
	w, a, b := two(t, 9, nil)
	a.listen = &core.Listening{Config: &a.cfg}
	var toA [][]byte
	for _, h := range []*host{a, b} {
		h.tap = func(p wire.Packet) {
			if h == b {
				toA = append(toA, append([]byte(nil), p.Bytes()...))
			}
		}
	}
	ep := core.Endpoint{LocalPort: 5001, PeerPort: 5001, PeerAddrs: nil}
	ep.PeerAddrs = append(ep.PeerAddrs[:0:0], addrB)
	x, err := core.Dial(w.now, &a.cfg, ep, a.resp)
	require.NoError(t, err)
	ep.PeerAddrs = append(ep.PeerAddrs[:0:0], addrA)
	y, err := core.Dial(w.now, &b.cfg, ep, b.resp)
	require.NoError(t, err)
	a.assocs, b.assocs = append(a.assocs, x), append(b.assocs, y)
	a.drain(x)
	b.drain(y)
	w.run(5 * time.Millisecond) // the INITs cross, so do the INIT ACKs
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	toA = toA[:0]
	b.tap = func(p wire.Packet) { toA = append(toA, append([]byte(nil), p.Bytes()...)) }
	// b gets a's INIT ACK and echoes; its INIT ACK for a is on its way as well.
	require.Equal(t, core.CookieWait, x.State())
	var ack []byte
	for _, p := range w.net.Deliver(w.now.Add(time.Minute)) {
		if p.To == addrB {
			b.receive(p.From, p.Data)
		} else {
			ack = p.Data
		}
	}
	require.Equal(t, core.CookieEchoed, y.State())
	require.Len(t, toA, 1)
	var out []wire.Packet
	a.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
	for _, data := range [][]byte{ack, toA[0]} {
		pkt, err := wire.Parse(data)
		require.NoError(t, err)
		x.HandlePacket(w.now, core.Inbound{Local: addrA.Addr(), Remote: addrB}, pkt)
	}
	a.drain(x)
	require.Equal(t, core.Established, x.State())
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeCookieAck}, chunkTypes(out[0]), "the COOKIE ECHO is not needed any more")
}

func TestOneShutdownAnswersManyPackets(t *testing.T) { // RFC 9260 §9.2
	v := attacked(t, nil)
	tsn := v.nextTSN()
	require.NoError(t, v.as.Shutdown(v.w.now))
	v.b.drain(v.as)
	var batch [][]byte
	for i := range wire.TSN(200) {
		batch = append(batch, v.packet(data(tsn+i, wire.SSN(i), "BE", "x")))
	}
	out := v.feed(batch...)
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeShutdown, wire.TypeSack}, chunkTypes(out[0]))
	var s wire.Shutdown
	require.NoError(t, s.Decode(out[0].First()))
	require.Equal(t, tsn+199, s.CumTSN, "as of now")

	out = v.feed(v.packet(&wire.Shutdown{CumTSN: v.b.firstTSN - 1}), v.packet(&wire.Shutdown{CumTSN: v.b.firstTSN - 1}))
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownAck}, chunkTypes(out[0]))
}

func TestOneCookieAckAnswersManyCookies(t *testing.T) {
	w, a, b := two(t, 8, nil)
	var echo []byte
	a.tap = func(p wire.Packet) {
		if p.First().Type() == wire.TypeCookieEcho {
			echo = append([]byte(nil), p.Bytes()...)
		}
	}
	a.dial(b)
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	v := &victim{t: t, w: w, a: a, b: b, as: b.only()}
	b.tap = func(p wire.Packet) { v.out = append(v.out, clone(t, p)) }
	out := v.feed(v.packet(&wire.Heartbeat{Info: []byte("12345678")}), echo, echo, echo)
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeCookieAck, wire.TypeHeartbeatAck}, chunkTypes(out[0]))
}

func TestAnswersNeverExceedAPacket(t *testing.T) { // RFC 9260 §6.10
	v := attacked(t, nil)
	tsn := v.nextTSN()
	require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, make([]byte, 1400)))
	for n := 1380; n <= 1456; n += 4 {
		out := v.feed(v.packet(&wire.Heartbeat{Info: make([]byte, n-8)}), v.packet(data(tsn, wire.SSN(0), "BE", "x")), v.packet(data(tsn, 0, "BE", "x")))
		for _, p := range out {
			require.LessOrEqual(t, len(p.Bytes()), 1472, "HEARTBEAT of %d bytes: %v", n, p)
		}
		require.NotEmpty(t, out)
	}
	// An unknown chunk that fills a packet is still reported, the answer fits.
	out := v.inject(v.as.LocalTag(), append(rawChunk{0xfe, 0, 5, 128}, make([]byte, 1404)...))
	require.Len(t, out, 1)
	require.Len(t, causesOf(t, out[0])[0].Info, 1408)
	require.LessOrEqual(t, len(out[0].Bytes()), 1472)
}

func TestWindowOpensBySacksNotByBatches(t *testing.T) { // RFC 9260 §6.1 D, §7.2.1
	// Ten SACKs for two packets each, taken in one batch, let out what they would have
	// let out one after the other; but for Max.Burst.
	sent := func(batched bool, burst int) int {
		v, first := sending(t, 400, 1444, func(c *core.Config) { c.RTOMin, c.MaxBurst = time.Minute, burst })
		ack := func(cum wire.TSN) []byte { return v.packet(&wire.Sack{CumTSN: cum, ARwnd: 1 << 20}) }
		for i := range wire.TSN(20) { // open the window
			v.feed(ack(first + 2*i + 1))
		}
		before := v.b.sent
		var batch [][]byte
		for i := range wire.TSN(10) {
			batch = append(batch, ack(first+40+2*i+1))
		}
		if batched {
			v.feed(batch...)
		} else {
			for _, b := range batch {
				v.feed(b)
			}
		}
		return v.b.sent - before
	}
	require.Equal(t, sent(false, 0), sent(true, 0))
	require.Equal(t, 20+4, sent(true, 4), "as many as were acknowledged and a burst")
	require.Equal(t, 20+2, sent(true, 2))
}

func TestRunsOfSegmentsFitThePath(t *testing.T) { // RFC 9260 §6.10
	v := attacked(t, nil)
	v.w.segs = 44
	v.b.largest = 0
	v.w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	for range 20 {
		require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, make([]byte, 300)))
	}
	out := v.feed(v.packet(&wire.Heartbeat{Info: make([]byte, 9000)}))
	require.Greater(t, len(out), 1)
	for _, p := range out {
		if p.First().Type() == wire.TypeData {
			require.LessOrEqual(t, len(p.Bytes()), 1472, "only the answer to what was too large is too large")
		}
	}
}
