package poolelement_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// endpoint starts an ASAP endpoint on host n.
func endpoint(w *asaplinktest.World, n int, rs ...*asaplinktest.Registrar) *poolelement.Endpoint {
	w.T.Helper()
	cfg := &poolelement.Config{Stack: w.Stack(n), Profile: core.ProfileFast}
	for _, r := range rs {
		cfg.Registrars = append(cfg.Registrars, r.Address())
	}
	ep, err := poolelement.NewEndpoint(w.T.Context(), cfg)
	require.NoError(w.T, err)
	w.T.Cleanup(func() { require.NoError(w.T, ep.Close()) })
	return ep
}

// at serves a pool by an endpoint.
func at(t *testing.T, ep *poolelement.Endpoint, h rserpool.PoolHandle, cfg poolelement.Config) *poolelement.PoolElement {
	t.Helper()
	cfg.Endpoint = ep
	pe, err := poolelement.Listen(t.Context(), h, &cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pe.Close()) })
	return pe
}

// Several elements of several pools in one process share the UDP port and the
// association with their home registrar, and move to another one together.
func TestElementsShareAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r1, r2 := w.Registrar(1), w.Registrar(2)
		w.Cut(2)
		ep := endpoint(w, 3, r1, r2)
		require.Zero(t, r1.Associations(), "no registrar before there is something to say")
		a, b := at(t, ep, pool, poolelement.Config{}), at(t, ep, pool, poolelement.Config{})
		c := at(t, ep, "Other", poolelement.Config{PEID: 7})
		require.Equal(t, 1, r1.Associations())
		require.Len(t, r1.Members(pool), 2)
		require.Len(t, r1.Members("Other"), 1)
		require.NotEqual(t, a.ID(), b.ID())
		ports := map[uint16]bool{}
		for _, pe := range []*poolelement.PoolElement{a, b, c} {
			require.Equal(t, ep.ASAPPort(), pe.ASAPPort())
			require.Equal(t, asaplinktest.IP(1), pe.State().Registrar.Addrs[0])
			ports[addr(pe).Port] = true
		}
		require.Len(t, ports, 3)

		w.Mend(2)
		w.Cut(1)
		time.Sleep(5 * time.Second)
		require.Len(t, r2.Members(pool), 2)
		require.Len(t, r2.Members("Other"), 1)
		require.Equal(t, 1, r2.Associations())
		for _, pe := range []*poolelement.PoolElement{a, b, c} {
			require.True(t, pe.State().Registered)
			require.Equal(t, asaplinktest.IP(2), pe.State().Registrar.Addrs[0])
		}
	})
}

// Elements of one endpoint leave one by one: by Shutdown, and by Close, which
// deregisters there since the association goes on.
func TestElementsLeaveASharedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		ep := endpoint(w, 3, r)
		a, b, c := at(t, ep, pool, poolelement.Config{}), at(t, ep, pool, poolelement.Config{}), at(t, ep, pool, poolelement.Config{})
		user := dial(w, 4, c)
		t.Cleanup(func() { _ = user.Close() })
		require.NoError(t, a.Shutdown(t.Context()))
		require.Len(t, r.Members(pool), 2)
		require.NoError(t, b.Close())
		time.Sleep(time.Second)
		require.Len(t, r.Members(pool), 1)
		require.Equal(t, c.ID(), r.Members(pool)[0].Element.ID)
		require.NoError(t, user.Send(t.Context(), &sctp.Message{Data: []byte("still there")}))
		require.ErrorIs(t, b.SetPolicy(t.Context(), rserpool.Policy{Type: rserpool.RoundRobin}), net.ErrClosed)
		again := at(t, ep, pool, poolelement.Config{PEID: b.ID()})
		require.True(t, again.State().Registered)
	})
}

// The identifier of one element is not given to another, which would replace it.
func TestElementOfTheSameNameIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		ep := endpoint(w, 3, r)
		a := at(t, ep, pool, poolelement.Config{PEID: 5})
		_, err := poolelement.Listen(t.Context(), pool, &poolelement.Config{Endpoint: ep, PEID: 5})
		require.ErrorContains(t, err, "already")
		time.Sleep(time.Second)
		require.Len(t, r.Members(pool), 1)
		require.True(t, a.State().Registered)
		_, err = poolelement.NewEndpoint(t.Context(), &poolelement.Config{Endpoint: ep})
		require.Error(t, err)
		_, err = poolelement.NewEndpoint(t.Context(), nil)
		require.Error(t, err)
	})
}

