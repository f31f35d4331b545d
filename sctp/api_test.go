package sctp_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestDialAcceptEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		go serveEcho(w.listener)
		a, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		require.NoError(t, a.Send(t.Context(), text("hello")))
		m := receive(t, a)
		require.Equal(t, "hello", string(m.Data))
		require.NoError(t, a.Close())
		synctest.Wait()
		require.Zero(t, w.client.Stats().Associations)
		require.Zero(t, w.server.Stats().Associations)
	})
}
