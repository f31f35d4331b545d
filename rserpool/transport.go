package rserpool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

// Bounds on the parts of a transport parameter this package reads or validates.
const (
	MaxAddrs           = 128  // addresses of one SCTP transport
	MaxOpaqueTransport = 1024 // bytes of an opaque transport
)

// Protocol is the transport protocol of a Transport. The zero value is none.
type Protocol uint8

// The protocols for which RFC 5354 has a transport parameter.
const (
	ProtoSCTP    Protocol = iota + 1 // §3.4
	ProtoTCP                         // §3.5
	ProtoUDP                         // §3.6
	ProtoUDPLite                     // §3.7
	ProtoDCCP                        // §3.3
	ProtoOpaque                      // §3.16: bytes only the pool's members understand
)

var protocols = [...]struct {
	name  string
	param ParamType
}{
	ProtoSCTP:    {"sctp", ParamSCTPTransport},
	ProtoTCP:     {"tcp", ParamTCPTransport},
	ProtoUDP:     {"udp", ParamUDPTransport},
	ProtoUDPLite: {"udplite", ParamUDPLiteTransport},
	ProtoDCCP:    {"dccp", ParamDCCPTransport},
	ProtoOpaque:  {"opaque", ParamOpaqueTransport},
}

// valid reports whether p is one of the constants.
func (p Protocol) valid() bool { return p >= ProtoSCTP && p <= ProtoOpaque }

