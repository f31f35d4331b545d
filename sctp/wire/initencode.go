package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/rserpool/rserpool/internal/tlv"
)

// maxChunkLen is the largest number that a chunk's length field can hold.
const maxChunkLen = 1<<16 - 1

// AppendTo appends the complete chunk with padding. The order of parameters is:
// addresses, cookie, cookie preservative, supported address types, ECN, supported
// extensions, Forward TSN, reports, Extra. Cookie and Reported are written in an
// INIT ACK only, CookiePreservative in an INIT only. Reports are left out if the
// chunk would be too long with them; the caller bounds Cookie and Extra, so that
// it is not too long without.
func (i *Init) AppendTo(b []byte) []byte {
	t := TypeInit
	if i.Ack {
		t = TypeInitAck
	}
	b, start := beginChunk(b, t, 0)
	b = appendFields32(b, uint32(i.InitiateTag), i.ARwnd,
		uint32(i.OutStreams)<<16|uint32(i.InStreams), uint32(i.InitialTSN))
	b = AppendAddrs(b, i.Addrs...)
	if i.Ack && i.HasCookie {
		b = appendParam(b, start, ParamCookie, i.Cookie)
	}
	b = i.appendCapabilities(b, start)
	if i.reportsFit() {
		b = i.appendReports(b, start)
	}
	if len(i.Extra) > 0 {
		b = append(tlv.AppendPad(b, start), i.Extra...)
	}
	return endChunk(b, start)
}

// appendCapabilities appends the parameters that say what the sender can do and
// would like.
func (i *Init) appendCapabilities(b []byte, start int) []byte {
	var p int
	if !i.Ack && i.HasPreservative {
		b, p = beginParam(b, start, ParamCookiePreservative)
		b = endParam(binary.BigEndian.AppendUint32(b, i.CookiePreservative), p)
	}
	if len(i.SupportedAddrTypes) > 0 {
		b, p = beginParam(b, start, ParamSupportedAddrTypes)
		for _, t := range i.SupportedAddrTypes {
			b = binary.BigEndian.AppendUint16(b, uint16(t))
		}
		b = endParam(b, p)
	}
	if i.ECN {
		b = appendParam(b, start, ParamECN, nil)
	}
	if len(i.SupportedExtensions) > 0 {
		b, p = beginParam(b, start, ParamSupportedExtensions)
		for _, t := range i.SupportedExtensions {
			b = append(b, byte(t))
		}
		b = endParam(b, p)
	}
	if i.ForwardTSN {
		b = appendParam(b, start, ParamForwardTSN, nil)
	}
	return b
}

// appendReports appends Unrecognized Parameter parameters in an INIT ACK, and in
// an INIT the unknown parameters themselves.
func (i *Init) appendReports(b []byte, start int) []byte {
	if !i.Ack {
		for _, u := range i.Unrecognized {
			b = append(tlv.AppendPad(b, start), u...)
		}
		return b
	}
	for _, u := range i.Reported {
		b = appendParam(b, start, ParamUnrecognized, u)
	}
	for _, u := range i.Unrecognized {
		b = appendParam(b, start, ParamUnrecognized, u)
	}
	return b
}

// AppendAddrs appends IPv4 and IPv6 Address parameters, as INIT, and the causes
// Unresolvable Address and Restart with New Addresses, hold them. Their length is
// a multiple of four, so they need no padding. Invalid addresses are left out.
func AppendAddrs(b []byte, addrs ...netip.Addr) []byte {
	for _, a := range addrs {
		switch a = a.Unmap(); {
		case a.Is4():
			v := a.As4()
			b = tlv.Append(b, uint16(ParamIPv4), v[:])
		case a.Is6():
			v := a.As16()
			b = tlv.Append(b, uint16(ParamIPv6), v[:])
		}
	}
	return b
}

// Len is the size of the chunk with padding.
func (i *Init) Len() int {
	n := i.baseLen()
	if i.reportsFit() {
		n += i.reportsLen()
	}
	return n
}

// reportsFit says whether the chunk is short enough with all its reports.
func (i *Init) reportsFit() bool { return i.baseLen()+i.reportsLen() <= maxChunkLen }

// baseLen is the size of the chunk without reports.
func (i *Init) baseLen() int {
	n := initHeaderLen
	for _, a := range i.Addrs {
		if a.IsValid() {
			n += paramLen(a.Unmap().BitLen() / 8)
		}
	}
	if i.Ack && i.HasCookie {
		n += paramLen(len(i.Cookie))
	}
	if !i.Ack && i.HasPreservative {
		n += paramLen(4)
	}
	if len(i.SupportedAddrTypes) > 0 {
		n += paramLen(2 * len(i.SupportedAddrTypes))
	}
	if i.ECN {
		n += paramLen(0)
	}
	if len(i.SupportedExtensions) > 0 {
		n += paramLen(len(i.SupportedExtensions))
	}
	if i.ForwardTSN {
		n += paramLen(0)
	}
	return n + padded(len(i.Extra))
}

// reportsLen is the size of what appendReports appends.
func (i *Init) reportsLen() int {
	n := 0
	for _, u := range i.Unrecognized {
		if i.Ack {
			n += paramLen(len(u))
		} else {
			n += padded(len(u))
		}
	}
	if i.Ack {
		for _, u := range i.Reported {
			n += paramLen(len(u))
		}
	}
	return n
}

// paramLen is the size of a parameter with padding.
func paramLen(value int) int { return padded(tlv.HeaderLen + value) }
