package asap

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// flagHome is the H flag of an EndpointKeepAlive.
const flagHome = 0x01

// EndpointKeepAlive asks an element for a sign of life, and with H to take the
// sender as its home registrar (RFC 5352 §2.2.7).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x07 |0|0|0|0|0|0|0|H|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Server Identifier                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:            PE Identifier Parameter (rsplib only)              :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// The PE Identifier is not in RFC 5352. Without it an association that serves
// several elements of a pool cannot tell which of them is meant; rsplib's
// registrar sends it, and rsplib's elements accept both forms.
type EndpointKeepAlive struct {
	Home    bool // H
	Server  rserpool.RegistrarID
	Handle  rserpool.PoolHandle
	PEID    rserpool.PEID
	HasPEID bool // the PE Identifier parameter is there
	rserpool.Report
}

// Type is TypeEndpointKeepAlive.
func (*EndpointKeepAlive) Type() MessageType { return TypeEndpointKeepAlive }

// AppendTo implements Message.
func (m *EndpointKeepAlive) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.Home, flagHome))
	b = appendServer(b, m.Server)
	b = m.Handle.AppendTo(b)
	if m.HasPEID {
		b = m.PEID.AppendTo(b)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *EndpointKeepAlive) Validate() error { return m.Handle.Validate() }

// String implements Message.
func (m *EndpointKeepAlive) String() string {
	s := fmt.Sprintf("%s %s", m.Type(), m.Handle)
	if m.HasPEID {
		s = elementRefString(m, m.Handle, m.PEID)
	}
	s += " from " + m.Server.String()
	if m.Home {
		s += " as new home"
	}
	return s
}

func (m *EndpointKeepAlive) decode(flags uint8, p *rserpool.ParamReader) {
	m.Home = flags&flagHome != 0
	m.Server = rserpool.RegistrarID(p.U32())
	m.Handle = p.PoolHandle()
	if m.HasPEID = p.NextIs(rserpool.ParamPEIdentifier); m.HasPEID {
		m.PEID = p.PEID()
	}
}

func (m *EndpointKeepAlive) setReport(r rserpool.Report) { m.Report = r }

// EndpointKeepAliveAck answers an EndpointKeepAlive (RFC 5352 §2.2.8): Pool Handle
// and PE Identifier parameters.
type EndpointKeepAliveAck struct {
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
	rserpool.Report
}

// Type is TypeEndpointKeepAliveAck.
func (*EndpointKeepAliveAck) Type() MessageType { return TypeEndpointKeepAliveAck }

// AppendTo implements Message.
func (m *EndpointKeepAliveAck) AppendTo(b []byte) []byte {
	return appendElementRef(b, m, m.Handle, m.PEID)
}

// Validate implements Message.
func (m *EndpointKeepAliveAck) Validate() error { return m.Handle.Validate() }

// String implements Message.
func (m *EndpointKeepAliveAck) String() string { return elementRefString(m, m.Handle, m.PEID) }

func (m *EndpointKeepAliveAck) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle, m.PEID = p.PoolHandle(), p.PEID()
}

func (m *EndpointKeepAliveAck) setReport(r rserpool.Report) { m.Report = r }
