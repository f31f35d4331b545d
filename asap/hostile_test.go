package asap_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
)

// A message cut at any byte is refused, or, where only the last
// parameter's padding is missing, means the same.
func TestVectorsCutAtEveryByte(t *testing.T) {
	for _, v := range vectors {
		b := unhex(t, v.hex)
		for n := range b {
			m, err := asap.Decode(b[:n])
			if err == nil {
				require.Less(t, len(b)-n, 4, "%s cut to %d", v.name, n)
				require.Equal(t, v.m, m, "%s cut to %d", v.name, n)
			}
		}
	}
}

// P3: lengths of 0 to 3 in any 16-bit word that is a parameter's length, and of the
// message itself, are refused and do not loop.
func TestP3LengthBelowHeader(t *testing.T) {
	// Offsets of all parameter headers: handle, element, user transport, its
	// address, policy.
	reg := unhex(t, vectors[0].hex)
	for _, off := range []int{0, 4, 20, 36, 44, 52} {
		for n := range uint16(4) {
			b := append([]byte(nil), reg...)
			binary.BigEndian.PutUint16(b[off+2:], n)
			_, err := asap.Decode(b)
			require.Error(t, err, "length %d at %d", n, off)
		}
	}
	// And in all the others, where the first parameter starts.
	for _, v := range vectors {
		off := 4
		if v.m.Type() == asap.TypeEndpointKeepAlive || v.m.Type() == asap.TypeServerAnnounce {
			off = 8
		}
		for n := range uint16(4) {
			b := unhex(t, v.hex)
			if off == len(b) {
				continue // an announcement without transports
			}
			binary.BigEndian.PutUint16(b[off+2:], n)
			_, err := asap.Decode(b)
			require.Error(t, err, "%s: length %d", v.name, n)
		}
	}
}

// P15: decode, encode, decode, encode gives the same for whatever is accepted.
func TestP15RoundTripIsStable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 15))
	accepted := 0
	for range 20000 {
		b := unhex(t, vectors[rng.IntN(len(vectors))].hex)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] = byte(rng.UintN(256) & rng.UintN(255))
		}
		m, err := asap.Decode(b)
		if err != nil {
			continue
		}
		accepted++
		require.NoError(t, m.Validate(), "%x", b)
		once := m.AppendTo(nil)
		again, err := asap.Decode(once)
		require.NoError(t, err, "%x", b)
		require.Equal(t, once, again.AppendTo(nil), "%x", b)
		require.Equal(t, m.String(), again.String(), "%x", b)
	}
	require.Greater(t, accepted, 1000)
}

func TestAppendToDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, v := range vectors {
		require.Zero(t, testing.AllocsPerRun(10, func() { v.m.AppendTo(buf) }), v.name)
	}
}

func BenchmarkDecodeRegistration(b *testing.B) {
	msg := unhex(b, vectors[0].hex)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		if _, err := asap.Decode(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendResolutionResponse(b *testing.B) {
	m, err := asap.Decode(unhex(b, vectors[7].hex))
	require.NoError(b, err)
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	b.SetBytes(int64(len(m.AppendTo(nil))))
	for b.Loop() {
		m.AppendTo(buf)
	}
}
