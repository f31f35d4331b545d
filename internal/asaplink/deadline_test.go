package asaplink_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/asaplink"
)

// A deadline can be moved while somebody waits for it, in every direction.
func TestDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d asaplink.Deadline
		start := time.Now()
		passed := func() time.Duration {
			<-d.Context().Done()
			return time.Since(start)
		}
		require.NoError(t, d.Context().Err())
		require.False(t, d.Passed())

		d.Set(start.Add(time.Second))
		require.Equal(t, time.Second, passed())
		require.ErrorIs(t, d.Context().Err(), os.ErrDeadlineExceeded)
		require.True(t, d.Passed())

		d.Set(start.Add(3 * time.Second)) // again into the future
		require.False(t, d.Passed())
		ctx := d.Context()
		d.Set(start.Add(5 * time.Second)) // later, while ctx is in use
		<-ctx.Done()
		require.Equal(t, 5*time.Second, time.Since(start))

		d.Set(time.Time{})
		require.False(t, d.Passed())
		ctx = d.Context()
		time.Sleep(time.Hour)
		require.NoError(t, ctx.Err())
		d.Set(time.Unix(1, 0)) // the past
		require.ErrorIs(t, ctx.Err(), os.ErrDeadlineExceeded)
		d.Set(time.Unix(1, 0))
		require.True(t, d.Passed())

		d.Set(time.Now().Add(time.Second))
		d.Set(time.Unix(1, 0)) // the timer that ran must not come back
		d.Set(time.Time{})
		time.Sleep(time.Minute)
		require.False(t, d.Passed())
	})
}