// A real registrar keeps several elements apart that share an association: it asks each
// of them, and takes out the one that left.
func TestRealRegistrarSharedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		time.Sleep(2 * time.Second)
		ep, err := poolelement.NewEndpoint(t.Context(), &poolelement.Config{
			Registrars: c.addrs, Stack: c.Stack(20), Profile: core.ProfileFast,
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, ep.Close()) })
		var pes []*poolelement.PoolElement
		for i := range 20 {
			pes = append(pes, at(t, ep, rserpool.PoolHandle(fmt.Sprint("Pool", i%3)), poolelement.Config{}))
		}
		time.Sleep(30 * time.Second)
		for _, m := range c.homes(1, 2) {
			require.Len(t, m, 20)
		}
		for _, pe := range pes[:10] {
			require.NoError(t, pe.Shutdown(t.Context()))
		}
		home := int(pes[19].State().Home)
		c.stops[home-1]() // it hands them over
		time.Sleep(10 * time.Second)
		for _, m := range c.homes(3 - home) {
			require.Len(t, m, 10)
			require.EqualValues(t, 3-home, m[pes[19].ID()])
		}
	})
}

// A registered transport of TCP or UDP is where the server listens.
func TestRegisterOtherTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		ep := endpoint(w, 3, r)
		ip := asaplinktest.IP(3).AsSlice()
		for i, c := range []struct {
			at        net.Addr
			advertise string
			want      string
		}{
			{&net.TCPAddr{IP: ip, Port: 80}, "", "tcp 10.0.0.3:80"},
			{&net.TCPAddr{IP: net.IPv6unspecified, Port: 80}, "", "tcp 10.0.0.3:80"},
			{&net.TCPAddr{Port: 80}, "", "tcp 10.0.0.3:80"},
			{&net.UDPAddr{IP: ip, Port: 53}, "", "udp 10.0.0.3:53"},
			{&net.TCPAddr{IP: ip, Port: 80}, "192.0.2.7:8080", "tcp 192.0.2.7:8080"},
			{&net.TCPAddr{IP: ip}, "", ""},
			{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, "", ""}, // the registrars are elsewhere
			{&sctp.Addr{Port: 80}, "", ""},
			{nil, "", ""},
		} {
			h := rserpool.PoolHandle(fmt.Sprint("Pool", i))
			m, err := poolelement.Register(t.Context(), h, c.at, &poolelement.Config{Endpoint: ep, Advertise: c.advertise})
			if c.want == "" {
				require.Error(t, err, "%v", c.at)
				require.Empty(t, r.Members(h))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, c.want, r.Members(h)[0].Element.User.String())
			require.True(t, m.State().Registered)
			require.NoError(t, m.Shutdown(t.Context()))
			require.Empty(t, r.Members(h))
			require.NoError(t, m.Close())
		}
	})
}

// A Member with an ASAP endpoint of its own waits for a registrar as Listen does.
func TestRegisterByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		r.Hook(asaplinktest.Silence)
		cfg := &poolelement.Config{Registrars: []string{r.Address()}, Stack: w.Stack(3), Profile: core.ProfileFast}
		at := &net.TCPAddr{IP: asaplinktest.IP(3).AsSlice(), Port: 80}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := poolelement.Register(ctx, pool, at, cfg)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.Hook(nil)
		m, err := poolelement.Register(t.Context(), pool, at, cfg)
		require.NoError(t, err)
		require.Equal(t, pool, m.Handle())
		require.Len(t, r.Members(pool), 1)
		require.NoError(t, m.Close())
		require.Zero(t, r.Associations())
	})
}

// Where the registrars are that announce themselves nobody knows before they do, so a
// server for this host only is entered.
func TestRegisterWithDiscoveredRegistrars(t *testing.T) {
	ifs, err := net.Interfaces()
	require.NoError(t, err)
	i := slices.IndexFunc(ifs, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 })
	require.GreaterOrEqual(t, i, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	_, err = poolelement.Register(ctx, pool, at, &poolelement.Config{
		Discover: true, DiscoverGroups: []string{"239.255.77.1:39863"}, DiscoverInterfaces: []string{ifs[i].Name}, Listen: "127.0.0.1@0",
	})
	require.ErrorIs(t, err, context.DeadlineExceeded) // and not for the address
}
