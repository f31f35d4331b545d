package tlv_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/tlv"
)

func TestReaderReadsInNetworkByteOrder(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}
	r := tlv.NewReader(b)
	require.Equal(t, uint8(1), r.U8())
	require.Equal(t, uint16(0x0203), r.U16())
	require.Equal(t, uint32(0x04050607), r.U32())
	require.Equal(t, uint64(0x08090A0B0C0D0E0F), r.U64())
	require.Equal(t, 15, r.Offset())
	require.Equal(t, 3, r.Len())
	require.Equal(t, []byte{16, 17}, r.Bytes(2))
	require.Equal(t, []byte{18}, r.Rest())
	require.Zero(t, r.Len())
	require.Empty(t, r.Rest(), "nothing is left, which is no error")
	require.NoError(t, r.Err())
}

func TestZeroReaderIsEmpty(t *testing.T) {
	var r tlv.Reader
	require.Zero(t, r.Len())
	_, ok := r.Next()
	require.False(t, ok)
	_, ok = r.Peek()
	require.False(t, ok)
	require.NoError(t, r.Err())
	require.Zero(t, r.U8())
	require.ErrorIs(t, r.Err(), tlv.ErrTruncated)
}

// The first error sticks: nothing is read after it, and a later one does not
// replace it.
func TestFirstErrorSticks(t *testing.T) {
	r := tlv.NewReader([]byte{1, 2, 3})
	require.Zero(t, r.U32())
	require.ErrorIs(t, r.Err(), tlv.ErrTruncated)
	require.Zero(t, r.Offset(), "a failed read does not move")
	require.Zero(t, r.Len())
	require.Zero(t, r.U8())
	require.Zero(t, r.U16())
	require.Zero(t, r.U64())
	require.Nil(t, r.Bytes(1))
	require.Empty(t, r.Rest())
	_, ok := r.Next()
	require.False(t, ok)
	other := errors.New("other")
	r.Fail(other)
	require.NotErrorIs(t, r.Err(), other)

	r = tlv.NewReader([]byte{1, 2, 3})
	r.Fail(other)
	require.Zero(t, r.U8())
	require.Equal(t, other, r.Err())
}

func TestBytesChecksItsArgument(t *testing.T) {
	for _, n := range []int{-1, 4, 1 << 30} {
		r := tlv.NewReader([]byte{1, 2, 3})
		require.Nil(t, r.Bytes(n), "%d", n)
		require.ErrorIs(t, r.Err(), tlv.ErrTruncated)
	}
	r := tlv.NewReader([]byte{1, 2, 3})
	require.Empty(t, r.Bytes(0))
	require.NoError(t, r.Err())
}

// What a reader hands out cannot grow into its neighbours.
func TestSlicesAreCapped(t *testing.T) {
	b := []byte{0, 1, 0, 5, 'a', 0xEE, 0xEE, 0xEE, 9}
	r := tlv.NewReader(b)
	v, ok := r.Next()
	require.True(t, ok)
	_ = append(v.Value, 1)
	_ = append(v.Whole, 2)
	_ = append(r.Bytes(1), 3)
	require.Equal(t, []byte{0, 1, 0, 5, 'a', 0xEE, 0xEE, 0xEE, 9}, b)
}

// RFC 9260 §3.2.1: the length counts the header, not the padding.
func TestNextReadsTLVs(t *testing.T) {
	b := []byte{
		0x80, 0x08, 0, 5, 'a', 0xFF, 0xFF, 0xFF, // padding may hold anything
		0, 2, 0, 4,
		0, 3, 0, 8, 1, 2, 3, 4,
		0xFF, 0xFF, 0, 6, 'b', 'c', // the last may do without
	}
	r := tlv.NewReader(b)
	var got []tlv.TLV
	for {
		peeked, peekOK := r.Peek()
		v, ok := r.Next()
		require.Equal(t, ok, peekOK)
		require.Equal(t, v, peeked)
		if !ok {
			break
		}
		got = append(got, v)
	}
	require.NoError(t, r.Err())
	require.Equal(t, []tlv.TLV{
		{Type: 0x8008, Value: []byte("a"), Whole: []byte{0x80, 0x08, 0, 5, 'a'}},
		{Type: 2, Value: []byte{}, Whole: []byte{0, 2, 0, 4}},
		{Type: 3, Value: []byte{1, 2, 3, 4}, Whole: []byte{0, 3, 0, 8, 1, 2, 3, 4}},
		{Type: 0xFFFF, Value: []byte("bc"), Whole: []byte{0xFF, 0xFF, 0, 6, 'b', 'c'}},
	}, got)
}

