package sctp_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// bulk sends data one way and returns what the sender counted.
func bulk(t *testing.T, w *world, size int) (*sctp.Association, sctp.Stats) {
	t.Helper()
	c, s := w.pair()
	data := bytes.Repeat([]byte("network "), size/8)
	sent := result(func() error { return c.Send(t.Context(), &sctp.Message{Data: data}) })
	require.True(t, bytes.Equal(data, receive(t, s).Data))
	require.NoError(t, <-sent)
	return c, c.Stats()
}

// F2: a link with a small MTU that tells nobody, and one that tells by ICMP. Path MTU
// discovery is on where the carrier keeps packets whole (RFC 8899 §4.5).
func TestF2SmallMTU(t *testing.T) {
	for _, mtu := range []int{576, 1280, 1400} {
		for _, icmp := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOption{link: simnet.Link{Delay: 5 * time.Millisecond, MTU: mtu}})
				w.net.SetICMP(icmp)
				c, stats := bulk(t, w, 300_000)
				time.Sleep(20 * time.Second)
				require.LessOrEqual(t, c.Paths()[0].PacketSize+28, mtu)
				require.Greater(t, c.Paths()[0].PacketSize+28, mtu*3/4)
				require.Positive(t, stats.MTUProbes)
				require.Equal(t, icmp, c.Stats().ICMPIn > 0)
			})
		}
	}
}

// Config.DisablePathMTUDiscovery: the network is sure to carry Config.MTU.
func TestDisablePathMTUDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{DisablePathMTUDiscovery: true, MTU: 9000}
		w := newWorld(t, worldOption{link: simnet.Link{Delay: 5 * time.Millisecond, MTU: 9000}, clientConfig: cfg})
		c, stats := bulk(t, w, 300_000)
		require.Zero(t, stats.MTUProbes)
		require.Equal(t, 9000-28, c.Paths()[0].PacketSize)
	})
}

// Config.ECN, end to end: a queue that marks, and no loss.
func TestECN(t *testing.T) {
	for _, on := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := &sctp.Config{ECN: on}
			link := simnet.Link{Delay: 5 * time.Millisecond, Bandwidth: 1_000_000, Queue: 60_000, MarkAt: 10_000}
			w := newWorld(t, worldOption{link: link, clientConfig: cfg, serverConfig: cfg})
			_, stats := bulk(t, w, 1_000_000)
			require.Equal(t, on, stats.MarkedWindows > 0)
			require.Equal(t, on, stats.Retransmitted == 0)
		})
	}
}

// Config.Congestion chooses the algorithm.
func TestCongestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{Congestion: sctp.Cubic}
		w := newWorld(t, worldOption{link: simnet.Link{Delay: 5 * time.Millisecond, Bandwidth: 1_000_000, Queue: 20_000}, clientConfig: cfg})
		_, stats := bulk(t, w, 1_000_000)
		require.Positive(t, stats.FastRetransmits)
	})
}
