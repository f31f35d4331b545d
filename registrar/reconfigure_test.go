package registrar_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
)

func accessList(t testing.TB, lines ...string) (l core.AccessList) {
	t.Helper()
	for _, s := range lines {
		r, err := core.ParseAccessRule(s)
		require.NoError(t, err)
		l = append(l, r)
	}
	return l
}

// Reconfigure changes the access list and the peers of a registrar that runs; elements
// that may stay do not notice. With an error nothing changes.
func TestSimnetReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 2)
		all := s.peers
		s.peers = nil // they do not know each other
		s.start(1, 2)
		s.ready()
		s.asap = s.asap[:1]
		stays, goes := s.element(11), s.element(12)
		within(t, 5*time.Second, func() bool { return len(homes(s.up[1])) == 2 }, "registered")

		err := s.up[1].Reconfigure(t.Context(), &registrar.Config{Peers: []string{"nonsense"}, Access: accessList(t, "deny all")})
		require.Error(t, err)
		require.Len(t, homes(s.up[1]), 2)

		require.NoError(t, s.up[1].Reconfigure(t.Context(), &registrar.Config{Peers: all, Access: accessList(t, "deny register from 10.0.0.12")}))
		require.Len(t, homes(s.up[1]), 1, "at once")
		within(t, 2*time.Second, func() bool { return len(homes(s.up[2])) == 1 }, "the registrars have found each other")
		within(t, 2*time.Second, func() bool { return !goes.State().Registered }, "and the element knows")
		require.True(t, stays.State().Registered)

		require.NoError(t, s.up[1].Reconfigure(t.Context(), &registrar.Config{ClosedPeers: true}))
		s.element(13)
		require.Len(t, homes(s.up[1]), 2, "all may register again; RFC 5352 §3.1: who was refused does not try")
		require.Empty(t, s.up[1].Snapshot().Peers)

		require.NoError(t, s.up[1].Close())
		require.ErrorIs(t, s.up[1].Reconfigure(context.Background(), &registrar.Config{}), net.ErrClosed)
	})
}
