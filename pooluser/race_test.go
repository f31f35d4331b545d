package pooluser_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// With two dead elements in front, a race of two finds the living one after the head
// start; one after the other takes as long as the dead ones do not answer. The losers
// were not given the time to answer and are not reported, but not tried first either.
func TestRaceOvertakesDeadElements(t *testing.T) {
	dial := func(t *testing.T, race int) (took time.Duration, reports int) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3)
			w.cut(1)
			w.cut(2)
			pu := w.user(pooluser.Config{Race: race, RaceDelay: 100 * time.Millisecond})
			start := time.Now()
			s := w.dial(pu)
			took = time.Since(start)
			require.EqualValues(t, 3, s.Element().ID)
			require.NoError(t, ask(t.Context(), s, "hello"))
			for range 2 {
				start := time.Now()
				require.EqualValues(t, 3, w.dial(pu).Element().ID)
				require.Less(t, time.Since(start), 50*time.Millisecond, "those that lost come last")
			}
			reports = w.registrar.Count(asap.TypeEndpointUnreachable)
		})
		return took, reports
	}
	took, reports := dial(t, 0)
	require.Greater(t, took, 900*time.Millisecond)
	require.Equal(t, 2, reports)
	took, reports = dial(t, 3)
	require.Greater(t, took, 200*time.Millisecond)
	require.Less(t, took, 250*time.Millisecond)
	require.Zero(t, reports)
}

// Without need there is no race: the policy decides, and nobody else hears of it.
func TestRaceGivesAHeadStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		pu := w.user(pooluser.Config{Race: 8, RaceDelay: 100 * time.Millisecond})
		for n := range 6 {
			s := w.dial(pu)
			require.EqualValues(t, n%3+1, s.Element().ID)
		}
		for id := range rserpool.PEID(3) {
			require.Equal(t, 2, w.server(id+1).pe.Sessions())
		}
	})
}

// An element that fails at once makes room at once; no more than Race are dialed at a
// time; when all have failed there is a pause and another round.
func TestRaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		for id := rserpool.PEID(1); id <= 20; id++ {
			w.registrar.Add(pool, tcpElement(id))
		}
		w.registrar.Hook(func(m asap.Message) (asap.Message, bool) { // does not believe reports
			_, report := m.(*asap.EndpointUnreachable)
			return nil, report
		})
		var mu sync.Mutex
		now, most, all := 0, 0, 0
		pu := w.user(pooluser.Config{Race: 3, RaceDelay: 10 * time.Millisecond, DialNet: func(ctx context.Context, _, _ string) (net.Conn, error) {
			mu.Lock()
			now++
			all++
			most = max(most, now)
			mu.Unlock()
			<-ctx.Done() // nobody answers
			mu.Lock()
			defer mu.Unlock()
			now--
			return nil, ctx.Err()
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := pu.DialContext(ctx, "tcp", string(pool))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(start))
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.Zero(t, now)
		require.Equal(t, 3, most)
		require.Greater(t, all, 40, "three at a time, half a second each")
	})
}

// A loser that arrives after all is closed.
func TestRaceClosesLateConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		for id := rserpool.PEID(1); id <= 2; id++ {
			w.registrar.Add(pool, tcpElement(id))
		}
		late, other := net.Pipe()
		pu := w.user(pooluser.Config{Race: 2, RaceDelay: 10 * time.Millisecond, DialNet: func(ctx context.Context, _, address string) (net.Conn, error) {
			if address == tcpElement(1).User.String()[len("tcp "):] {
				<-ctx.Done()
				return late, nil // up nevertheless, just then
			}
			a, b := net.Pipe()
			t.Cleanup(func() { _, _ = a.Close(), b.Close() })
			return a, nil
		}})
		c, err := pu.DialContext(t.Context(), "tcp", string(pool))
		require.NoError(t, err)
		require.EqualValues(t, 2, c.(*pooluser.NetConn).Element().ID)
		_, err = other.Read(make([]byte, 1))
		require.Error(t, err)
		require.Zero(t, w.registrar.Count(asap.TypeEndpointUnreachable))
	})
}

// Close ends a race.
func TestRaceEndsWithPoolUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.registrar.Add(pool, tcpElement(1))
		pu := w.user(pooluser.Config{Race: 2, DialNet: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		done := make(chan error, 1)
		go func() {
			_, err := pu.DialContext(context.Background(), "tcp", string(pool))
			done <- err
		}()
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, pu.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
	})
}

// A session that fails over while the next element in line is dead, too, does not wait
// for that.
func TestFailoverRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		pu := w.user(pooluser.Config{Race: 2, RaceDelay: 100 * time.Millisecond})
		s := w.dial(pu)
		require.NoError(t, ask(t.Context(), s, "before"))
		first := s.Element().ID
		for id := range rserpool.PEID(3) {
			w.cut(id + 1)
		}
		start := time.Now()
		require.NoError(t, ask(t.Context(), s, "after"))
		require.EqualValues(t, 1, first)
		require.EqualValues(t, 4, s.Element().ID)
		require.Less(t, time.Since(start), 1500*time.Millisecond)
	})
}

func TestRaceBadConfig(t *testing.T) {
	for _, race := range []int{-1, 9} {
		_, err := pooluser.New(&pooluser.Config{Registrars: []string{"127.0.0.1:3863"}, Race: race})
		require.ErrorContains(t, err, "Config.Race")
	}
}

var errBroken = errors.New("broken")

// tcpElement is an element of TCP on its host.
func tcpElement(id rserpool.PEID) rserpool.PoolElement {
	el := element(id)
	el.User = asaplinktest.Transport(firstHost+int(id), 80)
	el.User.Protocol, el.User.Use = rserpool.ProtoTCP, rserpool.UseData
	return el
}
