package wire

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

const (
	// sackHeaderLen is the size of a SACK without blocks and duplicates.
	sackHeaderLen = ChunkHeaderLen + 12
	// maxSackEntries is how many blocks and duplicates together the 16-bit chunk
	// length has room for.
	maxSackEntries = (1<<16 - 1 - sackHeaderLen) / 4
)

// GapBlock is a Gap Ack Block: the TSNs from CumTSN+Start to CumTSN+End, both
// included, have arrived (RFC 9260 §3.3.4).
type GapBlock struct {
	Start, End uint16
}

// Sack is a SACK chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 3    |  Chunk Flags  |         Chunk Length          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Cumulative TSN Ack                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Advertised Receiver Window Credit (a_rwnd)           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                              ...                              /
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Duplicate TSN 1                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                              ...                              /
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.4.
type Sack struct {
	CumTSN TSN
	// ARwnd is the advertised receiver window credit in bytes.
	ARwnd uint32
	// Gaps are as received: they may overlap, be out of order or upside down.
	Gaps []GapBlock
	Dups []TSN
}

// Decode fills s from c and reuses its slices. It fails unless the two counts fit
// the length exactly.
func (s *Sack) Decode(c RawChunk) error {
	s.Gaps, s.Dups = s.Gaps[:0], s.Dups[:0]
	if err := checkType(c, TypeSack); err != nil {
		return err
	}
	r := tlv.NewReader(c.Value())
	s.CumTSN = TSN(r.U32())
	s.ARwnd = r.U32()
	gaps, dups := int(r.U16()), int(r.U16())
	if r.Err() == nil && r.Len() != 4*(gaps+dups) {
		r.Fail(ErrLength)
	}
	if r.Err() != nil {
		return readError(c, &r)
	}
	for range gaps {
		s.Gaps = append(s.Gaps, GapBlock{Start: r.U16(), End: r.U16()})
	}
	for range dups {
		s.Dups = append(s.Dups, TSN(r.U32()))
	}
	return readError(c, &r)
}

// entries returns the blocks and duplicates that fit a chunk. Blocks win: they
// carry news, duplicates only hint at spurious retransmission.
func (s *Sack) entries() ([]GapBlock, []TSN) {
	gaps := s.Gaps[:min(len(s.Gaps), maxSackEntries)]
	return gaps, s.Dups[:min(len(s.Dups), maxSackEntries-len(gaps))]
}

// AppendTo appends the complete chunk. Blocks and duplicates beyond the 16,379
// that a chunk can hold are left out.
func (s *Sack) AppendTo(b []byte) []byte {
	gaps, dups := s.entries()
	b, start := beginChunk(b, TypeSack, 0)
	b = appendFields32(b, uint32(s.CumTSN), s.ARwnd, uint32(len(gaps))<<16|uint32(len(dups)))
	for _, g := range gaps {
		b = appendFields32(b, uint32(g.Start)<<16|uint32(g.End))
	}
	for _, d := range dups {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return endChunk(b, start)
}

// Len is the size of the chunk.
func (s *Sack) Len() int {
	gaps, dups := s.entries()
	return sackHeaderLen + 4*(len(gaps)+len(dups))
}

// String describes the chunk: "SACK cum=7 rwnd=65536 gaps=2-3,5-5 dups=6".
func (s *Sack) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SACK cum=%d rwnd=%d", s.CumTSN, s.ARwnd)
	for i, g := range s.Gaps {
		if i == 0 {
			b.WriteString(" gaps=")
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d-%d", g.Start, g.End)
	}
	for i, d := range s.Dups {
		if i == 0 {
			b.WriteString(" dups=")
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", d)
	}
	return b.String()
}
