package asap

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// MaxTransports is the largest number of transports in one ServerAnnounce.
const MaxTransports = 64

// ServerAnnounce tells, by multicast, where a registrar can be reached
// (RFC 5352 §2.2.10).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x0a |0|0|0|0|0|0|0|0|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Server Identifier                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:              Transport Parameters 1 to n (optional)           :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// rsplib sends no transport: there the registrar's SCTP address and port are the
// UDP datagram's source. Its receiver honours one SCTP transport and rejects what
// stands behind it, so send exactly one, and the TCP ones before it.
type ServerAnnounce struct {
	Server     rserpool.RegistrarID
	Transports []rserpool.Transport // SCTP and TCP only
	rserpool.Report
}

// Type is TypeServerAnnounce.
func (*ServerAnnounce) Type() MessageType { return TypeServerAnnounce }

// AppendTo implements Message.
func (m *ServerAnnounce) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	b = appendServer(b, m.Server)
	for i := range m.Transports {
		b = m.Transports[i].AppendTo(b)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *ServerAnnounce) Validate() error {
	if len(m.Transports) > MaxTransports {
		return fmt.Errorf("asap: %d transports, want at most %d", len(m.Transports), MaxTransports)
	}
	for _, t := range m.Transports {
		if t.Protocol != rserpool.ProtoSCTP && t.Protocol != rserpool.ProtoTCP {
			return fmt.Errorf("asap: %s transport in a server announcement", t.Protocol)
		}
		if err := t.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// String implements Message.
func (m *ServerAnnounce) String() string {
	s := fmt.Sprintf("%s %s", m.Type(), m.Server)
	for i, t := range m.Transports {
		if i > 0 {
			s += ","
		}
		s += " " + t.String()
	}
	return s
}

func (m *ServerAnnounce) decode(_ uint8, p *rserpool.ParamReader) {
	m.Server = rserpool.RegistrarID(p.U32())
	for p.NextIs(rserpool.ParamSCTPTransport) || p.NextIs(rserpool.ParamTCPTransport) {
		if len(m.Transports) == MaxTransports {
			p.Exceeded(rserpool.ParamSCTPTransport)
			return
		}
		m.Transports = append(m.Transports, p.Transport())
	}
}

func (m *ServerAnnounce) setReport(r rserpool.Report) { m.Report = r }

// appendServer appends a Server Identifier field.
func appendServer(b []byte, id rserpool.RegistrarID) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(id))
}
