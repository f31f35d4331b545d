package rserpool

import "fmt"

// Kind says in one word why a message was not accepted.
type Kind uint8

// The kinds of Error.
const (
	KindTruncated           Kind = iota + 1 // bytes end inside a field or parameter
	KindLength                              // a length field contradicts the bytes
	KindUnknownMessage                      // message type that is not defined
	KindUnknownParameter                    // unknown parameter whose high bits say stop
	KindInvalidValue                        // parameter with a value that is not allowed
	KindMissingParameter                    // mandatory parameter is not there
	KindUnexpectedParameter                 // known parameter in a place where it cannot be
	KindLimit                               // more of something than this package takes in
)

var kindNames = [...]string{
	KindTruncated:           "truncated",
	KindLength:              "bad length",
	KindUnknownMessage:      "unknown message type",
	KindUnknownParameter:    "unknown parameter",
	KindInvalidValue:        "invalid value",
	KindMissingParameter:    "missing parameter",
	KindUnexpectedParameter: "unexpected parameter",
	KindLimit:               "limit exceeded",
}

// String is the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Errors for errors.Is: an *Error matches the one of its Kind.
var (
	ErrTruncated           error = &Error{Kind: KindTruncated}
	ErrLength              error = &Error{Kind: KindLength}
	ErrUnknownMessage      error = &Error{Kind: KindUnknownMessage}
	ErrUnknownParameter    error = &Error{Kind: KindUnknownParameter}
	ErrInvalidValue        error = &Error{Kind: KindInvalidValue}
	ErrMissingParameter    error = &Error{Kind: KindMissingParameter}
	ErrUnexpectedParameter error = &Error{Kind: KindUnexpectedParameter}
	ErrLimit               error = &Error{Kind: KindLimit}
)

// Error is why a message could not be decoded and what its sender should hear of
// it. Decode functions of asap and enrp return no other error type.
type Error struct {
	Kind    Kind
	Message uint8     // type field of the message; 0 if unreadable
	Param   ParamType // parameter at fault; 0 if none is
	// Causes is what belongs into an ASAP_ERROR or ENRP_ERROR to the sender.
	// Empty means: discard the message in silence (RFC 5354 §3, §4). It is always
	// empty if the message was itself an error message, so that two endpoints
	// never report errors about errors to each other.
	Causes []Cause
}

// Error is a text such as "rserpool: message type 0x01: unknown parameter 0x40fe".
func (e *Error) Error() string {
	s := "rserpool: " + e.Kind.String()
	if e.Message != 0 {
		s = fmt.Sprintf("rserpool: message type 0x%02x: %s", e.Message, e.Kind)
	}
	if e.Param != 0 {
		s += " " + e.Param.String()
	}
	return s
}

// Is reports whether target is an *Error of the same Kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}
