package asap

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// flagReject is the R flag of a RegistrationResponse.
const flagReject = 0x01

// Registration asks the home registrar to add an element to a pool, or to update
// it there (RFC 5352 §2.2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x01 |0|0|0|0|0|0|0|0|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Element Parameter                    :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type Registration struct {
	Handle  rserpool.PoolHandle
	Element rserpool.PoolElement
	rserpool.Report
}

// Type is TypeRegistration.
func (*Registration) Type() MessageType { return TypeRegistration }

// AppendTo implements Message.
func (m *Registration) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	b = m.Handle.AppendTo(b)
	b = m.Element.AppendTo(b)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *Registration) Validate() error {
	return firstError(m.Handle.Validate(), m.Element.Validate())
}

// String implements Message.
func (m *Registration) String() string {
	return fmt.Sprintf("%s %s: %s", m.Type(), m.Handle, m.Element)
}

func (m *Registration) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle = p.PoolHandle()
	m.Element = p.PoolElement()
}

func (m *Registration) setReport(r rserpool.Report) { m.Report = r }

// Deregistration asks the home registrar to remove the sending element from a pool
// (RFC 5352 §2.2.2): Pool Handle and PE Identifier parameters.
type Deregistration struct {
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
	rserpool.Report
}

// Type is TypeDeregistration.
func (*Deregistration) Type() MessageType { return TypeDeregistration }

// AppendTo implements Message.
func (m *Deregistration) AppendTo(b []byte) []byte { return appendElementRef(b, m, m.Handle, m.PEID) }

// Validate implements Message.
func (m *Deregistration) Validate() error { return m.Handle.Validate() }

// String implements Message.
func (m *Deregistration) String() string { return elementRefString(m, m.Handle, m.PEID) }

func (m *Deregistration) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle, m.PEID = p.PoolHandle(), p.PEID()
}

func (m *Deregistration) setReport(r rserpool.Report) { m.Report = r }

// RegistrationResponse answers a Registration (RFC 5352 §2.2.3).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x03 |0|0|0|0|0|0|0|R|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                    PE Identifier Parameter                    :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                   Operational Error (optional)                :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type RegistrationResponse struct {
	Reject bool // R: the element is not registered
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
	// Causes are the reason of a rejection, or else warnings that the registrar has
	// changed something; nil if there is no Operation Error parameter.
	Causes []rserpool.Cause
	rserpool.Report
}

// Type is TypeRegistrationResponse.
func (*RegistrationResponse) Type() MessageType { return TypeRegistrationResponse }

// AppendTo implements Message.
func (m *RegistrationResponse) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.Reject, flagReject))
	b = m.Handle.AppendTo(b)
	b = m.PEID.AppendTo(b)
	b = rserpool.AppendCauses(b, m.Causes)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *RegistrationResponse) Validate() error {
	return firstError(m.Handle.Validate(), rserpool.ValidateCauses(m.Causes))
}

// String implements Message.
func (m *RegistrationResponse) String() string {
	s := elementRefString(m, m.Handle, m.PEID)
	if m.Reject {
		s += " rejected"
	}
	return s + causesSuffix(m.Causes)
}

func (m *RegistrationResponse) decode(flags uint8, p *rserpool.ParamReader) {
	m.Reject = flags&flagReject != 0
	m.Handle, m.PEID, m.Causes = p.PoolHandle(), p.PEID(), optionalCauses(p)
}

func (m *RegistrationResponse) setReport(r rserpool.Report) { m.Report = r }

// DeregistrationResponse answers a Deregistration, or tells an element that its
// registration life has ended (RFC 5352 §2.2.4): Pool Handle, PE Identifier and,
// if something went wrong, Operation Error parameters.
type DeregistrationResponse struct {
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
	Causes []rserpool.Cause // nil on success
	rserpool.Report
}

// Type is TypeDeregistrationResponse.
func (*DeregistrationResponse) Type() MessageType { return TypeDeregistrationResponse }

// AppendTo implements Message.
func (m *DeregistrationResponse) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	b = m.Handle.AppendTo(b)
	b = m.PEID.AppendTo(b)
	b = rserpool.AppendCauses(b, m.Causes)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *DeregistrationResponse) Validate() error {
	return firstError(m.Handle.Validate(), rserpool.ValidateCauses(m.Causes))
}

// String implements Message.
func (m *DeregistrationResponse) String() string {
	return elementRefString(m, m.Handle, m.PEID) + causesSuffix(m.Causes)
}

func (m *DeregistrationResponse) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle, m.PEID, m.Causes = p.PoolHandle(), p.PEID(), optionalCauses(p)
}

func (m *DeregistrationResponse) setReport(r rserpool.Report) { m.Report = r }
