package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// scope is registrars with the identifiers 1, 2, … on the hosts of these numbers of a
// simulated network.
type scope struct {
	*asaplinktest.World
	peers, asap []string
	up          map[int]*registrar.Registrar
	stops       map[int]func() error // drains and waits
	adapt       func(host int, c *registrar.Config)
}

func newScope(t *testing.T, n int) *scope {
	t.Helper()
	s := &scope{World: asaplinktest.NewWorld(t), up: map[int]*registrar.Registrar{}, stops: map[int]func() error{}}
	for i := 1; i <= n; i++ {
		s.peers = append(s.peers, fmt.Sprintf("%v:9901", asaplinktest.IP(i)))
		s.asap = append(s.asap, fmt.Sprintf("%v:3863", asaplinktest.IP(i)))
	}
	return s
}

func (s *scope) start(hosts ...int) {
	s.T.Helper()
	for _, i := range hosts {
		cfg := &registrar.Config{ID: rserpool.RegistrarID(i), Stack: s.Stack(i), Peers: s.peers, Profile: core.ProfileFast}
		if s.adapt != nil {
			s.adapt(i, cfg)
		}
		r, err := registrar.New(cfg)
		require.NoError(s.T, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		s.up[i] = r
		s.stops[i] = func() error {
			cancel()
			err := <-done
			done <- err
			return err
		}
		s.T.Cleanup(func() { _ = r.Close(); _ = s.stops[i]() })
	}
}

// ready waits until all that run serve.
func (s *scope) ready() {
	s.T.Helper()
	for i, r := range s.up {
		select {
		case <-r.Ready():
		case <-time.After(5 * time.Second):
			require.Fail(s.T, "not ready", "registrar %d", i)
		}
	}
}

func (s *scope) element(host int) *poolelement.PoolElement {
	s.T.Helper()
	pe, err := poolelement.Listen(s.T.Context(), "pool", &poolelement.Config{
		Registrars: s.asap, Stack: s.Stack(host), PEID: rserpool.PEID(host), Profile: asapcore.ProfileFast,
	})
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = pe.Close() })
	return pe
}

// homes is the home of each element as a registrar sees it.
func homes(r *registrar.Registrar) map[rserpool.PEID]rserpool.RegistrarID {
	m := map[rserpool.PEID]rserpool.RegistrarID{}
	for _, p := range r.Snapshot().Pools {
		for _, e := range p.Elements {
			m[e.ID] = e.Home
		}
	}
	return m
}

// agree reports whether all registrars that run see the same, and as many elements.
func (s *scope) agree(elements int) bool {
	var first map[rserpool.PEID]rserpool.RegistrarID
	for _, r := range s.up {
		h := homes(r)
		if first == nil {
			first = h
		}
		if len(h) != elements || fmt.Sprint(h) != fmt.Sprint(first) {
			return false
		}
	}
	return true
}

// within waits until ok, at most for d of the bubble's time, and returns how long it
// took.
func within(t *testing.T, d time.Duration, ok func() bool, what string) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		require.Less(t, time.Since(start), d, what)
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// The promise of the fast profile with all layers in place: a registrar that
// vanishes is replaced within a second, an element that does is gone within one.
// And after the network is repaired all agree again.
func TestSimnetFastDetection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 3)
		s.start(1, 2, 3)
		for host := 11; host <= 16; host++ {
			s.element(host)
		}
		s.ready()
		within(t, 5*time.Second, func() bool { return s.agree(6) }, "settled")
		victim := 0
		for i, r := range s.up {
			if r.Snapshot().Owned > 0 {
				victim = i
			}
		}
		cut := s.up[victim]
		delete(s.up, victim)
		s.Cut(victim)
		within(t, time.Second, func() bool {
			for _, r := range s.up {
				for _, home := range homes(r) {
					if home == cut.ID() {
						return false
					}
				}
			}
			return true
		}, "the registrar is replaced")
		within(t, 2*time.Second, func() bool { return s.agree(6) }, "no element is lost")
		time.Sleep(time.Second) // all have acknowledged their new home

		s.Cut(11)
		within(t, time.Second, func() bool { return s.agree(5) }, "the element is gone")

		s.Mend(victim)
		s.Mend(11)
		s.up[victim] = cut
		within(t, 10*time.Second, func() bool { return s.agree(6) }, "agreement after the repair")
		time.Sleep(time.Minute)
		require.True(t, s.agree(6), "and so it stays")
	})
}

