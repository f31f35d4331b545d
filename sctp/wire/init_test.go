package wire_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// decodeInit decodes an INIT or INIT ACK with the given parameters.
func decodeInit(t *testing.T, typ wire.ChunkType, params ...[]byte) (*wire.Init, error) {
	t.Helper()
	i := new(wire.Init)
	return i, i.Decode(rawChunk(t, chunk(typ, 0, slices.Concat(initFixed, slices.Concat(params...))...)))
}

// RFC 9260 §3.3.2.1, RFC 3758 §3.1, RFC 5061 §4.2.7: parameters of one length
// come with that length only.
func TestInitParameterLengths(t *testing.T) {
	for typ, good := range map[wire.ParamType][]int{
		wire.ParamIPv4:                {4},
		wire.ParamIPv6:                {16},
		wire.ParamCookiePreservative:  {4},
		wire.ParamECN:                 {0},
		wire.ParamForwardTSN:          {0},
		wire.ParamSupportedAddrTypes:  {0, 2, 4, 6, 8, 10, 12, 14, 16, 18},
		wire.ParamSupportedExtensions: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
		wire.ParamHostName:            {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
		wire.ParamCookie:              {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
	} {
		for n := range 20 {
			for _, ct := range []wire.ChunkType{wire.TypeInit, wire.TypeInitAck} {
				_, err := decodeInit(t, ct, param(0x8FFF), param(typ, make([]byte, n)...))
				if slices.Contains(good, n) {
					require.NoError(t, err, "%v: %v of %d bytes", ct, typ, n)
					continue
				}
				require.ErrorIs(t, err, wire.ErrLength, "%v: %v of %d bytes", ct, typ, n)
				var e *wire.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, len(initFixed)+4, e.Offset, "where the parameter begins")
			}
		}
	}
}

// RFC 9260 §3.3.2: a parameter comes once. Of two the first counts.
func TestInitFirstOfTwoCounts(t *testing.T) {
	i, err := decodeInit(t, wire.TypeInitAck,
		param(wire.ParamCookie, 'a'), param(wire.ParamCookie, 'b', 'c'),
		param(wire.ParamSupportedAddrTypes, 0, 5), param(wire.ParamSupportedAddrTypes, 0, 6),
		param(wire.ParamSupportedExtensions, 0xC0), param(wire.ParamSupportedExtensions, 0x82),
		param(wire.ParamECN), param(wire.ParamECN))
	require.NoError(t, err)
	require.True(t, i.HasCookie)
	require.Equal(t, []byte("a"), i.Cookie)
	require.Equal(t, []wire.ParamType{wire.ParamIPv4}, i.SupportedAddrTypes)
	require.Equal(t, []wire.ChunkType{wire.TypeForwardTSN}, i.SupportedExtensions)

	i, err = decodeInit(t, wire.TypeInit,
		param(wire.ParamCookiePreservative, 0, 0, 0, 1), param(wire.ParamCookiePreservative, 0, 0, 0, 2))
	require.NoError(t, err)
	require.Equal(t, uint32(1), i.CookiePreservative)
}

// C14: an empty cookie is a cookie, which is not the same as none.
func TestInitAckCookiePresence(t *testing.T) {
	i, err := decodeInit(t, wire.TypeInitAck, param(wire.ParamCookie))
	require.NoError(t, err)
	require.True(t, i.HasCookie)
	require.Empty(t, i.Cookie)
	i, err = decodeInit(t, wire.TypeInitAck)
	require.NoError(t, err)
	require.False(t, i.HasCookie)
	i, err = decodeInit(t, wire.TypeInitAck, param(wire.ParamCookie, make([]byte, 60000)...))
	require.NoError(t, err)
	require.Len(t, i.Cookie, 60000)
}

// Parameters that belong into the other chunk only are ignored, not unknown.
func TestInitIgnoresParametersOfInitAck(t *testing.T) {
	i, err := decodeInit(t, wire.TypeInit, param(wire.ParamCookie, 1), param(wire.ParamUnrecognized, 2), param(wire.ParamIPv4, 192, 0, 2, 1))
	require.NoError(t, err)
	require.False(t, i.HasCookie)
	require.Empty(t, i.Reported)
	require.Empty(t, i.Unrecognized)
	require.Len(t, i.Addrs, 1)
}

// RFC 9260 §3.2.2: what an INIT holds that is unknown comes back inside
// Unrecognized Parameter parameters of the INIT ACK, whole.
func TestInitAckReportsUnrecognized(t *testing.T) {
	unknown := param(0xC006, 1, 2, 3, 4, 5)
	i, err := decodeInit(t, wire.TypeInit, unknown, param(0x8002, 9), param(0x7FFF))
	require.NoError(t, err)
	ack := wire.Init{Ack: true, Cookie: []byte{1}, HasCookie: true, Unrecognized: i.Unrecognized}
	var got wire.Init
	require.NoError(t, got.Decode(rawChunk(t, ack.AppendTo(nil))))
	require.Equal(t, [][]byte{unknown[:9], {0x7F, 0xFF, 0, 4}}, got.Reported)
	require.Empty(t, got.Unrecognized)
	require.False(t, got.Stopped, "a report is not the parameter itself")
}

// RFC 9260 §3.3.2.1.4: deprecated, must be noticed.
func TestInitHostName(t *testing.T) {
	i, err := decodeInit(t, wire.TypeInit, param(wire.ParamHostName, 'h', 0))
	require.NoError(t, err)
	require.True(t, i.HostName)
	require.Contains(t, i.String(), " hostname")
}

// X8: the number of addresses is bounded, the chunk stays valid.
func TestX8InitAddressesAreBounded(t *testing.T) {
	var params []byte
	for n := range 1000 {
		params = append(params, param(wire.ParamIPv4, 192, 0, byte(n>>8), byte(n))...)
	}
	i, err := decodeInit(t, wire.TypeInit, params, param(wire.ParamECN))
	require.NoError(t, err)
	require.Len(t, i.Addrs, wire.MaxInitAddrs)
	require.Equal(t, netip.MustParseAddr("192.0.0.63"), i.Addrs[63])
	require.True(t, i.ECN, "what follows still counts")
	bad := append(params, param(wire.ParamIPv4, 1, 2, 3)...)
	_, err = decodeInit(t, wire.TypeInit, bad)
	require.ErrorIs(t, err, wire.ErrLength, "those ignored are checked, too")
}

// X7: what an INIT can make an INIT ACK quote is bounded in number and bytes.
func TestX7UnrecognizedIsBounded(t *testing.T) {
	var many [][]byte
	for range 10000 {
		many = append(many, param(0xFFFE))
	}
	i, err := decodeInit(t, wire.TypeInit, many...)
	require.NoError(t, err)
	require.Len(t, i.Unrecognized, wire.MaxInitUnrecognized)
	i, err = decodeInit(t, wire.TypeInit, param(0xFFFE, make([]byte, 800)...), param(0xFFFD, make([]byte, 800)...), param(0xFFFC, 1))
	require.NoError(t, err)
	require.Len(t, i.Unrecognized, 2, "the second would be too much, the third fits")
	ack := wire.Init{Ack: true, Unrecognized: i.Unrecognized}
	require.LessOrEqual(t, ack.Len(), 20+wire.MaxInitQuoted+8*wire.MaxInitUnrecognized)

	many = nil
	for range 10000 {
		many = append(many, param(wire.ParamUnrecognized))
	}
	i, err = decodeInit(t, wire.TypeInitAck, many...)
	require.NoError(t, err)
	require.Len(t, i.Reported, wire.MaxInitUnrecognized)
}

// RFC 9260 §3.3.2.1.2: no sender may use an IPv4-mapped address; we neither send
// one nor let one pass as something else than the IPv4 address in it.
func TestInitMappedAddress(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	v := mapped.As16()
	i, err := decodeInit(t, wire.TypeInit, param(wire.ParamIPv6, v[:]...))
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, i.Addrs)
	want := unhex(t, "0005 0008 c0000201")
	require.Equal(t, want, wire.AppendAddrs(nil, mapped))
	require.Equal(t, want, wire.AppendAddrs(nil, netip.Addr{}, netip.MustParseAddr("192.0.2.1")), "no address, no parameter")
	require.Equal(t, 28, (&wire.Init{Addrs: []netip.Addr{{}, mapped}}).Len())
	require.Len(t, wire.AppendAddrs(nil, netip.MustParseAddr("fe80::1%eth0")), 20)
}

