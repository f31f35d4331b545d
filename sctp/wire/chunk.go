package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// ChunkType is the first byte of a chunk (RFC 9260 §3.2, Table 1, and the IANA
// registry behind it).
type ChunkType uint8

// Chunk types. ECNE and CWR are reserved by RFC 9260; those from Auth on belong to
// extensions and, but for PAD, are here only for their names.
const (
	TypeData             ChunkType = 0
	TypeInit             ChunkType = 1
	TypeInitAck          ChunkType = 2
	TypeSack             ChunkType = 3
	TypeHeartbeat        ChunkType = 4
	TypeHeartbeatAck     ChunkType = 5
	TypeAbort            ChunkType = 6
	TypeShutdown         ChunkType = 7
	TypeShutdownAck      ChunkType = 8
	TypeError            ChunkType = 9
	TypeCookieEcho       ChunkType = 10
	TypeCookieAck        ChunkType = 11
	TypeECNE             ChunkType = 12
	TypeCWR              ChunkType = 13
	TypeShutdownComplete ChunkType = 14
	TypeAuth             ChunkType = 15   // RFC 4895
	TypeIData            ChunkType = 64   // RFC 8260
	TypeAsconfAck        ChunkType = 0x80 // RFC 5061
	TypeReconfig         ChunkType = 0x82 // RFC 6525
	TypePad              ChunkType = 0x84 // RFC 4820
	TypeForwardTSN       ChunkType = 0xC0 // RFC 3758
	TypeAsconf           ChunkType = 0xC1 // RFC 5061
	TypeIForwardTSN      ChunkType = 0xC2 // RFC 8260
)

var chunkNames = map[ChunkType]string{
	TypeData: "DATA", TypeInit: "INIT", TypeInitAck: "INIT-ACK", TypeSack: "SACK",
	TypeHeartbeat: "HEARTBEAT", TypeHeartbeatAck: "HEARTBEAT-ACK", TypeAbort: "ABORT",
	TypeShutdown: "SHUTDOWN", TypeShutdownAck: "SHUTDOWN-ACK", TypeError: "ERROR",
	TypeCookieEcho: "COOKIE-ECHO", TypeCookieAck: "COOKIE-ACK", TypeECNE: "ECNE", TypeCWR: "CWR",
	TypeShutdownComplete: "SHUTDOWN-COMPLETE", TypeAuth: "AUTH", TypeIData: "I-DATA",
	TypeAsconfAck: "ASCONF-ACK", TypeReconfig: "RE-CONFIG", TypePad: "PAD",
	TypeForwardTSN: "FORWARD-TSN", TypeAsconf: "ASCONF", TypeIForwardTSN: "I-FORWARD-TSN",
}

// String returns the RFC's name of the type, or its number.
func (t ChunkType) String() string {
	if s, ok := chunkNames[t]; ok {
		return s
	}
	return fmt.Sprintf("CHUNK-%d", uint8(t))
}

// SkipUnknown says what to do with a chunk of a type that is not understood:
// true is to skip it and go on, false to stop processing the packet, this chunk
// and all after it included (RFC 9260 §3.2, Table 2, high bit).
func (t ChunkType) SkipUnknown() bool { return t&0x80 != 0 }

// ReportUnknown says whether a chunk of a type that is not understood is to be
// reported in an ERROR with the cause Unrecognized Chunk Type (RFC 9260 §3.2,
// Table 2, second bit).
func (t ChunkType) ReportUnknown() bool { return t&0x40 != 0 }

// RawChunk is a view of one chunk of a parsed packet; it aliases the packet.
// The zero value is a chunk of type DATA without a value that no decoder accepts.
type RawChunk struct {
	whole []byte // nil or with a header
}

// Type is the chunk's type.
func (c RawChunk) Type() ChunkType {
	if len(c.whole) < ChunkHeaderLen {
		return 0
	}
	return ChunkType(c.whole[0])
}

