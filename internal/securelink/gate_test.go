package securelink_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/securelink"
)

// One source, or network of IPv6, does not take all handshakes of TLS, and all sources
// together no more than there are.
func TestTLSHandshakesOfOneSource(t *testing.T) {
	g := securelink.Gate{Most: 100, PerSource: 30}
	var leaves []func()
	fill := func(addr string, n int) {
		t.Helper()
		for range n {
			leave, ok := g.Enter(netip.MustParseAddr(addr))
			require.True(t, ok)
			leaves = append(leaves, leave)
		}
		_, ok := g.Enter(netip.MustParseAddr(addr))
		require.False(t, ok)
	}
	fill("192.0.2.1", 30)
	fill("2001:db8::1", 30)
	_, ok := g.Enter(netip.MustParseAddr("2001:db8::2"))
	require.False(t, ok, "the same network")
	fill("192.0.2.2", 30)
	fill("192.0.2.3", 10)
	_, ok = g.Enter(netip.MustParseAddr("192.0.2.4"))
	require.False(t, ok, "all are taken")
	leave, ok := g.Enter(netip.Addr{})
	require.False(t, ok)
	require.Nil(t, leave)
	for _, leave := range leaves {
		leave()
	}
	leaves = nil
	fill("192.0.2.1", 30) // there is room again
}
