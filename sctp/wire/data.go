package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// Flags of a DATA chunk (RFC 9260 §3.3.1).
const (
	flagEnd       = 1 << 0
	flagBegin     = 1 << 1
	flagUnordered = 1 << 2
	flagImmediate = 1 << 3
)

// Data is a DATA chunk: a user message or a fragment of one.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0    |  Res  |I|U|B|E|            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                              TSN                              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      Stream Identifier S      |   Stream Sequence Number n    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                  Payload Protocol Identifier                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	\                                                               \
//	/                 User Data (seq n of Stream S)                 /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.1.
type Data struct {
	TSN    TSN
	Stream StreamID
	// SSN means nothing if Unordered.
	SSN  SSN
	PPID PPID
	// Unordered is the U bit; Begin and End, the B and E bits, mark the first and
	// the last fragment; Immediate, the I bit, asks for a SACK at once (RFC 7053).
	Unordered, Begin, End, Immediate bool
	// Payload is the user data, 1 to 65,519 bytes. Decode accepts none, because
	// the answer to that is an ABORT with the cause No User Data (RFC 9260 §6.2).
	Payload []byte
}

// Decode fills d from c. It fails if the fixed fields are not all there.
func (d *Data) Decode(c RawChunk) error {
	if err := checkType(c, TypeData); err != nil {
		return err
	}
	f := c.whole // without a tlv.Reader: this is the hot path
	if len(f) < DataHeaderLen {
		return chunkError(c, ErrTruncated, 0)
	}
	d.TSN = TSN(binary.BigEndian.Uint32(f[4:]))
	d.Stream = StreamID(binary.BigEndian.Uint16(f[8:]))
	d.SSN = SSN(binary.BigEndian.Uint16(f[10:]))
	d.PPID = PPID(binary.BigEndian.Uint32(f[12:]))
	d.Payload = f[DataHeaderLen:]
	d.Unordered = f[1]&flagUnordered != 0
	d.Begin = f[1]&flagBegin != 0
	d.End = f[1]&flagEnd != 0
	d.Immediate = f[1]&flagImmediate != 0
	return nil
}

// flags is the flags byte of the chunk.
func (d *Data) flags() uint8 {
	var f uint8
	if d.Unordered {
		f |= flagUnordered
	}
	if d.Begin {
		f |= flagBegin
	}
	if d.End {
		f |= flagEnd
	}
	if d.Immediate {
		f |= flagImmediate
	}
	return f
}

// AppendDataHeader appends the 16 bytes of a DATA chunk that come before its user
// data; d.Payload is not looked at. The caller appends payloadLen bytes of user
// data and pads the chunk with zeros to a multiple of four. This is the way for
// the hot path, which takes user data from elsewhere.
func AppendDataHeader(b []byte, d *Data, payloadLen int) []byte {
	n := uint16(DataHeaderLen + payloadLen)
	t, s, q, p := uint32(d.TSN), uint16(d.Stream), uint16(d.SSN), uint32(d.PPID)
	return append(b,
		byte(TypeData), d.flags(), byte(n>>8), byte(n),
		byte(t>>24), byte(t>>16), byte(t>>8), byte(t),
		byte(s>>8), byte(s), byte(q>>8), byte(q),
		byte(p>>24), byte(p>>16), byte(p>>8), byte(p))
}

// AppendTo appends the complete chunk with padding.
func (d *Data) AppendTo(b []byte) []byte {
	start := len(b)
	b = AppendDataHeader(b, d, len(d.Payload))
	return tlv.AppendPad(append(b, d.Payload...), start)
}

// Len is the size of the chunk with padding.
func (d *Data) Len() int { return padded(DataHeaderLen + len(d.Payload)) }

// String describes the chunk, the set flags last: "DATA tsn=7 sid=1 ssn=0
// ppid=11 len=120 BE".
func (d *Data) String() string {
	flags := make([]byte, 0, 5)
	for _, f := range [...]struct {
		on   bool
		name byte
	}{{d.Immediate, 'I'}, {d.Unordered, 'U'}, {d.Begin, 'B'}, {d.End, 'E'}} {
		if f.on {
			if len(flags) == 0 {
				flags = append(flags, ' ')
			}
			flags = append(flags, f.name)
		}
	}
	return fmt.Sprintf("DATA tsn=%d sid=%d ssn=%d ppid=%d len=%d%s",
		d.TSN, d.Stream, d.SSN, d.PPID, len(d.Payload), flags)
}

// appendFields32 appends 32-bit numbers in network byte order.
func appendFields32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}
