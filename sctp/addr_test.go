package sctp_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

func ips(ss ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func TestParseAddr(t *testing.T) {
	for _, c := range []struct {
		in   string
		want sctp.Addr
		back string // if it differs from in
	}{
		{"192.0.2.1:5000", sctp.Addr{IPs: ips("192.0.2.1"), Port: 5000, UDPPort: 9899}, ""},
		{"192.0.2.1:5000@9899", sctp.Addr{IPs: ips("192.0.2.1"), Port: 5000, UDPPort: 9899}, "192.0.2.1:5000"},
		{"192.0.2.1:5000@1234", sctp.Addr{IPs: ips("192.0.2.1"), Port: 5000, UDPPort: 1234}, ""},
		{"192.0.2.1:0@0", sctp.Addr{IPs: ips("192.0.2.1")}, ""},
		{"[2001:db8::1]:1", sctp.Addr{IPs: ips("2001:db8::1"), Port: 1, UDPPort: 9899}, ""},
		{"[fe80::1%eth0]:1", sctp.Addr{IPs: ips("fe80::1%eth0"), Port: 1, UDPPort: 9899}, ""},
		{"[::ffff:192.0.2.1]:1", sctp.Addr{IPs: ips("192.0.2.1"), Port: 1, UDPPort: 9899}, "192.0.2.1:1"},
		{"[2001:db8::1]/192.0.2.1/[::1]:65535@65535", sctp.Addr{IPs: ips("2001:db8::1", "192.0.2.1", "::1"), Port: 65535, UDPPort: 65535}, ""},
	} {
		got, err := sctp.ParseAddr(c.in)
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, *got, c.in)
		back := c.back
		if back == "" {
			back = c.in
		}
		require.Equal(t, back, got.String())
		same, err := sctp.ParseListenAddr(c.in)
		require.NoError(t, err, c.in)
		require.Equal(t, got, same)
	}
}

func TestParseListenAddr(t *testing.T) {
	for in, want := range map[string]sctp.Addr{
		"":                    {UDPPort: 9899},
		":":                   {},
		":5000":               {Port: 5000, UDPPort: 9899},
		"@0":                  {},
		":7@8":                {Port: 7, UDPPort: 8},
		"192.0.2.1":           {IPs: ips("192.0.2.1"), UDPPort: 9899},
		"[::]@0":              {IPs: ips("::")},
		"192.0.2.1/192.0.2.2": {IPs: ips("192.0.2.1", "192.0.2.2"), UDPPort: 9899},
		"[2001:db8::1]/[::1]": {IPs: ips("2001:db8::1", "::1"), UDPPort: 9899},
	} {
		got, err := sctp.ParseListenAddr(in)
		if in == ":" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, *got, in)
		again, err := sctp.ParseListenAddr(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
}

func TestParseAddrErrors(t *testing.T) {
	for _, in := range []string{
		"", ":5000", "@1", "192.0.2.1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1",
		"192.0.2.1:5000@", "192.0.2.1:5000@x", "192.0.2.1:5000@65536", "192.0.2.1:1@2@3",
		"2001:db8::1:5000", "[2001:db8::1:5000", "2001:db8::1]:5000", "[192.0.2.1]:5000", "[]:5000", "[x]:1",
		"192.0.2.256:1", "192.0.2.1/:1", "/192.0.2.1:1", "192.0.2.1//192.0.2.2:1", "192.0.2.1/192.0.2.1:1",
		"localhost:1", "192.0.2.1 :1", "192.0.2.1/[::ffff:192.0.2.1]:1",
		strings.Repeat("192.0.2.1/", 200) + "192.0.2.2:1",
	} {
		a, err := sctp.ParseAddr(in)
		require.Error(t, err, in)
		require.Nil(t, a)
		require.True(t, strings.HasPrefix(err.Error(), "sctp: address "), err.Error())
	}
}

func TestResolveAddr(t *testing.T) {
	ctx := context.Background()
	as, err := sctp.ResolveAddr(ctx, "[::1]/127.0.0.1:5@6")
	require.NoError(t, err)
	require.Equal(t, []*sctp.Addr{{IPs: ips("::1", "127.0.0.1"), Port: 5, UDPPort: 6}}, as, "one multi-homed host")

	as, err = sctp.ResolveAddr(ctx, "localhost:5")
	require.NoError(t, err)
	require.NotEmpty(t, as)
	for _, a := range as { // one name: alternatives
		require.Len(t, a.IPs, 1)
		require.True(t, a.IPs[0].IsLoopback())
		require.EqualValues(t, 5, a.Port)
	}

	as, err = sctp.ResolveAddr(ctx, "localhost/192.0.2.1:5")
	require.NoError(t, err)
	require.Len(t, as, 1)
	require.Contains(t, as[0].IPs, netip.MustParseAddr("192.0.2.1"))

	for _, in := range []string{"", "localhost", ":5", "2001:db8::1:5", "[x]:5", "a/:5", "localhost:x"} {
		_, err := sctp.ResolveAddr(ctx, in)
		require.Error(t, err, in)
	}
}

func TestAddrStringOfNil(t *testing.T) {
	var a *sctp.Addr
	require.Equal(t, "<nil>", a.String())
}