// String is the protocol in lower case: "sctp", "tcp", "udp", "udplite", "dccp",
// "opaque".
func (p Protocol) String() string {
	if p.valid() {
		return protocols[p].name
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// protocolOf is the protocol of a transport parameter, 0 if t is none.
func protocolOf(t ParamType) Protocol {
	for p := ProtoSCTP; p <= ProtoOpaque; p++ {
		if protocols[p].param == t {
			return p
		}
	}
	return 0
}

// TransportUse says whether a transport carries the service's data only or
// RSerPool's control messages as well, such as cookies (RFC 5354 §3.4).
type TransportUse uint16

// The values RFC 5354 §3.4 allows.
const (
	UseData        TransportUse = 0
	UseDataControl TransportUse = 1
)

// String is "data" or "data+control".
func (u TransportUse) String() string {
	switch u {
	case UseData:
		return "data"
	case UseDataControl:
		return "data+control"
	}
	return fmt.Sprintf("use(%d)", uint16(u))
}

// Transport is one of RFC 5354's transport parameters: where and by which
// protocol something can be reached.
type Transport struct {
	Protocol Protocol
	Port     uint16
	// Use is on the wire for ProtoSCTP and ProtoTCP. RFC 5354 §3.5 has reserved
	// bits in its place for TCP; rsplib writes and reads it there.
	Use TransportUse
	// Addrs has 1 to MaxAddrs entries for ProtoSCTP, one for the others, none for
	// ProtoOpaque. IPv6 zones do not go onto the wire.
	Addrs []netip.Addr
	// ServiceCode is the DCCP service code (§3.3); of ProtoDCCP only.
	ServiceCode uint32
	// UDPPort is the UDP encapsulation port (RFC 6951) of a ProtoSCTP transport,
	// from a UDP Port parameter. 0 means not given: try DefaultUDPPort.
	UDPPort uint16
	// Opaque is the content of an Opaque Transport parameter; of ProtoOpaque only.
	Opaque []byte
}

// Validate returns an error if t cannot be expressed in a transport parameter.
func (t Transport) Validate() error {
	switch n := len(t.Addrs); {
	case !t.Protocol.valid():
		return fmt.Errorf("rserpool: transport with %s", t.Protocol)
	case t.Protocol == ProtoOpaque && (n > 0 || len(t.Opaque) > MaxOpaqueTransport):
		return fmt.Errorf("rserpool: opaque transport with %d addresses and %d bytes, want 0 and at most %d",
			n, len(t.Opaque), MaxOpaqueTransport)
	case t.Protocol == ProtoOpaque:
		return nil
	case n == 0, n > 1 && t.Protocol != ProtoSCTP, n > MaxAddrs:
		return fmt.Errorf("rserpool: %s transport with %d addresses", t.Protocol, n)
	case t.Use > UseDataControl, t.Use != UseData && t.Protocol != ProtoSCTP && t.Protocol != ProtoTCP:
		return fmt.Errorf("rserpool: %s transport with use %d", t.Protocol, t.Use)
	case t.UDPPort != 0 && t.Protocol != ProtoSCTP:
		return fmt.Errorf("rserpool: %s transport with UDP encapsulation port", t.Protocol)
	}
	for _, a := range t.Addrs {
		if !a.IsValid() {
			return fmt.Errorf("rserpool: %s transport with invalid address", t.Protocol)
		}
	}
	return nil
}

// AppendTo appends t as a transport parameter (RFC 5354 §3.3 to §3.7, §3.16), with
// a UDP Port parameter before it if t is SCTP and has a UDPPort. A transport
// without a known protocol appends nothing; Validate tells.
func (t Transport) AppendTo(b []byte) []byte {
	if !t.Protocol.valid() {
		return b
	}
	return t.appendParam(appendUDPPorts(b, udpPorts{t.encapPort()}))
}

// appendParam is AppendTo without the UDP Port parameter, for transports inside of
// other parameters.
func (t Transport) appendParam(b []byte) []byte {
	if !t.Protocol.valid() {
		return b
	}
	b, start := tlv.Begin(b, uint16(protocols[t.Protocol].param))
	if t.Protocol == ProtoOpaque {
		return tlv.End(append(b, t.Opaque...), start)
	}
	b = binary.BigEndian.AppendUint16(b, t.Port)
	switch t.Protocol {
	case ProtoSCTP, ProtoTCP:
		b = binary.BigEndian.AppendUint16(b, uint16(t.Use))
	case ProtoDCCP:
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint32(b, t.ServiceCode)
	default:
		b = append(b, 0, 0)
	}
	for _, a := range t.Addrs {
		b = appendAddr(b, a)
	}
	return tlv.End(b, start)
}

// Equal reports whether t and o say the same, addresses in the same order.
func (t Transport) Equal(o Transport) bool {
	return t.Protocol == o.Protocol && t.Port == o.Port && t.Use == o.Use && t.ServiceCode == o.ServiceCode &&
		t.UDPPort == o.UDPPort && slices.Equal(t.Addrs, o.Addrs) && bytes.Equal(t.Opaque, o.Opaque)
}

// Clone is a copy of t that shares no memory with it.
func (t Transport) Clone() Transport {
	t.Addrs, t.Opaque = slices.Clone(t.Addrs), bytes.Clone(t.Opaque)
	return t
}

// String is such as "sctp 192.0.2.1/2001:db8::1:7777 data+control udp=9899": all
// addresses separated by slashes, then the port.
func (t Transport) String() string {
	if t.Protocol == ProtoOpaque {
		return fmt.Sprintf("opaque %x", t.Opaque)
	}
	addrs := make([]string, len(t.Addrs))
	for i, a := range t.Addrs {
		if addrs[i] = a.String(); a.Is6() {
			addrs[i] = "[" + addrs[i] + "]"
		}
	}
	s := t.Protocol.String() + " " + strings.Join(addrs, "/") + ":" + strconv.Itoa(int(t.Port))
	switch t.Protocol {
	case ProtoSCTP:
		s += " " + t.Use.String()
	case ProtoTCP:
		if t.Use != UseData {
			s += " " + t.Use.String()
		}
	case ProtoDCCP:
		s += fmt.Sprintf(" service=0x%08x", t.ServiceCode)
	}
	if t.UDPPort != 0 {
		s += " udp=" + strconv.Itoa(int(t.UDPPort))
	}
	return s
}
