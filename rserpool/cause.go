package rserpool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

// MaxCauses is the largest number of causes in one Operation Error parameter
// that this package reads or validates.
const MaxCauses = 64

// CauseCode is the code of an error cause (RFC 5354 §3.12).
type CauseCode uint16

// Cause codes of RFC 5354 §3.12, Table 2.
const (
	CauseUnspecified                   CauseCode = 0x0000
	CauseUnrecognizedParameter         CauseCode = 0x0001 // Info: the parameter
	CauseUnrecognizedMessage           CauseCode = 0x0002 // Info: the message
	CauseInvalidValues                 CauseCode = 0x0003 // Info: the offending parameter
	CauseNonUniquePEIdentifier         CauseCode = 0x0004
	CauseInconsistentPolicy            CauseCode = 0x0005 // Info: the pool's policy parameter
	CauseLackOfResources               CauseCode = 0x0006
	CauseInconsistentTransportType     CauseCode = 0x0007 // Info: the pool's transport parameter
	CauseInconsistentDataControlConfig CauseCode = 0x0008
	CauseUnknownPoolHandle             CauseCode = 0x0009
	CauseSecurity                      CauseCode = 0x000a
)

// Cause codes that rsplib sends and IANA has not assigned. rsplib also uses
// CauseUnknownPoolHandle to refuse a pool user that asks too often, and
// CauseRsplibWrongProtocol where RFC 5354 has CauseInconsistentTransportType.
const (
	CauseRsplibInvalidMessage      CauseCode = 0x0010
	CauseRsplibInvalidTLVValue     CauseCode = 0x0011 // Info: the parameter, e.g. without a usable address
	CauseRsplibWrongProtocol       CauseCode = 0x100a
	CauseRsplibUnsupportedPolicy   CauseCode = 0x100b
	CauseRsplibInvalidID           CauseCode = 0xf000 // PE identifier 0
	CauseRsplibOwnID               CauseCode = 0xf001
	CauseRsplibDuplicateID         CauseCode = 0xf002
	CauseRsplibInvalidPolicy       CauseCode = 0xf003
	CauseRsplibInvalidPoolHandle   CauseCode = 0xf004
	CauseRsplibInvalidAddresses    CauseCode = 0xf005
	CauseRsplibInvalidRegistrar    CauseCode = 0xf006 // also: no ASAP transport in a handle update
	CauseRsplibNoUsableASAPAddress CauseCode = 0xf007
	CauseRsplibNoUsableUserAddress CauseCode = 0xf008
)

var causeNames = map[CauseCode]string{
	CauseUnspecified:                   "unspecified error",
	CauseUnrecognizedParameter:         "unrecognized parameter",
	CauseUnrecognizedMessage:           "unrecognized message",
	CauseInvalidValues:                 "invalid values",
	CauseNonUniquePEIdentifier:         "non-unique PE identifier",
	CauseInconsistentPolicy:            "inconsistent pooling policy",
	CauseLackOfResources:               "lack of resources",
	CauseInconsistentTransportType:     "inconsistent transport type",
	CauseInconsistentDataControlConfig: "inconsistent data/control configuration",
	CauseUnknownPoolHandle:             "unknown pool handle",
	CauseSecurity:                      "rejected due to security considerations",
	CauseRsplibInvalidMessage:          "invalid message (rsplib)",
	CauseRsplibInvalidTLVValue:         "invalid TLV value (rsplib)",
	CauseRsplibWrongProtocol:           "wrong protocol (rsplib)",
	CauseRsplibUnsupportedPolicy:       "unsupported policy (rsplib)",
	CauseRsplibInvalidID:               "invalid identifier (rsplib)",
	CauseRsplibOwnID:                   "own identifier (rsplib)",
	CauseRsplibDuplicateID:             "duplicate identifier (rsplib)",
	CauseRsplibInvalidPolicy:           "invalid policy (rsplib)",
	CauseRsplibInvalidPoolHandle:       "invalid pool handle (rsplib)",
	CauseRsplibInvalidAddresses:        "invalid addresses (rsplib)",
	CauseRsplibInvalidRegistrar:        "invalid registrar (rsplib)",
	CauseRsplibNoUsableASAPAddress:     "no usable ASAP address (rsplib)",
	CauseRsplibNoUsableUserAddress:     "no usable user address (rsplib)",
}

// String is the code's name in RFC 5354 §3.12 in lower case, or "cause 0x…".
func (c CauseCode) String() string {
	if n, ok := causeNames[c]; ok {
		return n
	}
	return fmt.Sprintf("cause 0x%04x", uint16(c))
}

