package core

import (
	"errors"
	"strings"

	"github.com/rserpool/rserpool/sctp/wire"
)

// Errors of the user's calls and reasons for the end of an association.
var (
	// ErrWouldBlock: the send buffer is full; EventWritable follows.
	ErrWouldBlock = errors.New("sctp: send buffer full")
	// ErrNoMessage: nothing to receive now.
	ErrNoMessage = errors.New("sctp: no message")
	// ErrMessageTooLarge: longer than Config.MaxMessageSize.
	ErrMessageTooLarge = errors.New("sctp: message too large")
	// ErrEmptyMessage: DATA chunks without user data do not exist (RFC 9260 §6.2).
	ErrEmptyMessage = errors.New("sctp: empty message")
	// ErrInvalidStream: the stream identifier is not one of the association's.
	ErrInvalidStream = errors.New("sctp: invalid stream")
	// ErrExpired: the life time of a message ended before it was begun.
	ErrExpired = errors.New("sctp: message expired")
	// ErrIncomplete: a message was begun piece by piece and not ended.
	ErrIncomplete = errors.New("sctp: message is not complete")
	// ErrRestarted: the peer restarted and knows nothing of the message.
	ErrRestarted = errors.New("sctp: peer restarted")
	// ErrShuttingDown: no new data is accepted after a shutdown began (§9.2).
	ErrShuttingDown = errors.New("sctp: association is shutting down")
	// ErrNotConnected: the association is not established yet.
	ErrNotConnected = errors.New("sctp: association is not established")
	// ErrClosed: the association ended gracefully.
	ErrClosed = errors.New("sctp: association closed")
	// ErrTimeout: the peer did not answer within Association.Max.Retrans or
	// Max.Init.Retransmits retransmissions (§8.1, §5.1.4).
	ErrTimeout = errors.New("sctp: peer unreachable")
	// ErrShutdownTimeout: the T5-shutdown-guard timer expired (§9.2).
	ErrShutdownTimeout = errors.New("sctp: shutdown timed out")
	// ErrProtocolUnreachable: the peer's host says by ICMP that it has no SCTP (§10,
	// ICMP8).
	ErrProtocolUnreachable = errors.New("sctp: protocol unreachable")
	// ErrPortUnreachable: the peer's host says by ICMP that its UDP encapsulation
	// port is closed, and no other address of the peer is usable (RFC 6951 §5.5).
	ErrPortUnreachable = errors.New("sctp: port unreachable")
	// ErrNoPath: the peer has no such address.
	ErrNoPath = errors.New("sctp: not an address of the peer")
	// ErrNoAddress: an endpoint without a peer address.
	ErrNoAddress = errors.New("sctp: no peer address")
)

// AbortError is the end of an association by an ABORT chunk.
type AbortError struct {
	Local  bool   // sent by this end
	Causes []byte // raw error causes, possibly empty (RFC 9260 §3.3.10)
}

// Error names the sender and the first cause.
func (e *AbortError) Error() string {
	var b strings.Builder
	b.WriteString("sctp: abort")
	if !e.Local {
		b.WriteString(" from peer")
	}
	for c := range wire.Causes(e.Causes) {
		b.WriteString(": " + c.Code.String())
		break
	}
	return b.String()
}

// Reason is the upper layer abort reason of a User-Initiated Abort cause (RFC 9260
// §3.3.10.12), nil if there is none.
func (e *AbortError) Reason() []byte {
	for c := range wire.Causes(e.Causes) {
		if c.Code == wire.CauseUserAbort {
			return c.Info
		}
	}
	return nil
}
