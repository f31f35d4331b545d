package enrp

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// MaxServers is the largest number of registrars in one ListResponse that Decode
// accepts.
const MaxServers = 1024

// ListRequest asks a peer which registrars it knows (RFC 5353 §2.5). It has no
// parameters.
type ListRequest struct {
	Sender, Receiver rserpool.RegistrarID
	rserpool.Report
}

// Type is TypeListRequest.
func (*ListRequest) Type() MessageType { return TypeListRequest }

// From is the field Sender.
func (m *ListRequest) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *ListRequest) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *ListRequest) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message; there is nothing that cannot be expressed.
func (m *ListRequest) Validate() error { return nil }

// String implements Message.
func (m *ListRequest) String() string { return head(m) }

func (m *ListRequest) decode(_ uint8, from, to rserpool.RegistrarID, _ *rserpool.ParamReader) {
	m.Sender, m.Receiver = from, to
}

func (m *ListRequest) setReport(r rserpool.Report) { m.Report = r }

// ListResponse brings the registrars that the sender knows (RFC 5353 §2.6).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x06 |0|0|0|0|0|0|0|R|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sending Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Receiving Server's ID                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:         Server Information Parameters of Peers 1 to n         :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type ListResponse struct {
	Sender, Receiver rserpool.RegistrarID
	Reject           bool // R: no list, and no Servers
	Servers          []rserpool.ServerInfo
	rserpool.Report
}

// Type is TypeListResponse.
func (*ListResponse) Type() MessageType { return TypeListResponse }

// From is the field Sender.
func (m *ListResponse) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *ListResponse) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *ListResponse) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.Reject, flagReject))
	for i := range m.Servers {
		b = m.Servers[i].AppendTo(b)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *ListResponse) Validate() error {
	if len(m.Servers) > MaxServers {
		return fmt.Errorf("enrp: %d servers, want at most %d", len(m.Servers), MaxServers)
	}
	for _, s := range m.Servers {
		if err := s.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// String implements Message.
func (m *ListResponse) String() string {
	s := head(m)
	if m.Reject {
		s += " rejected"
	}
	for i, info := range m.Servers {
		if i == 0 {
			s += ":"
		} else {
			s += ";"
		}
		s += " " + info.String()
	}
	return s
}

func (m *ListResponse) decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.Reject = from, to, flags&flagReject != 0
	for p.NextIs(rserpool.ParamServerInformation) {
		if len(m.Servers) == MaxServers {
			p.Exceeded(rserpool.ParamServerInformation)
			return
		}
		m.Servers = append(m.Servers, p.ServerInfo())
	}
}

func (m *ListResponse) setReport(r rserpool.Report) { m.Report = r }
