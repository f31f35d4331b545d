package rserpool

import "bytes"

// NextIsTransport reports whether the next known parameter is a transport.
func (p *ParamReader) NextIsTransport() bool {
	t, ok := p.Next()
	return ok && protocolOf(t) != 0
}

// Transport reads a transport parameter of any protocol, with the UDP Port
// parameter before it.
func (p *ParamReader) Transport() Transport {
	typ, ok := p.Next()
	switch {
	case p.err != nil:
		return Transport{}
	case !ok:
		p.missing(ParamSCTPTransport)
		return Transport{}
	case protocolOf(typ) == 0:
		p.End() // what stands here is out of place
		return Transport{}
	}
	ports := p.udpPorts // before takeAny forgets them
	raw := p.takeAny()
	t := Transport{Protocol: protocolOf(typ)}
	if t.Protocol == ProtoOpaque {
		if len(raw.Value) > MaxOpaqueTransport {
			p.invalid(raw)
		}
		t.Opaque = bytes.Clone(emptyToNil(raw.Value))
		return t
	}
	t.setEncapPort(ports[0])
	var n ParamReader
	p.inside(&n, raw)
	t.Port = n.U16()
	use := TransportUse(n.U16())
	switch {
	case t.Protocol == ProtoSCTP:
		t.Use = use
	case t.Protocol == ProtoTCP && use == UseDataControl:
		t.Use = use // any other value is RFC 5354's reserved field
	case t.Protocol == ProtoDCCP:
		t.ServiceCode = n.U32()
	}
	for n.NextIs(ParamIPv4Address) || n.NextIs(ParamIPv6Address) {
		if len(t.Addrs) == MaxAddrs {
			n.Exceeded(typ)
			break
		}
		t.Addrs = append(t.Addrs, n.addr())
	}
	p.leave(&n)
	if p.err == nil && t.Validate() != nil {
		p.invalid(raw)
	}
	return t
}

// SCTPTransport reads an SCTP Transport parameter, where no other is allowed.
func (p *ParamReader) SCTPTransport() Transport {
	if t, ok := p.Next(); ok && t != ParamSCTPTransport {
		p.End()
	}
	return p.Transport()
}
