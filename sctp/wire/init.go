package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

const (
	// MaxInitAddrs is how many addresses Decode takes from an INIT or INIT ACK;
	// further ones are ignored. It bounds what a stranger can make us store.
	MaxInitAddrs = 64
	// MaxInitUnrecognized is how many parameters Decode collects in each of
	// Init.Unrecognized and Init.Reported; further ones are not reported.
	MaxInitUnrecognized = 16
	// MaxInitQuoted is how many bytes of parameters Decode collects in
	// Init.Unrecognized at most. With MaxInitUnrecognized it bounds the INIT ACK
	// that quotes them, so that an INIT cannot be turned into a flood.
	MaxInitQuoted = 1024
	// initHeaderLen is the size of an INIT without parameters.
	initHeaderLen = ChunkHeaderLen + 16
)

// Init is an INIT or INIT ACK chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Type = 1 or 2 |  Chunk Flags  |      Chunk Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                         Initiate Tag                          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Advertised Receiver Window Credit (a_rwnd)           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Number of Outbound Streams   |   Number of Inbound Streams   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                         Initial TSN                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	\                                                               \
//	/              Optional/Variable-Length Parameters              /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.2, §3.3.3. The values of the fixed fields are not judged here:
// what is wrong with a zero tag, no streams or a small a_rwnd depends on who
// receives it in which state.
type Init struct {
	// Ack makes it an INIT ACK.
	Ack         bool
	InitiateTag VTag
	// ARwnd is the advertised receiver window credit in bytes.
	ARwnd uint32
	// OutStreams is the number of outbound streams (OS), InStreams the maximum
	// of inbound streams (MIS).
	OutStreams, InStreams uint16
	InitialTSN            TSN

	// Addrs are the IPv4 and IPv6 Address parameters in order. An IPv4-mapped
	// IPv6 address, which no sender may use, counts as the IPv4 address in it.
	Addrs []netip.Addr
	// Cookie is the State Cookie of an INIT ACK if HasCookie; of several the first.
	Cookie    []byte
	HasCookie bool
	// CookiePreservative is by how many ms an INIT asks its cookie's life to be
	// longer, if HasPreservative.
	CookiePreservative uint32
	HasPreservative    bool
	// SupportedAddrTypes lists the address types that the sender can use; empty
	// means any.
	SupportedAddrTypes []ParamType
	// HostName says that there is a Host Name Address, which must be answered
	// with an ABORT (RFC 9260 §3.3.2.1.4).
	HostName bool
	// ECN is the reserved ECN Capable parameter, ForwardTSN that of RFC 3758.
	ECN, ForwardTSN bool
	// SupportedExtensions lists chunk types (RFC 5061 §4.2.7).
	SupportedExtensions []ChunkType

	// Unrecognized are the parameters, whole and unpadded, that are unknown and
	// ask to be reported. AppendTo of an INIT ACK writes each inside an
	// Unrecognized Parameter: copy the slice from the INIT to answer it. After
	// Decode of an INIT ACK they belong into an Unrecognized Parameters cause
	// (RFC 9260 §3.2.2). Bounded by MaxInitUnrecognized and MaxInitQuoted.
	Unrecognized [][]byte
	// Reported are the contents of the Unrecognized Parameter parameters of a
	// received INIT ACK: what of our INIT the peer did not understand. Bounded by
	// MaxInitUnrecognized.
	Reported [][]byte
	// Stopped says that an unknown parameter ended processing: those behind it
	// were checked for their lengths only (RFC 9260 §3.2.1).
	Stopped bool
	// Extra is appended by AppendTo behind all else: complete parameters of
	// extensions, padded, except that the last one's padding is better left out,
	// because it would count in the chunk's length. Decode sets it to nil.
	Extra []byte
}

// Decode fills i from c and reuses its slices. It fails if the fixed fields are
// not all there, if any parameter has an impossible length or reaches past the
// chunk, or if a known one has not the length of its type. A parameter that comes
// twice although it may not counts once.
func (i *Init) Decode(c RawChunk) error {
	i.reset()
	i.Ack = c.Type() == TypeInitAck
	if !i.Ack {
		if err := checkType(c, TypeInit); err != nil {
			return err
		}
	}
	r := tlv.NewReader(c.Value())
	i.InitiateTag = VTag(r.U32())
	i.ARwnd = r.U32()
	i.OutStreams = r.U16()
	i.InStreams = r.U16()
	i.InitialTSN = TSN(r.U32())
	for {
		at := r.Offset()
		p, ok := r.Next()
		if !ok {
			return readError(c, &r)
		}
		if i.Stopped {
			continue // only its length counts, for one verdict on the structure
		}
		if k := i.param(p); k != 0 {
			return chunkError(c, k, at)
		}
	}
}