// Decode leaves nothing of the last chunk behind.
func TestInitDecodeResets(t *testing.T) {
	full, err := decodeInit(t, wire.TypeInitAck, param(wire.ParamIPv4, 192, 0, 2, 1), param(wire.ParamCookie, 1),
		param(wire.ParamUnrecognized, 1), param(wire.ParamSupportedAddrTypes, 0, 5), param(wire.ParamECN), param(wire.ParamForwardTSN),
		param(wire.ParamSupportedExtensions, 1), param(wire.ParamHostName, 0), param(0x7FFF))
	require.NoError(t, err)
	full.Extra = []byte{1, 2, 3, 4}
	require.NoError(t, full.Decode(rawChunk(t, chunk(wire.TypeInit, 0, initFixed...))))
	require.Equal(t, "INIT tag=0x00000001 rwnd=1500 os=1 mis=1 tsn=1", full.String())
	require.Equal(t, 20, full.Len())
	require.Empty(t, full.Extra)
	require.False(t, full.HasCookie)
	require.Nil(t, full.Cookie)
}

// Extra comes last, padded off from what is before it; its own last padding may
// be left to the chunk.
func TestInitExtra(t *testing.T) {
	i := wire.Init{SupportedExtensions: []wire.ChunkType{1}, Extra: param(0x8002, 'r')[:5]}
	want := unhex(t, "01 00 0021 00000000 00000000 0000 0000 00000000 8008 0005 01 000000 8002 0005 72 000000")
	require.Equal(t, want, i.AppendTo(nil))
	require.Len(t, want, i.Len())
}

// A chunk that would be too long for its length field leaves reports out.
func TestInitAckReportsThatDoNotFitAreLeftOut(t *testing.T) {
	i := wire.Init{Ack: true, HasCookie: true, Cookie: make([]byte, 65000), Unrecognized: [][]byte{param(0xFFFE, make([]byte, 600)...)}}
	b := i.AppendTo(nil)
	require.Len(t, b, i.Len())
	require.LessOrEqual(t, len(b), 65535)
	var got wire.Init
	require.NoError(t, got.Decode(rawChunk(t, b)))
	require.Len(t, got.Cookie, 65000)
	require.Empty(t, got.Reported)
}
