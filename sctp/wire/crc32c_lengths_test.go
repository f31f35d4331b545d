package wire_test

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// RFC 9260 §6.8: the checksum is right whatever the length of a packet, wherever it
// begins in memory, and whatever lies around it.
func TestChecksumOfAllLengths(t *testing.T) {
	table := crc32.MakeTable(crc32.Castagnoli)
	dice := rand.New(rand.NewPCG(1, 2))
	room := make([]byte, 66000)
	for i := range room {
		room[i] = byte(dice.Uint32())
	}
	zeroed := make([]byte, len(room))
	lengths := []int{9215, 9216, 9217, 9227, 9228, 9229, 9239, 9240, 9241, 9252, 65507, 65535}
	for n := wire.HeaderLen; n < 3100; n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for _, at := range []int{0, 1 + dice.IntN(15)} {
			b := room[at : at+n : at+n]
			copy(zeroed, b)
			clear(zeroed[8:12])
			require.Equal(t, crc32.Checksum(zeroed[:n], table), wire.Checksum(b), "length %d at %d", n, at)
		}
	}
	for _, n := range []int{36, 60, 1460, 1472, 8972, 9228} {
		copy(zeroed, room[:n])
		clear(zeroed[8:12])
		require.Equal(t, bitwiseCRC32c(zeroed[:n]), wire.Checksum(room[:n]), "length %d", n)
	}
}

// A single bit anywhere changes the checksum, but in its own field.
func TestChecksumSeesEveryBit(t *testing.T) {
	for _, n := range []int{36, 100, 1460} {
		b := make([]byte, n)
		sum := wire.Checksum(b)
		for i := range 8 * n {
			b[i/8] ^= 1 << (i % 8)
			if field := i/8 >= 8 && i/8 < 12; (wire.Checksum(b) == sum) != field {
				t.Fatalf("bit %d of a packet of %d bytes", i, n)
			}
			b[i/8] ^= 1 << (i % 8)
		}
	}
}
