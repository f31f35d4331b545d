package pooluser_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
)

// Connections of TCP are given the times of the profile, by which one to an element that
// has gone silent ends.
func TestTCPConnectionsNoticeSilence(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	require.NoError(t, err)
	go func() { _ = r.Run(ctx) }()
	defer r.Close()
	at, _ := r.Addrs()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	m, err := poolelement.Register(ctx, pool, l.Addr(), &poolelement.Config{
		Registrars: []string{at.String()}, Profile: core.ProfileFast,
	})
	require.NoError(t, err)
	defer m.Close()
	pu, err := pooluser.New(&pooluser.Config{Registrars: []string{at.String()}, Profile: core.ProfileFast})
	require.NoError(t, err)
	defer pu.Close()
	c, err := pu.DialContext(ctx, "tcp", string(pool))
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, netip.MustParseAddrPort(l.Addr().String()), c.RemoteAddr().(*net.TCPAddr).AddrPort())
	raw, err := c.(*pooluser.NetConn).Conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	option := func(name int) (v int) {
		require.NoError(t, raw.Control(func(fd uintptr) {
			v, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name)
		}))
		require.NoError(t, err)
		return v
	}
	const userTimeout = 18
	require.Equal(t, 1, option(syscall.TCP_KEEPIDLE))
	require.Equal(t, 1, option(syscall.TCP_KEEPINTVL))
	require.Equal(t, 3, option(syscall.TCP_KEEPCNT))
	require.GreaterOrEqual(t, option(userTimeout), 1000)
	require.LessOrEqual(t, option(userTimeout), 2000)
}
