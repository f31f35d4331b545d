package handlespace

import (
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// Reasons why Register refuses an element. Test for them with errors.Is; behind
// each stands the code of the error cause that CauseOf gives.
var (
	// ErrPoolHandle: the handle is empty or too long (Invalid Values).
	ErrPoolHandle = errors.New("pool handle too short or too long")
	// ErrPEID: the identifier is 0 (Invalid Values).
	ErrPEID = errors.New("PE identifier 0")
	// ErrElement: the element cannot be written as a Pool Element parameter, for
	// example because a transport has no address (Invalid Values).
	ErrElement = errors.New("invalid pool element")
	// ErrPolicyUnsupported: there is no selector for the policy. RFC 5354 has no code
	// for that; rsplib's is used (CauseRsplibUnsupportedPolicy).
	ErrPolicyUnsupported = errors.New("policy not supported")
	// ErrPolicyMismatch: the policy type is not the pool's (RFC 5352 §3.1; Inconsistent
	// Pooling Policy).
	ErrPolicyMismatch = errors.New("policy differs from the pool's")
	// ErrTransportType: the transport protocol is not the pool's (RFC 5352 §3.1;
	// Inconsistent Transport Type).
	ErrTransportType = errors.New("transport type differs from the pool's")
	// ErrTransportUse: the transport use is not the pool's (RFC 5352 §3.1;
	// Inconsistent Data/Control Configuration).
	ErrTransportUse = errors.New("transport use differs from the pool's")
	// ErrLimit: one of the limits of Options is reached (Lack of Resources).
	ErrLimit = errors.New("limit reached")
)

// Error says which element was refused, why, and what to tell it. Register
// returns no other error type.
type Error struct {
	Handle rserpool.PoolHandle
	ID     rserpool.PEID
	// Cause is what belongs into the ASAP_REGISTRATION_RESPONSE (RFC 5352 §3.1). Its
	// information is filled in where RFC 5354 §3.12.6 and §3.12.8 ask for the pool's
	// policy or transport.
	Cause rserpool.Cause
	err   error
}

// Error is a text such as "handlespace: pool echo, pe 0x00000001: PE identifier 0".
func (e *Error) Error() string {
	return fmt.Sprintf("handlespace: pool %s, pe %s: %v", e.Handle, e.ID, e.err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.err }

// CauseOf is the error cause to answer err with: that of the Error in it, else
// Unspecified Error.
func CauseOf(err error) rserpool.Cause {
	var e *Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return rserpool.Cause{Code: rserpool.CauseUnspecified}
}

// refuse is the error of a registration.
func refuse(h rserpool.PoolHandle, id rserpool.PEID, code rserpool.CauseCode, err error) *Error {
	return &Error{Handle: h, ID: id, Cause: rserpool.Cause{Code: code}, err: err}
}
