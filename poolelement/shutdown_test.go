package poolelement_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/sctp"
)

// RFC 5352 §3.2: Shutdown deregisters before anything else, then waits for the
// sessions.
func TestShutdownDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{}, r)
		client := dial(w, 3, pe)
		s, err := pe.AcceptSession(t.Context())
		require.NoError(t, err)

		done := make(chan error, 1)
		go func() { done <- pe.Shutdown(t.Context()) }()
		<-pe.Draining()
		time.Sleep(time.Second)
		require.Empty(t, r.Members(pool))
		require.Equal(t, 1, pe.Sessions())
		// The session goes on; a new one does not begin.
		require.NoError(t, client.Send(t.Context(), &sctp.Message{Data: []byte("still")}))
		m, err := s.Receive(t.Context(), make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "still", string(m.Data))
		_, err = w.Stack(4).Dial(t.Context(), addr(pe), nil)
		require.ErrorIs(t, err, sctp.ErrReset)
		_, err = pe.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.Empty(t, done)

		require.NoError(t, client.Close())
		require.NoError(t, s.Close())
		require.NoError(t, <-done)
		require.NoError(t, pe.Close())
		require.Zero(t, r.Associations())
	})
}

// Shutdown ends with its context, and sessions with it.
func TestShutdownTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{}, r)
		client := dial(w, 3, pe)
		defer client.Close()
		s, err := pe.AcceptSession(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, pe.Shutdown(ctx), context.DeadlineExceeded)
		require.Less(t, time.Since(start), 5*time.Second)
		_, err = s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = client.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrReset)
	})
}

// Shutdown without a registrar does not take for ever.
func TestShutdownWithoutRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{}, r)
		w.Cut(1)
		start := time.Now()
		err := pe.Shutdown(t.Context())
		require.True(t, errors.Is(err, core.ErrNoRegistrar) || errors.Is(err, core.ErrTimeout), "%v", err)
		require.Less(t, time.Since(start), 20*time.Second)
	})
}

// Close unblocks everything and may be called again and at any time.
func TestCloseUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		pe := listen(w, 2, poolelement.Config{}, r)
		errs := make(chan error, 3)
		go func() { _, err := pe.Accept(); errs <- err }()
		r.Hook(asaplinktest.Silence)
		go func() { errs <- pe.SetPolicy(t.Context(), pe.Policy()) }()
		go func() { errs <- pe.Shutdown(t.Context()) }()
		time.Sleep(time.Millisecond)
		require.NoError(t, pe.Close())
		for range 3 {
			require.ErrorIs(t, <-errs, net.ErrClosed)
		}
		require.NoError(t, pe.Close())
		require.ErrorIs(t, pe.SetPolicy(t.Context(), pe.Policy()), net.ErrClosed)
	})
}
