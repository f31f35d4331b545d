package rserpool_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5354 §3.10, and where the UDP Port parameters stand in it.
func TestPoolElementBytesBothWays(t *testing.T) {
	asapAt := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 0xc921, Addrs: addrs("10.0.0.21")}
	encapsulated, encapsulatedASAP := sctpUser.Clone(), asapAt.Clone()
	encapsulated.UDPPort, encapsulatedASAP.UDPPort = 9900, 9901
	for _, c := range []struct {
		name, hex, text string
		e               rserpool.PoolElement
	}{
		{
			"as in a registration", "000a 0028 11112222 00000000 0000ea60 0004 0010 1e61 0001 0001 0008 0a000015 0008 0008 00000001",
			"pe 0x11112222 home 0x00000000 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin",
			element,
		},
		{
			"with ASAP transport, as in a handle update",
			"000a 0038 11112222 00001111 ffffffff 0004 0010 1e61 0001 0001 0008 0a000015 0008 0008 00000001 0004 0010 c921 0000 0001 0008 0a000015",
			"pe 0x11112222 home 0x00001111 life infinite, sctp 10.0.0.21:7777 data+control, RoundRobin, asap sctp 10.0.0.21:51489 data",
			rserpool.PoolElement{
				ID: 0x11112222, Home: 0x1111, Life: rserpool.LifeInfinite, User: sctpUser,
				Policy: rserpool.Policy{Type: rserpool.RoundRobin}, ASAP: &asapAt,
			},
		},
		{
			"with UDP ports",
			"a6ab 0008 26ac 26ad 000a 0038 11112222 00001111 ffffffff 0004 0010 1e61 0001 0001 0008 0a000015 0008 0008 00000001 " +
				"0004 0010 c921 0000 0001 0008 0a000015",
			"pe 0x11112222 home 0x00001111 life infinite, sctp 10.0.0.21:7777 data+control udp=9900, RoundRobin, asap sctp 10.0.0.21:51489 data udp=9901",
			rserpool.PoolElement{
				ID: 0x11112222, Home: 0x1111, Life: rserpool.LifeInfinite, User: encapsulated,
				Policy: rserpool.Policy{Type: rserpool.RoundRobin}, ASAP: &encapsulatedASAP,
			},
		},
		{
			"length without the padding of the last parameter",
			"000a 002b 00000001 00000000 00000001 0004 0010 1e61 0001 0001 0008 0a000015 0008 000b 80000007 616263 00",
			"pe 0x00000001 home 0x00000000 life 1, sctp 10.0.0.21:7777 data+control, 0x80000007 raw=616263",
			rserpool.PoolElement{ID: 1, Life: 1, User: sctpUser, Policy: rserpool.Policy{Type: 0x80000007, Raw: []byte("abc")}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.e.Validate())
			require.Equal(t, unhex(t, c.hex), c.e.AppendTo(nil))
			require.Equal(t, c.text, c.e.String())
			p := rserpool.NewParamReader(unhex(t, c.hex))
			require.Equal(t, c.e, p.PoolElement())
			require.Nil(t, p.Finish())
		})
	}
}

func TestPoolElementDecodeTolerance(t *testing.T) {
	head := "00000001 00000000 00000001 0004 0010 1e61 0001 0001 0008 0a000015"
	for name, c := range map[string]struct {
		hex    string
		policy rserpool.Policy
	}{
		"length with the padding of the last parameter": {
			"000a 002c " + head + " 0008 000b 80000007 616263 00", rserpool.Policy{Type: 0x80000007, Raw: []byte("abc")},
		},
		"padding bytes missing": {
			"000a 002b " + head + " 0008 000b 80000007 616263", rserpool.Policy{Type: 0x80000007, Raw: []byte("abc")},
		},
	} {
		p := rserpool.NewParamReader(unhex(t, c.hex))
		require.Equal(t, rserpool.PoolElement{ID: 1, Life: 1, User: sctpUser, Policy: c.policy}, p.PoolElement(), name)
		require.Nil(t, p.Finish(), name)
	}
}

// RFC 5354 §3.10: one and only one user transport; the ASAP transport is SCTP.
func TestPoolElementInvalid(t *testing.T) {
	const (
		fixed  = "00000001 00000000 00000001"
		sctp   = "0004 0010 1e61 0001 0001 0008 0a000015"
		tcp    = "0005 0010 1e61 0000 0001 0008 0a000015"
		policy = "0008 0008 00000001"
	)
	for _, c := range []struct {
		name, length, value string
		kind                rserpool.Kind
	}{
		{"fixed fields cut", "000c", "00000001 00000000", rserpool.KindTruncated},
		{"no user transport", "0010", fixed, rserpool.KindMissingParameter},
		{"no policy", "0020", fixed + sctp, rserpool.KindMissingParameter},
		{"ASAP transport in the policy's place", "0030", fixed + sctp + sctp, rserpool.KindUnexpectedParameter},
		{"policy before the transport", "0028", fixed + policy + sctp, rserpool.KindUnexpectedParameter},
		{"two policies", "0030", fixed + sctp + policy + policy, rserpool.KindUnexpectedParameter},
		{"ASAP over tcp", "0038", fixed + sctp + policy + tcp, rserpool.KindUnexpectedParameter},
		{"three transports", "0048", fixed + sctp + policy + sctp + sctp, rserpool.KindUnexpectedParameter},
		{"a handle inside", "0030", fixed + sctp + policy + "0009 0005 61000000", rserpool.KindUnexpectedParameter},
		{"nested length 3", "0028", fixed + sctp + "0008 0003 00000001", rserpool.KindLength},
		{"nested length beyond", "0028", fixed + sctp + "0008 000c 00000001", rserpool.KindTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := rserpool.NewParamReader(unhex(t, "000a "+c.length+c.value))
			p.PoolElement()
			require.Equal(t, c.kind, kindOf(t, p.Err()))
			require.Equal(t, rserpool.CauseInvalidValues, p.Finish().Causes[0].Code)
		})
	}
}

