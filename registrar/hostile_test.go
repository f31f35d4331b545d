package registrar_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// What hosts can do to a registrar depends on what it believes of their addresses. The
// state machine has its own tests of that (registrar/core); these are about what the
// service tells it of associations.

// with runs registrar 1 with a configuration, and waits until it serves.
func (s *scope) with(cfg registrar.Config) *registrar.Registrar {
	s.T.Helper()
	cfg.ID, cfg.Stack, cfg.Profile = 1, s.Stack(1), core.ProfileFast
	r, err := registrar.New(&cfg)
	require.NoError(s.T, err)
	done := make(chan error, 1)
	go func() { done <- r.Run(context.Background()) }()
	s.T.Cleanup(func() { _ = r.Close(); require.NoError(s.T, <-done) })
	<-r.Ready()
	s.up[1] = r
	return r
}

// ask opens an association from a stack and returns a client on it.
func (s *scope) ask(from *sctp.Stack) *client {
	s.T.Helper()
	at, _ := s.up[1].Addrs()
	a, err := from.Dial(s.T.Context(), at, nil)
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = a.Close() })
	return &client{s.T, a}
}

// try sends a message and waits for an answer a while. There is none if the association is
// gone: a heartbeat to an address that somebody claims makes its owner end it.
func (c *client) try(m asap.Message) asap.Message {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	if c.a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: m.AppendTo(nil)}) != nil {
		return nil
	}
	b, err := c.a.ReceiveMessage(ctx, nil, 1<<16)
	if err != nil {
		return nil
	}
	got, err := asap.Decode(b.Data)
	require.NoError(c.t, err)
	return got
}

func (c *client) register(pool rserpool.PoolHandle, id rserpool.PEID) *asap.RegistrationResponse {
	c.t.Helper()
	c.send(&asap.Registration{Handle: pool, Element: element(id)})
	return c.await().(*asap.RegistrationResponse)
}

func (c *client) deregister(pool rserpool.PoolHandle, id rserpool.PEID) *asap.DeregistrationResponse {
	c.t.Helper()
	c.send(&asap.Deregistration{Handle: pool, PEID: id})
	return c.await().(*asap.DeregistrationResponse)
}

// Only the element itself may deregister or replace it, and it is not enough to say in
// the handshake that one has its address.
func TestZ3ClaimedAddressesAreNotBelieved(t *testing.T) { // RFC 5355 §2.3
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{})
		element11 := s.element(11)
		for name, attacker := range map[string]*sctp.Stack{"another host": s.Stack(65), "one that claims the address": s.Liar(66, 11)} {
			for range 3 { // at once, and when it had time to show that it has the address
				c := s.ask(attacker)
				if m := c.try(&asap.Deregistration{Handle: "pool", PEID: 11}); m != nil {
					require.Equal(t, rserpool.CauseSecurity, m.(*asap.DeregistrationResponse).Causes[0].Code, name)
				}
				if m := c.try(&asap.Registration{Handle: "pool", Element: element(11)}); m != nil {
					require.True(t, m.(*asap.RegistrationResponse).Reject)
					require.Equal(t, rserpool.CauseNonUniquePEIdentifier, m.(*asap.RegistrationResponse).Causes[0].Code, name)
				}
				c.try(&asap.EndpointKeepAliveAck{Handle: "pool", PEID: 11})
				require.Equal(t, map[rserpool.PEID]rserpool.RegistrarID{11: 1}, homes(r), name)
			}
		}
		require.True(t, element11.State().Registered)
		require.EqualValues(t, 1, r.Snapshot().Stats.Registrations, "and it never had to come back")
		require.Equal(t, map[rserpool.PEID]rserpool.RegistrarID{11: 1}, homes(r))
	})
}

// An element with several addresses may use any of them, once it has shown that it has them.
func TestZ3ElementsOwnOtherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{})
		both := s.Stack(11, 12)
		c := s.ask(both)
		require.False(t, c.register("pool", 5).Reject)
		go func() { // it goes on to answer
			for {
				if _, err := c.a.ReceiveMessage(t.Context(), nil, 1<<16); err != nil {
					return
				}
				c.send(&asap.EndpointKeepAliveAck{Handle: "pool", PEID: 5})
			}
		}()
		time.Sleep(2 * time.Second)
		require.Len(t, homes(r), 1)
		require.Empty(t, s.ask(both).deregister("pool", 5).Causes)
		require.Empty(t, homes(r))
	})
}

// In a closed scope a registrar that claims a configured address cannot be a peer.
func TestZ5ClaimedAddressIsNoPeer(t *testing.T) { // RFC 5355 §2.5
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{ClosedPeers: true, Peers: []string{"10.0.0.2:9901"}})
		_, at := r.Addrs()
		liar := s.Liar(66, 2)
		for range 3 {
			a, err := liar.Dial(t.Context(), at, nil)
			if err == nil {
				m := &enrp.Presence{Sender: 0x66, Server: &rserpool.ServerInfo{ID: 0x66, Transport: asaplinktest.Transport(2, 9901)}}
				_ = a.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(enrp.PPID), Data: m.AppendTo(nil)})
				_, err = a.ReceiveMessage(t.Context(), nil, 1<<16)
				require.Error(t, err, "it is cut off")
				_ = a.Close()
			}
			time.Sleep(time.Second)
		}
		require.Empty(t, r.Snapshot().Peers)
	})
}

