package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rserpool/rserpool/rserpool"
)

// Errors of requests.
var (
	// ErrUnknownPool: the registrar knows no such pool (RFC 5354 §3.12, Unknown
	// Pool Handle). Registrars that limit the rate of requests may answer the
	// same.
	ErrUnknownPool = errors.New("asap: unknown pool handle")
	// ErrNoRegistrar: no registrar could be reached.
	ErrNoRegistrar = errors.New("asap: no registrar reachable")
	// ErrTimeout: the registrar did not answer, also not the repetitions.
	ErrTimeout = errors.New("asap: registrar does not answer")
	// ErrTooMany: more requests are under way than the limit allows.
	ErrTooMany = errors.New("asap: too many requests")
)

// RejectedError is a registrar's refusal.
type RejectedError struct {
	// Op names what was refused: registration, deregistration or resolution.
	Op string
	// Causes are the registrar's reasons, possibly none.
	Causes []rserpool.Cause
	// Temporary says that the reason may go away by itself, so that the same
	// request will be repeated after a pause.
	Temporary bool
}

// Error lists the causes.
func (e *RejectedError) Error() string {
	if len(e.Causes) == 0 {
		return fmt.Sprintf("asap: %s rejected", e.Op)
	}
	names := make([]string, len(e.Causes))
	for i, c := range e.Causes {
		names[i] = c.Code.String()
	}
	return fmt.Sprintf("asap: %s rejected: %s", e.Op, strings.Join(names, ", "))
}

// Has reports whether code is among the causes.
func (e *RejectedError) Has(code rserpool.CauseCode) bool {
	return slices.ContainsFunc(e.Causes, func(c rserpool.Cause) bool { return c.Code == code })
}
