package registrar_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
)

// A registrar with a state directory comes back after a crash as the same one, and finds
// its elements by itself although they have not noticed. Those that have left in the
// meantime do not come back.
func TestSimnetRestartWithState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := newScope(t, 1)
		stack := s.Stack(1)
		boot := func() *registrar.Registrar {
			r, err := registrar.New(&registrar.Config{Stack: stack, Profile: core.ProfileFast, StateDir: dir, SnapshotInterval: time.Second / 10})
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() { done <- r.Run(context.Background()) }()
			t.Cleanup(func() { _ = r.Close(); require.NoError(t, <-done); done <- nil })
			<-r.Ready()
			return r
		}
		r := boot()
		id := r.ID()
		stays, leaves := s.element(11), s.element(12)
		time.Sleep(time.Second)
		st, ok := r.SnapshotStats()
		require.True(t, ok)
		require.Equal(t, 2, st.Elements)
		require.NotZero(t, st.Written)
		image, err := os.ReadFile(filepath.Join(dir, "handlespace"))
		require.NoError(t, err)
		require.NoError(t, leaves.Shutdown(t.Context()))
		time.Sleep(time.Second)
		st, _ = r.SnapshotStats()
		require.Equal(t, 1, st.Elements)
		s.Cut(1) // nobody hears it end
		require.NoError(t, r.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "handlespace"), image, 0o600)) // an old one
		s.Mend(1)
		r = boot()
		require.Equal(t, id, r.ID())
		for range 100 {
			if len(homes(r)) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		require.Contains(t, homes(r), stays.ID())
		for range 50 {
			require.NotContains(t, homes(r), leaves.ID())
			time.Sleep(100 * time.Millisecond)
		}
		require.NotZero(t, r.Snapshot().Stats.Restored+r.Snapshot().Stats.Registrations)

		_, err = registrar.New(&registrar.Config{Stack: s.Stack(2), StateDir: dir})
		require.ErrorContains(t, err, "in use by process")
		_, err = registrar.New(&registrar.Config{Stack: s.Stack(3), SnapshotInterval: time.Second})
		require.Error(t, err)
	})
}
