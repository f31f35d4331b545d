package asap

import "github.com/rserpool/rserpool/rserpool"

// EndpointUnreachable reports to the home registrar that an element does not
// answer (RFC 5352 §2.2.9): Pool Handle and PE Identifier parameters.
type EndpointUnreachable struct {
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
	rserpool.Report
}

// Type is TypeEndpointUnreachable.
func (*EndpointUnreachable) Type() MessageType { return TypeEndpointUnreachable }

// AppendTo implements Message.
func (m *EndpointUnreachable) AppendTo(b []byte) []byte {
	return appendElementRef(b, m, m.Handle, m.PEID)
}

// Validate implements Message.
func (m *EndpointUnreachable) Validate() error { return m.Handle.Validate() }

// String implements Message.
func (m *EndpointUnreachable) String() string { return elementRefString(m, m.Handle, m.PEID) }

func (m *EndpointUnreachable) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle, m.PEID = p.PoolHandle(), p.PEID()
}

func (m *EndpointUnreachable) setReport(r rserpool.Report) { m.Report = r }
