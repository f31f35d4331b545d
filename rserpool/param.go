package rserpool

import "fmt"

// ParamType is the 16-bit type of an RSerPool parameter (RFC 5354 §3). Its two
// high bits say what a receiver does that does not know it: see Action.
type ParamType uint16

// Parameter types of RFC 5354 §3, Table 1.
const (
	ParamIPv4Address       ParamType = 0x0001
	ParamIPv6Address       ParamType = 0x0002
	ParamDCCPTransport     ParamType = 0x0003
	ParamSCTPTransport     ParamType = 0x0004
	ParamTCPTransport      ParamType = 0x0005
	ParamUDPTransport      ParamType = 0x0006
	ParamUDPLiteTransport  ParamType = 0x0007
	ParamPolicy            ParamType = 0x0008
	ParamPoolHandle        ParamType = 0x0009
	ParamPoolElement       ParamType = 0x000a
	ParamServerInformation ParamType = 0x000b
	ParamOperationError    ParamType = 0x000c
	ParamCookie            ParamType = 0x000d
	ParamPEIdentifier      ParamType = 0x000e
	ParamPEChecksum        ParamType = 0x000f
	ParamOpaqueTransport   ParamType = 0x0010
)

// Parameter types from outside RFC 5354. Both have the high bits 10, so that a
// receiver without them skips them in silence.
const (
	// ParamHandleResolutionOption says how many pool elements a pool user wants
	// (draft-dreibholz-rserpool-asap-hropt; rsplib uses it).
	ParamHandleResolutionOption ParamType = 0x803f
	// ParamUDPPort is the UDP encapsulation ports (RFC 6951) of the SCTP transports
	// in the parameter right behind it; docs/udp-port-parameter.md specifies it.
	ParamUDPPort ParamType = 0xa6ab
)

// Action is what the two high bits of an unknown ParamType ask for (RFC 5354 §3).
type Action uint8

// The four actions. Stop means: discard the message. Report means: send the
// parameter back in an Unrecognized Parameter cause.
const (
	ActionStop Action = iota
	ActionStopReport
	ActionSkip
	ActionSkipReport
)

// Action is the action for a receiver that does not know t.
func (t ParamType) Action() Action { return Action(t >> 14) }

// standard reports whether RFC 5354 defines t.
func (t ParamType) standard() bool { return t >= ParamIPv4Address && t <= ParamOpaqueTransport }

var paramNames = map[ParamType]string{
	ParamIPv4Address:            "IPv4 Address",
	ParamIPv6Address:            "IPv6 Address",
	ParamDCCPTransport:          "DCCP Transport",
	ParamSCTPTransport:          "SCTP Transport",
	ParamTCPTransport:           "TCP Transport",
	ParamUDPTransport:           "UDP Transport",
	ParamUDPLiteTransport:       "UDP-Lite Transport",
	ParamPolicy:                 "Pool Member Selection Policy",
	ParamPoolHandle:             "Pool Handle",
	ParamPoolElement:            "Pool Element",
	ParamServerInformation:      "Server Information",
	ParamOperationError:         "Operation Error",
	ParamCookie:                 "Cookie",
	ParamPEIdentifier:           "PE Identifier",
	ParamPEChecksum:             "PE Checksum",
	ParamOpaqueTransport:        "Opaque Transport",
	ParamHandleResolutionOption: "Handle Resolution Option",
	ParamUDPPort:                "UDP Port",
}

// String is the name RFC 5354 gives the type, or its number in hex.
func (t ParamType) String() string {
	if n, ok := paramNames[t]; ok {
		return n
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}
