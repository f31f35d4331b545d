package rserpool

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// MaxMessage is the longest message in bytes that can be written: the largest
// multiple of four that the 16-bit length field can say.
const MaxMessage = 65532

// Ports and SCTP payload protocol identifiers IANA has assigned (RFC 5352 §5,
// RFC 5353 §5).
const (
	ASAPPort    uint16 = 3863
	ASAPTLSPort uint16 = 3864
	ENRPPort    uint16 = 9901
	ENRPTLSPort uint16 = 9902
	ASAPPPID    uint32 = 11
	ENRPPPID    uint32 = 12
)

// Header is the fixed start of every ASAP and ENRP message but its length field
// (RFC 5354 §4).
type Header struct {
	Type  uint8
	Flags uint8
}

// BeginMessage appends the header of a message whose length EndMessage fills in,
// and returns where it starts in b.
func BeginMessage(b []byte, h Header) ([]byte, int) {
	start := len(b)
	return append(b, h.Type, h.Flags, 0, 0), start
}

// EndMessage writes the length of the message begun at start. The length counts
// the padding of the last parameter: RFC 5354 §4 leaves it out, but rsplib
// counts it and reads both. A message beyond MaxMessage bytes cannot be
// expressed; EndMessage then takes it back and returns b[:start].
func EndMessage(b []byte, start int) []byte {
	b = tlv.AppendPad(b, start)
	if len(b)-start > MaxMessage {
		return b[:start]
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// OpenMessage checks the header of the message in b and returns a reader of what
// follows it. b is one SCTP user message or one UDP datagram and holds one RSerPool
// message.
//
// The length field may count the padding of the last parameter, as rsplib does,
// or not, as RFC 5354 §4 says, and the padding bytes themselves may be missing in
// both cases. Anything else behind the message is an error, and so is a message of
// more than MaxMessage bytes: it could not be written again. With an
// error the reader is nil and the error's type is *Error.
func OpenMessage(b []byte) (Header, *ParamReader, error) {
	r := tlv.NewReader(b)
	h := Header{Type: r.U8(), Flags: r.U8()}
	n := int(r.U16())
	if r.Err() != nil {
		return h, nil, &Error{Kind: KindTruncated, Message: h.Type}
	}
	switch missing := n - len(b); {
	case n < tlv.HeaderLen, -missing > tlv.Pad(n):
		return h, nil, &Error{Kind: KindLength, Message: h.Type}
	case n > MaxMessage && missing <= 0:
		return h, nil, &Error{Kind: KindLimit, Message: h.Type}
	case missing > 3, missing > 0 && tlv.Pad(n) != 0:
		return h, nil, &Error{Kind: KindTruncated, Message: h.Type}
	}
	// With up to three bytes missing the parameters decide: only padding may be.
	p := NewParamReader(r.Bytes(min(n-tlv.HeaderLen, r.Len())))
	p.message = h.Type
	return h, p, nil
}

// UnknownMessage is the error for the message b whose type is not defined. The two
// high bits of the type decide whether the sender hears of it: 01 reports, 00
// does not, 10 and 11 are reserved and do not (RFC 5354 §4).
func UnknownMessage(b []byte) *Error {
	r := tlv.NewReader(b)
	e := &Error{Kind: KindUnknownMessage, Message: r.U8()}
	if e.Message>>6 == 1 {
		e.Causes = []Cause{{Code: CauseUnrecognizedMessage, Info: bytes.Clone(b[:min(len(b), maxReportBytes)])}}
	}
	return e
}

// ValidateSize returns an error if encoded, the result of a message's AppendTo on
// a nil slice, is empty: the message was too long for the length field.
func ValidateSize(encoded []byte) error {
	if len(encoded) == 0 {
		return fmt.Errorf("rserpool: message of more than %d bytes", MaxMessage)
	}
	return nil
}
