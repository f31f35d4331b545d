package wire

import (
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// ErrorKind says what is wrong with a packet or a chunk. The kinds are errors
// themselves, so errors.Is(err, wire.ErrTruncated) works on everything this
// package returns.
type ErrorKind uint8

const (
	// ErrTruncated means that a header, a field or a parameter reaches past the
	// end of what holds it.
	ErrTruncated ErrorKind = iota + 1
	// ErrChecksum means that the CRC32c does not fit the packet (RFC 9260 §6.8).
	ErrChecksum
	// ErrLength means that a length field is impossible: less than its own
	// header, not the one length a chunk or parameter of this type has, or not
	// the size that the counts inside ask for.
	ErrLength
	// ErrPort means that the source or destination port is 0 (RFC 9260 §3.1).
	ErrPort
	// ErrNoChunks means that nothing follows the common header.
	ErrNoChunks
	// ErrValue means that a field holds a value which its type does not allow.
	ErrValue
	// ErrMissing means that a mandatory parameter or error cause is absent.
	ErrMissing
	// ErrType means that a chunk was given to the decoder of another type.
	ErrType
)

// Error returns the kind in words.
func (k ErrorKind) Error() string {
	switch k {
	case ErrTruncated:
		return "truncated"
	case ErrChecksum:
		return "wrong CRC32c"
	case ErrLength:
		return "bad length"
	case ErrPort:
		return "port is zero"
	case ErrNoChunks:
		return "no chunks"
	case ErrValue:
		return "bad value"
	case ErrMissing:
		return "mandatory part missing"
	case ErrType:
		return "wrong chunk type"
	default:
		return fmt.Sprintf("error kind %d", uint8(k))
	}
}

// Error is what Parse and the Decode methods return. Kind is reached with
// errors.Is, the rest with errors.As.
type Error struct {
	// Kind is what is wrong.
	Kind ErrorKind
	// Chunk is the type of the chunk at fault. InPacket errors that belong to no
	// chunk leave it 0.
	Chunk ChunkType
	// InPacket tells an error of the packet's structure (from Parse) from one
	// inside a chunk (from Decode).
	InPacket bool
	// Offset is where reading stopped, in bytes: from the start of the packet if
	// InPacket, otherwise from the start of the chunk's value.
	Offset int
}

// Error returns where the fault is and what it is.
func (e *Error) Error() string {
	if e.InPacket {
		return fmt.Sprintf("sctp/wire: packet: %v at byte %d", e.Kind, e.Offset)
	}
	return fmt.Sprintf("sctp/wire: %v: %v at byte %d", e.Chunk, e.Kind, e.Offset)
}

// Unwrap returns the kind, for errors.Is.
func (e *Error) Unwrap() error { return e.Kind }

// packetError is an Error about the packet as a whole.
func packetError(k ErrorKind, offset int) error {
	return &Error{Kind: k, InPacket: true, Offset: offset}
}

// chunkError is an Error inside c.
func chunkError(c RawChunk, k ErrorKind, offset int) error {
	return &Error{Kind: k, Chunk: c.Type(), Offset: offset}
}

// readError turns the sticky error of a reader over c's value into an Error, nil
// if there is none.
func readError(c RawChunk, r *tlv.Reader) error {
	if r.Err() == nil {
		return nil
	}
	return chunkError(c, kindOf(r.Err()), r.Offset())
}

// kindOf maps the cursor's errors to ours.
func kindOf(err error) ErrorKind {
	var k ErrorKind
	switch {
	case errors.As(err, &k):
		return k
	case errors.Is(err, tlv.ErrLength):
		return ErrLength
	default:
		return ErrTruncated
	}
}
