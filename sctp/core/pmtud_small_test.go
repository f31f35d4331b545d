package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// Too little data for a search of the MTU (RFC 8899 §5.2, DISABLED) does not mean that
// it passes: here not even the base size does.
func TestF2LittleDataThroughASmallMTU(t *testing.T) {
	for _, retrans := range []int{0, 5} { // with 0 the path fails at each timeout, and comes back
		w, a, b := connected(t, 3, func(c *core.Config) {
			c.PathMTUDiscovery, c.PathMaxRetrans, c.RTOMax, c.HeartbeatInterval = true, retrans, 2*time.Second, time.Second
		})
		w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: 576})
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, make([]byte, 900)))
		a.drain(a.only())
		w.until(20*time.Second, "arrived", func() bool { return b.only().Held() == 900 })
		require.Equal(t, 548, a.only().Paths()[0].PacketSize)
	}
}
