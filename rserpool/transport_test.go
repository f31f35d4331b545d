package rserpool_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5354 §3.3 to §3.7 and §3.16, and the UDP Port parameter.
func TestTransportBytesBothWays(t *testing.T) {
	for _, c := range []struct {
		name, hex, text string
		tr              rserpool.Transport
	}{
		{
			"sctp with one IPv4 address", "0004 0010 1e61 0001 0001 0008 0a000015", "sctp 10.0.0.21:7777 data+control",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: addrs("10.0.0.21")},
		},
		{
			"sctp with mixed addresses", "0004 0024 1e61 0000 0002 0014 20010db8000000000000000000000001 0001 0008 c0000201",
			"sctp [2001:db8::1]/192.0.2.1:7777 data",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: addrs("2001:db8::1", "192.0.2.1")},
		},
		{
			"IPv4-mapped stays IPv6", "0004 001c 1e61 0000 0002 0014 00000000000000000000ffffc0000201",
			"sctp [::ffff:192.0.2.1]:7777 data",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: addrs("::ffff:192.0.2.1")},
		},
		{
			"sctp with encapsulation port", "a6ab 0008 26ac 0000 0004 0010 1e61 0000 0001 0008 c0000201",
			"sctp 192.0.2.1:7777 data udp=9900",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, UDPPort: 9900, Addrs: addrs("192.0.2.1")},
		},
		{
			"tcp", "0005 0010 0050 0000 0001 0008 c0000201", "tcp 192.0.2.1:80",
			rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: addrs("192.0.2.1")},
		},
		{
			"tcp with use as rsplib writes it", "0005 0010 0050 0001 0001 0008 c0000201", "tcp 192.0.2.1:80 data+control",
			rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Use: rserpool.UseDataControl, Addrs: addrs("192.0.2.1")},
		},
		{
			"udp", "0006 001c 0035 0000 0002 0014 20010db8000000000000000000000001", "udp [2001:db8::1]:53",
			rserpool.Transport{Protocol: rserpool.ProtoUDP, Port: 53, Addrs: addrs("2001:db8::1")},
		},
		{
			"udp-lite", "0007 0010 0035 0000 0001 0008 c0000201", "udplite 192.0.2.1:53",
			rserpool.Transport{Protocol: rserpool.ProtoUDPLite, Port: 53, Addrs: addrs("192.0.2.1")},
		},
		{
			"dccp", "0003 0014 1389 0000 4e54504f 0001 0008 c0000201", "dccp 192.0.2.1:5001 service=0x4e54504f",
			rserpool.Transport{Protocol: rserpool.ProtoDCCP, Port: 5001, ServiceCode: 0x4e54504f, Addrs: addrs("192.0.2.1")},
		},
		{
			"opaque", "0010 0007 616263 00", "opaque 616263",
			rserpool.Transport{Protocol: rserpool.ProtoOpaque, Opaque: []byte("abc")},
		},
		{
			"opaque and empty", "0010 0004", "opaque ",
			rserpool.Transport{Protocol: rserpool.ProtoOpaque},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.tr.Validate())
			require.Equal(t, unhex(t, c.hex), c.tr.AppendTo(nil))
			require.Equal(t, c.text, c.tr.String())
			p := rserpool.NewParamReader(unhex(t, c.hex))
			require.Equal(t, c.tr, p.Transport())
			require.Nil(t, p.Finish())
		})
	}
}

func TestTransportDecodeTolerance(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      rserpool.Transport
	}{
		{
			"reserved field of tcp is ignored", "0005 0010 0050 abcd 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: addrs("192.0.2.1")},
		},
		{
			"reserved field of udp is ignored", "0006 0010 0050 0001 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoUDP, Port: 80, Addrs: addrs("192.0.2.1")},
		},
		{
			"the second port is of no use to a lone transport", "a6ab 0008 26ac ffff 0004 0010 1e61 0000 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, UDPPort: 9900, Addrs: addrs("192.0.2.1")},
		},
		{
			"UDP Port 0 is not given", "a6ab 0008 0000 0000 0004 0010 1e61 0000 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: addrs("192.0.2.1")},
		},
		{
			"UDP Port before tcp says nothing", "a6ab 0008 26ac 0000 0005 0010 0050 0000 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: addrs("192.0.2.1")},
		},
		{
			"unknown parameter among the addresses", "0004 0018 1e61 0000 8001 0006 aabb 0000 0001 0008 c0000201",
			rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: addrs("192.0.2.1")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := rserpool.NewParamReader(unhex(t, c.hex))
			require.Equal(t, c.want, p.Transport())
			require.Nil(t, p.Finish())
		})
	}
}

