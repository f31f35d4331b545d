package wire

import "fmt"

// CookieEcho is a COOKIE ECHO chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 10   |  Chunk Flags  |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                            Cookie                             /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.11.
type CookieEcho struct {
	// Cookie is the content of the State Cookie parameter of the INIT ACK.
	Cookie []byte
}

// Decode fills e from c. Any content is accepted, none included: whether it is a
// cookie, its MAC tells.
func (e *CookieEcho) Decode(c RawChunk) error {
	e.Cookie = c.Value()
	return checkType(c, TypeCookieEcho)
}

// AppendTo appends the complete chunk with padding. A cookie is at most 65,531
// bytes.
func (e *CookieEcho) AppendTo(b []byte) []byte {
	b, start := beginChunk(b, TypeCookieEcho, 0)
	return endChunk(append(b, e.Cookie...), start)
}

// Len is the size of the chunk with padding.
func (e *CookieEcho) Len() int { return padded(ChunkHeaderLen + len(e.Cookie)) }

// String describes the chunk without showing the cookie.
func (e *CookieEcho) String() string { return fmt.Sprintf("COOKIE-ECHO len=%d", len(e.Cookie)) }

// CookieAck is a COOKIE ACK chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 11   |  Chunk Flags  |          Length = 4           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.12.
type CookieAck struct{}

// Decode fails unless c is a COOKIE ACK of length 4.
func (*CookieAck) Decode(c RawChunk) error { return checkEmpty(c, TypeCookieAck) }

// AppendTo appends the complete chunk.
func (*CookieAck) AppendTo(b []byte) []byte { return append(b, byte(TypeCookieAck), 0, 0, 4) }

// Len is the size of the chunk.
func (*CookieAck) Len() int { return ChunkHeaderLen }

// String returns the chunk's name.
func (*CookieAck) String() string { return "COOKIE-ACK" }
