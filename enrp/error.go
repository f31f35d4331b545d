package enrp

import "github.com/rserpool/rserpool/rserpool"

// Error reports a problem with a message to its sender (RFC 5353 §2.10): an
// Operation Error parameter. It is a message, not a Go error; Decode's errors are
// of type *rserpool.Error.
//
// Do not rely on the identifiers of one that was received: rsplib echoes its
// peer's own as Sender.
type Error struct {
	Sender, Receiver rserpool.RegistrarID
	Causes           []rserpool.Cause // one or more
	rserpool.Report
}

// Type is TypeError.
func (*Error) Type() MessageType { return TypeError }

// From is the field Sender.
func (m *Error) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *Error) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *Error) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	b = rserpool.AppendCauses(b, m.Causes)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *Error) Validate() error {
	if len(m.Causes) == 0 {
		return rserpool.ErrMissingParameter
	}
	return rserpool.ValidateCauses(m.Causes)
}

// ReportCauses is nil: nobody reports an error about an error.
func (m *Error) ReportCauses() []rserpool.Cause { return nil }

// String implements Message.
func (m *Error) String() string { return head(m) + ": " + rserpool.CausesString(m.Causes) }

func (m *Error) decode(_ uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.Causes = from, to, p.Causes()
}

func (m *Error) setReport(r rserpool.Report) { m.Report = r }