func TestPoolElementValidate(t *testing.T) {
	bad := element
	bad.User.Addrs = nil
	require.Error(t, bad.Validate())
	bad = element
	bad.Policy.Type = 0
	require.Error(t, bad.Validate())
	bad = element
	bad.ASAP = &rserpool.Transport{Protocol: rserpool.ProtoTCP, Addrs: addrs("10.0.0.1")}
	require.ErrorContains(t, bad.Validate(), "only sctp")
}

func TestPoolElementEqualAndClone(t *testing.T) {
	a := element
	at := sctpUser.Clone()
	a.ASAP = &at
	b := a.Clone()
	require.True(t, a.Equal(b))
	b.ASAP.Port++
	require.False(t, a.Equal(b), "a clone shares no memory")
	b = a.Clone()
	b.ASAP = nil
	require.False(t, a.Equal(b))
	require.True(t, b.Equal(element))
	b.Home++
	require.False(t, b.Equal(element))
}

// RFC 5354 §3.11.
func TestServerInfoBytesBothWays(t *testing.T) {
	want := rserpool.ServerInfo{
		ID:        0x1111,
		Transport: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 9901, Addrs: addrs("10.0.0.1")},
	}
	b := unhex(t, "000b 0018 00001111 0004 0010 26ad 0000 0001 0008 0a000001")
	require.Equal(t, b, want.AppendTo(nil))
	require.Equal(t, "registrar 0x00001111 at sctp 10.0.0.1:9901 data", want.String())
	p := rserpool.NewParamReader(b)
	got := p.ServerInfo()
	require.Nil(t, p.Finish())
	require.True(t, want.Equal(got))
	require.NoError(t, got.Validate())

	want.Transport.UDPPort = 9900
	b = unhex(t, "a6ab 0008 26ac 0000 000b 0018 00001111 0004 0010 26ad 0000 0001 0008 0a000001")
	require.Equal(t, b, want.AppendTo(nil))
	p = rserpool.NewParamReader(b)
	require.Equal(t, want, p.ServerInfo())
	require.Nil(t, p.Finish())

	p = rserpool.NewParamReader(unhex(t, "000b 0018 00001111 0005 0010 26ad 0000 0001 0008 0a000001"))
	p.ServerInfo()
	require.ErrorIs(t, p.Err(), rserpool.ErrUnexpectedParameter, "only SCTP")
}

// RFC 5354 §3.9: any bytes; the length field is the true length.
func TestPoolHandleBytesBothWays(t *testing.T) {
	for h, c := range map[rserpool.PoolHandle]struct{ hex, text string }{
		"ProbePool":  {"0009 000d 50726f6265506f6f6c 000000", "ProbePool"},
		"abcd":       {"0009 0008 61626364", "abcd"},
		"two words":  {"0009 000d 74776f20776f726473 000000", `"two words"`},
		"\x00\xff":   {"0009 0006 00ff 0000", `"\x00\xff"`},
		`quote"`:     {"0009 000a 71756f746522 0000", `"quote\""`},
		"Pool-Größe": {"0009 0010 506f6f6c2d4772c3b6c39f65", "Pool-Größe"},
	} {
		require.Equal(t, unhex(t, c.hex), h.AppendTo(nil))
		require.Equal(t, c.text, h.String())
		p := rserpool.NewParamReader(unhex(t, c.hex))
		require.Equal(t, h, p.PoolHandle())
		require.Nil(t, p.Finish())
	}
}

func TestPoolHandleBounds(t *testing.T) {
	longest := rserpool.PoolHandle(strings.Repeat("x", rserpool.MaxPoolHandle))
	require.NoError(t, longest.Validate())
	p := rserpool.NewParamReader(longest.AppendTo(nil))
	require.Equal(t, longest, p.PoolHandle())
	require.Nil(t, p.Finish())
	for _, h := range []rserpool.PoolHandle{"", longest + "x"} {
		require.Error(t, h.Validate())
		p := rserpool.NewParamReader(h.AppendTo(nil))
		require.Empty(t, p.PoolHandle())
		require.ErrorIs(t, p.Err(), rserpool.ErrInvalidValue)
		require.Equal(t, h.AppendTo(nil)[:4+len(h)], p.Finish().Causes[0].Info)
	}
}
