package asap

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// Port is the SCTP, TCP and UDP port of ASAP (RFC 5352 §5).
const Port = rserpool.ASAPPort

// PPID is the SCTP payload protocol identifier of ASAP (RFC 5352 §5).
const PPID = rserpool.ASAPPPID

// MessageType is the first byte of a message (RFC 5352 §2.2, Figure 1).
type MessageType uint8

// The message types of RFC 5352.
const (
	TypeRegistration             MessageType = 0x01
	TypeDeregistration           MessageType = 0x02
	TypeRegistrationResponse     MessageType = 0x03
	TypeDeregistrationResponse   MessageType = 0x04
	TypeHandleResolution         MessageType = 0x05
	TypeHandleResolutionResponse MessageType = 0x06
	TypeEndpointKeepAlive        MessageType = 0x07
	TypeEndpointKeepAliveAck     MessageType = 0x08
	TypeEndpointUnreachable      MessageType = 0x09
	TypeServerAnnounce           MessageType = 0x0a
	TypeCookie                   MessageType = 0x0b
	TypeCookieEcho               MessageType = 0x0c
	TypeBusinessCard             MessageType = 0x0d
	TypeError                    MessageType = 0x0e
)

var typeNames = [...]string{
	TypeRegistration:             "REGISTRATION",
	TypeDeregistration:           "DEREGISTRATION",
	TypeRegistrationResponse:     "REGISTRATION_RESPONSE",
	TypeDeregistrationResponse:   "DEREGISTRATION_RESPONSE",
	TypeHandleResolution:         "HANDLE_RESOLUTION",
	TypeHandleResolutionResponse: "HANDLE_RESOLUTION_RESPONSE",
	TypeEndpointKeepAlive:        "ENDPOINT_KEEP_ALIVE",
	TypeEndpointKeepAliveAck:     "ENDPOINT_KEEP_ALIVE_ACK",
	TypeEndpointUnreachable:      "ENDPOINT_UNREACHABLE",
	TypeServerAnnounce:           "SERVER_ANNOUNCE",
	TypeCookie:                   "COOKIE",
	TypeCookieEcho:               "COOKIE_ECHO",
	TypeBusinessCard:             "BUSINESS_CARD",
	TypeError:                    "ERROR",
}

// String is the name without the prefix ASAP_, or the number.
func (t MessageType) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Message is one ASAP message: a pointer to one of this package's structs.
type Message interface {
	// Type is the message's type.
	Type() MessageType
	// AppendTo appends the message to b and returns the result. It allocates only
	// if b's capacity does not do. A message that does not fit into 65,532 bytes
	// appends nothing; for other things that cannot be expressed see Validate.
	AppendTo(b []byte) []byte
	// Validate returns an error if the message cannot be expressed on the wire.
	// Every message that Decode returns can. It does not judge whether sending the
	// message makes sense.
	Validate() error
	// ReportCauses is what a decoded message asks to be sent back in an Error
	// although it was accepted: its unknown parameters that want to be reported.
	// It is nil for an Error.
	ReportCauses() []rserpool.Cause
	// String is one line for a person.
	String() string

	decode(flags uint8, p *rserpool.ParamReader)
	setReport(r rserpool.Report)
}

// newMessage returns an empty message of type t, nil if t is not defined.
func newMessage(t MessageType) Message {
	switch t {
	case TypeRegistration:
		return new(Registration)
	case TypeDeregistration:
		return new(Deregistration)
	case TypeRegistrationResponse:
		return new(RegistrationResponse)
	case TypeDeregistrationResponse:
		return new(DeregistrationResponse)
	case TypeHandleResolution:
		return new(HandleResolution)
	case TypeHandleResolutionResponse:
		return new(HandleResolutionResponse)
	case TypeEndpointKeepAlive:
		return new(EndpointKeepAlive)
	case TypeEndpointKeepAliveAck:
		return new(EndpointKeepAliveAck)
	case TypeEndpointUnreachable:
		return new(EndpointUnreachable)
	case TypeServerAnnounce:
		return new(ServerAnnounce)
	case TypeCookie:
		return new(Cookie)
	case TypeCookieEcho:
		return new(CookieEcho)
	case TypeBusinessCard:
		return new(BusinessCard)
	case TypeError:
		return new(Error)
	}
	return nil
}

// Decode reads the message in b, which is one SCTP user message or one UDP
// datagram. The message does not alias b. An error is always a *rserpool.Error;
// its Causes say what to send back in an Error, if anything.
//
// A decoded message may have something to report as well: see
// Message.ReportCauses. Neither may be sent in reply to a multicast.
func Decode(b []byte) (Message, error) {
	h, p, err := rserpool.OpenMessage(b)
	if err != nil {
		return nil, err
	}
	m := newMessage(MessageType(h.Type))
	if m == nil {
		return nil, rserpool.UnknownMessage(b)
	}
	m.decode(h.Flags, p)
	if err := p.Finish(); err != nil {
		if m.Type() == TypeError {
			err.Causes = nil // never an error about an error
		}
		return nil, err
	}
	m.setReport(p.Report())
	return m, nil
}

// Marshal returns m as bytes, or why it cannot be expressed.
func Marshal(m Message) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	b := m.AppendTo(nil)
	return b, rserpool.ValidateSize(b)
}
