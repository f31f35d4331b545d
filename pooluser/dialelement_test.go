package pooluser_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// RFC 5352 §6.5.3: a session with the element that the application names.
func TestDialElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		pu := w.user(pooluser.Config{StaleCache: time.Hour})
		for _, id := range []rserpool.PEID{2, 2, 3, 1} {
			s, err := pu.DialElement(t.Context(), pool, id)
			require.NoError(t, err)
			require.Equal(t, id, s.Element().ID)
			require.NoError(t, ask(t.Context(), s, "hello"))
			require.NoError(t, s.Close())
		}
		w.serve(4, rserpool.Policy{}) // newer than the cache
		s, err := pu.DialElement(t.Context(), pool, 4)
		require.NoError(t, err)
		require.EqualValues(t, 4, s.Element().ID)

		_, err = pu.DialElement(t.Context(), pool, 77)
		require.ErrorIs(t, err, pooluser.ErrNoElement)
		_, err = pu.DialElement(t.Context(), "NoSuchPool", 1)
		require.ErrorIs(t, err, core.ErrUnknownPool)

		// One that is dead is dialed once, and reported.
		w.cut(2)
		start := time.Now()
		_, err = pu.DialElement(t.Context(), pool, 2)
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), time.Second)
		time.Sleep(time.Second)
		require.Equal(t, 1, w.registrar.Count(asap.TypeEndpointUnreachable))

		// A session fails over like any other.
		w.cut(4)
		require.NoError(t, ask(t.Context(), s, "again"))
		require.NotEqualValues(t, 4, s.Element().ID)
	})
}

// RFC 5352 §6.5.5, ASAP_SEND_TO_ALL: a copy to every element but the sender.
func TestDialAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		w.cut(4)
		pu := w.user(pooluser.Config{})
		sessions, err := pu.DialAll(t.Context(), pool, 2)
		require.Error(t, err, "4 is dead")
		require.Len(t, sessions, 3)
		for _, s := range sessions {
			require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: []byte("to all")}))
		}
		time.Sleep(time.Second)
		for id := range rserpool.PEID(5) {
			want := []string{"to all"}
			if id+1 == 2 || id+1 == 4 {
				want = nil
			}
			require.Equal(t, want, w.server(id+1).heard())
		}
		_, err = pu.DialAll(t.Context(), "NoSuchPool")
		require.ErrorIs(t, err, core.ErrUnknownPool)
	})
}
