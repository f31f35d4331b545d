package sctp

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// Message is a user message, to send or received, or a piece of one.
type Message struct {
	// Stream is the stream of the message.
	Stream StreamID
	// PPID tells the peer's application what the message is.
	PPID PPID
	// SSN is the stream sequence number of an ordered message that was received: it
	// counts the ordered messages of the stream modulo 65,536.
	SSN uint16
	// Unordered messages overtake others of their stream (RFC 9260 §6.6).
	Unordered bool
	// Partial says that Data is not the end of the message.
	//
	// Of received messages it is set either because the buffer was too small or
	// because the message is delivered while it arrives (RFC 9260 §6.9). The next
	// piece is read from the same stream.
	//
	// A message to send goes on with what is sent next on its stream, and ends with
	// the first piece that is not Partial, which may be empty. So its length is not
	// bounded by any buffer. Of the other fields those of the first piece count, and
	// Immediate of the last. Config.MaxMessageSize bounds the pieces.
	//
	// What other streams send waits for the end of such a message as soon as it is
	// begun, since its fragments have consecutive TSNs (RFC 9260 §6.9). It is begun
	// when it is complete, or when 64 KiB of it, or half of Config.SendBuffer if that
	// is less, have been sent.
	Partial bool
	// Data is the content, at least one byte. It is not kept after a call to send
	// it; of a received message it is a part of the buffer of the call.
	Data []byte

	// The rest is for messages to send only (RFC 9260 §11.1.5).

	// Immediate asks the peer to acknowledge at once.
	Immediate bool
	// More says that another message follows at once, so that this one may wait for
	// it, about a millisecond, and leave with it in fewer and fuller packets and
	// system calls.
	More bool
	// NoBundle says that the message must not wait for others to share a packet
	// with: it overrules Config.Nagle and More, also of messages before it.
	NoBundle bool
	// Lifetime is how long the message may wait to be begun. Then it is dropped, and
	// a SendFailed tells; the peer does not notice. Zero: for ever.
	Lifetime time.Duration
	// Path is the address of the peer to send the message to, as long as it is
	// active. The zero Addr: the primary path.
	Path netip.Addr
	// Context is the application's own; SendFailed returns it.
	Context uint32
}

// outgoing is what the machine wants to know of a message to send.
func (m *Message) outgoing() core.Outgoing {
	return core.Outgoing{
		Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Immediate: m.Immediate, NoBundle: m.NoBundle,
		Partial: m.Partial, Lifetime: m.Lifetime, Path: m.Path, Context: m.Context,
	}
}

// received describes a message, or a piece of one, that the machine gave out.
func received(in *core.Incoming, data []byte) Message {
	return Message{Stream: in.Stream, PPID: in.PPID, SSN: uint16(in.SSN), Unordered: in.Unordered, Partial: !in.End, Data: data}
}