// A flood of registrations from one host, by whatever ports and with whatever addresses it
// claims, takes what one host may take, and leaves room for others.
func TestZ1FloodFromOneHost(t *testing.T) { // RFC 5355 §2.1
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{Limits: core.Limits{ElementsPerSource: 3, ConnectionsPerSource: 6, Elements: 5}})
		accepted, opened := 0, 0
		c, err := s.Net.Host(asaplinktest.IP(65)).Carrier(netip.AddrPortFrom(asaplinktest.IP(65), 7777))
		require.NoError(t, err)
		other, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{c}})
		require.NoError(t, err)
		defer other.Close()
		for i, flood := range []*sctp.Stack{s.Liar(65, 70, 71, 72, 73), other} {
			for j := range 6 {
				at, _ := r.Addrs()
				a, err := flood.Dial(t.Context(), at, nil)
				if err != nil {
					continue
				}
				opened++
				c := &client{t, a}
				if m := c.try(&asap.Registration{Handle: "pool", Element: element(rserpool.PEID(10*i + j + 1))}); m != nil && !m.(*asap.RegistrationResponse).Reject {
					accepted++
				}
			}
		}
		require.Equal(t, 3, accepted)
		require.LessOrEqual(t, r.Snapshot().Connections, 6)
		require.NotZero(t, r.Snapshot().Stats.Refused, "%d were opened", opened)
		require.False(t, s.ask(s.Stack(12)).register("pool", 100).Reject, "others are served")
	})
}

// The rate of one host is its own, whatever its associations; that of a pool is shared.
func TestZ2RatesBySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{Limits: core.Limits{Registrations: core.Rates{Source: 5, Pool: 8}}})
		flood := func(from *sctp.Stack, base int) (accepted int) {
			c := s.ask(from)
			for i := range 10 {
				if !c.register("pool", rserpool.PEID(base+i)).Reject {
					accepted++
				}
			}
			return accepted
		}
		require.Equal(t, 5, flood(s.Stack(65), 100), "of one source")
		require.Equal(t, 3, flood(s.Stack(66), 200), "what the pool has left")
		require.NotZero(t, r.Snapshot().Stats.RateLimited)
	})
}

// The access list goes by the address that packets come from.
func TestZ4AccessBySource(t *testing.T) { // RFC 5355 §2.2, §2.4
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{Access: accessList(t, "allow register,deregister from 10.0.0.11,10.0.0.69", "deny register,deregister", "deny resolve from 10.0.0.68 pool p*")})
		require.False(t, s.ask(s.Stack(11)).register("pool", 1).Reject)
		for _, other := range []*sctp.Stack{s.Stack(65), s.Liar(66, 69)} {
			reg := s.ask(other).try(&asap.Registration{Handle: "pool", Element: element(2)}).(*asap.RegistrationResponse)
			require.True(t, reg.Reject)
			require.Equal(t, rserpool.CauseSecurity, reg.Causes[0].Code)
		}
		q := s.ask(s.Liar(67, 68)).try(&asap.HandleResolution{Handle: "pool"})
		require.Len(t, q.(*asap.HandleResolutionResponse).Elements, 1, "and not by what is claimed")
		require.EqualValues(t, 2, r.Snapshot().Stats.Denied)
	})
}

// What was sent once does nothing when somebody else sends it again.
func TestZ8ReplayFromElsewhere(t *testing.T) { // RFC 5355 §2.8
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{StrictAddresses: true})
		victim := s.element(11)
		pe := r.Snapshot().Pools[0].Elements[0].PoolElement.Clone()
		pe.Home = 0
		reg := &asap.Registration{Handle: "pool", Element: pe}
		replay := []asap.Message{&asap.Deregistration{Handle: "pool", PEID: 11}, reg}
		for _, from := range []*sctp.Stack{s.Stack(65), s.Liar(66, 11)} {
			for _, m := range replay {
				s.ask(from).try(m)
				require.Len(t, homes(r), 1, "%v", m)
			}
		}
		require.True(t, victim.State().Registered)
		require.NoError(t, victim.Shutdown(t.Context()))
		for _, from := range []*sctp.Stack{s.Stack(67), s.Liar(68, 11)} {
			resp := s.ask(from).try(reg)
			require.True(t, resp == nil || resp.(*asap.RegistrationResponse).Reject)
			require.Empty(t, homes(r), "it does not come back")
		}
	})
}

// Reports that come from one host count as one reporter, however many associations it
// has; and the element is asked.
func TestZ13ReportersAreHosts(t *testing.T) { // RFC 5355 §2.13
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		r := s.with(registrar.Config{})
		s.element(11)
		report := func(from *sctp.Stack) {
			a := s.ask(from)
			a.send(&asap.EndpointUnreachable{Handle: "pool", PEID: 11})
			time.Sleep(50 * time.Millisecond)
		}
		one := s.Liar(65, 80, 81, 82)
		for range 20 {
			report(one)
		}
		require.Len(t, homes(r), 1)
		require.Equal(t, 1, r.Snapshot().Pools[0].Elements[0].Reports)
		for host := 70; host < 70+core.ProfileFast.MaxBadReports; host++ {
			report(s.Stack(host))
		}
		require.Eventually(t, func() bool { return r.Snapshot().Stats.Removed > 0 }, time.Second, 5*time.Millisecond, "that many cannot all be wrong")
	})
}
