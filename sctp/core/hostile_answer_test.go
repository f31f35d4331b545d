package core_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// X6: whatever a packet holds, and however small the packets to its sender are, the
// answer is one packet, besides SACK and DATA (RFC 9260 §12.4, RFC 5062 §8, §10).
func TestX6OnePacketAnswersOne(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 6))
		v := attacked(t, func(c *core.Config) { c.MTU = 576 + r.IntN(1000) })
		states := []func(){
			func() {},
			func() { require.NoError(t, v.as.Shutdown(v.w.now)) },
			func() {
				require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x")))
				require.NoError(t, v.as.Shutdown(v.w.now))
			},
			func() { v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1}) },
		}
		states[r.IntN(len(states))]()
		v.b.drain(v.as)
		tsn := v.a.firstTSN
		kinds := []func() appender{
			func() appender { return &wire.Heartbeat{Info: make([]byte, r.IntN(1400))} },
			func() appender { return append(rawChunk{0xfe, 0, 4, 4}, make([]byte, 1024)...) },
			func() appender { return rawChunk{0xc7, 0, 0, 4} },
			func() appender { tsn++; return data(tsn-1, wire.SSN(tsn-1-v.a.firstTSN), "BE", "x") },
			func() appender { return data(tsn, 0, "B", "gap") },
			func() appender { return data(tsn+5, 65535, "BE", "no such stream") },
			func() appender { return &wire.Sack{CumTSN: v.b.firstTSN - 1, ARwnd: 65536} },
			func() appender { return &wire.Shutdown{CumTSN: v.b.firstTSN - 1} },
			func() appender { return &wire.ShutdownAck{} },
			func() appender { return &wire.CookieAck{} },
			func() appender { return &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseOutOfResource)} },
			func() appender { return &wire.Heartbeat{Ack: true, Info: make([]byte, 12)} },
		}
		var chunks []appender
		for range 1 + r.IntN(30) {
			chunks = append(chunks, kinds[r.IntN(len(kinds))]())
		}
		answers := 0
		for _, p := range v.inject(v.as.LocalTag(), chunks...) {
			for _, c := range chunkTypes(p) {
				if c != wire.TypeSack && c != wire.TypeData {
					answers++
					break
				}
			}
		}
		require.LessOrEqual(t, answers, 1, "seed %d", seed)
	}
}

// X6 before there is an association, and from an address that is not verified.
func TestX6OnePacketAnswersOneOfStrangers(t *testing.T) {
	p := listening(t, nil)
	for name, c := range everyChunk(1) {
		require.LessOrEqual(t, len(p.inject(1, c)), 1, name)
		require.LessOrEqual(t, len(p.inject(1, c, &wire.ShutdownAck{}, &wire.Heartbeat{Info: []byte("x")}, rawChunk{0xfe, 0, 0, 4})), 1, name)
	}
	v := twoAddresses(t)
	v.outputs()
	other := core.Inbound{Local: addrB.Addr(), Remote: netip.AddrPortFrom(mustAddr("10.0.0.66"), 9899)}
	pkt, err := wire.Parse(v.packet(&wire.Heartbeat{Info: make([]byte, 300)}, rawChunk{0xfe, 0, 0, 4}, &wire.Heartbeat{Info: make([]byte, 300)}))
	require.NoError(t, err)
	v.as.HandlePacket(v.w.now, other, pkt)
	packets := 0
	for _, out := range v.outputs() {
		packets += len(out)
	}
	require.Equal(t, 1, packets)
}

// X7: an INIT ACK is never much larger than its INIT (RFC 5062 §9).
func TestX7InitAckIsBounded(t *testing.T) {
	for name, change := range map[string]func(*wire.Init){
		"plain":   func(*wire.Init) {},
		"unknown": func(i *wire.Init) { i.Extra = unknownParams(200, 0xd0, 4) },
		"large":   func(i *wire.Init) { i.Extra = unknownParams(20, 0xd0, 60) },
		"addresses": func(i *wire.Init) {
			for n := range byte(100) {
				i.Addrs = append(i.Addrs, netip.AddrFrom4([4]byte{10, 3, 3, n}), netip.AddrFrom16([16]byte{0xfd, 15: n}))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := listening(t, nil)
			p.b.move(homes[1]...)
			i := &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 3, InStreams: 3, InitialTSN: 100}
			change(i)
			size := len(packetTo(5000, 5001, 0, i))
			out := p.inject(0, i)
			require.Len(t, out, 1)
			require.LessOrEqual(t, len(out[0].Bytes()), min(4*size+256, 1472), "INIT of %d bytes", size)
			var ack wire.Init
			require.NoError(t, ack.Decode(out[0].First()))
			reported := 0
			for _, r := range ack.Reported {
				reported += 4 + len(r)
			}
			require.LessOrEqual(t, reported, 512)
		})
	}
}

