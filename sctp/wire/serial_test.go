package wire_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// RFC 1982 §3.2, RFC 9260 §1.6.
func TestTSNSerialArithmetic(t *testing.T) {
	for _, c := range []struct {
		a, b wire.TSN
		less bool
		dist int32 // a.Sub(b)
	}{
		{0, 0, false, 0},
		{0, 1, true, -1},
		{1, 0, false, 1},
		{math.MaxUint32, 0, true, -1},
		{0, math.MaxUint32, false, 1},
		{math.MaxUint32 - 9, 10, true, -20},
		{7, 7 + 1<<31 - 1, true, -(1<<31 - 1)},
		{7, 7 + 1<<31 + 1, false, 1<<31 - 1},
		{7 + 1<<31 + 1, 7, true, -(1<<31 - 1)},
	} {
		require.Equal(t, c.less, c.a.Less(c.b), "%d < %d", c.a, c.b)
		require.Equal(t, c.less || c.a == c.b, c.a.LessEq(c.b), "%d <= %d", c.a, c.b)
		require.Equal(t, c.dist, c.a.Sub(c.b), "%d - %d", c.a, c.b)
		require.Equal(t, c.a, c.b.Add(uint32(c.dist)), "%d + %d", c.b, c.dist)
	}
}

// Exactly half the number space apart the order is undefined (RFC 1982 §3.2); it
// must not be a contradiction: both before the other.
func TestTSNHalfApartNeitherIsLess(t *testing.T) {
	for _, a := range []wire.TSN{0, 1, 1 << 31, math.MaxUint32} {
		b := a.Add(1 << 31)
		require.False(t, a.Less(b))
		require.False(t, b.Less(a))
		require.False(t, a.LessEq(b))
	}
}

func TestSSNSerialArithmetic(t *testing.T) {
	for _, c := range []struct {
		a, b wire.SSN
		less bool
		dist int16
	}{
		{0, 0, false, 0},
		{0, 1, true, -1},
		{65535, 0, true, -1},
		{0, 65535, false, 1},
		{65530, 5, true, -11},
		{0, 32767, true, -32767},
		{0, 32769, false, 32767},
	} {
		require.Equal(t, c.less, c.a.Less(c.b), "%d < %d", c.a, c.b)
		require.Equal(t, c.less || c.a == c.b, c.a.LessEq(c.b), "%d <= %d", c.a, c.b)
		require.Equal(t, c.dist, c.a.Sub(c.b), "%d - %d", c.a, c.b)
		require.Equal(t, c.a, c.b.Add(uint16(c.dist)))
	}
	require.False(t, wire.SSN(0).Less(1<<15))
	require.False(t, wire.SSN(1<<15).Less(0))
}