// RFC 5354 §3.3 to §3.7: one address for most, at least one for SCTP, and two
// values of the transport use.
func TestTransportInvalidValues(t *testing.T) {
	manyAddrs := []byte{0, 4, 0, 0, 0, 1, 0, 0}
	for range rserpool.MaxAddrs + 1 {
		manyAddrs = append(manyAddrs, 0, 1, 0, 8, 10, 0, 0, 1)
	}
	manyAddrs[2], manyAddrs[3] = byte(len(manyAddrs)>>8), byte(len(manyAddrs))
	bigOpaque := append([]byte{0, 0x10, 4, 5}, make([]byte, rserpool.MaxOpaqueTransport+4)...)
	for _, c := range []struct {
		name string
		b    []byte
		kind rserpool.Kind
	}{
		{"sctp without address", unhex(t, "0004 0008 1e61 0000"), rserpool.KindInvalidValue},
		{"use 2", unhex(t, "0004 0010 1e61 0002 0001 0008 c0000201"), rserpool.KindInvalidValue},
		{"tcp without address", unhex(t, "0005 0008 0050 0000"), rserpool.KindInvalidValue},
		{"tcp with two addresses", unhex(t, "0005 0018 0050 0000 0001 0008 c0000201 0001 0008 c0000202"), rserpool.KindInvalidValue},
		{"dccp without service code", unhex(t, "0003 0008 0050 0000"), rserpool.KindTruncated},
		{"port cut", unhex(t, "0004 0005 1e00 0000"), rserpool.KindTruncated},
		{"IPv4 address of 16 bytes", unhex(t, "0004 001c 1e61 0000 0001 0014 00000000000000000000000000000000"), rserpool.KindInvalidValue},
		{"IPv6 address of 4 bytes", unhex(t, "0004 0010 1e61 0000 0002 0008 00000000"), rserpool.KindInvalidValue},
		{"address of 3 bytes", unhex(t, "0004 000f 1e61 0000 0001 0007 000000 00"), rserpool.KindInvalidValue},
		{"a handle cut inside", unhex(t, "0004 0014 1e61 0000 0001 0008 c0000201 0009 0005 61000000"), rserpool.KindTruncated},
		{"a handle inside", unhex(t, "0004 0018 1e61 0000 0001 0008 c0000201 0009 0005 61000000"), rserpool.KindUnexpectedParameter},
		{"UDP Port too short", unhex(t, "a6ab 0006 26ac 0000 0004 0010 1e61 0000 0001 0008 c0000201"), rserpool.KindInvalidValue},
		{"UDP Port too long", unhex(t, "a6ab 000c 26ac 0000 00000000 0004 0010 1e61 0000 0001 0008 c0000201"), rserpool.KindInvalidValue},
		{"no transport", unhex(t, "0009 0005 61000000"), rserpool.KindUnexpectedParameter},
		{"nothing", nil, rserpool.KindMissingParameter},
		{"too many addresses", manyAddrs, rserpool.KindLimit},
		{"opaque too long", bigOpaque, rserpool.KindInvalidValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := rserpool.NewParamReader(c.b)
			p.Transport()
			require.Error(t, p.Err())
			require.Equal(t, c.kind, kindOf(t, p.Err()))
		})
	}
}

// §3.12.4: the offending parameter goes back whole.
func TestInvalidValueCarriesTheOffendingParameter(t *testing.T) {
	bad := unhex(t, "0001 0014 00000000000000000000000000000000")
	p := rserpool.NewParamReader(append(unhex(t, "0004 001c 1e61 0000"), bad...))
	p.Transport()
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseInvalidValues, Info: bad}}, p.Finish().Causes)
}

