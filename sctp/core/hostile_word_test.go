package core_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// F5: what a user configures or a peer says at most fits an int of 32 bits (run with
// GOARCH=386 it is one).
func TestF5ExtremesFit32Bits(t *testing.T) {
	v := attacked(t, func(c *core.Config) {
		c.RecvBuffer, c.SendBuffer, c.MaxMessageSize = math.MaxInt32, math.MaxInt32, math.MaxInt32
		c.MTU, c.OutStreams, c.MaxInStreams = 65535, 65535, 65535
	})
	tsn := v.nextTSN()
	big := make([]byte, 60_000)
	for i := range wire.TSN(100) {
		v.inject(v.as.LocalTag(), data(tsn+i, wire.SSN(i), "BE", string(big)))
	}
	require.Equal(t, 6_000_000, v.as.Held())
	for range 100 {
		require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{Stream: 65534}, big))
	}
	v.b.drain(v.as)
	for _, rwnd := range []uint32{math.MaxUint32, math.MaxInt32, 0, math.MaxUint32} {
		v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: v.b.firstTSN - 1, ARwnd: rwnd, Gaps: []wire.GapBlock{{Start: 65535, End: 65535}}})
		require.NoError(t, v.as.Verify())
	}
	v.inject(v.as.LocalTag(), &wire.Heartbeat{Info: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
	require.Equal(t, core.Established, v.as.State())
	for _, p := range v.as.Paths() {
		require.Positive(t, p.Cwnd)
		require.GreaterOrEqual(t, p.InFlight, 0)
	}
}
