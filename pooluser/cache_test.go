package pooluser_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// A pool that was not found is not asked for again for a time that grows up to
// NegativeCache.
func TestNegativeCache(t *testing.T) {
	asked := func(t *testing.T, limit time.Duration) (n int) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0)
			pu := w.user(pooluser.Config{NegativeCache: limit})
			for range 600 { // a minute
				_, err := pu.Resolve(t.Context(), "NoSuchPool")
				require.ErrorIs(t, err, core.ErrUnknownPool)
				time.Sleep(100 * time.Millisecond)
			}
			n = w.registrar.Count(asap.TypeHandleResolution)
		})
		return n
	}
	require.Equal(t, 600, asked(t, -1))
	require.Less(t, asked(t, time.Minute), 15)
	profile, short := asked(t, 0), asked(t, 200*time.Millisecond)
	require.Less(t, profile, 150)
	require.Greater(t, short, profile)
}

// A pool that comes to life is found when the negative entry has ended, or at once
// after Forget.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		pu := w.user(pooluser.Config{NegativeCache: time.Hour, StaleCache: time.Hour})
		for range 10 { // until the pauses are long
			_, err := pu.Resolve(t.Context(), pool)
			require.ErrorIs(t, err, core.ErrUnknownPool)
			time.Sleep(10 * time.Second)
		}
		_, err := pu.Resolve(t.Context(), pool)
		require.ErrorIs(t, err, core.ErrUnknownPool)
		w.serve(1, rserpool.Policy{})
		_, err = pu.Resolve(t.Context(), pool)
		require.ErrorIs(t, err, core.ErrUnknownPool, "still believed")
		pu.Forget(pool)
		es, err := pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Len(t, es, 1)

		// RFC 5352 §6.4: the same for what was found.
		w.serve(2, rserpool.Policy{})
		es, err = pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Len(t, es, 1, "still fresh")
		pu.Forget(pool)
		es, err = pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Len(t, es, 2)
	})
}

// An old resolution is better than none when no registrar can be asked, up to
// StaleIfError.
func TestStaleIfError(t *testing.T) {
	for _, c := range []struct {
		limit, age time.Duration
		ok         bool
	}{
		{0, 5 * time.Minute, true},
		{time.Minute, 30 * time.Second, true},
		{time.Minute, 2 * time.Minute, false},
		{-1, 5 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			pu := w.user(pooluser.Config{StaleIfError: c.limit})
			_, err := pu.Resolve(t.Context(), pool)
			require.NoError(t, err)
			w.Cut(1)
			time.Sleep(c.age)
			p, err := pu.ResolvePool(t.Context(), pool)
			if !c.ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.True(t, p.Outdated)
		})
	}
}
