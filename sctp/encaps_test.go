package sctp_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// natWorld is a client behind a NAT.
type natWorld struct {
	*world
	nat      *simnet.NAT
	home     *sctp.Stack
	inside   netip.Addr
	client   *sctp.Association
	server   *sctp.Association
	outsides []netip.Addr
}

func behindNAT(t *testing.T) *natWorld {
	t.Helper()
	w := &natWorld{world: newWorld(t, worldOption{}), inside: netip.MustParseAddr("10.0.0.1")}
	w.outsides = []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}
	w.nat = w.net.AddNAT(simnet.NATConfig{Public: w.outsides[0], Inside: []netip.Addr{w.inside}})
	w.home = w.stack(sctp.StackConfig{}, w.inside)
	var err error
	w.client, err = w.home.Dial(t.Context(), w.addr(), nil)
	require.NoError(t, err)
	w.server, err = w.listener.AcceptSCTP(t.Context())
	require.NoError(t, err)
	return w
}

// peer is where the server believes the client to be.
func (w *natWorld) peer() netip.AddrPort { return w.server.Paths()[0].Remote }

// RFC 6951 §5.4: a NAT that forgot its mapping cuts the association off until the
// side behind it sends something, at the latest its heartbeat. Nothing is lost.
func TestNATRebindingWhileOnlyTheOutsideSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := behindNAT(t)
		for range 3 {
			before := w.peer()
			w.nat.Rebind()
			require.NoError(t, w.server.Send(t.Context(), text("to the old port")))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			m, err := w.client.ReceiveMessage(ctx, nil, 100)
			cancel()
			require.NoError(t, err)
			require.Equal(t, "to the old port", string(m.Data))
			require.Equal(t, before.Addr(), w.peer().Addr())
			require.NotEqual(t, before.Port(), w.peer().Port())
		}
	})
}

// A packet with the right tag from another address is not followed: only the port
// may change without a change of the association (RFC 6951 §5.4, §5.7). What the
// peer sends from its old address counts again.
func TestV3AddressChangeIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := behindNAT(t)
		before := w.peer()
		w.nat.SetPublic(w.outsides[1])
		require.NoError(t, w.client.Send(t.Context(), text("from elsewhere")))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := w.server.ReceiveMessage(ctx, nil, 100)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, before, w.peer())
		require.Len(t, w.server.Paths(), 1)
		w.nat.SetPublic(w.outsides[0])
		require.Equal(t, "from elsewhere", string(receive(t, w.server).Data))
		require.Equal(t, before.Addr(), w.peer().Addr())
	})
}

// Whoever shares the peer's address, as all hosts behind its NAT do, and its SCTP
// port opens an association of its own (docs/decisions/0001) and cannot touch the
// peer's, neither with an INIT nor with wrong tags.
func TestV3NeighbourBehindTheSameNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		public := netip.MustParseAddr("198.51.100.1")
		a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
		w.net.AddNAT(simnet.NATConfig{Public: public, Inside: []netip.Addr{a, b}})
		cfg := &sctp.Config{LocalPort: 7777}
		var clients, servers []*sctp.Association
		for _, ip := range []netip.Addr{a, b} {
			c, err := w.stack(sctp.StackConfig{}, ip).Dial(t.Context(), w.addr(), cfg)
			require.NoError(t, err)
			s, err := w.listener.AcceptSCTP(t.Context())
			require.NoError(t, err)
			clients, servers = append(clients, c), append(servers, s)
		}
		victim, thief := servers[0].Paths()[0].Remote, servers[1].Paths()[0].Remote
		require.Equal(t, victim.Addr(), thief.Addr())
		require.NotEqual(t, victim.Port(), thief.Port())
		for i, c := range clients {
			require.NoError(t, c.Send(t.Context(), text("mine")))
			require.Equal(t, "mine", string(receive(t, servers[i]).Data))
		}
		require.NoError(t, clients[1].Abort("theft failed"))
		require.NoError(t, servers[0].Send(t.Context(), text("still here")))
		require.Equal(t, "still here", string(receive(t, clients[0]).Data))
		require.Equal(t, victim, servers[0].Paths()[0].Remote)
	})
}

// twoPorts opens a server whose second address has another UDP port than the first,
// and an association to it that knows only the first.
func twoPorts(t *testing.T, cfg *sctp.Config) (client, server *sctp.Association, second netip.AddrPort) {
	t.Helper()
	w := newWorld(t, worldOption{})
	one, two := netip.MustParseAddrPort("192.0.2.3:9899"), netip.MustParseAddrPort("198.51.100.3:5555")
	host := w.net.Host(one.Addr(), two.Addr())
	var carriers []carrier.Carrier
	for _, at := range []netip.AddrPort{one, two} {
		c, err := host.Carrier(at)
		require.NoError(t, err)
		carriers = append(carriers, c)
	}
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: carriers})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	l, err := s.Listen(&sctp.Addr{Port: 1}, cfg)
	require.NoError(t, err)
	client, err = w.client.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{one.Addr()}, Port: 1}, nil)
	require.NoError(t, err)
	server, err = l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	require.Len(t, client.Paths(), 2)
	require.Equal(t, netip.AddrPortFrom(two.Addr(), one.Port()), client.Paths()[1].Remote, "the port of the INIT ACK")
	return client, server, two
}

// RFC 6951 §5.1: each address of the peer has a UDP port of its own, which its packets
// teach.
func TestEachPathHasItsUDPPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, second := twoPorts(t, nil)
		require.NoError(t, client.Send(t.Context(), text("x")))
		require.Equal(t, "x", string(receive(t, server).Data))
		require.NoError(t, server.RequestHeartbeat(clientIP)) // leaves from the first address
		time.Sleep(time.Minute)
		require.Equal(t, sctp.PathUnconfirmed, client.Paths()[1].State, "at a port that nobody has")

		// RFC 6951 §6.1: the user knows better.
		require.NoError(t, client.SetUDPPort(second.Addr(), second.Port()))
		require.NoError(t, client.RequestHeartbeat(second.Addr()))
		time.Sleep(time.Minute) // a probe of the old port may be under way
		require.Equal(t, second, client.Paths()[1].Remote)
		require.Equal(t, sctp.PathActive, client.Paths()[1].State)
		require.Equal(t, netip.MustParseAddrPort("192.0.2.3:9899"), client.Paths()[0].Remote)
	})
}

func TestSetUDPPortErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		a, _ := w.pair()
		var bad *sctp.ParameterError
		require.ErrorAs(t, a.SetUDPPort(serverIP, 0), &bad)
		require.Equal(t, "sctp: UDP port is 0, not from 1 to 65535", bad.Error())
		require.ErrorIs(t, a.SetUDPPort(clientIP, 1), sctp.ErrNoPath)
		require.NoError(t, a.SetUDPPort(serverIP, 1))
		require.NoError(t, a.SetUDPPort(serverIP, sctp.DefaultUDPPort))
		require.NoError(t, a.Close())
		require.Error(t, a.SetUDPPort(serverIP, 1))
	})
}
