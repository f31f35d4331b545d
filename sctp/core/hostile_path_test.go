package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// A server may answer each INIT with other addresses and call each cookie stale.
func TestX8AddressesOfManyInitAcks(t *testing.T) { // RFC 5062 §3.2
	w, a, b := two(t, 1, nil)
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	as := a.dial(b)
	for round := range byte(4) {
		if as.State() == core.Closed {
			break
		}
		i := wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true}
		for n := range byte(16) {
			i.Addrs = append(i.Addrs, netip.AddrFrom4([4]byte{10, 1, round, n}))
		}
		a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &i))
		if round < 3 {
			a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 1)}))
		}
	}
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.CookieAck{}))
	require.Equal(t, core.Established, as.State())
	require.LessOrEqual(t, len(as.Paths()), 32)
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("x")))
	a.drain(as)
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.Sack{CumTSN: a.firstTSN, ARwnd: 65536}))
	require.Zero(t, as.Buffered())
}

func TestH2PathNumberBeyondAnInt(t *testing.T) {
	v := attacked(t, nil)
	for _, b := range []byte{0x80, 0xff, 0x7f} {
		info := make([]byte, 12)
		info[8], info[9], info[10], info[11] = b, 255, 255, 255
		v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: info})
	}
	v.alive()
}

// twoAddresses is a victim whose peer also listed 10.0.0.66, which is not verified.
func twoAddresses(t *testing.T) *victim {
	p := listening(t, nil)
	tag, c := p.cookie(func(i *wire.Init) { i.Addrs = append(i.Addrs, mustAddr("10.0.0.66")) })
	p.inject(tag, &wire.CookieEcho{Cookie: c})
	v := &victim{t: t, w: p.w, b: p.b, as: p.b.only()}
	return v
}

// outputs returns what the victim sends to each address.
func (v *victim) outputs() map[netip.Addr][]wire.Packet {
	out := map[netip.Addr][]wire.Packet{}
	buf := make([]byte, 0, 65536)
	for {
		tr, ok := v.as.PollTransmit(v.w.now, buf, 1)
		if !ok {
			return out
		}
		pkt, err := wire.Parse(append([]byte(nil), tr.Data...))
		require.NoError(v.t, err)
		out[tr.Remote.Addr()] = append(out[tr.Remote.Addr()], pkt)
	}
}

func TestX4AnswersAvoidUnconfirmedAddresses(t *testing.T) { // RFC 9260 §5.4
	v := twoAddresses(t)
	other := netip.AddrPortFrom(mustAddr("10.0.0.66"), 9899)
	v.outputs()
	handle := func(chunks ...appender) map[netip.Addr][]wire.Packet {
		pkt, err := wire.Parse(v.packet(chunks...))
		require.NoError(t, err)
		v.as.HandlePacket(v.w.now, core.Inbound{Local: addrB.Addr(), Remote: other}, pkt)
		return v.outputs()
	}
	out := handle(data(100, 0, "BE", "x"))
	require.Empty(t, out[other.Addr()])
	require.Equal(t, []wire.ChunkType{wire.TypeSack}, chunkTypes(out[addrA.Addr()][0]))
	out = handle(rawChunk{0xfe, 0, 0, 4})
	require.Empty(t, out[other.Addr()])
	require.Equal(t, []wire.ChunkType{wire.TypeError}, chunkTypes(out[addrA.Addr()][0]))
	out = handle(&wire.Heartbeat{Info: []byte("12345678")})
	require.Equal(t, []wire.ChunkType{wire.TypeHeartbeatAck}, chunkTypes(out[other.Addr()][0]), "that one may")
}
