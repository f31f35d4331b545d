package enrp_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
)

// A message cut at any byte is refused, or, where only the last parameter's
// padding is missing, means the same.
func TestVectorsCutAtEveryByte(t *testing.T) {
	for _, v := range vectors {
		b := unhex(t, v.hex)
		for n := range b {
			m, err := enrp.Decode(b[:n])
			if err == nil {
				require.Less(t, len(b)-n, 4, "%s cut to %d", v.name, n)
				require.Equal(t, v.m, m, "%s cut to %d", v.name, n)
			}
		}
	}
}

// P3: lengths of 0 to 3 of the message or a parameter at any depth are refused and
// do not loop.
func TestP3LengthBelowHeader(t *testing.T) {
	// Message, checksum, server information, its transport, its address; message,
	// handle, element, user transport, address, policy, ASAP transport, address.
	for i, offsets := range map[int][]int{
		0: {0, 12, 20, 28, 36},
		1: {0, 16, 32, 48, 56, 64, 72, 80},
	} {
		for _, off := range offsets {
			for n := range uint16(4) {
				b := unhex(t, vectors[i].hex)
				binary.BigEndian.PutUint16(b[off+2:], n)
				_, err := enrp.Decode(b)
				require.Error(t, err, "%s: length %d at %d", vectors[i].name, n, off)
			}
		}
	}
	for _, v := range vectors {
		for n := range uint16(4) {
			b := unhex(t, v.hex)
			binary.BigEndian.PutUint16(b[2:], n)
			_, err := enrp.Decode(b)
			require.Error(t, err, "%s: length %d", v.name, n)
		}
	}
}

// P15: decode, encode, decode, encode gives the same for whatever is accepted.
func TestP15RoundTripIsStable(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 15))
	accepted := 0
	for range 20000 {
		b := unhex(t, vectors[rng.IntN(len(vectors))].hex)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] = byte(rng.UintN(256) & rng.UintN(255))
		}
		m, err := enrp.Decode(b)
		if err != nil {
			continue
		}
		accepted++
		require.NoError(t, m.Validate(), "%x", b)
		once := m.AppendTo(nil)
		again, err := enrp.Decode(once)
		require.NoError(t, err, "%x", b)
		require.Equal(t, once, again.AppendTo(nil), "%x", b)
		require.Equal(t, m.String(), again.String(), "%x", b)
	}
	require.Greater(t, accepted, 1000)
}

func TestAppendToDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 512)
	for _, v := range vectors {
		require.Zero(t, testing.AllocsPerRun(10, func() { v.m.AppendTo(buf) }), v.name)
	}
}

func BenchmarkDecodeHandleUpdate(b *testing.B) {
	msg := unhex(b, vectors[1].hex)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		if _, err := enrp.Decode(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHandleUpdate(b *testing.B) {
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		vectors[1].m.AppendTo(buf)
	}
}
