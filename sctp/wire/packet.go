package wire

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
)

// Header is the common header of a packet without its checksum.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|       Source Port Number      |    Destination Port Number    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Verification Tag                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           Checksum                            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.1.
type Header struct {
	// SrcPort and DstPort are SCTP ports; 0 is not allowed.
	SrcPort, DstPort uint16
	// VTag is the Verification Tag.
	VTag VTag
}

// AppendTo appends the 12 bytes of the header with a zero checksum. SetChecksum
// fills that in once the chunks are there.
func (h Header) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.SrcPort)
	b = binary.BigEndian.AppendUint16(b, h.DstPort)
	b = binary.BigEndian.AppendUint32(b, uint32(h.VTag))
	return append(b, zeroSum[:]...)
}

// Packet is a packet whose structure Parse has checked. It is a value, aliases
// the input, and is valid as long as those bytes are.
type Packet struct {
	Header
	// Sum is the checksum field as received, in the number that Checksum
	// computes. It is 0 in a packet that uses RFC 9653.
	Sum    uint32
	whole  []byte
	chunks []byte
}

// Parse checks a packet and returns a view of it. It fails unless the common
// header is there, both ports are non-zero, the CRC32c fits, at least one chunk
// follows, and every chunk lies inside the packet with a length of at least 4.
// The padding behind a chunk is ignored; behind the last chunk it may be missing
// (RFC 9260 §3.1, §3.2, §6.8). The error is an *Error.
func Parse(b []byte) (Packet, error) {
	p, err := parseHeader(b)
	if err != nil {
		return Packet{}, err
	}
	if p.Sum != Checksum(b) {
		return Packet{}, packetError(ErrChecksum, checksumStart)
	}
	if err := p.checkChunks(); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// ParseUnchecked is Parse without the check of the CRC32c: for tools, and for
// packets whose zero checksum is judged later (RFC 9653).
func ParseUnchecked(b []byte) (Packet, error) {
	p, err := parseHeader(b)
	if err != nil {
		return Packet{}, err
	}
	if err := p.checkChunks(); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// parseHeader reads the common header and checks its ports.
func parseHeader(b []byte) (Packet, error) {
	if len(b) < HeaderLen {
		return Packet{}, packetError(ErrTruncated, len(b)&^3) // the field that is cut off
	}
	p := Packet{whole: b, chunks: b[HeaderLen:len(b):len(b)]}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.VTag = VTag(binary.BigEndian.Uint32(b[4:]))
	p.Sum = binary.LittleEndian.Uint32(b[checksumStart:])
	if p.SrcPort == 0 || p.DstPort == 0 {
		return Packet{}, packetError(ErrPort, 0)
	}
	return p, nil
}

// checkChunks walks all chunk boundaries once, so that Chunks need not.
func (p *Packet) checkChunks() error {
	if len(p.chunks) == 0 {
		return packetError(ErrNoChunks, HeaderLen)
	}
	for b := p.chunks; len(b) > 0; {
		n, kind := chunkLen(b)
		if kind != 0 {
			return packetError(kind, len(p.whole)-len(b))
		}
		b = b[min(padded(n), len(b)):]
	}
	return nil
}

// chunkLen is the length field of the first chunk in b, which must lie within. Its
// padding may be cut short: the chunk is necessarily the last one then, where that is
// allowed.
func chunkLen(b []byte) (int, ErrorKind) {
	if len(b) < ChunkHeaderLen {
		return 0, ErrTruncated
	}
	switch n := int(binary.BigEndian.Uint16(b[2:])); {
	case n < ChunkHeaderLen:
		return 0, ErrLength
	case n > len(b):
		return 0, ErrTruncated
	default:
		return n, 0
	}
}

// CutChunk returns the first chunk in b, which is what Packet.Body returned, or the
// rest that CutChunk did, and what comes after it. If there is none the chunk is the zero
// value and rest is empty. It is the way for the hot path to what Chunks yields.
func CutChunk(b []byte) (c RawChunk, rest []byte) {
	n, kind := chunkLen(b)
	if kind != 0 {
		return RawChunk{}, nil
	}
	return RawChunk{whole: b[:n:n]}, b[min(padded(n), len(b)):]
}

// Chunks yields the packet's chunks in order. It does not allocate.
func (p Packet) Chunks() iter.Seq[RawChunk] {
	return func(yield func(RawChunk) bool) { eachChunk(p.chunks, yield) }
}

// eachChunk is apart from Chunks so that the latter can be inlined, which keeps
// its closure off the heap.
func eachChunk(b []byte, yield func(RawChunk) bool) {
	for len(b) > 0 {
		var c RawChunk
		if c, b = CutChunk(b); c.whole == nil || !yield(c) {
			return
		}
	}
}

// First is the packet's first chunk. Which one it is decides how packets that
// belong to no association are treated (RFC 9260 §8.4).
func (p Packet) First() RawChunk {
	c, _ := CutChunk(p.chunks)
	return c
}

// FirstType is the type of the first chunk.
func (p *Packet) FirstType() ChunkType {
	if len(p.chunks) == 0 {
		return 0
	}
	return ChunkType(p.chunks[0])
}

// Body is the packet's chunks as received, see CutChunk.
func (p *Packet) Body() []byte { return p.chunks }

// Bytes is the whole packet as received.
func (p Packet) Bytes() []byte { return p.whole }

// String describes the header and each chunk on one line.
func (p Packet) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d>%d tag=0x%08x", p.SrcPort, p.DstPort, uint32(p.VTag))
	for c := range p.Chunks() {
		fmt.Fprintf(&s, " [%v]", c)
	}
	return s.String()
}
