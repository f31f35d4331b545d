package wire

import (
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// ECNE is an Explicit Congestion Notification Echo chunk: a packet arrived with the
// mark Congestion Experienced.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 12   |Flags=00000000 |          Length = 8           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Lowest TSN Number                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 4960 Appendix A; RFC 9260 reserves the type and leaves the text out.
type ECNE struct {
	// LowestTSN is the lowest one in the packet that was marked.
	LowestTSN TSN
}

// Decode fills e from c. BSD-derived stacks append the number of marked packets,
// another 4 bytes, which are ignored; any other length is an error.
func (e *ECNE) Decode(c RawChunk) error {
	if err := checkType(c, TypeECNE); err != nil {
		return err
	}
	const counter = 4
	r := tlv.NewReader(c.Value())
	e.LowestTSN = TSN(r.U32())
	if r.Len() != 0 && r.Len() != counter {
		r.Fail(ErrLength)
	}
	return readError(c, &r)
}

// AppendTo appends the complete chunk.
func (e *ECNE) AppendTo(b []byte) []byte { return appendTSNChunk(b, TypeECNE, e.LowestTSN) }

// Len is the size of the chunk, 8.
func (e *ECNE) Len() int { return ChunkHeaderLen + 4 }

// String describes the chunk: "ECNE tsn=7".
func (e *ECNE) String() string { return fmt.Sprintf("%v tsn=%d", TypeECNE, e.LowestTSN) }

// CWR is a Congestion Window Reduced chunk, the answer to ECNE.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 13   |Flags=00000000 |          Length = 8           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Lowest TSN Number                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 4960 Appendix A; RFC 9260 reserves the type and leaves the text out.
type CWR struct {
	// LowestTSN is that of the ECNE.
	LowestTSN TSN
}

// Decode fills w from c. It fails unless the length is 8.
func (w *CWR) Decode(c RawChunk) error {
	if err := checkType(c, TypeCWR); err != nil {
		return err
	}
	r := tlv.NewReader(c.Value())
	w.LowestTSN = TSN(r.U32())
	if r.Len() != 0 {
		r.Fail(ErrLength)
	}
	return readError(c, &r)
}

// AppendTo appends the complete chunk.
func (w *CWR) AppendTo(b []byte) []byte { return appendTSNChunk(b, TypeCWR, w.LowestTSN) }

// Len is the size of the chunk, 8.
func (w *CWR) Len() int { return ChunkHeaderLen + 4 }

// String describes the chunk: "CWR tsn=7".
func (w *CWR) String() string { return fmt.Sprintf("%v tsn=%d", TypeCWR, w.LowestTSN) }

// appendTSNChunk appends a chunk that holds nothing but a TSN.
func appendTSNChunk(b []byte, t ChunkType, tsn TSN) []byte {
	b, start := beginChunk(b, t, 0)
	return endChunk(appendFields32(b, uint32(tsn)), start)
}
