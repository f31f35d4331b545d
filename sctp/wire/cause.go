package wire

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

// CauseCode is the code of an error cause in an ABORT or ERROR chunk
// (RFC 9260 §3.3.10, Table 11).
type CauseCode uint16

// Error cause codes; the comment says what Cause.Info holds.
const (
	CauseInvalidStream       CauseCode = 1  // stream identifier, 2 reserved bytes
	CauseMissingParam        CauseCode = 2  // count, parameter types
	CauseStaleCookie         CauseCode = 3  // measure of staleness in µs
	CauseOutOfResource       CauseCode = 4  // nothing
	CauseUnresolvableAddr    CauseCode = 5  // the address parameter
	CauseUnrecognizedChunk   CauseCode = 6  // the chunk
	CauseInvalidParam        CauseCode = 7  // nothing
	CauseUnrecognizedParams  CauseCode = 8  // the parameters
	CauseNoUserData          CauseCode = 9  // TSN
	CauseCookieWhileShutdown CauseCode = 10 // nothing
	CauseRestartNewAddrs     CauseCode = 11 // the new address parameters
	CauseUserAbort           CauseCode = 12 // upper layer abort reason
	CauseProtocolViolation   CauseCode = 13 // free text
	// CauseRestartNewEncapsPort: restart with new encapsulation port; two UDP
	// ports (draft-tuexen-tsvwg-sctp-udp-encaps-cons).
	CauseRestartNewEncapsPort CauseCode = 14
)

var causeNames = map[CauseCode]string{
	CauseInvalidStream: "Invalid Stream Identifier", CauseMissingParam: "Missing Mandatory Parameter",
	CauseStaleCookie: "Stale Cookie", CauseOutOfResource: "Out of Resource",
	CauseUnresolvableAddr: "Unresolvable Address", CauseUnrecognizedChunk: "Unrecognized Chunk Type",
	CauseInvalidParam: "Invalid Mandatory Parameter", CauseUnrecognizedParams: "Unrecognized Parameters",
	CauseNoUserData: "No User Data", CauseCookieWhileShutdown: "Cookie Received While Shutting Down",
	CauseRestartNewAddrs: "Restart of an Association with New Addresses",
	CauseUserAbort:       "User-Initiated Abort", CauseProtocolViolation: "Protocol Violation",
	CauseRestartNewEncapsPort: "Restart of an Association with New Encapsulation Port",
}

// String returns the RFC's name of the cause, or its number.
func (c CauseCode) String() string {
	if s, ok := causeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("cause %d", uint16(c))
}

// Cause is one error cause. Info is the Cause-Specific Information; it aliases
// the chunk.
type Cause struct {
	Code CauseCode
	Info []byte
}

// maxShown is how much of a cause's information String shows: enough for people,
// and a peer cannot flood a log.
const maxShown = 64

// String returns the cause's name and the begin of its information.
func (c Cause) String() string {
	if len(c.Info) == 0 {
		return c.Code.String()
	}
	info, more := c.Info, ""
	if len(info) > maxShown {
		info, more = info[:maxShown], "…"
	}
	switch c.Code {
	case CauseUserAbort, CauseProtocolViolation:
		return fmt.Sprintf("%v: %q%s", c.Code, info, more)
	default:
		return fmt.Sprintf("%v: %x%s", c.Code, info, more)
	}
}

// Stream is the stream that an Invalid Stream Identifier cause complains about;
// ok is false for other causes and bad lengths (RFC 9260 §3.3.10.1).
func (c Cause) Stream() (id StreamID, ok bool) {
	if c.Code != CauseInvalidStream || len(c.Info) != 4 {
		return 0, false
	}
	return StreamID(binary.BigEndian.Uint16(c.Info)), true
}

// Staleness is by how many microseconds a cookie came too late, 0 if the peer
// does not tell; ok is false unless this is a well-formed Stale Cookie cause
// (RFC 9260 §3.3.10.3).
func (c Cause) Staleness() (usec uint32, ok bool) {
	if c.Code != CauseStaleCookie || len(c.Info) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(c.Info), true
}

// TSN is the TSN of the DATA chunk that a No User Data cause complains about; ok
// is false for other causes and bad lengths (RFC 9260 §3.3.10.9).
func (c Cause) TSN() (tsn TSN, ok bool) {
	if c.Code != CauseNoUserData || len(c.Info) != 4 {
		return 0, false
	}
	return TSN(binary.BigEndian.Uint32(c.Info)), true
}

// Causes yields the error causes in b, the Causes field of an Abort or
// OperationError. It stops at the first malformed one. It does not allocate.
func Causes(b []byte) iter.Seq[Cause] {
	return func(yield func(Cause) bool) { eachCause(b, yield) }
}

// eachCause is apart from Causes so that the latter can be inlined.
func eachCause(b []byte, yield func(Cause) bool) {
	r := tlv.NewReader(b)
	for {
		t, ok := r.Next()
		if !ok || !yield(Cause{Code: CauseCode(t.Type), Info: t.Value}) {
			return
		}
	}
}

// AppendCause appends one error cause, whose information is the concatenation of
// info, to the causes in b. It pads what is in b first and leaves its own end
// unpadded: the padding of the last cause belongs to the chunk, which AppendTo
// of Abort and OperationError adds without counting it (RFC 9260 §3.2).
// A chunk holds at most 65,531 bytes of causes; callers bound what they quote.
func AppendCause(b []byte, code CauseCode, info ...[]byte) []byte {
	b, start := beginParam(b, 0, ParamType(code))
	for _, i := range info {
		b = append(b, i...)
	}
	return endParam(b, start)
}

// appendCause32 appends a cause whose information is one 32-bit number.
func appendCause32(b []byte, code CauseCode, v uint32) []byte {
	b, start := beginParam(b, 0, ParamType(code))
	return endParam(binary.BigEndian.AppendUint32(b, v), start)
}

// AppendInvalidStream appends an Invalid Stream Identifier cause to the causes in
// b (RFC 9260 §3.3.10.1).
func AppendInvalidStream(b []byte, id StreamID) []byte {
	return appendCause32(b, CauseInvalidStream, uint32(id)<<16)
}

// AppendMissingParams appends a Missing Mandatory Parameter cause to the causes
// in b (RFC 9260 §3.3.10.2).
func AppendMissingParams(b []byte, types ...ParamType) []byte {
	b, start := beginParam(b, 0, ParamType(CauseMissingParam))
	b = binary.BigEndian.AppendUint32(b, uint32(len(types)))
	for _, t := range types {
		b = binary.BigEndian.AppendUint16(b, uint16(t))
	}
	return endParam(b, start)
}

// AppendStaleCookie appends a Stale Cookie cause to the causes in b; usec is how
// long ago the cookie expired (RFC 9260 §3.3.10.3).
func AppendStaleCookie(b []byte, usec uint32) []byte {
	return appendCause32(b, CauseStaleCookie, usec)
}

// AppendNoUserData appends a No User Data cause to the causes in b
// (RFC 9260 §3.3.10.9).
func AppendNoUserData(b []byte, tsn TSN) []byte {
	return appendCause32(b, CauseNoUserData, uint32(tsn))
}

// checkCauses fails unless the value of c is a sequence of well-formed causes.
func checkCauses(c RawChunk) error {
	r := tlv.NewReader(c.Value())
	for {
		if _, ok := r.Next(); !ok {
			return readError(c, &r)
		}
	}
}

// describeCauses lists the causes in b, each in brackets.
func describeCauses(b []byte) string {
	var s strings.Builder
	for c := range Causes(b) {
		fmt.Fprintf(&s, " (%v)", c)
	}
	return s.String()
}
