package wire

// The checksum instruction of the processor takes three cycles, and a new one can begin
// in each. hash/crc32 makes use of that in blocks of 504 and 4,032 bytes; a packet has
// 1,460, of which that leaves a third to one instruction after the other. Here a packet
// is cut into three, whatever its length (docs/decisions/0019-crc32c-in-assembly.md).

//go:noescape
func hasCRC() bool

//go:noescape
func sum3(pkt []byte, n int, twice, once uint64) uint32

// maxWords bounds the words in each of the three streams: packets of 9,216 bytes.
const maxWords = 384

// shifts moves checksums: multiplying shifts[m] without carries by the checksum of what
// comes before m words of 8 bytes, and taking the checksum of the product, gives what it
// adds to theirs. It is x^(64m-33) modulo the polynomial, bits reversed.
var shifts = makeShifts()

var threeStreams = hasCRC()

func makeShifts() (s [2*maxWords + 1]uint32) {
	k := uint32(1) // x^31
	for m := 1; m < len(s); m++ {
		s[m] = k
		for range 8 {
			k = castagnoli[byte(k)] ^ k>>8 // times x^8
		}
	}
	return s
}

// checksum is Checksum of a packet that has a header.
func checksum(pkt []byte) uint32 {
	n := (len(pkt) - HeaderLen) / 24
	if !threeStreams || n > maxWords {
		return checksumByParts(pkt)
	}
	return sum3(pkt, n, uint64(shifts[2*n]), uint64(shifts[n]))
}
