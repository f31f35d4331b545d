package rserpool

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/rserpool/rserpool/internal/tlv"
)

// LifeInfinite is the Registration Life that never ends: -1 on the wire.
const LifeInfinite uint32 = 0xffffffff

// PoolElement is what a pool knows about one of its elements (RFC 5354 §3.10).
type PoolElement struct {
	ID   PEID
	Home RegistrarID // 0 if not determined yet
	// Life is the Registration Life as it stands on the wire; LifeInfinite never
	// ends. RFC 5354 §3.10 counts seconds, rsplib milliseconds, and nothing in the
	// message tells which: who interprets the number has to know its peer.
	Life   uint32
	User   Transport  // where the service is
	Policy Policy     // how the element wants to be selected
	ASAP   *Transport // where its ASAP endpoint is, SCTP; nil if not given
}

// Validate returns an error if e cannot be expressed in a Pool Element parameter.
func (e PoolElement) Validate() error {
	if err := e.User.Validate(); err != nil {
		return err
	}
	if err := e.Policy.Validate(); err != nil {
		return err
	}
	return validateSCTP(e.ASAP)
}

// validateSCTP checks an optional transport that has to be SCTP.
func validateSCTP(t *Transport) error {
	if t == nil {
		return nil
	}
	if t.Protocol != ProtoSCTP {
		return fmt.Errorf("rserpool: %s transport where only sctp is allowed", t.Protocol)
	}
	return t.Validate()
}

// AppendTo appends e as a Pool Element parameter (RFC 5354 §3.10), with a UDP Port
// parameter before it if one of its transports has a UDPPort.
func (e PoolElement) AppendTo(b []byte) []byte {
	b = appendUDPPorts(b, udpPorts{e.User.encapPort(), e.ASAP.encapPort()})
	b, start := tlv.Begin(b, uint16(ParamPoolElement))
	b = binary.BigEndian.AppendUint32(b, uint32(e.ID))
	b = binary.BigEndian.AppendUint32(b, uint32(e.Home))
	b = binary.BigEndian.AppendUint32(b, e.Life)
	b = e.User.appendParam(b)
	policy := len(b)
	b = e.Policy.AppendTo(b)
	if e.ASAP == nil {
		return tlv.End(trimPad(b, policy), start)
	}
	return tlv.End(e.ASAP.appendParam(b), start)
}

// Equal reports whether e and o say the same in every field.
func (e PoolElement) Equal(o PoolElement) bool {
	if e.ID != o.ID || e.Home != o.Home || e.Life != o.Life || !e.User.Equal(o.User) || !e.Policy.Equal(o.Policy) {
		return false
	}
	if e.ASAP == nil || o.ASAP == nil {
		return e.ASAP == o.ASAP
	}
	return e.ASAP.Equal(*o.ASAP)
}

// Clone is a copy of e that shares no memory with it.
func (e PoolElement) Clone() PoolElement {
	e.User, e.Policy = e.User.Clone(), e.Policy.Clone()
	if e.ASAP != nil {
		t := e.ASAP.Clone()
		e.ASAP = &t
	}
	return e
}

// String is such as "pe 0x11112222 home 0x00001111 life 60000, sctp
// 10.0.0.21:7777 data+control, RoundRobin".
func (e PoolElement) String() string {
	life := strconv.FormatUint(uint64(e.Life), 10)
	if e.Life == LifeInfinite {
		life = "infinite"
	}
	s := fmt.Sprintf("pe %s home %s life %s, %s, %s", e.ID, e.Home, life, e.User, e.Policy)
	if e.ASAP != nil {
		s += ", asap " + e.ASAP.String()
	}
	return s
}

// PoolElement reads a Pool Element parameter. The policy must be there (RFC 5354
// §3.10 counts it in the length), the ASAP transport need not.
func (p *ParamReader) PoolElement() PoolElement {
	var n ParamReader
	p.Next()
	ports := p.udpPorts // before enter forgets them
	if _, ok := p.enter(&n, ParamPoolElement); !ok {
		return PoolElement{}
	}
	e := PoolElement{
		ID:     PEID(n.U32()),
		Home:   RegistrarID(n.U32()),
		Life:   n.U32(),
		User:   n.Transport(),
		Policy: n.Policy(),
	}
	e.User.setEncapPort(ports[0])
	if n.NextIsTransport() {
		t := n.SCTPTransport()
		t.setEncapPort(ports[1])
		e.ASAP = &t
	}
	p.leave(&n)
	return e
}

// ServerInfo is how a registrar can be reached by its peers (RFC 5354 §3.11).
type ServerInfo struct {
	ID        RegistrarID
	Transport Transport // SCTP, the ENRP endpoint
}

// Validate returns an error if s cannot be expressed in a Server Information
// parameter.
func (s ServerInfo) Validate() error { return validateSCTP(&s.Transport) }

// AppendTo appends s as a Server Information parameter (RFC 5354 §3.11), with a UDP
// Port parameter before it if its transport has a UDPPort.
func (s ServerInfo) AppendTo(b []byte) []byte {
	b = appendUDPPorts(b, udpPorts{s.Transport.encapPort()})
	b, start := tlv.Begin(b, uint16(ParamServerInformation))
	b = binary.BigEndian.AppendUint32(b, uint32(s.ID))
	return tlv.End(s.Transport.appendParam(b), start)
}

// Equal reports whether s and o say the same.
func (s ServerInfo) Equal(o ServerInfo) bool {
	return s.ID == o.ID && s.Transport.Equal(o.Transport)
}

// String is such as "registrar 0x00001111 at sctp 10.0.0.1:9901 data".
func (s ServerInfo) String() string {
	return fmt.Sprintf("registrar %s at %s", s.ID, s.Transport)
}

// ServerInfo reads a Server Information parameter.
func (p *ParamReader) ServerInfo() ServerInfo {
	var n ParamReader
	p.Next()
	ports := p.udpPorts // before enter forgets them
	if _, ok := p.enter(&n, ParamServerInformation); !ok {
		return ServerInfo{}
	}
	s := ServerInfo{ID: RegistrarID(n.U32()), Transport: n.SCTPTransport()}
	s.Transport.setEncapPort(ports[0])
	p.leave(&n)
	return s
}
