package wire

import (
	"fmt"
	"slices"
)

// Pad is a PAD chunk: bytes that make a packet longer and mean nothing.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Type = 0x84   |    Flags=0    |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	\                                                               \
//	/                         Padding Data                          /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 4820 §3. Its receiver discards it, which is also what becomes of an unknown
// chunk of this type.
type Pad struct {
	// Data is the number of bytes of padding data, at most 65,531.
	Data int
}

// Decode fills p from c, whose padding data it does not look at.
func (p *Pad) Decode(c RawChunk) error {
	if err := checkType(c, TypePad); err != nil {
		return err
	}
	p.Data = len(c.Value())
	return nil
}

// AppendTo appends the complete chunk with its padding data, which is all zeros.
func (p *Pad) AppendTo(b []byte) []byte {
	b, start := beginChunk(b, TypePad, 0)
	n := len(b)
	b = slices.Grow(b, padded(p.Data))[:n+p.Data]
	clear(b[n:])
	return endChunk(b, start)
}

// Len is the size of the chunk with padding.
func (p *Pad) Len() int { return padded(ChunkHeaderLen + p.Data) }

// String describes the chunk: "PAD len=1200".
func (p *Pad) String() string { return fmt.Sprintf("%v len=%d", TypePad, p.Data) }
