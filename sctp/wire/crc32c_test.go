package wire_test

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// bitwiseCRC32c is RFC 9260 Appendix A bit by bit: an oracle that shares nothing
// with the tables of the code.
func bitwiseCRC32c(b []byte) uint32 {
	const reflectedPoly = 0x82F63B78 // 0x11EDC6F41 without x^32, reflected
	sum := ^uint32(0)
	for _, v := range b {
		sum ^= uint32(v)
		for range 8 {
			if sum&1 != 0 {
				sum = sum>>1 ^ reflectedPoly
			} else {
				sum >>= 1
			}
		}
	}
	return ^sum
}

// RFC 9260 Appendix A; the first value is the 32 zero bytes of RFC 7143 §A.4.
func TestChecksumMatchesTheDefinition(t *testing.T) {
	require.Equal(t, uint32(0x8A9136AA), wire.Checksum(make([]byte, 32)))
	require.Equal(t, uint32(0xE3069283), bitwiseCRC32c([]byte("123456789")), "the oracle")
	for n := wire.HeaderLen; n < 200; n++ {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*7 + n)
		}
		zeroed := bytes.Clone(b)
		clear(zeroed[8:12])
		require.Equal(t, bitwiseCRC32c(zeroed), wire.Checksum(b), "length %d", n)
	}
}

// RFC 9260 §6.8: the field is replaced by zero for the calculation, and nothing
// else changes.
func TestSetChecksum(t *testing.T) {
	b := append(header.AppendTo(nil), chunk(wire.TypeCookieAck, 0)...)
	before := bytes.Clone(b)
	require.False(t, wire.VerifyChecksum(b))
	wire.SetChecksum(b)
	require.True(t, wire.VerifyChecksum(b))
	require.Equal(t, bitwiseCRC32c(before), binary.LittleEndian.Uint32(b[8:12]), "lowest byte first")
	require.Equal(t, before[:8], b[:8])
	require.Equal(t, before[12:], b[12:])
	again := bytes.Clone(b)
	wire.SetChecksum(again)
	require.Equal(t, b, again, "what is in the field does not count")
}

func TestChecksumOfTooLittle(t *testing.T) {
	for n := range wire.HeaderLen {
		b := bytes.Repeat([]byte{0xAA}, n)
		wire.SetChecksum(b)
		require.Equal(t, bytes.Repeat([]byte{0xAA}, n), b)
		require.False(t, wire.VerifyChecksum(b))
		require.Zero(t, wire.Checksum(b))
	}
}

// P12: a wrong CRC32c, none at all, the right one in the wrong byte order, and
// the Adler-32 of RFC 2960 are dropped. RFC 9653 is not negotiated here.
func TestP12WrongChecksums(t *testing.T) {
	good := packet(chunk(wire.TypeData, 3, make([]byte, 20)...))
	_, err := wire.Parse(good)
	require.NoError(t, err)
	sum := binary.LittleEndian.Uint32(good[8:12])
	zeroed := bytes.Clone(good)
	clear(zeroed[8:12])
	for name, field := range map[string][]byte{
		"zero":         {0, 0, 0, 0},
		"byte-swapped": binary.BigEndian.AppendUint32(nil, sum),
		"complemented": binary.LittleEndian.AppendUint32(nil, ^sum),
		"Adler-32":     binary.BigEndian.AppendUint32(nil, adler32.Checksum(zeroed)),
	} {
		bad := bytes.Clone(good)
		copy(bad[8:12], field)
		_, err := wire.Parse(bad)
		require.ErrorIs(t, err, wire.ErrChecksum, name)
		_, err = wire.ParseUnchecked(bad)
		require.NoError(t, err, name)
	}
}

// P12: CRC32c finds each single flipped bit, wherever it is.
func TestP12EveryFlippedBit(t *testing.T) {
	good := packet(chunk(wire.TypeData, 3, []byte("0123456789abcdefghij")...))
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := wire.Parse(bad)
		require.Error(t, err, "bit %d", bit)
	}
}
