package sctp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// The first of four packets, which is what Max.Burst lets go at once, is lost. It is
// retransmitted one round trip later: the other three, which arrive as one batch, are
// acknowledged packet by packet, and so reported three times (RFC 9260 §6.7, §7.2.4).
func TestLossInABatchIsReportedThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{link: simnet.Link{Delay: 50 * time.Millisecond}})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 20_000)})) // the window grows
		receive(t, s)
		time.Sleep(time.Second)
		n := 0
		w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool {
			if p.To.Addr() == serverIP && wire.ChunkType(p.Data[wire.HeaderLen]) == wire.TypeData {
				n++
			}
			return n != 1
		})
		start := time.Now()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 8_000)}))
		receive(t, s)
		require.Greater(t, n, 6)
		require.Equal(t, 150*time.Millisecond, time.Since(start).Round(time.Millisecond), "there, back, there again")
		stats := c.Stats()
		require.EqualValues(t, 1, stats.FastRetransmits)
		require.Zero(t, stats.T3Expirations)
	})
}
