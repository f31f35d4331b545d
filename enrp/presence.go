package enrp

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// flagReplyRequired asks the receiver of a Presence for its own. RFC 5353 §3.4.2
// and §3.5 name the flag, but §2.1 draws no bit for it; this is rsplib's.
const flagReplyRequired = 0x01

// Presence says that the sender is alive, how its part of the handlespace sums up
// and where it can be reached (RFC 5353 §2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x01 |0|0|0|0|0|0|0|r|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Sending Server's ID                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    Receiving Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                      PE Checksum Param                        :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:               Server Information Param (optional)             :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Send both parameters always: rsplib refuses a Presence without either.
type Presence struct {
	Sender, Receiver rserpool.RegistrarID
	ReplyRequired    bool
	Checksum         uint16 // of the sender's own elements (RFC 5353 §3.6.2)
	HasChecksum      bool
	Server           *rserpool.ServerInfo // of the sender; nil if not given
	rserpool.Report
}

// Type is TypePresence.
func (*Presence) Type() MessageType { return TypePresence }

// From is the field Sender.
func (m *Presence) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *Presence) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *Presence) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.ReplyRequired, flagReplyRequired))
	if m.HasChecksum {
		b = rserpool.AppendChecksum(b, m.Checksum)
	}
	if m.Server != nil {
		b = m.Server.AppendTo(b)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *Presence) Validate() error {
	if m.Server == nil {
		return nil
	}
	return m.Server.Validate()
}

// String implements Message.
func (m *Presence) String() string {
	s := head(m)
	if m.ReplyRequired {
		s += " reply-required"
	}
	if m.HasChecksum {
		s += fmt.Sprintf(" checksum=0x%04x", m.Checksum)
	}
	if m.Server != nil {
		s += ", " + m.Server.String()
	}
	return s
}

func (m *Presence) decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver = from, to
	m.ReplyRequired = flags&flagReplyRequired != 0
	if m.HasChecksum = p.NextIs(rserpool.ParamPEChecksum); m.HasChecksum {
		m.Checksum = p.Checksum()
	}
	if p.NextIs(rserpool.ParamServerInformation) {
		s := p.ServerInfo()
		m.Server = &s
	}
}

func (m *Presence) setReport(r rserpool.Report) { m.Report = r }
