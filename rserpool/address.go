package rserpool

import (
	"net/netip"

	"github.com/rserpool/rserpool/internal/tlv"
)

// appendAddr appends an IPv4 or IPv6 Address parameter (RFC 5354 §3.1, §3.2). An
// IPv4-mapped IPv6 address stays an IPv6 address; an invalid one is left out.
func appendAddr(b []byte, a netip.Addr) []byte {
	switch {
	case a.Is4():
		v := a.As4()
		return tlv.Append(b, uint16(ParamIPv4Address), v[:])
	case a.Is6():
		v := a.As16()
		return tlv.Append(b, uint16(ParamIPv6Address), v[:])
	}
	return b
}

// addr takes the address parameter that Next has announced.
func (p *ParamReader) addr() netip.Addr {
	t := p.takeAny()
	a, ok := netip.AddrFromSlice(t.Value)
	if !ok || a.Is4() != (ParamType(t.Type) == ParamIPv4Address) {
		p.invalid(t)
	}
	return a
}
