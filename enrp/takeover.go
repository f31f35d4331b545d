package enrp

import (
	"encoding/binary"

	"github.com/rserpool/rserpool/rserpool"
)

// InitTakeover announces to all peers that the sender wants to take over the
// elements of a registrar that seems to be dead (RFC 5353 §2.7).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x07 |0|0|0|0|0|0|0|0|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sending Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Receiving Server's ID                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Targeting Server's ID                    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type InitTakeover struct {
	Sender, Receiver rserpool.RegistrarID
	Target           rserpool.RegistrarID // the registrar that is taken over
	rserpool.Report
}

// Type is TypeInitTakeover.
func (*InitTakeover) Type() MessageType { return TypeInitTakeover }

// From is the field Sender.
func (m *InitTakeover) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *InitTakeover) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *InitTakeover) AppendTo(b []byte) []byte { return appendTarget(b, m, m.Target) }

// Validate implements Message; there is nothing that cannot be expressed.
func (m *InitTakeover) Validate() error { return nil }

// String implements Message.
func (m *InitTakeover) String() string { return head(m) + " target " + m.Target.String() }

func (m *InitTakeover) decode(_ uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.Target = from, to, rserpool.RegistrarID(p.U32())
}

func (m *InitTakeover) setReport(r rserpool.Report) { m.Report = r }

// InitTakeoverAck says that the sender does not object to an InitTakeover
// (RFC 5353 §2.8). It looks like it but for the type, 0x08.
type InitTakeoverAck struct {
	Sender, Receiver rserpool.RegistrarID
	Target           rserpool.RegistrarID // the registrar that is taken over
	rserpool.Report
}

// Type is TypeInitTakeoverAck.
func (*InitTakeoverAck) Type() MessageType { return TypeInitTakeoverAck }

// From is the field Sender.
func (m *InitTakeoverAck) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *InitTakeoverAck) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *InitTakeoverAck) AppendTo(b []byte) []byte { return appendTarget(b, m, m.Target) }

// Validate implements Message; there is nothing that cannot be expressed.
func (m *InitTakeoverAck) Validate() error { return nil }

// String implements Message.
func (m *InitTakeoverAck) String() string { return head(m) + " target " + m.Target.String() }

func (m *InitTakeoverAck) decode(_ uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.Target = from, to, rserpool.RegistrarID(p.U32())
}

func (m *InitTakeoverAck) setReport(r rserpool.Report) { m.Report = r }

// TakeoverServer declares to all peers that the sender has taken over the target
// (RFC 5353 §2.9). It looks like InitTakeover but for the type, 0x09. rsplib acts on
// it, but never gets one out itself.
type TakeoverServer struct {
	Sender, Receiver rserpool.RegistrarID
	Target           rserpool.RegistrarID // the registrar that is taken over
	rserpool.Report
}

// Type is TypeTakeoverServer.
func (*TakeoverServer) Type() MessageType { return TypeTakeoverServer }

// From is the field Sender.
func (m *TakeoverServer) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *TakeoverServer) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *TakeoverServer) AppendTo(b []byte) []byte { return appendTarget(b, m, m.Target) }

// Validate implements Message; there is nothing that cannot be expressed.
func (m *TakeoverServer) Validate() error { return nil }

// String implements Message.
func (m *TakeoverServer) String() string { return head(m) + " target " + m.Target.String() }

func (m *TakeoverServer) decode(_ uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.Target = from, to, rserpool.RegistrarID(p.U32())
}

func (m *TakeoverServer) setReport(r rserpool.Report) { m.Report = r }

// appendTarget appends a message that holds the three identifiers only.
func appendTarget(b []byte, m Message, target rserpool.RegistrarID) []byte {
	b, start := begin(b, m, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(target))
	return rserpool.EndMessage(b, start)
}
