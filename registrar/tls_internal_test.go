package registrar

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// One source, or network of IPv6, does not take all handshakes of TLS, and all sources
// together no more than there are.
func TestTLSHandshakesOfOneSource(t *testing.T) {
	var h handshakes
	var leaves []func()
	fill := func(addr string, n int) {
		t.Helper()
		for range n {
			leave, ok := h.enter(netip.MustParseAddr(addr))
			require.True(t, ok)
			leaves = append(leaves, leave)
		}
		_, ok := h.enter(netip.MustParseAddr(addr))
		require.False(t, ok)
	}
	fill("192.0.2.1", maxHandshakesPerSource)
	fill("2001:db8::1", maxHandshakesPerSource)
	_, ok := h.enter(netip.MustParseAddr("2001:db8::2"))
	require.False(t, ok, "the same network")
	fill("192.0.2.2", maxHandshakesPerSource)
	fill("192.0.2.3", maxHandshakes-3*maxHandshakesPerSource)
	_, ok = h.enter(netip.MustParseAddr("192.0.2.4"))
	require.False(t, ok, "all are taken")
	leave, ok := h.enter(netip.Addr{})
	require.False(t, ok)
	require.Nil(t, leave)
	for _, leave := range leaves {
		leave()
	}
	require.Empty(t, h.by)
	require.Zero(t, h.all)
}
