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

func TestWindowThatOpensLeavesNoTimerBehind(t *testing.T) { // RFC 9260 §6.3.2 R2
	w, a, b := two(t, 4, func(c *core.Config) { c.DisableHeartbeat = true })
	second := netip.MustParseAddrPort("10.0.0.3:9899")
	as, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: []netip.AddrPort{b.addr, second}}, a.resp)
	require.NoError(t, err)
	a.assocs = append(a.assocs, as)
	a.drain(as)
	w.until(time.Second, "established", func() bool { return as.State() == core.Established })
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, make([]byte, 100)))
	a.drain(as)
	sack := func(rwnd uint32) {
		pkt := mustParse(t, packetTo(5001, 5000, as.LocalTag(), &wire.Sack{CumTSN: a.firstTSN - 1, ARwnd: rwnd}))
		as.HandlePacket(w.now, core.Inbound{Remote: b.addr}, pkt)
		a.drain(as)
		require.NoError(t, as.Verify())
	}
	sack(0)
	w.run(3 * time.Second) // the chunk times out on the first path and on the second
	require.Equal(t, uint64(2), as.Stats().T3Expirations)
	require.Positive(t, as.Paths()[0].InFlight)
	sack(5000)
	require.Zero(t, as.Paths()[0].InFlight, "it went to the other one")
	require.Positive(t, as.Paths()[1].InFlight)
}
