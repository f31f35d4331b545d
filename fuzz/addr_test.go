package fuzz

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	asapcore "github.com/rserpool/rserpool/asap/core"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// FuzzAddr: the text forms of addresses. What one of the parsers takes has a text
// form that is taken and means the same, and the stricter parser takes no more than
// the other.
func FuzzAddr(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1:5000", "192.0.2.1/198.51.100.1:3863@9900", "[2001:db8::1]/192.0.2.1:3863@9899", ":0@0", "", "@1",
		"[::ffff:192.0.2.1]:1", "[fe80::1%eth0]:1", "192.0.2.1", "1.2.3.4/1.2.3.4:1", "[::1:1", "1.2.3.4:65536", "host:1", "a@b:1@2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		listen, listenErr := sctp.ParseListenAddr(s)
		if listenErr == nil {
			checkAddr(t, listen)
			again, err := sctp.ParseListenAddr(listen.String())
			require.NoError(t, err)
			require.Equal(t, listen, again)
		}
		a, err := sctp.ParseAddr(s)
		if err != nil {
			return
		}
		require.NoError(t, listenErr, "a peer's address is an address to listen on, too")
		require.Equal(t, listen, a)
		require.NotEmpty(t, a.IPs)
		again, err := sctp.ParseAddr(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
		// Addresses need no name service, so this cannot wait.
		resolved, err := sctp.ResolveAddr(context.Background(), s)
		require.NoError(t, err)
		require.Equal(t, []*sctp.Addr{a}, resolved)
	})
}

func checkAddr(t *testing.T, a *sctp.Addr) {
	require.LessOrEqual(t, len(a.IPs), wire.MaxInitAddrs)
	seen := map[netip.Addr]bool{}
	for _, ip := range a.IPs {
		require.True(t, ip.IsValid())
		require.False(t, ip.Is4In6(), "one form for each address")
		require.False(t, seen[ip])
		seen[ip] = true
	}
}

// FuzzConfig: association parameters of any value. Whatever Config says, Listen
// refuses it or works by it; it never panics. Names of profiles and switches are
// those that are listed.
func FuzzConfig(f *testing.F) {
	f.Add("fast", 1500, 1<<20, 1<<20, 1<<16, uint16(10), int64(time.Second), int64(0))
	f.Add("auto", 0, 0, 0, 0, uint16(0), int64(0), int64(0))
	f.Add("larger", -1, 1, -5, 1<<30, uint16(65535), int64(-1), int64(1)<<62)
	stack, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, UDPPort: 0})
	require.NoError(f, err)
	f.Cleanup(func() { _ = stack.Close() })
	f.Fuzz(func(t *testing.T, name string, mtu, recv, send, message int, streams uint16, rto, heartbeat int64) {
		l, err := stack.Listen(&sctp.Addr{}, &sctp.Config{
			MTU: mtu, RecvBuffer: recv, SendBuffer: send, MaxMessageSize: message, OutStreams: streams,
			RTOInitial: time.Duration(rto), RTOMin: time.Duration(rto), HeartbeatInterval: time.Duration(heartbeat),
		})
		if err == nil {
			require.NoError(t, l.Close())
		}
		if p, err := asapcore.ParseProfile(name); err == nil {
			require.Equal(t, name, p.Name)
		}
		if p, err := registrarcore.ParseProfile(name); err == nil {
			require.Equal(t, name, p.Name)
		}
		if u, err := registrarcore.ParseLifeUnit(name); err == nil {
			require.Equal(t, name, u.String())
		}
		if a, err := registrarcore.ParseArbitration(name); err == nil {
			require.Equal(t, name, a.String())
		}
	})
}
