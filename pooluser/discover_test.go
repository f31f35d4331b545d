package pooluser_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
)

// loopback is the name of the loopback interface.
func loopback(t *testing.T) []string {
	t.Helper()
	ifs, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return []string{i.Name}
		}
	}
	t.Skip("no loopback interface")
	return nil
}

// RFC 5352 §3.6: element and user find the registrar by its announcements alone, and beside a
// configured one that is not there.
func TestDiscover(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	port := c.LocalAddr().(*net.UDPAddr).Port
	require.NoError(t, c.Close())
	groups, lo := []string{fmt.Sprintf("239.0.0.50:%d", port)}, loopback(t)

	r, err := registrar.New(&registrar.Config{
		Stack: newProcess(t).stack, Profile: registrarcore.ProfileFast,
		Announce: &registrar.Announcements{Interfaces: lo, ASAP: groups, ENRP: []string{fmt.Sprintf("239.0.0.51:%d", port)}, TTL: 1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { _ = r.Close(); <-done })

	pe, err := poolelement.Listen(ctx, "found", &poolelement.Config{
		Stack: newProcess(t).stack, Profile: core.ProfileFast, Discover: true, DiscoverGroups: groups, DiscoverInterfaces: lo,
	})
	require.NoError(t, err)
	defer pe.Close()
	for _, registrars := range [][]string{nil, {"127.0.0.1:3863@9"}} {
		pu, err := pooluser.New(&pooluser.Config{
			Registrars: registrars, Stack: newProcess(t).stack, Profile: core.ProfileFast,
			Discover: true, DiscoverGroups: groups, DiscoverInterfaces: lo,
		})
		require.NoError(t, err)
		defer pu.Close()
		es, err := pu.Resolve(ctx, "found")
		require.NoError(t, err, "%v", registrars)
		require.Len(t, es, 1)
		require.Equal(t, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, es[0].User.Addrs)
	}
}

func TestDiscoverIsChecked(t *testing.T) {
	for _, groups := range [][]string{{"10.0.0.1:3863"}, {"239.0.0.50"}} {
		_, err := pooluser.New(&pooluser.Config{Discover: true, DiscoverGroups: groups})
		require.ErrorContains(t, err, groups[0])
		_, err = poolelement.Listen(t.Context(), "p", &poolelement.Config{Discover: true, DiscoverGroups: groups})
		require.ErrorContains(t, err, groups[0])
	}
	_, err := pooluser.New(nil)
	require.ErrorContains(t, err, "Discover")
	_, err = poolelement.Listen(t.Context(), "p", nil)
	require.ErrorContains(t, err, "Discover")
}