func TestTransportValidate(t *testing.T) {
	many := sctpUser
	many.Addrs = nil
	for range rserpool.MaxAddrs + 1 {
		many.Addrs = append(many.Addrs, addrs("10.0.0.1")...)
	}
	for name, tr := range map[string]rserpool.Transport{
		"zero value":            {},
		"unknown protocol":      {Protocol: 99, Addrs: addrs("10.0.0.1")},
		"no address":            {Protocol: rserpool.ProtoSCTP},
		"two addresses for tcp": {Protocol: rserpool.ProtoTCP, Addrs: addrs("10.0.0.1", "10.0.0.2")},
		"too many addresses":    many,
		"use 2":                 {Protocol: rserpool.ProtoSCTP, Use: 2, Addrs: addrs("10.0.0.1")},
		"control over udp":      {Protocol: rserpool.ProtoUDP, Use: 1, Addrs: addrs("10.0.0.1")},
		"udp port for tcp":      {Protocol: rserpool.ProtoTCP, UDPPort: 1, Addrs: addrs("10.0.0.1")},
		"invalid address":       {Protocol: rserpool.ProtoSCTP, Addrs: []netip.Addr{{}}},
		"opaque with address":   {Protocol: rserpool.ProtoOpaque, Addrs: addrs("10.0.0.1")},
		"opaque too long":       {Protocol: rserpool.ProtoOpaque, Opaque: make([]byte, rserpool.MaxOpaqueTransport+1)},
	} {
		require.Error(t, tr.Validate(), name)
		require.NotPanics(t, func() { _, _ = tr.AppendTo(nil), tr.String() }, name)
	}
}

func TestTransportEqualAndClone(t *testing.T) {
	a := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 1, UDPPort: 9900, Addrs: addrs("10.0.0.1", "10.0.0.2")}
	b := a.Clone()
	require.True(t, a.Equal(b))
	b.Addrs[0] = addrs("10.0.0.9")[0]
	require.False(t, a.Equal(b), "a clone shares no memory")
	for _, change := range []func(*rserpool.Transport){
		func(x *rserpool.Transport) { x.Protocol = rserpool.ProtoTCP },
		func(x *rserpool.Transport) { x.Port++ },
		func(x *rserpool.Transport) { x.Use++ },
		func(x *rserpool.Transport) { x.UDPPort++ },
		func(x *rserpool.Transport) { x.ServiceCode++ },
		func(x *rserpool.Transport) { x.Opaque = []byte{1} },
		func(x *rserpool.Transport) { x.Addrs = x.Addrs[:1] },
	} {
		b := a.Clone()
		change(&b)
		require.False(t, a.Equal(b))
	}
}

func TestProtocolAndUseStrings(t *testing.T) {
	require.Equal(t, "udplite", rserpool.ProtoUDPLite.String())
	require.Equal(t, "protocol(0)", rserpool.Protocol(0).String())
	require.Equal(t, "use(7)", rserpool.TransportUse(7).String())
}

// docs/udp-port-parameter.md, Receiver 1.
func TestUDPPortBelongsToTheNextTransport(t *testing.T) {
	const sctp = "0004 0010 1e61 0000 0001 0008 c0000201"
	for _, c := range []struct {
		name, before string
		want         uint16
	}{
		{"right before", "a6ab 0008 26ac 0000", 9900},
		{"unknown parameter in between", "a6ab 0008 26ac 0000 8001 0005 61000000", 9900},
		{"the second of two", "a6ab 0008 26ac 0000 a6ab 0008 26ad 0000", 9901},
		{"the second of two is 0", "a6ab 0008 26ac 0000 a6ab 0008 0000 0000", 0},
	} {
		p := rserpool.NewParamReader(unhex(t, c.before+sctp))
		require.Equal(t, c.want, p.Transport().UDPPort, c.name)
		require.Nil(t, p.Finish(), c.name)
	}
	p := rserpool.NewParamReader(unhex(t, "a6ab 0008 26ac 0000 0009 0005 61000000"+sctp))
	require.Equal(t, rserpool.PoolHandle("a"), p.PoolHandle())
	require.Zero(t, p.Transport().UDPPort, "a handle stands between")
	require.Nil(t, p.Finish())

	p = rserpool.NewParamReader(unhex(t, "a6ab 0008 26ac 0000"+sctp+sctp))
	require.Equal(t, uint16(9900), p.Transport().UDPPort)
	require.Zero(t, p.Transport().UDPPort, "one parameter, one transport")
	require.Nil(t, p.Finish())
}