// unknownParams is count unknown parameters whose type begins with high and whose value
// has n bytes.
func unknownParams(count int, high byte, n int) (b []byte) {
	for i := range count {
		b = append(b, high, byte(i), 0, byte(4+n))
		b = append(b, make([]byte, n)...)
	}
	return b
}

// X1 in the protocol machine: each probe of an address that is not verified has a new
// nonce of 64 bits, and only the answer with the nonce of the last one, sent to that
// address, verifies it (RFC 9260 §5.4, RFC 5062 §2).
func TestX1UnconfirmedUntilTheNonceComesBack(t *testing.T) {
	v := twoAddresses(t)
	second := mustAddr("10.0.0.66")
	state := func() core.PathState { return v.as.Paths()[1].State }
	nonces := map[string]bool{}
	var last []byte
	for range 3 {
		when, ok := v.as.NextTimeout()
		require.True(t, ok)
		v.w.now = when
		v.as.HandleTimeout(v.w.now)
		for _, p := range v.outputs()[second] {
			var hb wire.Heartbeat
			require.NoError(t, hb.Decode(p.First()))
			last = append([]byte(nil), hb.Info...)
			require.False(t, nonces[string(last[:8])], "a nonce is used once")
			nonces[string(last[:8])] = true
		}
	}
	require.NotEmpty(t, nonces)
	for n := range nonces {
		if n != string(last[:8]) {
			v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: append([]byte(n), last[8:]...)})
			require.Equal(t, core.PathUnconfirmed, state(), "an old nonce")
		}
	}
	for bit := range 8 * len(last) {
		forged := append([]byte(nil), last...)
		forged[bit/8] ^= 1 << (bit % 8)
		v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: forged})
		require.Equal(t, core.PathUnconfirmed, state(), "bit %d", bit)
	}
	v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: last})
	require.Equal(t, core.PathActive, state())
}

// H1: an answer with a wrong or old nonce, or one for another path, changes nothing: the
// timer of the pending HEARTBEAT runs on and counts it as lost.
func TestH1HeartbeatAckWithAWrongNonce(t *testing.T) {
	v := twoAddresses(t)
	probe := func(to netip.Addr) []byte {
		require.NoError(t, v.as.RequestHeartbeat(v.w.now, to))
		out := v.outputs()[to]
		require.Len(t, out, 1)
		var hb wire.Heartbeat
		require.NoError(t, hb.Decode(out[0].First()))
		return append([]byte(nil), hb.Info...)
	}
	ack := func(info []byte) { v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: info}) }
	second := probe(mustAddr("10.0.0.66"))
	old := probe(addrA.Addr())
	before := v.as.Stats().Dropped
	ack(old)
	require.Equal(t, before, v.as.Stats().Dropped, "the right one is taken")
	pending := probe(addrA.Addr())
	next, _ := v.as.NextTimeout()
	for name, info := range map[string][]byte{
		"zero": make([]byte, 12), "old": old, "of another path": append(append([]byte(nil), second[:8]...), pending[8:]...),
		"for another path": append(append([]byte(nil), pending[:8]...), second[8:]...),
		"for no path":      append(append([]byte(nil), pending[:8]...), 0, 0, 0, 9),
	} {
		before := v.as.Stats().Dropped
		ack(info)
		require.Equal(t, before+1, v.as.Stats().Dropped, name)
		now, _ := v.as.NextTimeout()
		require.Equal(t, next, now, name)
	}
	v.w.now = v.w.now.Add(v.as.Paths()[0].RTO)
	v.as.HandleTimeout(v.w.now)
	require.Equal(t, 1, v.as.Paths()[0].Errors)
	ack(pending)
	require.Zero(t, v.as.Paths()[0].Errors, "late, but right")
	require.Equal(t, core.PathUnconfirmed, v.as.Paths()[1].State)
}

// H2: information that is not ours, or cut.
func TestH2HeartbeatAckWithForeignInformation(t *testing.T) {
	v := attacked(t, nil)
	require.NoError(t, v.as.RequestHeartbeat(v.w.now, addrA.Addr()))
	var info []byte
	v.b.tap = func(p wire.Packet) {
		var hb wire.Heartbeat
		if hb.Decode(p.First()) == nil {
			info = append([]byte(nil), hb.Info...)
		}
	}
	v.b.drain(v.as)
	require.Len(t, info, 12)
	srtt := v.as.Paths()[0].SRTT
	for n := range 40 {
		if n == 12 {
			continue
		}
		foreign := append(append([]byte(nil), info...), make([]byte, 40)...)[:n]
		before := v.as.Stats().Dropped
		require.Empty(t, v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: foreign}))
		require.Equal(t, before+1, v.as.Stats().Dropped, "%d bytes", n)
	}
	require.Empty(t, v.inject(v.as.LocalTag(), rawChunk{5, 0, 0, 4}), "no parameter")
	require.Empty(t, v.inject(v.as.LocalTag(), rawChunk{5, 0, 0, 8, 0, 9, 0, 4}), "another parameter")
	require.Equal(t, srtt, v.as.Paths()[0].SRTT)
	v.alive()
}
