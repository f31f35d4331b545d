package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Where nothing is lost, packets of one batch may share a SACK. At the beginning, and
// after a gap or a duplicate, each SACK that RFC 9260 §6.2 and §6.7 ask for goes out by itself, until a
// thousand packets came in order.
func TestSacksOfABatch(t *testing.T) { // RFC 9260 §6.2, §6.7
	for name, lose := range map[string]func(next func() wire.TSN) []wire.TSN{
		"gap":       func(next func() wire.TSN) []wire.TSN { lost := next(); return []wire.TSN{next(), lost} },
		"duplicate": func(next func() wire.TSN) []wire.TSN { n := next(); return []wire.TSN{n, n} },
	} {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, nil)
			tsn := v.a.firstTSN - 1
			next := func() wire.TSN { tsn++; return tsn }
			deliver := func(n wire.TSN) bool {
				b := v.packet(data(n, wire.SSN(n-v.a.firstTSN), "BE", "x"))
				pkt, err := wire.Parse(b)
				require.NoError(t, err)
				v.as.HandlePacket(v.w.now, core.Inbound{Local: addrB.Addr(), Remote: addrA}, pkt)
				return v.as.AckNow()
			}
			require.True(t, deliver(next()), "the first of the association (§5.1)")
			v.b.drain(v.as)
			for k := 2; k <= 32; k++ {
				due := deliver(next())
				require.Equal(t, k%2 == 1, due, "of the path nothing is known")
				if due {
					v.b.drain(v.as)
				}
			}
			for range 7 {
				require.False(t, deliver(next()), "nothing was lost")
			}
			v.b.drain(v.as)
			for i, n := range lose(next) {
				require.Equal(t, name == "gap" || i == 1, deliver(n))
				v.b.drain(v.as)
				require.False(t, v.as.AckNow(), "the SACK has gone")
			}
			for i := range 500 {
				require.False(t, deliver(next()), "a lone packet may wait")
				require.Equal(t, i < 499, deliver(next()), i)
				v.b.drain(v.as)
				v.read()
			}
			for range 7 {
				require.False(t, deliver(next()), "the loss is long ago")
			}
		})
	}
}
