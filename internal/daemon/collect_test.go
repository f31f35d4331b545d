package daemon

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Where memory in use is little nothing changes; where it is much, garbage is collected
// sooner, unless that takes too much of the processors.
func TestPaceOfCollections(t *testing.T) {
	p := newPace()
	now := collector{}
	after := func(live uint64, share float64) int {
		now.live = live
		now.total += 10
		now.gc += 10 * share
		return p.next(now)
	}
	for range 20 {
		require.Equal(t, mostPercent, after(4<<20, 0))
	}
	for _, share := range []float64{0, 0.1} {
		require.Equal(t, 80, after(20<<20, share), "16 MiB of 20")
		require.Equal(t, 26, after(60<<20, share), "16 MiB of 60")
	}
	settle := func(live uint64, share float64) (percent int) {
		for range 20 {
			percent = after(live, share)
		}
		return percent
	}
	require.Equal(t, 25, settle(1<<30, 0.005))
	require.Equal(t, 25, after(1<<30, 0.02), "between the bounds nothing changes")
	require.Equal(t, 37, after(1<<30, 0.04))
	require.Equal(t, 48, settle(1<<30, 0.5), "never more than half")
	require.Equal(t, mostPercent, settle(10<<20, 0.5))
	now.live = 60 << 20
	require.Equal(t, 26, p.next(now), "nothing was collected")
}

func TestCollectOftenEndsAndObeys(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		CollectOften(ctx)
	})
	t.Setenv("GOGC", "80")
	CollectOften(t.Context()) // returns at once
}
