package poolelement_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool = rserpool.PoolHandle("EchoPool")

// listen serves the pool from host n, with the fast profile.
func listen(w *asaplinktest.World, n int, cfg poolelement.Config, rs ...*asaplinktest.Registrar) *poolelement.PoolElement {
	w.T.Helper()
	pe, err := tryListen(w, n, cfg, rs...)
	require.NoError(w.T, err)
	return pe
}

func tryListen(w *asaplinktest.World, n int, cfg poolelement.Config, rs ...*asaplinktest.Registrar) (*poolelement.PoolElement, error) {
	w.T.Helper()
	for _, r := range rs {
		cfg.Registrars = append(cfg.Registrars, r.Address())
	}
	if cfg.Profile == (core.Profile{}) {
		cfg.Profile = core.ProfileFast
	}
	cfg.Stack = w.Stack(n)
	ctx, cancel := context.WithTimeout(w.T.Context(), 10*time.Second)
	defer cancel()
	pe, err := poolelement.Listen(ctx, pool, &cfg)
	if err == nil {
		w.T.Cleanup(func() { require.NoError(w.T, pe.Close()) })
	}
	return pe, err
}

// RFC 5352 §3.1: what is registered, and that it is when Listen returns.
func TestListenRegisters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{
			Listen: ":7777", ASAPPort: 4444, PEID: 0x1234,
			Policy: rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 3},
		}, r)
		require.EqualValues(t, 0x1234, pe.ID())
		require.Equal(t, pool, pe.Handle())
		require.EqualValues(t, 4444, pe.ASAPPort())
		ms := r.Members(pool)
		require.Len(t, ms, 1)
		e := ms[0].Element
		require.EqualValues(t, 0x1234, e.ID)
		require.EqualValues(t, 30, e.Life)
		require.Equal(t, rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 3}, e.Policy)
		require.Equal(t, rserpool.Transport{
			Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: []netip.Addr{asaplinktest.IP(2)},
		}, e.User, "UDP port 9899 goes without saying")
		require.EqualValues(t, 4444, e.ASAP.Port, "the registrar can dial back")
		st := pe.State()
		require.True(t, st.Registered)
		require.Equal(t, []netip.Addr{asaplinktest.IP(1)}, st.Registrar.Addrs)
	})
}

// Listen waits for registrars to appear.
func TestListenWaitsForRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		w.Cut(1)
		go func() {
			time.Sleep(4 * time.Second)
			w.Mend(1)
		}()
		start := time.Now()
		pe := listen(w, 3, poolelement.Config{}, r)
		_ = pe
		require.Greater(t, time.Since(start), 3*time.Second)
	})
}

// Listen ends with its context and says what was wrong.
func TestListenGivesUpWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := poolelement.Listen(ctx, pool, &poolelement.Config{
			Registrars: []string{"10.0.0.9:3863"}, Stack: w.Stack(1), Profile: core.ProfileFast,
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, core.ErrNoRegistrar)
	})
}

// RFC 5352 §3.1: a rejected registration is not repeated; the reason comes up.
func TestListenRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		r.Hook(func(m asap.Message) (asap.Message, bool) {
			if reg, ok := m.(*asap.Registration); ok {
				return &asap.RegistrationResponse{
					Reject: true, Handle: reg.Handle, PEID: reg.Element.ID,
					Causes: []rserpool.Cause{{Code: rserpool.CauseInconsistentPolicy}},
				}, true
			}
			return nil, false
		})
		_, err := tryListen(w, 2, poolelement.Config{}, r)
		var rejected *core.RejectedError
		require.ErrorAs(t, err, &rejected)
		require.True(t, rejected.Has(rserpool.CauseInconsistentPolicy))
		require.Equal(t, 1, r.Count(asap.TypeRegistration))
	})
}

