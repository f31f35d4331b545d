package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// other is an address of this host that the peer does not know.
var other = netip.MustParseAddr("10.0.1.2")

// Linux answers a HEARTBEAT from an unknown address with an ABORT, which carries
// the right tag. It must neither be provoked nor believed.
func TestSingleHomedEndKeepsToOneAddress(t *testing.T) { // RFC 9260 §5.1.2 A, §8.4
	p := listening(t, nil)
	second := netip.MustParseAddr("10.0.1.1")
	tag, c := p.cookie(func(i *wire.Init) { i.Addrs = append(i.Addrs, addrA.Addr(), second) })
	p.inject(tag, &wire.CookieEcho{Cookie: c})
	as := p.b.only()
	buf := make([]byte, 0, 65536)
	probed := false
	for range 5 {
		p.w.now = p.w.now.Add(2 * time.Second)
		as.HandleTimeout(p.w.now)
		for {
			tr, ok := as.PollTransmit(p.w.now, buf, 1)
			if !ok {
				break
			}
			require.Equal(t, addrB.Addr(), tr.Local, "towards %v", tr.Remote)
			probed = probed || tr.Remote.Addr() == second
		}
	}
	require.True(t, probed, "the second address is probed, from the known one")
	for _, chunk := range []appender{&wire.Abort{T: true}, &wire.Abort{}} {
		vtag := as.PeerTag()
		if _, reflected := chunk.(*wire.Abort); reflected && !chunk.(*wire.Abort).T {
			vtag = as.LocalTag()
		}
		pkt, err := wire.Parse(packetTo(5000, 5001, vtag, chunk))
		require.NoError(t, err)
		as.HandlePacket(p.w.now, core.Inbound{Local: other, Remote: netip.AddrPortFrom(second, 9899)}, pkt)
		require.Equal(t, core.Established, as.State())
	}
	pkt, err := wire.Parse(packetTo(5000, 5001, as.PeerTag(), &wire.Abort{T: true}))
	require.NoError(t, err)
	as.HandlePacket(p.w.now, core.Inbound{Local: addrB.Addr(), Remote: addrA}, pkt)
	require.Equal(t, core.Closed, as.State(), "at the known address it counts")
}

func TestDialerKeepsToTheAddressOfTheInitAck(t *testing.T) {
	w, a, b := two(t, 1, nil)
	as := a.dial(b)
	ack := &wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true,
		Addrs: []netip.Addr{addrB.Addr(), netip.MustParseAddr("10.0.1.9"), netip.MustParseAddr("2001:db8::9")}}
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), ack))
	require.Len(t, as.Paths(), 2, "no path of a family this end has no address of")
	for _, p := range as.Paths() {
		require.Equal(t, addrA.Addr(), p.Local)
	}
	_ = w
}