// RFC 5353 §3.2: a new registrar has the handlespace before it serves, and until then
// elements and users are turned away, so that they ask another.
func TestSimnetStartUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 2)
		s.start(1)
		within(t, 2*time.Second, func() bool { return s.up[1].Snapshot().Ready }, "alone")
		for host := 11; host <= 14; host++ {
			s.element(host)
		}
		s.Cut(1) // so that the second one finds no mentor for a while
		s.start(2)
		time.Sleep(50 * time.Millisecond)
		code, _, _ := get(t, s.up[2].Handler(), "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, code)
		at, _ := s.up[2].Addrs()
		user := s.Stack(30)
		_, err := user.Dial(t.Context(), at, nil)
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort, "nobody listens there yet")
		s.Mend(1)
		select {
		case <-s.up[2].Ready():
		case <-time.After(5 * time.Second):
			require.Fail(t, "not ready")
		}
		require.Len(t, homes(s.up[2]), 4, "it has the handlespace from the start")
		code, _, _ = get(t, s.up[2].Handler(), "/readyz")
		require.Equal(t, http.StatusOK, code)
		a, err := user.Dial(t.Context(), at, nil)
		require.NoError(t, err)
		require.NoError(t, a.Close())
	})
}

// A registrar that is told to stop hands its elements over before it goes: at every
// moment each of the others knows all elements.
func TestSimnetDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 3)
		s.start(1, 2, 3)
		for host := 11; host <= 18; host++ {
			s.element(host)
		}
		s.ready()
		within(t, 5*time.Second, func() bool { return s.agree(8) }, "settled")
		for _, i := range []int{1, 2} {
			stopped := make(chan error)
			go func(stop func() error) { stopped <- stop() }(s.stops[i])
			delete(s.up, i)
			for done := false; !done; {
				select {
				case err := <-stopped:
					require.NoError(t, err)
					done = true
				case <-time.After(time.Millisecond):
				}
				for j, r := range s.up {
					require.Len(t, homes(r), 8, "registrar %d while %d drains", j, i)
				}
			}
			within(t, 3*time.Second, func() bool { return s.agree(8) }, "agreement")
		}
		require.Equal(t, 8, s.up[3].Snapshot().Owned)
	})
}

// A partner that reads nothing must not hold the registrar up: its association is
// given up when its send buffer is full.
func TestSimnetPartnerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		s.start(1)
		s.element(11)
		at, _ := s.up[1].Addrs()
		a, err := s.Stack(30).Dial(t.Context(), at, &sctp.Config{RecvBuffer: 4096})
		require.NoError(t, err)
		defer a.Close()
		long := rserpool.PoolHandle(strings.Repeat("x", rserpool.MaxPoolHandle)) // and so is the answer
		req := &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: (&asap.HandleResolution{Handle: long}).AppendTo(nil)}
		for range 10_000 {
			if err = a.Send(t.Context(), req); err != nil {
				break
			}
		}
		var abort *sctp.AbortError
		require.True(t, errors.As(err, &abort), "%v", err)
		require.Len(t, homes(s.up[1]), 1, "the others are served")
	})
}

// Peers are dialed from the ENRP port: rsplib believes no other. RFC 5353 §2.1: what
// a registrar says of itself are addresses of the association.
func TestSimnetPeerSeesTheENRPPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 2)
		l, err := s.Stack(2).Listen(&sctp.Addr{Port: enrp.Port}, nil)
		require.NoError(t, err)
		defer l.Close()
		s.start(1)
		a, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		defer a.Close()
		from := a.RemoteAddr().(*sctp.Addr)
		require.Equal(t, enrp.Port, from.Port)
		m, err := a.ReceiveMessage(t.Context(), nil, 1<<16)
		require.NoError(t, err)
		require.Equal(t, sctp.PPID(enrp.PPID), m.PPID)
		require.Zero(t, m.Stream)
		msg, err := enrp.Decode(m.Data)
		require.NoError(t, err)
		p := msg.(*enrp.Presence)
		require.True(t, p.ReplyRequired)
		require.Equal(t, enrp.Port, p.Server.Transport.Port)
		require.Equal(t, from.IPs, p.Server.Transport.Addrs)
		require.Equal(t, uint16(sctp.DefaultUDPPort), p.Server.Transport.UDPPort, "which tells it from other implementations")
	})
}

// Ports that are taken are an error of New, and nothing stays behind.
func TestSimnetPortsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stack := newScope(t, 1).Stack(1)
		for _, port := range []uint16{asap.Port, enrp.Port} {
			l, err := stack.Listen(&sctp.Addr{Port: port}, nil)
			require.NoError(t, err)
			_, err = registrar.New(&registrar.Config{Stack: stack})
			require.Error(t, err)
			require.NoError(t, l.Close())
		}
		r, err := registrar.New(&registrar.Config{Stack: stack})
		require.NoError(t, err)
		l, err := stack.Listen(&sctp.Addr{Port: asap.Port}, nil) // after New, before it serves
		require.NoError(t, err)
		require.Error(t, r.Run(t.Context()))
		require.NoError(t, l.Close())
	})
}

func TestConfigErrors(t *testing.T) {
	for _, cfg := range []*registrar.Config{
		{Listen: "nonsense"},
		{Listen: "127.0.0.1@0", Peers: []string{"192.0.2.1"}},
		{Listen: "127.0.0.1@0", Peers: []string{"a b:9901"}},
		{Listen: "127.0.0.1@0", Profile: core.Profile{Name: "empty"}},
	} {
		_, err := registrar.New(cfg)
		require.Error(t, err, "%+v", cfg)
	}
}