// RFC 5352 §3.1 R2.2: a random identifier that is taken is replaced by another.
func TestListenRandomIDTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		var first rserpool.PEID
		r.Hook(func(m asap.Message) (asap.Message, bool) {
			reg, ok := m.(*asap.Registration)
			if !ok || first != 0 && reg.Element.ID != first {
				return nil, false
			}
			first = reg.Element.ID
			return &asap.RegistrationResponse{
				Reject: true, Handle: reg.Handle, PEID: reg.Element.ID,
				Causes: []rserpool.Cause{{Code: rserpool.CauseNonUniquePEIdentifier}},
			}, true
		})
		pe := listen(w, 2, poolelement.Config{}, r)
		require.NotEqual(t, first, pe.ID())
		require.NotZero(t, pe.ID())

		// An identifier that was asked for is not replaced.
		first = 77
		_, err := tryListen(w, 3, poolelement.Config{PEID: 77}, r)
		var rejected *core.RejectedError
		require.ErrorAs(t, err, &rejected)
	})
}

func TestListenBadConfig(t *testing.T) {
	ctx := t.Context()
	for _, c := range []poolelement.Config{
		{},
		{Registrars: []string{"nonsense"}},
		{Registrars: []string{"127.0.0.1:3863"}, Listen: "x:y"},
		{Registrars: []string{"127.0.0.1:3863"}, Advertise: ":7"},
	} {
		_, err := poolelement.Listen(ctx, pool, &c)
		require.Error(t, err, "%+v", c)
	}
	_, err := poolelement.Listen(ctx, "", &poolelement.Config{Registrars: []string{"127.0.0.1:3863"}})
	require.Error(t, err)
	_, err = poolelement.Listen(ctx, pool, nil)
	require.Error(t, err)
}

// RFC 5352 §3.4: the element answers keep-alives, for hours.
func TestStaysRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		listen(w, 2, poolelement.Config{}, r)
		for range 20 {
			time.Sleep(time.Minute)
			r.KeepAlive(pool)
		}
		time.Sleep(time.Second)
		require.Equal(t, 20, r.Count(asap.TypeEndpointKeepAliveAck))
		// T4 of the fast profile is 4.5 to 5 s.
		require.GreaterOrEqual(t, r.Count(asap.TypeRegistration), 240)
		require.LessOrEqual(t, r.Count(asap.TypeRegistration), 270)
		require.Equal(t, 1, r.Associations())
	})
}

// RFC 5352 §3.6: the home registrar vanishes without a word; the element notices
// and registers with another one, well under two seconds with the fast profile.
func TestRehomesWhenRegistrarVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		rs := []*asaplinktest.Registrar{w.Registrar(1), w.Registrar(2)}
		pe := listen(w, 3, poolelement.Config{}, rs...)
		time.Sleep(10 * time.Second)
		home, other := 1, rs[1]
		if len(rs[1].Members(pool)) == 1 {
			home, other = 2, rs[0]
		}
		w.Cut(home)
		start := time.Now()
		for len(other.Members(pool)) == 0 {
			time.Sleep(10 * time.Millisecond)
			require.Less(t, time.Since(start), 1500*time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		require.True(t, pe.State().Registered)
		require.Equal(t, asaplinktest.IP(3-home), pe.State().Registrar.Addrs[0])
	})
}

// RFC 5352 §3.4 KA2.4: a registrar that took over dials the element's ASAP
// transport; the element adopts it and leaves the old one.
func TestAdoptsRegistrarThatTookOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r1, r2 := w.Registrar(1), w.Registrar(2)
		pe := listen(w, 3, poolelement.Config{}, r1)
		require.Equal(t, 1, r2.TakeOver(r1, pool))
		time.Sleep(time.Second)
		require.Equal(t, 1, r2.Count(asap.TypeEndpointKeepAliveAck))
		require.Zero(t, r1.Associations())
		require.Equal(t, r2.ID, pe.State().Home)
		require.True(t, pe.State().Registered)
		time.Sleep(10 * time.Second)
		require.NotZero(t, r2.Count(asap.TypeRegistration), "re-registers with the new one")
		require.Equal(t, 1, r2.Associations())
	})
}

