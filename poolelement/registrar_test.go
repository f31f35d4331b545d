package poolelement_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// cluster is real registrars on hosts 1 to n of a simulated network.
type cluster struct {
	*asaplinktest.World
	registrars []*registrar.Registrar
	stops      []func()
	addrs      []string
}

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{World: asaplinktest.NewWorld(t)}
	var peers []string
	for i := 1; i <= n; i++ {
		peers = append(peers, fmt.Sprintf("%v:9901", asaplinktest.IP(i)))
		c.addrs = append(c.addrs, fmt.Sprintf("%v:3863", asaplinktest.IP(i)))
	}
	for i := 1; i <= n; i++ {
		r, err := registrar.New(&registrar.Config{
			ID: rserpool.RegistrarID(i), Stack: c.Stack(i), Peers: peers, Profile: registrarcore.ProfileFast,
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Run(ctx) }() // it may be cut off
		c.registrars = append(c.registrars, r)
		c.stops = append(c.stops, func() { cancel(); <-done })
		t.Cleanup(func() { _ = r.Close(); cancel(); <-done })
	}
	return c
}

func (c *cluster) listen(host int, id rserpool.PEID) *poolelement.PoolElement {
	c.T.Helper()
	pe, err := poolelement.Listen(c.T.Context(), pool, &poolelement.Config{
		Registrars: c.addrs, Stack: c.Stack(host), PEID: id, Profile: core.ProfileFast,
	})
	require.NoError(c.T, err)
	c.T.Cleanup(func() { require.NoError(c.T, pe.Close()) })
	return pe
}

// homes returns, for each registrar that is up, which registrar it thinks is the home
// of each element.
func (c *cluster) homes(up ...int) []map[rserpool.PEID]rserpool.RegistrarID {
	var out []map[rserpool.PEID]rserpool.RegistrarID
	for _, i := range up {
		m := map[rserpool.PEID]rserpool.RegistrarID{}
		for _, p := range c.registrars[i-1].Snapshot().Pools {
			for _, e := range p.Elements {
				m[e.ID] = e.Home
			}
		}
		out = append(out, m)
	}
	return out
}

// The home registrar of elements vanishes: they end up with one of the others, be it
// that they find it or that it finds them, and all registrars agree about it.
func TestRegistrarVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		elements := map[rserpool.PEID]*poolelement.PoolElement{}
		for id := rserpool.PEID(1); id <= 6; id++ {
			elements[id] = c.listen(20+int(id), id)
		}
		time.Sleep(5 * time.Second)
		before := c.homes(1, 2, 3)
		require.Len(t, before[0], 6)
		require.Equal(t, before[0], before[1])
		require.Equal(t, before[0], before[2])

		c.Cut(1)
		time.Sleep(3 * time.Second)
		after := c.homes(2, 3)
		require.Len(t, after[0], 6, "no element was lost")
		require.Equal(t, after[0], after[1])
		for id, pe := range elements {
			require.NotEqual(t, rserpool.RegistrarID(1), after[0][id])
			require.True(t, pe.State().Registered, "%v", id)
			if before[0][id] != 1 {
				require.Equal(t, before[0][id], after[0][id], "the others stay where they are")
			}
		}
		// And so it stays.
		time.Sleep(time.Minute)
		require.Equal(t, after, c.homes(2, 3))
	})
}

// A registrar that shuts down hands its elements over; none is without one for long.
func TestRegistrarDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		var elements []*poolelement.PoolElement
		for id := rserpool.PEID(1); id <= 4; id++ {
			elements = append(elements, c.listen(20+int(id), id))
		}
		time.Sleep(5 * time.Second)
		c.stops[0]()
		time.Sleep(3 * time.Second)
		after := c.homes(2)
		require.Len(t, after[0], 4)
		for _, home := range after[0] {
			require.Equal(t, rserpool.RegistrarID(2), home)
		}
		for _, pe := range elements {
			require.True(t, pe.State().Registered)
		}
	})
}

// An element that shuts down disappears everywhere at once; one that vanishes, soon.
func TestElementLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		one, _ := c.listen(21, 1), c.listen(22, 2)
		time.Sleep(5 * time.Second)
		require.NoError(t, one.Shutdown(t.Context()))
		time.Sleep(50 * time.Millisecond)
		for _, m := range c.homes(1, 2) {
			require.NotContains(t, m, rserpool.PEID(1))
			require.Contains(t, m, rserpool.PEID(2))
		}
		c.Cut(22)
		time.Sleep(2 * time.Second)
		for _, m := range c.homes(1, 2) {
			require.Empty(t, m)
		}
	})
}

// The network between element and home registrar breaks for a while only; afterwards
// the element is in the pool once, with one home.
func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		pe := c.listen(21, 1)
		time.Sleep(5 * time.Second)
		for range 4 {
			home := int(pe.State().Home)
			c.Net.SetDown(asaplinktest.IP(home), asaplinktest.IP(21), true)
			time.Sleep(3 * time.Second)
			require.True(t, pe.State().Registered)
			require.NotEqual(t, home, int(pe.State().Home))
			c.Net.SetDown(asaplinktest.IP(home), asaplinktest.IP(21), false)
			time.Sleep(10 * time.Second)
			hs := c.homes(1, 2)
			require.Len(t, hs[0], 1)
			require.Equal(t, hs[0], hs[1])
			require.Equal(t, pe.State().Home, hs[0][1])
		}
	})
}

// An element behind a NAT cannot be dialed by a registrar that takes over. It notices
// the death of its home registrar by itself and registers with another one.
func TestElementBehindNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.Net.AddNAT(simnet.NATConfig{
			Public: asaplinktest.IP(70), Inside: []netip.Addr{asaplinktest.IP(21)}, Idle: 30 * time.Second, PerRemote: true,
		})
		pe := c.listen(21, 1)
		for cut := 0; cut < 2; cut++ {
			time.Sleep(time.Minute) // the NAT's mapping is kept
			home := int(pe.State().Home)
			require.NotZero(t, home)
			c.Cut(home)
			time.Sleep(5 * time.Second)
			require.True(t, pe.State().Registered)
			require.NotEqual(t, home, int(pe.State().Home))
		}
		time.Sleep(time.Minute)
		home := int(pe.State().Home)
		require.Equal(t, map[rserpool.PEID]rserpool.RegistrarID{1: rserpool.RegistrarID(home)}, c.homes(home)[0])
	})
}
