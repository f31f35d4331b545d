package wire

// Sizes of the fixed parts of a packet, in bytes.
const (
	// HeaderLen is the size of the common header (RFC 9260 §3.1).
	HeaderLen = 12
	// ChunkHeaderLen is the size of a chunk's type, flags and length (RFC 9260 §3.2).
	ChunkHeaderLen = 4
	// DataHeaderLen is the size of a DATA chunk before its user data, chunk
	// header included (RFC 9260 §3.3.1).
	DataHeaderLen = 16
)

// StreamID is a Stream Identifier (RFC 9260 §3.3.1).
type StreamID uint16

// PPID is a Payload Protocol Identifier: opaque to SCTP, in network byte order
// on the wire (RFC 9260 §3.3.1).
type PPID uint32

// VTag is a Verification Tag or Initiate Tag (RFC 9260 §3.1, §5.3.1).
type VTag uint32

// TSN is a Transmission Sequence Number. It wraps: compare and count with its
// methods, never with operators (RFC 9260 §1.6).
type TSN uint32

// Less says whether t comes before o in the arithmetic of RFC 1982 §3.2. Of two
// numbers exactly 2^31 apart, which the RFC leaves undefined, neither is less.
func (t TSN) Less(o TSN) bool { return int32(o-t) > 0 }

// LessEq says whether t is o or comes before it.
func (t TSN) LessEq(o TSN) bool { return t == o || t.Less(o) }

// Add returns the TSN n steps after t, modulo 2^32.
func (t TSN) Add(n uint32) TSN { return t + TSN(n) }

// Sub returns the signed distance from o to t: 1 if t follows o, -1 if o
// follows t.
func (t TSN) Sub(o TSN) int32 { return int32(t - o) }

// SSN is a Stream Sequence Number. It wraps as TSN does (RFC 9260 §1.6).
type SSN uint16

// Less says whether s comes before o in the arithmetic of RFC 1982 §3.2. Of two
// numbers exactly 2^15 apart neither is less.
func (s SSN) Less(o SSN) bool { return int16(o-s) > 0 }

// LessEq says whether s is o or comes before it.
func (s SSN) LessEq(o SSN) bool { return s == o || s.Less(o) }

// Add returns the SSN n steps after s, modulo 2^16.
func (s SSN) Add(n uint16) SSN { return s + SSN(n) }

// Sub returns the signed distance from o to s.
func (s SSN) Sub(o SSN) int16 { return int16(s - o) }
