package sctp

import (
	"errors"
	"net"
	"strings"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Errors of calls that leave the association as it is.
var (
	// ErrWouldBlock is what TrySend returns while the send buffer is full, and
	// TryReceiveMessage while there is no message.
	ErrWouldBlock = core.ErrWouldBlock
	// ErrMessageTooLarge is a message above Config.MaxMessageSize, or above the
	// limit that a call that receives was given.
	ErrMessageTooLarge = core.ErrMessageTooLarge
	// ErrEmptyMessage is a message without data; SCTP has none (RFC 9260 §3.3.1).
	ErrEmptyMessage = core.ErrEmptyMessage
	// ErrInvalidStream is a stream identifier that the association does not have.
	ErrInvalidStream = core.ErrInvalidStream
	// ErrExpired is a message whose lifetime ended before it was begun.
	ErrExpired = core.ErrExpired
	// ErrIncomplete is Shutdown while a message that is sent piece by piece has not
	// been ended, or CancelMessage when it is too late for that.
	ErrIncomplete = core.ErrIncomplete
	// ErrNoStream is OpenStream when all streams are open.
	ErrNoStream = errors.New("sctp: all streams are in use")
)

// Errors of Dial and Listen.
var (
	// ErrAssociationExists is a Dial between endpoints that have an association
	// already; two endpoints have no more than one (RFC 9260 §1.3).
	ErrAssociationExists = errors.New("sctp: an association with this peer exists")
	// ErrTooManyAssociations is a Dial beyond StackConfig.MaxAssociations.
	ErrTooManyAssociations = errors.New("sctp: too many associations")
	// ErrPortInUse is a Listen on an SCTP port that has a listener.
	ErrPortInUse = errors.New("sctp: port is in use")
	// ErrNoPort says that no ephemeral SCTP port is left.
	ErrNoPort = errors.New("sctp: no free port")
	// ErrNotLocal is a Listen on an address that the stack is not bound to.
	ErrNotLocal = errors.New("sctp: not an address of the stack")
)

// Errors that tell how an association ended. An *AbortError is another one, and
// io.EOF what calls that receive return after a graceful shutdown by the peer.
var (
	// ErrShutdown is sending after either end began a graceful shutdown, which has
	// no half-closed state (RFC 9260 §9).
	ErrShutdown = errors.New("sctp: association was shut down")
	// ErrUnreachable: the peer did not answer for too long (RFC 9260 §8.1, for Dial
	// §5.1.4). Its Timeout method returns true.
	ErrUnreachable error = &timeoutError{"peer unreachable"}
	// ErrShutdownTimeout: the peer did not complete a graceful shutdown in time
	// (RFC 9260 §9.2). Its Timeout method returns true.
	ErrShutdownTimeout error = &timeoutError{"shutdown timed out"}
	// ErrRefused: the peer's host says by ICMP that it has no SCTP, or nobody on the
	// UDP encapsulation port any more (RFC 9260 §10, RFC 6951 §5.5).
	ErrRefused error = &resetError{"refused by the peer's host"}
	// ErrReset is matched, with errors.Is, by an *AbortError from the peer, by
	// ErrRefused and by ErrRestarted: the association is gone and so may be data.
	ErrReset = errors.New("sctp: association reset by peer")
	// ErrRestarted: the peer lost the association and set up a new one in its
	// place (RFC 9260 §5.2.4 action A). The new one comes out of Accept, if the
	// port has a listener. With EventAssoc in Config.Events the association goes
	// on instead, and NextEvent reports the restart.
	ErrRestarted error = &resetError{"peer restarted"}
)

// AbortError is the end of an association by an ABORT chunk (RFC 9260 §9.1).
type AbortError struct {
	Local  bool    // sent by this end
	Causes []Cause // as in the chunk, possibly none
}

// Cause is an error cause of an ABORT or ERROR chunk (RFC 9260 §3.3.10).
type Cause = wire.Cause

// Error names the sender and the first cause.
func (e *AbortError) Error() string {
	s := "sctp: abort"
	if !e.Local {
		s += " from peer"
	}
	if len(e.Causes) > 0 {
		s += ": " + e.Causes[0].Code.String()
	}
	return s
}

// Reason returns the upper layer abort reason that the application gave to Abort,
// if there is one (RFC 9260 §3.3.10.12).
func (e *AbortError) Reason() []byte {
	for _, c := range e.Causes {
		if c.Code == wire.CauseUserAbort {
			return c.Info
		}
	}
	return nil
}

// Is says that an abort by the peer is an ErrReset.
func (e *AbortError) Is(target error) bool { return target == ErrReset && !e.Local }

// UnreachableError is an ErrUnreachable that tells what was sent how often to which
// addresses of the peer without an answer.
type UnreachableError core.UnreachableError

// Error tells what was tried.
func (e *UnreachableError) Error() string { return (*core.UnreachableError)(e).Error() }

// Is says that it is an ErrUnreachable.
func (e *UnreachableError) Is(target error) bool { return target == ErrUnreachable }

// Timeout is true.
func (e *UnreachableError) Timeout() bool { return true }

// Temporary is part of net.Error.
func (e *UnreachableError) Temporary() bool { return false }

// timeoutError is a net.Error with Timeout.
type timeoutError struct{ what string }

func (e *timeoutError) Error() string   { return "sctp: " + e.what }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return false }

// resetError is an ErrReset with more to say.
type resetError struct{ what string }

func (e *resetError) Error() string      { return "sctp: " + e.what }
func (*resetError) Is(target error) bool { return target == ErrReset }

// OpError says what failed at what address: the error of Dial, Listen, Accept and
// NewStack. It is a net.Error.
type OpError struct {
	Op   string // "dial", "listen" or "accept"
	Addr string // as text, in the form of Addr if it is one
	Err  error
}

var _ net.Error = (*OpError)(nil)

// Error names the operation, the address and the reason.
func (e *OpError) Error() string {
	return "sctp: " + e.Op + " " + e.Addr + ": " + strings.TrimPrefix(e.Err.Error(), "sctp: ")
}

// Unwrap returns Err.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout is that of Err.
func (e *OpError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary is part of net.Error.
func (e *OpError) Temporary() bool { return false }

// publicError translates why the machine says that an association ended. Nil is a
// graceful end.
func publicError(err error) error {
	if err == nil {
		return nil // before anything is allocated
	}
	var abort *core.AbortError
	var lost *core.UnreachableError
	switch {
	case errors.Is(err, core.ErrClosed):
		return nil
	case errors.As(err, &lost):
		return (*UnreachableError)(lost)
	case errors.Is(err, core.ErrTimeout):
		return ErrUnreachable
	case errors.Is(err, core.ErrPortUnreachable), errors.Is(err, core.ErrProtocolUnreachable):
		return ErrRefused
	case errors.Is(err, core.ErrShutdownTimeout):
		return ErrShutdownTimeout
	case errors.Is(err, core.ErrShuttingDown):
		return ErrShutdown
	case errors.Is(err, core.ErrRestarted):
		return ErrRestarted
	case errors.As(err, &abort):
		return &AbortError{Local: abort.Local, Causes: causes(abort.Causes)}
	}
	return err
}

// causes copies raw error causes.
func causes(raw []byte) []Cause {
	var cs []Cause
	for c := range wire.Causes(append([]byte(nil), raw...)) {
		cs = append(cs, c)
	}
	return cs
}
