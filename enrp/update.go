package enrp

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// flagTakeoverSuggested is the T flag of a HandleUpdate
// (draft-dreibholz-rserpool-enrp-takeover).
const flagTakeoverSuggested = 0x01

// UpdateAction is what a HandleUpdate asks to do with the element.
type UpdateAction uint16

// The actions of RFC 5353 §2.4. Others are reserved; Decode lets them pass, since
// the RFC has no rule for their receiver. rsplib ignores such a message.
const (
	AddPE UpdateAction = 0 // add or update the element
	DelPE UpdateAction = 1 // remove the element
)

// String is "add", "delete" or "action N".
func (a UpdateAction) String() string {
	switch a {
	case AddPE:
		return "add"
	case DelPE:
		return "delete"
	}
	return fmt.Sprintf("action %d", uint16(a))
}

// HandleUpdate tells a peer that an element was registered, changed or removed at
// its home registrar (RFC 5353 §2.4).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x04 |0|0|0|0|0|0|0|T|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sending Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Receiving Server's ID                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|        Update Action          |        (reserved)             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                    Pool Element Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// rsplib wants a home identifier and an ASAP transport in the element.
type HandleUpdate struct {
	Sender, Receiver  rserpool.RegistrarID
	TakeoverSuggested bool // T: the receiver may make itself the element's home
	Action            UpdateAction
	Handle            rserpool.PoolHandle
	Element           rserpool.PoolElement
	rserpool.Report
}

// Type is TypeHandleUpdate.
func (*HandleUpdate) Type() MessageType { return TypeHandleUpdate }

// From is the field Sender.
func (m *HandleUpdate) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *HandleUpdate) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *HandleUpdate) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.TakeoverSuggested, flagTakeoverSuggested))
	b = binary.BigEndian.AppendUint16(b, uint16(m.Action))
	b = append(b, 0, 0)
	b = m.Handle.AppendTo(b)
	b = m.Element.AppendTo(b)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *HandleUpdate) Validate() error {
	if err := m.Handle.Validate(); err != nil {
		return err
	}
	return m.Element.Validate()
}

// String implements Message.
func (m *HandleUpdate) String() string {
	s := fmt.Sprintf("%s %s %s: %s", head(m), m.Action, m.Handle, m.Element)
	if m.TakeoverSuggested {
		s += ", takeover suggested"
	}
	return s
}

func (m *HandleUpdate) decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver = from, to
	m.TakeoverSuggested = flags&flagTakeoverSuggested != 0
	m.Action = UpdateAction(p.U16())
	p.U16()
	m.Handle, m.Element = p.PoolHandle(), p.PoolElement()
}

func (m *HandleUpdate) setReport(r rserpool.Report) { m.Report = r }
