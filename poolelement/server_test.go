package poolelement_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// echo is a Handler.
var echo = poolelement.HandlerFunc(func(_ context.Context, s *poolelement.Session) { _, _ = io.Copy(s, s) })

// serve runs a server in the background and returns how it ended.
func serve(ctx context.Context, srv *poolelement.Server, pe *poolelement.PoolElement) <-chan error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, pe) }()
	return done
}

func TestServerServesAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{}, r)
		ctx, cancel := context.WithCancel(t.Context())
		done := serve(ctx, &poolelement.Server{Handler: echo, Grace: time.Minute}, pe)
		user := dial(w, 3, pe)
		say := func(s string) {
			data(t, user, s)
			m, err := user.ReceiveMessage(t.Context(), nil, 100)
			require.NoError(t, err)
			require.Equal(t, s, string(m.Data))
		}
		say("one")
		cancel()
		time.Sleep(10 * time.Second)
		require.Empty(t, r.Members(pool))
		say("two") // within Grace
		require.NoError(t, user.Close())
		require.NoError(t, <-done)
	})
}

// Sessions that outlive Grace are aborted, and their handlers told.
func TestServerGraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		pe := listen(w, 2, poolelement.Config{}, w.Registrar(1))
		ctx, cancel := context.WithCancel(t.Context())
		handler := poolelement.HandlerFunc(func(ctx context.Context, s *poolelement.Session) { <-ctx.Done() })
		done := serve(ctx, &poolelement.Server{Handler: handler, Grace: 3 * time.Second}, pe)
		user := dial(w, 3, pe)
		defer user.Close()
		time.Sleep(time.Second)
		cancel()
		start := time.Now()
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 6*time.Second)
		_, err := user.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrReset)
	})
}

// Serve ends when somebody else closes or shuts the element down.
func TestServerEndsWithElement(t *testing.T) {
	for name, end := range map[string]func(*poolelement.PoolElement) error{
		"close":    (*poolelement.PoolElement).Close,
		"shutdown": func(pe *poolelement.PoolElement) error { return pe.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asaplinktest.NewWorld(t)
				pe := listen(w, 2, poolelement.Config{}, w.Registrar(1))
				done := serve(t.Context(), &poolelement.Server{Handler: echo, MaxSessions: 1}, pe)
				time.Sleep(time.Second)
				require.NoError(t, end(pe))
				require.NoError(t, <-done)
			})
		})
	}
}

// MaxSessions bounds the sessions at once; further users wait.
func TestServerMaxSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		pe := listen(w, 2, poolelement.Config{}, w.Registrar(1))
		var now, most atomic.Int32
		handler := poolelement.HandlerFunc(func(_ context.Context, s *poolelement.Session) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := serve(ctx, &poolelement.Server{Handler: handler, MaxSessions: 2}, pe)
		for n := range 5 {
			user := dial(w, 3+n, pe)
			defer user.Close()
		}
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 2, most.Load())
		require.Zero(t, pe.Sessions())
		cancel()
		require.NoError(t, <-done)
	})
}

// RFC 5356 §5.1: the load of an adaptive policy is that of the server.
func TestServerRegistersLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{Policy: rserpool.Policy{Type: rserpool.LeastUsed}}, r)
		ctx, cancel := context.WithCancel(t.Context())
		done := serve(ctx, &poolelement.Server{Handler: echo, MaxSessions: 4}, pe)
		load := func() float64 {
			time.Sleep(time.Second)
			return rserpool.Fraction(r.Members(pool)[0].Element.Policy.Load)
		}
		require.Zero(t, load())
		a, b := dial(w, 3, pe), dial(w, 4, pe)
		require.InDelta(t, 0.5, load(), 0.01)
		require.NoError(t, a.Close())
		require.InDelta(t, 0.25, load(), 0.01)
		require.NoError(t, b.Close())
		require.Zero(t, load())
		cancel()
		require.NoError(t, <-done)
	})
}
