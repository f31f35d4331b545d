package handlespace

import (
	"math/bits"

	"github.com/rserpool/rserpool/rserpool"
)

// The PE checksum of a registrar covers, for each element it owns, the pool handle
// padded with zeros to a multiple of four bytes and the PE identifier (RFC 5353
// §3.6.2). RFC 1071 adds 16-bit words with end-around carry. An owner's sum is kept
// without any carry instead, as a plain integer: then taking an element out is an
// exact subtraction, and the carries are folded in when somebody asks. An element
// adds less than 2²⁶, so 64 bits do not overflow.
//
// Words are added low byte first, as rsplib on common processors does, and the
// result's bytes are swapped, which gives the same checksum (RFC 1071 §2 (B)) and
// keeps what ChecksumRsplib needs.

// sumHandle is the sum of a pool handle's words.
func sumHandle(h rserpool.PoolHandle) uint64 {
	var sum uint64
	for i := range len(h) {
		sum += uint64(h[i]) << (i % 2 * 8)
	}
	return sum
}

// sumID is the sum of a PE identifier's words.
func sumID(id rserpool.PEID) uint64 {
	return uint64(bits.ReverseBytes16(uint16(id>>16))) + uint64(bits.ReverseBytes16(uint16(id)))
}

// fold adds the carries of a sum of words (RFC 1071 §2 (A)), complements it and
// puts it into the order of the network.
func fold(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return bits.ReverseBytes16(^uint16(sum))
}

// Checksum is the PE checksum of home (RFC 5353 §3.6.2): 0xffff if it owns nothing.
func (s *Space) Checksum(home rserpool.RegistrarID) uint16 {
	sum, _ := s.sums(home)
	return fold(sum)
}

// ChecksumRsplib is the PE checksum of home as rsplib's registrars compute it. It
// is the same as Checksum while home owns less than about 3,600 elements, with
// handles of usual length 10,000 and more. Beyond that rsplib's 32-bit sum wraps
// and loses carries, so that its checksum violates RFC 5353. A registrar takes a
// rsplib peer's PRESENCE as in order if it has one or the other.
func (s *Space) ChecksumRsplib(home rserpool.RegistrarID) uint16 {
	sum, _ := s.sums(home)
	return fold(uint64(uint32(sum)))
}

// ChecksumPortable is ChecksumRsplib of those elements that are Options.Portable:
// the ones that a rsplib peer was told of. A registrar must send such a peer this
// checksum of its own elements, else the peer asks for the handle table over and
// over.
func (s *Space) ChecksumPortable(home rserpool.RegistrarID) uint16 {
	_, sum := s.sums(home)
	return fold(uint64(uint32(sum)))
}

func (s *Space) sums(home rserpool.RegistrarID) (all, portable uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[home]; o != nil {
		return o.sum, o.rsum
	}
	return 0, 0
}
