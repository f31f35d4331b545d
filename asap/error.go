package asap

import "github.com/rserpool/rserpool/rserpool"

// Error reports an unknown message, an unknown parameter or another problem to
// the sender of a message (RFC 5352 §2.2.14): an Operation Error parameter. It is
// a message, not a Go error; Decode's errors are of type *rserpool.Error.
type Error struct {
	Causes []rserpool.Cause // one or more
	rserpool.Report
}

// Type is TypeError.
func (*Error) Type() MessageType { return TypeError }

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
func (m *Error) String() string { return m.Type().String() + causesSuffix(m.Causes) }

func (m *Error) decode(_ uint8, p *rserpool.ParamReader) { m.Causes = p.Causes() }

func (m *Error) setReport(r rserpool.Report) { m.Report = r }
