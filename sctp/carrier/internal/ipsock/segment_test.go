package ipsock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

func TestCutterKeepsEveryByteInOrder(t *testing.T) {
	for _, gso := range []bool{false, true} {
		for _, size := range []int{0, 1, 7, 100, 1452, 32753, 40000, 70000} {
			for _, total := range []int{0, 1, 99, 100, 101, 6400, 6401, 65507, 65508, 200000} {
				data := make([]byte, total)
				for i := range data {
					data[i] = byte(i % 251)
				}
				ds := []carrier.Datagram{{}, {Data: data, SegmentSize: size}, {Data: []byte("end")}}
				var all []byte
				datagrams := 0
				c := cutter{ds: ds}
				for c.index < len(ds) {
					p := c.next(gso)
					if p.index == 1 {
						all = append(all, p.data...)
						datagrams += p.count()
					}
					if p.segment > 0 {
						require.True(t, gso)
						require.Equal(t, size, p.segment)
						require.LessOrEqual(t, p.count(), maxSegments)
						require.LessOrEqual(t, len(p.data), maxPayload)
						require.Greater(t, len(p.data), p.segment)
					} else if size > 0 && p.index == 1 {
						require.LessOrEqual(t, len(p.data), size)
					}
				}
				require.Len(t, all, total)
				require.Equal(t, string(data), string(all))
				require.Equal(t, ds[1].Count(), datagrams, "size %d total %d", size, total)
			}
		}
	}
}
