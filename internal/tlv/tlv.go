// Package tlv reads and writes 16-bit type-length-value structures as SCTP
// (RFC 9260 §3.2.1) and RSerPool (RFC 5354 §3) use them.
//
// Reading goes through Reader, a cursor whose first error sticks: a decoder
// reads all its fields, then asks Err once. No input makes it panic.
package tlv

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the size in bytes of a TLV's type and length fields.
const HeaderLen = 4

// ErrTruncated says that a field or a TLV reaches past the end of the input.
var ErrTruncated = errors.New("tlv: truncated")

// ErrLength says that a TLV's length field is less than its own header.
var ErrLength = errors.New("tlv: bad length")

// Reader is a cursor over bytes in network byte order with a sticky error.
// The zero value is an empty input. Slices it returns alias the input.
type Reader struct {
	b   []byte
	off int
	err error
}

// NewReader returns a cursor at the start of b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err is the first error met, nil if none.
func (r *Reader) Err() error { return r.err }

// Len is the number of bytes not yet read; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.b) - r.off
}

// Offset is the number of bytes read so far.
func (r *Reader) Offset() int { return r.off }

// Fail makes err the sticky error unless there is one already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Bytes returns the next n bytes, or nil after an error.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > r.Len() {
		r.Fail(ErrTruncated)
		return nil
	}
	b := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Rest returns all bytes not yet read.
func (r *Reader) Rest() []byte { return r.Bytes(r.Len()) }

// U8 reads one byte; 0 after an error.
func (r *Reader) U8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads two bytes; 0 after an error.
func (r *Reader) U16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U32 reads four bytes; 0 after an error.
func (r *Reader) U32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes; 0 after an error.
func (r *Reader) U64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// TLV is one structure: Value excludes header and padding, Whole includes the
// header. Both alias the input.
type TLV struct {
	Type  uint16
	Value []byte
	Whole []byte
}

// Next reads one TLV and the padding behind it. It returns false at the end of
// the input and after an error. Padding may be missing or cut short behind the
// last TLV (RFC 9260 §3.2: the enclosing length does not count it).
func (r *Reader) Next() (TLV, bool) {
	if r.Len() == 0 {
		return TLV{}, false
	}
	start := r.off
	t, n := r.U16(), int(r.U16())
	if r.err == nil && n < HeaderLen {
		r.Fail(ErrLength)
	}
	v := r.Bytes(n - HeaderLen)
	if r.err != nil {
		return TLV{}, false
	}
	whole := r.b[start : start+n : start+n]
	r.Bytes(min(Pad(n), r.Len()))
	return TLV{Type: t, Value: v, Whole: whole}, true
}

// Peek is Next without moving the cursor; a malformed TLV gives false and no
// sticky error.
func (r *Reader) Peek() (TLV, bool) {
	save := *r
	t, ok := r.Next()
	*r = save
	return t, ok
}

// Pad is the number of bytes, 0 to 3, that fill n up to a multiple of four.
func Pad(n int) int { return -n & 3 }

// AppendPad appends zero bytes until b, counted from offset start, is a multiple
// of four long.
func AppendPad(b []byte, start int) []byte {
	for range Pad(len(b) - start) {
		b = append(b, 0)
	}
	return b
}

// Append appends one whole TLV with its padding.
func Append(b []byte, typ uint16, value []byte) []byte {
	b, start := Begin(b, typ)
	b = append(b, value...)
	return End(b, start)
}

// Begin appends a TLV header whose length End will fill in, and returns where it
// starts. Nested structures are written by nested Begin and End.
func Begin(b []byte, typ uint16) ([]byte, int) {
	start := len(b)
	return append(b, byte(typ>>8), byte(typ), 0, 0), start
}

// End writes the length of the TLV begun at start (padding not counted) and
// pads it. A value beyond 65,531 bytes cannot be expressed: the length field is
// then cut to its low 16 bits, so callers bound what they put in.
func End(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return AppendPad(b, start)
}
