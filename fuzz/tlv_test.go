package fuzz

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/tlv"
)

// FuzzTLV: the cursor against a naive reading of the same bytes.
func FuzzTLV(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 5, 'a', 0, 0, 0, 0, 2, 0, 4})
	f.Add([]byte{0, 1, 0, 8, 0, 2, 0, 4, 0xFF, 0xFF, 0, 6, 'b', 'c'})
	f.Add([]byte{0, 1, 0, 3})
	f.Add([]byte{0, 1, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := tlv.NewReader(b)
		var again []byte
		at := 0
		for {
			peeked, peekOK := r.Peek()
			v, ok := r.Next()
			require.Equal(t, ok, peekOK)
			require.Equal(t, v, peeked)
			if !ok {
				break
			}
			require.Equal(t, b[at:at+len(v.Whole)], v.Whole)
			require.Equal(t, v.Value, v.Whole[tlv.HeaderLen:])
			require.Equal(t, len(v.Whole), cap(v.Whole))
			require.Equal(t, len(v.Value), cap(v.Value))
			at = min(at+len(v.Whole)+tlv.Pad(len(v.Whole)), len(b))
			require.Equal(t, at, r.Offset(), "it moves by the TLV and its padding")
			again = tlv.Append(again, v.Type, v.Value)
		}

		// It stops at the end or at what is malformed, and then for good.
		rest := b[at:]
		switch {
		case len(rest) == 0:
			require.NoError(t, r.Err())
		case len(rest) >= tlv.HeaderLen && int(rest[2])<<8|int(rest[3]) < tlv.HeaderLen:
			require.ErrorIs(t, r.Err(), tlv.ErrLength)
		default:
			require.ErrorIs(t, r.Err(), tlv.ErrTruncated)
		}
		if r.Err() != nil {
			require.Zero(t, r.Len())
			require.Zero(t, r.U32())
			require.Empty(t, r.Rest())
		}

		// What was read, written again, differs in padding at most.
		require.Less(t, len(again)-at, 4)
		again2 := []byte{}
		r2 := tlv.NewReader(again)
		for v, ok := r2.Next(); ok; v, ok = r2.Next() {
			again2 = tlv.Append(again2, v.Type, v.Value)
		}
		require.NoError(t, r2.Err())
		require.True(t, bytes.Equal(again, again2))
	})
}
