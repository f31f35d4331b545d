package rserpool

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// PEID identifies a pool element within its pool (RFC 5354 §3.14). An element
// picks it at random (RFC 5352 §3.1); 0 must not be registered.
type PEID uint32

// String is "0x" and eight hex digits.
func (id PEID) String() string { return fmt.Sprintf("0x%08x", uint32(id)) }

// AppendTo appends id as a PE Identifier parameter (RFC 5354 §3.14).
func (id PEID) AppendTo(b []byte) []byte {
	b, start := tlv.Begin(b, uint16(ParamPEIdentifier))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return tlv.End(b, start)
}

// PEID reads a PE Identifier parameter. It lets 0 pass: only a registrar knows
// which answer a registration with it deserves.
func (p *ParamReader) PEID() PEID {
	var n ParamReader
	t, ok := p.enter(&n, ParamPEIdentifier)
	if !ok {
		return 0
	}
	id := PEID(n.U32())
	p.leaveFixed(&n, t)
	return id
}

// RegistrarID is an ENRP server identifier (RFC 5353 §2.1). 0 means unknown, as
// the home of an element, and all, as the receiver of a message.
type RegistrarID uint32

// String is "0x" and eight hex digits.
func (id RegistrarID) String() string { return fmt.Sprintf("0x%08x", uint32(id)) }
