package sctp_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// TryReceiveMessage takes what is there as a whole and never waits; the end of the
// association is told once all is read.
func TestTryReceiveMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 8192, SendBuffer: 64 << 10}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg})
		c, s := w.pair()
		_, err := s.TryReceiveMessage(nil, 100)
		require.ErrorIs(t, err, sctp.ErrWouldBlock)
		for _, m := range []string{"one", "two", "much too long", "three"} {
			require.NoError(t, c.Send(t.Context(), text(m)))
		}
		time.Sleep(time.Second)
		buf := make([]byte, 3)
		for _, want := range []string{"one", "two", "", "three"} {
			m, err := s.TryReceiveMessage(buf, 5)
			if want == "" {
				var size *sctp.MessageSizeError
				require.ErrorAs(t, err, &size)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want, string(m.Data))
		}
		_, err = s.TryReceiveMessage(buf, 5)
		require.ErrorIs(t, err, sctp.ErrWouldBlock)

		// A message under partial delivery is left to who can wait for its end.
		long := make([]byte, 20_000)
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: long}))
		time.Sleep(time.Second)
		_, err = s.TryReceiveMessage(nil, 1<<20)
		require.ErrorIs(t, err, sctp.ErrWouldBlock)
		m, err := s.ReceiveMessage(t.Context(), nil, 1<<20)
		require.NoError(t, err)
		require.Equal(t, long, m.Data)

		require.NoError(t, c.Send(t.Context(), text("last")))
		require.NoError(t, c.Close())
		m, err = s.TryReceiveMessage(nil, 5)
		require.NoError(t, err)
		require.Equal(t, "last", string(m.Data))
		_, err = s.TryReceiveMessage(nil, 5)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, s.Close())
		_, err = s.TryReceiveMessage(nil, 5)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