// Cause is one error cause: a code and its cause-specific information, which is
// empty for most codes (RFC 5354 §3.12). It is an error, so that a refusal can
// be passed up as it came.
type Cause struct {
	Code CauseCode
	Info []byte
}

// Error is "rserpool: " and the code's name.
func (c Cause) Error() string { return "rserpool: " + c.Code.String() }

// String is the code's name and the size of the information in bytes, if any.
func (c Cause) String() string {
	if len(c.Info) == 0 {
		return c.Code.String()
	}
	return fmt.Sprintf("%s len=%d", c.Code, len(c.Info))
}

// Param is the type of the parameter in Info, which is there with
// CauseUnrecognizedParameter and CauseInvalidValues. The second result is false
// if Info is no parameter.
func (c Cause) Param() (ParamType, bool) {
	r := tlv.NewReader(c.Info)
	t, ok := r.Next()
	return ParamType(t.Type), ok
}

// Policy is the pool's policy from a CauseInconsistentPolicy (RFC 5354 §3.12.6).
// The second result is false if it is not there: rsplib leaves it out.
func (c Cause) Policy() (Policy, bool) {
	p := NewParamReader(c.Info)
	pol := p.Policy()
	return pol, c.Code == CauseInconsistentPolicy && p.Finish() == nil
}

// Transport is the pool's transport from a CauseInconsistentTransportType
// (RFC 5354 §3.12.8). The second result is false if it is not there.
func (c Cause) Transport() (Transport, bool) {
	p := NewParamReader(c.Info)
	t := p.Transport()
	return t, c.Code == CauseInconsistentTransportType && p.Finish() == nil
}

// PolicyCause is the CauseInconsistentPolicy of a pool with policy p.
func PolicyCause(p Policy) Cause {
	return Cause{Code: CauseInconsistentPolicy, Info: p.AppendTo(nil)}
}

// TransportCause is the CauseInconsistentTransportType of a pool with transport t.
func TransportCause(t Transport) Cause {
	return Cause{Code: CauseInconsistentTransportType, Info: t.AppendTo(nil)}
}

// AppendCauses appends an Operation Error parameter (RFC 5354 §3.12). RFC 5354
// asks for at least one cause; with none it appends nothing.
func AppendCauses(b []byte, causes []Cause) []byte {
	if len(causes) == 0 {
		return b
	}
	b, start := tlv.Begin(b, uint16(ParamOperationError))
	last := 0
	for _, c := range causes {
		last = len(b)
		b = tlv.Append(b, uint16(c.Code), c.Info)
	}
	return tlv.End(trimPad(b, last), start)
}

// trimPad cuts off the padding of the TLV that starts at start and ends b: the
// length of the parameter around it does not count it (RFC 5354 §2). A TLV too
// long for its length field stays whole, so that EndMessage sees its true size.
func trimPad(b []byte, start int) []byte {
	n := len(b) - start
	if pad := n - int(binary.BigEndian.Uint16(b[start+2:])); pad <= 3 {
		n -= pad
	}
	return b[:start+n]
}

// ValidateCauses returns an error if the causes cannot be written as one
// Operation Error parameter. No causes are fine: there is no parameter then.
func ValidateCauses(causes []Cause) error {
	if len(causes) > MaxCauses {
		return fmt.Errorf("rserpool: %d error causes, want at most %d", len(causes), MaxCauses)
	}
	n := tlv.HeaderLen
	for _, c := range causes {
		n += tlv.HeaderLen + len(c.Info) + tlv.Pad(len(c.Info))
	}
	if n > MaxMessage {
		return fmt.Errorf("rserpool: error causes of %d bytes, want at most %d", n, MaxMessage)
	}
	return nil
}

// CausesString lists causes for a person: "lack of resources; cause 0x1234".
func CausesString(causes []Cause) string {
	s := make([]string, len(causes))
	for i, c := range causes {
		s[i] = c.String()
	}
	return strings.Join(s, "; ")
}

// Causes reads an Operation Error parameter, which must hold one cause or more.
func (p *ParamReader) Causes() []Cause {
	var n ParamReader
	t, ok := p.enter(&n, ParamOperationError)
	if !ok {
		return nil
	}
	var causes []Cause
	for {
		c, more := n.r.Next()
		if !more {
			break
		}
		if len(causes) == MaxCauses {
			p.Exceeded(ParamOperationError)
			return nil
		}
		causes = append(causes, Cause{Code: CauseCode(c.Type), Info: bytes.Clone(emptyToNil(c.Value))})
	}
	if n.r.Err() != nil || len(causes) == 0 {
		p.invalid(t)
		return nil
	}
	return causes
}

// emptyToNil makes "no bytes" look the same however it was read.
func emptyToNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