// Flags is the chunk's flags byte.
func (c RawChunk) Flags() uint8 {
	if len(c.whole) < ChunkHeaderLen {
		return 0
	}
	return c.whole[1]
}

// Value is what follows the chunk header, without padding.
func (c RawChunk) Value() []byte {
	if len(c.whole) < ChunkHeaderLen {
		return nil
	}
	return c.whole[ChunkHeaderLen:]
}

// Bytes is the whole chunk with header, without padding: the form in which an
// Unrecognized Chunk Type cause quotes it.
func (c RawChunk) Bytes() []byte { return c.whole }

// Len is the chunk's length field: its size in bytes without padding.
func (c RawChunk) Len() int { return len(c.whole) }

// String decodes the chunk and describes it, or says why it does not decode.
func (c RawChunk) String() string {
	d := newDecoder(c.Type())
	if d == nil {
		return fmt.Sprintf("%v flags=0x%02x len=%d", c.Type(), c.Flags(), len(c.Value()))
	}
	if err := d.Decode(c); err != nil {
		return fmt.Sprintf("%v malformed (%v)", c.Type(), err)
	}
	return d.String()
}

// Chunk is what all chunk structs of this package have in common.
type Chunk interface {
	// Decode fills the struct from c, whose bytes it aliases.
	Decode(c RawChunk) error
	// AppendTo appends the complete chunk with its padding to b.
	AppendTo(b []byte) []byte
	// Len is the number of bytes that AppendTo appends.
	Len() int
	fmt.Stringer
}

// newDecoder returns an empty struct for chunks of type t, nil if it has none.
func newDecoder(t ChunkType) Chunk {
	switch t {
	case TypeData:
		return new(Data)
	case TypeInit, TypeInitAck:
		return new(Init)
	case TypeSack:
		return new(Sack)
	case TypeHeartbeat, TypeHeartbeatAck:
		return new(Heartbeat)
	case TypeAbort:
		return new(Abort)
	case TypeShutdown:
		return new(Shutdown)
	case TypeShutdownAck:
		return new(ShutdownAck)
	case TypeError:
		return new(OperationError)
	case TypeCookieEcho:
		return new(CookieEcho)
	case TypeCookieAck:
		return new(CookieAck)
	case TypeShutdownComplete:
		return new(ShutdownComplete)
	case TypeECNE:
		return new(ECNE)
	case TypeCWR:
		return new(CWR)
	case TypePad:
		return new(Pad)
	default:
		return nil
	}
}

// DecodeChunk decodes c into a new struct of its type. It is for tools and
// tests; the hot path decodes into structs that it reuses. A type without a
// codec gives ErrType.
func DecodeChunk(c RawChunk) (Chunk, error) {
	d := newDecoder(c.Type())
	if d == nil {
		return nil, chunkError(c, ErrType, 0)
	}
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	return d, nil
}

// checkType fails unless c is of type t and was made by Parse.
func checkType(c RawChunk, t ChunkType) error {
	if c.Type() != t || c.whole == nil {
		return chunkError(c, ErrType, 0)
	}
	return nil
}

// checkEmpty fails unless c is of type t and nothing follows its header.
func checkEmpty(c RawChunk, t ChunkType) error {
	if err := checkType(c, t); err != nil {
		return err
	}
	if len(c.Value()) != 0 {
		return chunkError(c, ErrLength, 0)
	}
	return nil
}

// beginChunk appends a chunk header whose length endChunk fills in, and returns
// where it starts.
func beginChunk(b []byte, t ChunkType, flags uint8) ([]byte, int) {
	start := len(b)
	return append(b, byte(t), flags, 0, 0), start
}

// endChunk writes the length of the chunk begun at start, which does not count
// the padding that endChunk appends (RFC 9260 §3.2).
func endChunk(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return tlv.AppendPad(b, start)
}

// padded is n rounded up to a multiple of four.
func padded(n int) int { return n + tlv.Pad(n) }
