package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// ParamType is the type of a parameter inside a control chunk (RFC 9260 §3.2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Parameter Type       |       Parameter Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	\                                                               \
//	/                       Parameter Value                         /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type ParamType uint16

// Parameter types. Those without an RFC behind them are RFC 9260's.
const (
	ParamHeartbeatInfo       ParamType = 1
	ParamIPv4                ParamType = 5
	ParamIPv6                ParamType = 6
	ParamCookie              ParamType = 7
	ParamUnrecognized        ParamType = 8
	ParamCookiePreservative  ParamType = 9
	ParamHostName            ParamType = 11
	ParamSupportedAddrTypes  ParamType = 12
	ParamOutgoingReset       ParamType = 13 // RFC 6525
	ParamIncomingReset       ParamType = 14 // RFC 6525
	ParamTSNReset            ParamType = 15 // RFC 6525
	ParamReconfigResponse    ParamType = 16 // RFC 6525
	ParamAddOutgoingStreams  ParamType = 17 // RFC 6525
	ParamAddIncomingStreams  ParamType = 18 // RFC 6525
	ParamECN                 ParamType = 0x8000
	ParamZeroChecksum        ParamType = 0x8001 // RFC 9653
	ParamRandom              ParamType = 0x8002 // RFC 4895
	ParamChunkList           ParamType = 0x8003 // RFC 4895
	ParamHMACAlgorithms      ParamType = 0x8004 // RFC 4895
	ParamPadding             ParamType = 0x8005 // RFC 4820
	ParamSupportedExtensions ParamType = 0x8008 // RFC 5061
	ParamForwardTSN          ParamType = 0xC000 // RFC 3758
	ParamAddAddress          ParamType = 0xC001 // RFC 5061
	ParamDeleteAddress       ParamType = 0xC002 // RFC 5061
	ParamErrorCause          ParamType = 0xC003 // RFC 5061
	ParamSetPrimary          ParamType = 0xC004 // RFC 5061
	ParamSuccess             ParamType = 0xC005 // RFC 5061
	ParamAdaptation          ParamType = 0xC006 // RFC 5061
)

var paramNames = map[ParamType]string{
	ParamHeartbeatInfo: "Heartbeat Info", ParamIPv4: "IPv4 Address", ParamIPv6: "IPv6 Address",
	ParamCookie: "State Cookie", ParamUnrecognized: "Unrecognized Parameter",
	ParamCookiePreservative: "Cookie Preservative", ParamHostName: "Host Name Address",
	ParamSupportedAddrTypes: "Supported Address Types",
	ParamOutgoingReset:      "Outgoing SSN Reset Request", ParamIncomingReset: "Incoming SSN Reset Request",
	ParamTSNReset: "SSN/TSN Reset Request", ParamReconfigResponse: "Re-configuration Response",
	ParamAddOutgoingStreams: "Add Outgoing Streams Request", ParamAddIncomingStreams: "Add Incoming Streams Request",
	ParamECN: "ECN Capable", ParamZeroChecksum: "Zero Checksum Acceptable", ParamRandom: "Random",
	ParamChunkList: "Chunk List", ParamHMACAlgorithms: "Requested HMAC Algorithm", ParamPadding: "Padding",
	ParamSupportedExtensions: "Supported Extensions", ParamForwardTSN: "Forward TSN Supported",
	ParamAddAddress: "Add IP Address", ParamDeleteAddress: "Delete IP Address",
	ParamErrorCause: "Error Cause Indication", ParamSetPrimary: "Set Primary Address",
	ParamSuccess: "Success Indication", ParamAdaptation: "Adaptation Layer Indication",
}

// String returns the RFC's name of the type, or its number in hex.
func (t ParamType) String() string {
	if s, ok := paramNames[t]; ok {
		return s
	}
	return fmt.Sprintf("parameter 0x%04x", uint16(t))
}

// SkipUnknown says what to do with a parameter of a type that is not understood:
// true is to skip it and go on, false to process no further parameter of this
// chunk (RFC 9260 §3.2.1, Table 3, high bit). What came before stays valid.
func (t ParamType) SkipUnknown() bool { return t&0x8000 != 0 }

// ReportUnknown says whether a parameter of a type that is not understood is to
// be reported, in the way of RFC 9260 §3.2.2 (Table 3, second bit).
func (t ParamType) ReportUnknown() bool { return t&0x4000 != 0 }

// beginParam appends the header of a parameter in the chunk begun at chunk. The
// parameter before it gets its padding only now: behind the last one padding is
// the chunk's own and does not count in its length (RFC 9260 §3.2).
func beginParam(b []byte, chunk int, t ParamType) ([]byte, int) {
	return tlv.Begin(tlv.AppendPad(b, chunk), uint16(t))
}

// endParam writes the length of the parameter begun at start.
func endParam(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// appendParam appends a parameter with the given value.
func appendParam(b []byte, chunk int, t ParamType, value []byte) []byte {
	b, start := beginParam(b, chunk, t)
	return endParam(append(b, value...), start)
}
