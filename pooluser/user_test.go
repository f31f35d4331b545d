package pooluser_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

func TestResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		pu := w.user(pooluser.Config{})
		es, err := pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Len(t, es, 3)
		require.Equal(t, asaplinktest.IP(firstHost+1), es[0].User.Addrs[0])
		require.Equal(t, w.registrar.ID, es[0].Home)
		p, err := pu.ResolvePool(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, rserpool.RoundRobin, p.Policy.Type)
		require.Equal(t, 1, w.registrar.Count(asap.TypeHandleResolution), "the second time from the cache")
		time.Sleep(2 * time.Second)
		_, err = pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, 2, w.registrar.Count(asap.TypeHandleResolution), "stale")
	})
}

// Many who ask for the same pool at once share a request, and none shares memory.
func TestResolveConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		pu := w.user(pooluser.Config{StaleCache: -1})
		got := make(chan []pooluser.Element, 10)
		for range 10 {
			go func() {
				es, err := pu.Resolve(t.Context(), pool)
				require.NoError(t, err)
				es[0].ID = 99
				got <- es
			}()
		}
		for range 10 {
			require.EqualValues(t, 2, (<-got)[1].ID)
		}
		require.Equal(t, 1, w.registrar.Count(asap.TypeHandleResolution))
	})
}

func TestResolveErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		pu := w.user(pooluser.Config{})
		_, err := pu.Resolve(t.Context(), "NoSuchPool")
		require.ErrorIs(t, err, core.ErrUnknownPool)
		_, err = pu.Resolve(t.Context(), "")
		require.Error(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = pu.Resolve(ctx, pool)
		require.ErrorIs(t, err, context.Canceled)
		w.Cut(1)
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = pu.Resolve(ctx, pool)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		_, err = pu.Resolve(t.Context(), pool)
		require.Error(t, err)
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

// With Subscribe the registrar is asked once.
func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.registrar.Hook(func(m asap.Message) (asap.Message, bool) {
			if hr, ok := m.(*asap.HandleResolution); ok && hr.Subscribe {
				return &asap.HandleResolutionResponse{AcceptUpdate: true, Handle: hr.Handle, Elements: []rserpool.PoolElement{element(1)}}, true
			}
			return nil, false
		})
		pu := w.user(pooluser.Config{Subscribe: true})
		for range 10 {
			_, err := pu.Resolve(t.Context(), pool)
			require.NoError(t, err)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 1, w.registrar.Count(asap.TypeHandleResolution))
	})
}

// RFC 5352 §6.5.2: the pool's policy is applied by the user.
func TestDialPolicy(t *testing.T) {
	count := func(t *testing.T, policies ...rserpool.Policy) map[rserpool.PEID]int {
		n := map[rserpool.PEID]int{}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0)
			for i, p := range policies {
				w.serve(rserpool.PEID(i+1), p)
			}
			pu := w.user(pooluser.Config{})
			for range 12 {
				s := w.dial(pu)
				n[s.Element().ID]++
				require.NoError(t, s.Close())
			}
		})
		return n
	}
	rr := rserpool.Policy{Type: rserpool.RoundRobin}
	require.Equal(t, map[rserpool.PEID]int{1: 4, 2: 4, 3: 4}, count(t, rr, rr, rr))
	wrr := func(w uint32) rserpool.Policy {
		return rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: w}
	}
	require.Equal(t, map[rserpool.PEID]int{1: 2, 2: 4, 3: 6}, count(t, wrr(1), wrr(2), wrr(3)))
	lu := func(f float64) rserpool.Policy {
		return rserpool.Policy{Type: rserpool.LeastUsed, Load: rserpool.LoadOf(f)}
	}
	require.Equal(t, map[rserpool.PEID]int{2: 12}, count(t, lu(0.5), lu(0.1), lu(0.3)))
}

// A policy that is not known here does not keep the pool from being used.
func TestDialUnknownPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		strange := rserpool.Policy{Type: 0xb0001234}
		es := []rserpool.PoolElement{w.registrar.Members(pool)[0].Element, w.registrar.Members(pool)[1].Element}
		w.registrar.Hook(func(m asap.Message) (asap.Message, bool) {
			if hr, ok := m.(*asap.HandleResolution); ok {
				return &asap.HandleResolutionResponse{Handle: hr.Handle, Policy: &strange, Elements: es}, true
			}
			return nil, false
		})
		pu := w.user(pooluser.Config{})
		require.NoError(t, ask(t.Context(), w.dial(pu), "one"))
	})
}

// Elements that cannot be reached are skipped, reported once, and come last for a
// while.
func TestDialSkipsDeadElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.cut(1)
		w.cut(2)
		pu := w.user(pooluser.Config{})
		start := time.Now()
		for range 3 {
			s := w.dial(pu)
			require.EqualValues(t, 3, s.Element().ID)
			require.NoError(t, s.Close())
		}
		require.Less(t, time.Since(start), 1200*time.Millisecond, "each is waited for once")
		require.Equal(t, 2, w.registrar.Count(asap.TypeEndpointUnreachable))
		require.Len(t, w.registrar.Members(pool), 1)
	})
}

