package enrp

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// Port is the SCTP and UDP port of ENRP (RFC 5353 §5).
const Port = rserpool.ENRPPort

// PPID is the SCTP payload protocol identifier of ENRP (RFC 5353 §5).
const PPID = rserpool.ENRPPPID

// MessageType is the first byte of a message (RFC 5353 §2, Figure 1).
type MessageType uint8

// The message types of RFC 5353.
const (
	TypePresence            MessageType = 0x01
	TypeHandleTableRequest  MessageType = 0x02
	TypeHandleTableResponse MessageType = 0x03
	TypeHandleUpdate        MessageType = 0x04
	TypeListRequest         MessageType = 0x05
	TypeListResponse        MessageType = 0x06
	TypeInitTakeover        MessageType = 0x07
	TypeInitTakeoverAck     MessageType = 0x08
	TypeTakeoverServer      MessageType = 0x09
	TypeError               MessageType = 0x0a
)

var typeNames = [...]string{
	TypePresence:            "PRESENCE",
	TypeHandleTableRequest:  "HANDLE_TABLE_REQUEST",
	TypeHandleTableResponse: "HANDLE_TABLE_RESPONSE",
	TypeHandleUpdate:        "HANDLE_UPDATE",
	TypeListRequest:         "LIST_REQUEST",
	TypeListResponse:        "LIST_RESPONSE",
	TypeInitTakeover:        "INIT_TAKEOVER",
	TypeInitTakeoverAck:     "INIT_TAKEOVER_ACK",
	TypeTakeoverServer:      "TAKEOVER_SERVER",
	TypeError:               "ERROR",
}

// String is the name without the prefix ENRP_, or the number.
func (t MessageType) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Message is one ENRP message: a pointer to one of this package's structs. Each
// has the fields Sender and Receiver: the identifiers of the registrar that sends
// it and of the one it is for, 0 when multicast, or for any (RFC 5353 §2.1).
type Message interface {
	// Type is the message's type.
	Type() MessageType
	// From is the field Sender, To the field Receiver.
	From() rserpool.RegistrarID
	To() rserpool.RegistrarID
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

	decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader)
	setReport(r rserpool.Report)
}

// newMessage returns an empty message of type t, nil if t is not defined.
func newMessage(t MessageType) Message {
	switch t {
	case TypePresence:
		return new(Presence)
	case TypeHandleTableRequest:
		return new(HandleTableRequest)
	case TypeHandleTableResponse:
		return new(HandleTableResponse)
	case TypeHandleUpdate:
		return new(HandleUpdate)
	case TypeListRequest:
		return new(ListRequest)
	case TypeListResponse:
		return new(ListResponse)
	case TypeInitTakeover:
		return new(InitTakeover)
	case TypeInitTakeoverAck:
		return new(InitTakeoverAck)
	case TypeTakeoverServer:
		return new(TakeoverServer)
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
	m.decode(h.Flags, rserpool.RegistrarID(p.U32()), rserpool.RegistrarID(p.U32()), p)
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

// begin starts a message of m's type with its two identifiers.
func begin(b []byte, m Message, flags uint8) ([]byte, int) {
	b, start := rserpool.BeginMessage(b, rserpool.Header{Type: uint8(m.Type()), Flags: flags})
	b = binary.BigEndian.AppendUint32(b, uint32(m.From()))
	return binary.BigEndian.AppendUint32(b, uint32(m.To())), start
}

// flag is bit if on, else 0.
func flag(on bool, bit uint8) uint8 {
	if on {
		return bit
	}
	return 0
}

// head is the start of every String: "PRESENCE 0x00001111 to all".
func head(m Message) string {
	to := "all"
	if m.To() != 0 {
		to = m.To().String()
	}
	return fmt.Sprintf("%s %s to %s", m.Type(), m.From(), to)
}
