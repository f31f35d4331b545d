package wire

import (
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// flagT is the T bit of ABORT and SHUTDOWN COMPLETE: the sender has no TCB and
// reflects the Verification Tag that it received (RFC 9260 §8.5.1).
const flagT = 1 << 0

// Shutdown is a SHUTDOWN chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 7    |  Chunk Flags  |          Length = 8           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Cumulative TSN Ack                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.8.
type Shutdown struct {
	CumTSN TSN
}

// Decode fills s from c. It fails unless the length is 8.
func (s *Shutdown) Decode(c RawChunk) error {
	if err := checkType(c, TypeShutdown); err != nil {
		return err
	}
	r := tlv.NewReader(c.Value())
	s.CumTSN = TSN(r.U32())
	if r.Len() != 0 {
		r.Fail(ErrLength)
	}
	return readError(c, &r)
}

// AppendTo appends the complete chunk.
func (s *Shutdown) AppendTo(b []byte) []byte {
	b, start := beginChunk(b, TypeShutdown, 0)
	return endChunk(appendFields32(b, uint32(s.CumTSN)), start)
}

// Len is the size of the chunk.
func (*Shutdown) Len() int { return ChunkHeaderLen + 4 }

// String describes the chunk: "SHUTDOWN cum=7".
func (s *Shutdown) String() string { return fmt.Sprintf("SHUTDOWN cum=%d", s.CumTSN) }

// ShutdownAck is a SHUTDOWN ACK chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 8    |  Chunk Flags  |          Length = 4           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.9.
type ShutdownAck struct{}

// Decode fails unless c is a SHUTDOWN ACK of length 4.
func (*ShutdownAck) Decode(c RawChunk) error { return checkEmpty(c, TypeShutdownAck) }

// AppendTo appends the complete chunk.
func (*ShutdownAck) AppendTo(b []byte) []byte { return append(b, byte(TypeShutdownAck), 0, 0, 4) }

// Len is the size of the chunk.
func (*ShutdownAck) Len() int { return ChunkHeaderLen }

// String returns the chunk's name.
func (*ShutdownAck) String() string { return "SHUTDOWN-ACK" }

// ShutdownComplete is a SHUTDOWN COMPLETE chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 14   |  Reserved   |T|          Length = 4           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.13.
type ShutdownComplete struct {
	// T says that the Verification Tag is reflected (RFC 9260 §8.5.1).
	T bool
}

// Decode fills s from c. It fails unless the length is 4.
func (s *ShutdownComplete) Decode(c RawChunk) error {
	s.T = c.Flags()&flagT != 0
	return checkEmpty(c, TypeShutdownComplete)
}

// AppendTo appends the complete chunk.
func (s *ShutdownComplete) AppendTo(b []byte) []byte {
	return append(b, byte(TypeShutdownComplete), tFlag(s.T), 0, 4)
}

// Len is the size of the chunk.
func (*ShutdownComplete) Len() int { return ChunkHeaderLen }

// String returns the chunk's name, with the T bit if it is set.
func (s *ShutdownComplete) String() string { return "SHUTDOWN-COMPLETE" + tName(s.T) }

// tFlag is the flags byte for a T bit.
func tFlag(t bool) uint8 {
	if t {
		return flagT
	}
	return 0
}

// tName shows a T bit.
func tName(t bool) string {
	if t {
		return " T"
	}
	return ""
}
