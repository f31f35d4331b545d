package rserpool

import (
	"encoding/binary"

	"github.com/rserpool/rserpool/internal/tlv"
)

// DefaultUDPPort is the UDP encapsulation port where nothing else is said
// (RFC 6951 §5.1).
const DefaultUDPPort uint16 = 9899

// udpPorts is the content of a UDP Port parameter: the port of the (first)
// transport in the parameter behind it, and that of the second.
type udpPorts [2]uint16

// appendUDPPorts appends a UDP Port parameter, unless it would say nothing:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|        Type = 0xa6ab          |          Length = 8           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           UDP Port            |        Second UDP Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// It stands before the outermost parameter that holds the transport, never inside
// of one: rsplib's parser of nested parameters passes over the header only of what
// it does not know, and takes the value for more parameters.
func appendUDPPorts(b []byte, ports udpPorts) []byte {
	if ports == (udpPorts{}) {
		return b
	}
	b, start := tlv.Begin(b, uint16(ParamUDPPort))
	b = binary.BigEndian.AppendUint16(b, ports[0])
	b = binary.BigEndian.AppendUint16(b, ports[1])
	return tlv.End(b, start)
}

// encapPort is the port to announce for t, 0 if there is none.
func (t *Transport) encapPort() uint16 {
	if t == nil || t.Protocol != ProtoSCTP {
		return 0
	}
	return t.UDPPort
}

// setEncapPort gives t the announced port, unless t is not SCTP or has one from a
// parameter nearer to it.
func (t *Transport) setEncapPort(port uint16) {
	if t.Protocol == ProtoSCTP && t.UDPPort == 0 {
		t.UDPPort = port
	}
}

// readUDPPort keeps the ports for the parameter that follows. If it holds no SCTP
// transport they are forgotten, as by a receiver that does not know the type.
func (p *ParamReader) readUDPPort(t tlv.TLV) {
	r := tlv.NewReader(t.Value)
	ports := udpPorts{r.U16(), r.U16()}
	if r.Err() != nil || r.Len() > 0 {
		p.invalid(t)
		return
	}
	p.udpPorts = ports
}