// P3: a length below the header's is an error, and the reader does not move on.
func TestP3LengthBelowHeader(t *testing.T) {
	for n := range byte(tlv.HeaderLen) {
		r := tlv.NewReader([]byte{0, 1, 0, n, 0, 0, 0, 0})
		_, ok := r.Peek()
		require.False(t, ok)
		require.NoError(t, r.Err(), "Peek leaves no error")
		_, ok = r.Next()
		require.False(t, ok)
		require.ErrorIs(t, r.Err(), tlv.ErrLength)
	}
}

// P1, P5: a TLV cut at each byte.
func TestP1TLVCutAtEveryLength(t *testing.T) {
	whole := []byte{0, 1, 0, 10, 1, 2, 3, 4, 5, 6, 0, 0}
	for n := 1; n < 10; n++ {
		r := tlv.NewReader(slices.Clip(whole[:n]))
		_, ok := r.Next()
		require.False(t, ok, "%d bytes", n)
		require.ErrorIs(t, r.Err(), tlv.ErrTruncated)
	}
	for n := 10; n <= 12; n++ {
		r := tlv.NewReader(slices.Clip(whole[:n]))
		v, ok := r.Next()
		require.True(t, ok, "%d bytes", n)
		require.Len(t, v.Value, 6)
		require.Zero(t, r.Len(), "padding is consumed as far as it is there")
		_, ok = r.Next()
		require.False(t, ok)
		require.NoError(t, r.Err())
	}
}

func TestPad(t *testing.T) {
	for n := range 64 {
		p := tlv.Pad(n)
		require.Zero(t, (n+p)%4)
		require.True(t, p >= 0 && p < 4)
		before := []byte("xyz")
		b := tlv.AppendPad(append(before, make([]byte, n)...), len(before))
		require.Len(t, b, len(before)+n+p)
	}
}

func TestAppendWritesLengthAndPadding(t *testing.T) {
	require.Equal(t, []byte{0x80, 0x08, 0, 5, 'a', 0, 0, 0}, tlv.Append(nil, 0x8008, []byte("a")))
	require.Equal(t, []byte{0, 1, 0, 4}, tlv.Append(nil, 1, nil))
	require.Equal(t, []byte{'x', 0, 1, 0, 6, 1, 2, 0, 0}, tlv.Append([]byte("x"), 1, []byte{1, 2}), "counted from the TLV's start")
}

// Nested Begin and End: the inner padding counts in the outer length.
func TestNestedTLVs(t *testing.T) {
	b, outer := tlv.Begin(nil, 1)
	b, inner := tlv.Begin(b, 2)
	b = append(b, 'a')
	b = tlv.End(b, inner)
	b = append(b, 'b')
	b = tlv.End(b, outer)
	require.Equal(t, []byte{0, 1, 0, 13, 0, 2, 0, 5, 'a', 0, 0, 0, 'b', 0, 0, 0}, b)
}

func TestCursorDoesNotAllocate(t *testing.T) {
	b := tlv.Append(tlv.Append(nil, 1, []byte("hello")), 2, make([]byte, 100))
	out := make([]byte, 0, 256)
	n := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r := tlv.NewReader(b)
		w := out
		for {
			v, ok := r.Next()
			if !ok {
				break
			}
			w = tlv.Append(w, v.Type, v.Value)
		}
		n = len(w)
	}))
	require.Equal(t, len(b), n)
}

func BenchmarkNext(b *testing.B) {
	var in []byte
	for n := range 16 {
		in = tlv.Append(in, uint16(n), make([]byte, n))
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		r := tlv.NewReader(in)
		for {
			if _, ok := r.Next(); !ok {
				break
			}
		}
	}
}
