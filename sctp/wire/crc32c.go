package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Where the checksum lies in the common header (RFC 9260 §3.1).
const (
	checksumStart = 8
	checksumEnd   = 12
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// zeroSum stands in for the checksum field, which counts as zero (RFC 9260
	// §6.8). It is a variable because the argument of crc32.Update escapes.
	zeroSum [checksumEnd - checksumStart]byte
)

// Checksum returns the CRC32c of a packet with its checksum field taken as zero
// (RFC 9260 §6.8, Appendix A); pkt is not changed. What is shorter than a common
// header has the checksum 0.
func Checksum(pkt []byte) uint32 {
	if len(pkt) < HeaderLen {
		return 0
	}
	return checksum(pkt)
}

// checksumByParts is checksum by package hash/crc32.
func checksumByParts(pkt []byte) uint32 {
	sum := crc32.Update(0, castagnoli, pkt[:checksumStart])
	sum = crc32.Update(sum, castagnoli, zeroSum[:])
	return crc32.Update(sum, castagnoli, pkt[checksumEnd:])
}

// SetChecksum computes the CRC32c of a complete packet and writes it into the
// common header. RFC 9260 Appendix A transmits the bits of the reflected
// polynomial lowest byte first, so the field is little-endian, unlike all other
// fields. A slice shorter than a common header is left alone.
func SetChecksum(pkt []byte) {
	if len(pkt) < HeaderLen {
		return
	}
	binary.LittleEndian.PutUint32(pkt[checksumStart:checksumEnd], checksum(pkt))
}

// VerifyChecksum says whether a packet carries its right CRC32c. A zero field is
// no exception here: RFC 9653 makes it one only after negotiation.
func VerifyChecksum(pkt []byte) bool {
	if len(pkt) < HeaderLen {
		return false
	}
	return binary.LittleEndian.Uint32(pkt[checksumStart:checksumEnd]) == Checksum(pkt)
}