// reset empties i but keeps the memory of its slices.
func (i *Init) reset() {
	*i = Init{
		Addrs:               i.Addrs[:0],
		SupportedAddrTypes:  i.SupportedAddrTypes[:0],
		SupportedExtensions: i.SupportedExtensions[:0],
		Unrecognized:        i.Unrecognized[:0],
		Reported:            i.Reported[:0],
	}
}

// param takes in one parameter. It returns 0 or the kind of error.
func (i *Init) param(p tlv.TLV) ErrorKind {
	r := tlv.NewReader(p.Value)
	switch t := ParamType(p.Type); t {
	case ParamIPv4, ParamIPv6:
		return i.address(t, p.Value)
	case ParamCookie:
		if i.Ack && !i.HasCookie {
			i.Cookie, i.HasCookie = p.Value, true
		}
		return 0
	case ParamUnrecognized:
		if i.Ack && len(i.Reported) < MaxInitUnrecognized {
			i.Reported = append(i.Reported, p.Value)
		}
		return 0
	case ParamCookiePreservative:
		v := r.U32()
		if !i.HasPreservative {
			i.CookiePreservative, i.HasPreservative = v, true
		}
	case ParamHostName:
		i.HostName = true
		return 0
	case ParamSupportedAddrTypes:
		first := len(i.SupportedAddrTypes) == 0
		for r.Len() > 0 {
			if v := ParamType(r.U16()); first && r.Err() == nil {
				i.SupportedAddrTypes = append(i.SupportedAddrTypes, v)
			}
		}
	case ParamECN:
		i.ECN = true
	case ParamForwardTSN:
		i.ForwardTSN = true
	case ParamSupportedExtensions:
		first := len(i.SupportedExtensions) == 0
		for r.Len() > 0 {
			if v := ChunkType(r.U8()); first {
				i.SupportedExtensions = append(i.SupportedExtensions, v)
			}
		}
	default:
		i.unknown(t, p.Whole)
		return 0
	}
	if r.Err() != nil || r.Len() != 0 {
		return ErrLength
	}
	return 0
}

// address takes in an address parameter (RFC 9260 §3.3.2.1.1, §3.3.2.1.2).
func (i *Init) address(t ParamType, v []byte) ErrorKind {
	a, ok := netip.AddrFromSlice(v)
	if !ok || a.Is4() != (t == ParamIPv4) {
		return ErrLength
	}
	if len(i.Addrs) < MaxInitAddrs {
		i.Addrs = append(i.Addrs, a.Unmap())
	}
	return 0
}

// unknown follows the two high bits of an unknown parameter (RFC 9260 §3.2.1,
// Table 3).
func (i *Init) unknown(t ParamType, whole []byte) {
	if t.ReportUnknown() && len(i.Unrecognized) < MaxInitUnrecognized {
		quoted := len(whole)
		for _, u := range i.Unrecognized {
			quoted += len(u)
		}
		if quoted <= MaxInitQuoted {
			i.Unrecognized = append(i.Unrecognized, whole)
		}
	}
	i.Stopped = !t.SkipUnknown()
}

// String describes the chunk without showing the cookie: "INIT tag=0x00000001
// rwnd=65536 os=10 mis=2048 tsn=7 addrs=192.0.2.1,2001:db8::1".
func (i *Init) String() string {
	var b strings.Builder
	name := "INIT"
	if i.Ack {
		name = "INIT-ACK"
	}
	fmt.Fprintf(&b, "%s tag=0x%08x rwnd=%d os=%d mis=%d tsn=%d",
		name, uint32(i.InitiateTag), i.ARwnd, i.OutStreams, i.InStreams, i.InitialTSN)
	for n, a := range i.Addrs {
		if n == 0 {
			b.WriteString(" addrs=")
		} else {
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	if i.HasCookie {
		fmt.Fprintf(&b, " cookie=%d", len(i.Cookie))
	}
	if i.HasPreservative {
		fmt.Fprintf(&b, " preservative=%dms", i.CookiePreservative)
	}
	if i.HostName {
		b.WriteString(" hostname")
	}
	for n, t := range i.SupportedAddrTypes {
		if n == 0 {
			b.WriteString(" types=")
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", uint16(t))
	}
	if i.ECN {
		b.WriteString(" ecn")
	}
	if i.ForwardTSN {
		b.WriteString(" forward-tsn")
	}
	for n, t := range i.SupportedExtensions {
		if n == 0 {
			b.WriteString(" ext=")
		} else {
			b.WriteByte(',')
		}
		b.WriteString(t.String())
	}
	if len(i.Unrecognized) > 0 {
		fmt.Fprintf(&b, " unrecognized=%d", len(i.Unrecognized))
	}
	if len(i.Reported) > 0 {
		fmt.Fprintf(&b, " reported=%d", len(i.Reported))
	}
	if i.Stopped {
		b.WriteString(" stopped")
	}
	return b.String()
}