// The registrar that the element dials and the one that dials the element may be
// the same, at the same moment, on the same ports.
func TestAdoptsWhileHunting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r1, r2 := w.Registrar(1), w.Registrar(2)
		w.Cut(2)
		pe := listen(w, 3, poolelement.Config{}, r1, r2)
		w.Cut(1)
		w.Mend(2)
		w.Net.SetDown(asaplinktest.IP(1), asaplinktest.IP(2), true)
		for range 30 { // around the time at which the element notices
			time.Sleep(50 * time.Millisecond)
			r2.TakeOver(r1, pool)
		}
		time.Sleep(2 * time.Second)
		require.True(t, pe.State().Registered)
		require.Len(t, r2.Members(pool), 1)
		require.LessOrEqual(t, r2.Associations(), 1)
	})
}

// Z5: with KnownRegistrarsOnly a stranger's keep-alive is answered, and no more.
func TestZ5UnknownRegistrarNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r1, rogue := w.Registrar(1), w.Registrar(66)
		pe := listen(w, 3, poolelement.Config{KnownRegistrarsOnly: true}, r1)
		require.Equal(t, 1, rogue.TakeOver(r1, pool))
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, rogue.Count(asap.TypeEndpointKeepAliveAck))
		require.Zero(t, rogue.Count(asap.TypeRegistration))
		require.Equal(t, asaplinktest.IP(1), pe.State().Registrar.Addrs[0])
		require.Zero(t, rogue.Associations(), "silent associations are closed")
	})
}

// Nor is one that only claims, in its INIT, to have the address of a known one.
func TestZ5RegistrarThatClaimsAnAddressNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r1 := w.Registrar(1)
		pe := listen(w, 3, poolelement.Config{KnownRegistrarsOnly: true}, r1)
		to := r1.Members(pool)[0].Element.ASAP
		a, err := w.Liar(66, 1).Dial(t.Context(), &sctp.Addr{IPs: to.Addrs, Port: to.Port, UDPPort: to.UDPPort}, nil)
		require.NoError(t, err)
		defer a.Close()
		take := &asap.EndpointKeepAlive{Home: true, Server: 66, Handle: pool}
		require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: take.AppendTo(nil)}))
		for range 100 {
			time.Sleep(time.Millisecond)
			require.Equal(t, []netip.Addr{asaplinktest.IP(1)}, pe.State().Registrar.Addrs)
			require.NotEqual(t, rserpool.RegistrarID(66), pe.State().Home)
		}
	})
}

// RFC 5352 §3.1: SetPolicy registers again and tells the outcome.
func TestSetPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{Policy: rserpool.Policy{Type: rserpool.LeastUsed}}, r)
		p := rserpool.Policy{Type: rserpool.LeastUsed, Load: rserpool.LoadOf(0.5)}
		require.NoError(t, pe.SetPolicy(t.Context(), p))
		require.Equal(t, p, r.Members(pool)[0].Element.Policy)
		require.Equal(t, p, pe.Policy())

		r.Hook(asaplinktest.Silence)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, pe.SetPolicy(ctx, p), context.DeadlineExceeded)
		r.Hook(nil)
		require.Error(t, pe.SetPolicy(t.Context(), rserpool.Policy{}))
	})
}

// A registrar that accepts associations and answers nothing is left for another.
func TestLeavesSilentRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		rs := []*asaplinktest.Registrar{w.Registrar(1), w.Registrar(2)}
		pe := listen(w, 3, poolelement.Config{}, rs...)
		home, other := rs[0], rs[1]
		if len(other.Members(pool)) == 1 {
			home, other = other, home
		}
		home.Hook(asaplinktest.Silence)
		time.Sleep(10 * time.Second)
		require.Len(t, other.Members(pool), 1)
		require.True(t, pe.State().Registered)
	})
}

// addr is where pe serves.
func addr(pe *poolelement.PoolElement) *sctp.Addr { return pe.Addr().(*sctp.Addr) }

// dial opens a bare association from host n to pe, as a pool user does.
func dial(w *asaplinktest.World, n int, pe *poolelement.PoolElement) *sctp.Association {
	w.T.Helper()
	a, err := w.Stack(n).Dial(w.T.Context(), addr(pe), &sctp.Config{Linger: time.Second})
	require.NoError(w.T, err)
	return a
}
