package carrier_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

func TestSegments(t *testing.T) {
	for _, tc := range []struct {
		data string
		size int
		want []string
	}{
		{"", 0, []string{""}},
		{"", 4, []string{""}},
		{"abcdefgh", 0, []string{"abcdefgh"}},
		{"abcdefgh", -1, []string{"abcdefgh"}},
		{"abcdefgh", 4, []string{"abcd", "efgh"}},
		{"abcdefghi", 4, []string{"abcd", "efgh", "i"}},
		{"abc", 4, []string{"abc"}},
		{"abc", 1, []string{"a", "b", "c"}},
	} {
		d := carrier.Datagram{Data: []byte(tc.data), SegmentSize: tc.size}
		var got []string
		for b := range d.Segments() {
			require.Equal(t, len(b), cap(b), "appending must not run into the next one")
			got = append(got, string(b))
		}
		require.Equal(t, tc.want, got)
		require.Equal(t, len(tc.want), d.Count())
	}
}

func TestSegmentsStopsEarlyAndAllocatesNothing(t *testing.T) {
	d := carrier.Datagram{Data: make([]byte, 1000), SegmentSize: 10}
	n := 0
	for range d.Segments() {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for b := range d.Segments() {
			n += len(b)
		}
	}))
}