// What a registrar names may be anything: transports that cannot be dialed are passed
// over.
func TestDialUnusableElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		tcp := element(1)
		tcp.User.Protocol, tcp.User.Use = rserpool.ProtoTCP, rserpool.UseData
		multicast := element(2)
		multicast.User.Addrs = []netip.Addr{netip.MustParseAddr("239.0.0.1"), netip.IPv4Unspecified()}
		port := element(3)
		port.User.Port = 0
		for _, e := range []rserpool.PoolElement{tcp, multicast, port} {
			w.registrar.Add(pool, e)
		}
		pu := w.user(pooluser.Config{})
		_, err := pu.Dial(t.Context(), pool)
		require.ErrorIs(t, err, pooluser.ErrNoElement)
	})
}

// Dial of a pool that does not exist fails at once, or waits if so configured.
func TestDialUnknownPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		start := time.Now()
		_, err := w.user(pooluser.Config{}).Dial(t.Context(), pool)
		require.ErrorIs(t, err, core.ErrUnknownPool)
		require.Less(t, time.Since(start), 100*time.Millisecond)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		pu := w.user(pooluser.Config{WaitForPool: true})
		go func() {
			time.Sleep(20 * time.Second)
			w.serve(1, rserpool.Policy{})
		}()
		s, err := pu.Dial(t.Context(), pool)
		require.NoError(t, err)
		asked := w.registrar.Count(asap.TypeHandleResolution)
		require.Less(t, asked, 80, "backs off")
		require.NoError(t, s.Close())

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = pu.Dial(ctx, "Other")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, core.ErrUnknownPool, "says what was wrong")
	})
}

// With all elements dead Dial goes round and round, with pauses, until its context
// ends.
func TestDialBoundedByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		pu := w.user(pooluser.Config{})
		w.cut(1)
		w.cut(2)
		w.registrar.Hook(func(m asap.Message) (asap.Message, bool) { // does not believe reports
			_, report := m.(*asap.EndpointUnreachable)
			return nil, report
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		_, err := pu.Dial(ctx, pool)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Less(t, w.registrar.Count(asap.TypeHandleResolution), 100)
		require.Less(t, w.registrar.Count(asap.TypeEndpointUnreachable), 100)
	})
}

// Without a registrar Dial fails after the attempts that the profile allows.
func TestDialWithoutRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.Cut(1)
		start := time.Now()
		_, err := w.user(pooluser.Config{}).Dial(t.Context(), pool)
		require.ErrorIs(t, err, core.ErrNoRegistrar)
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

// RFC 5352 §3.5: users that dial elements themselves can report.
func TestReportUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		pu := w.user(pooluser.Config{})
		for range 10 {
			pu.ReportUnreachable(pool, 2)
		}
		time.Sleep(time.Second)
		require.Equal(t, 1, w.registrar.Count(asap.TypeEndpointUnreachable))
	})
}

// DialContext fits http.Transport; the other side is an http.Server on the pool
// element as net.Listener.
func TestHTTPOverPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		for n := range 2 {
			pe, err := poolelement.Listen(t.Context(), "WebPool", &poolelement.Config{
				Registrars: []string{w.registrar.Address()}, Stack: w.Stack(firstHost + n), Profile: core.ProfileFast,
			})
			require.NoError(t, err)
			srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(rw, "%v says %s", pe.ID(), r.URL.Path)
			})}
			done := make(chan struct{})
			go func() { defer close(done); _ = srv.Serve(pe) }() // until it is closed
			t.Cleanup(func() {
				require.NoError(t, pe.Close()) // http.Server would do it under a lock, which stops the time of the bubble
				_ = srv.Close()
				<-done
			})
		}
		pu := w.user(pooluser.Config{})
		tr := &http.Transport{DialContext: pu.DialContext, MaxIdleConnsPerHost: 1}
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr}
		seen := map[string]bool{}
		for range 4 {
			resp, err := client.Get("http://WebPool/index.html")
			require.NoError(t, err)
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Contains(t, string(b), "says /index.html")
			seen[string(b)] = true
			tr.CloseIdleConnections()
		}
		require.Len(t, seen, 2, "both elements were used")
		_, err := client.Get("http://NoSuchPool/")
		require.ErrorIs(t, err, core.ErrUnknownPool)
	})
}

func TestNewBadConfig(t *testing.T) {
	for _, c := range []*pooluser.Config{
		nil, {}, {Registrars: []string{"nonsense"}}, {Registrars: []string{"127.0.0.1:3863"}, Listen: "x"},
	} {
		_, err := pooluser.New(c)
		require.Error(t, err)
	}
}
