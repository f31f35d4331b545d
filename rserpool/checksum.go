package rserpool

import (
	"encoding/binary"

	"github.com/rserpool/rserpool/internal/tlv"
)

// AppendChecksum appends a PE Checksum parameter (RFC 5354 §3.15): its length
// field is 6, and two bytes of padding follow.
func AppendChecksum(b []byte, sum uint16) []byte {
	b, start := tlv.Begin(b, uint16(ParamPEChecksum))
	b = binary.BigEndian.AppendUint16(b, sum)
	return tlv.End(b, start)
}

// Checksum reads a PE Checksum parameter. A length field of 8, that is with the
// padding counted, is accepted too.
func (p *ParamReader) Checksum() uint16 {
	var n ParamReader
	t, ok := p.enter(&n, ParamPEChecksum)
	if !ok {
		return 0
	}
	sum := n.r.U16()
	if n.r.Len() == 2 {
		n.r.U16()
	}
	p.leaveFixed(&n, t)
	return sum
}
