package rserpool

import (
	"encoding/binary"

	"github.com/rserpool/rserpool/internal/tlv"
)

// DefaultUDPPort is the UDP encapsulation port where nothing else is said
// (RFC 6951 §5.1).
const DefaultUDPPort uint16 = 9899

// appendUDPPort appends a UDP Port parameter:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|        Type = 0xa6ab          |          Length = 8           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           UDP Port            |           reserved            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func appendUDPPort(b []byte, port uint16) []byte {
	b, start := tlv.Begin(b, uint16(ParamUDPPort))
	b = binary.BigEndian.AppendUint16(b, port)
	b = append(b, 0, 0)
	return tlv.End(b, start)
}

// readUDPPort keeps the port for the transport that follows. If something else
// follows the port is forgotten, as by a receiver that does not know the type.
func (p *ParamReader) readUDPPort(t tlv.TLV) {
	r := tlv.NewReader(t.Value)
	port, _ := r.U16(), r.U16()
	if r.Err() != nil || r.Len() > 0 {
		p.invalid(t)
		return
	}
	p.udpPort = port
}
