package registrar

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

func opened(t *testing.T, dir string) *state {
	t.Helper()
	s, err := openState(dir, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(s.close)
	return s
}

// A directory is for one process; the next one can have it when that has ended.
func TestStateIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	s := opened(t, dir)
	_, err := openState(dir, zap.NewNop())
	require.ErrorContains(t, err, "in use by process")
	s.close()
	require.NoError(t, s.keepID(7), "too late, and no error")
	require.NoFileExists(t, s.path(idFile))
	opened(t, dir)
	file := filepath.Join(dir, lockFile)
	_, err = openState(file, zap.NewNop())
	require.Error(t, err, "a file is no directory")
	require.ErrorContains(t, CheckState(file), "not a directory")
}

func TestStateKeepsTheIdentifier(t *testing.T) {
	s := opened(t, t.TempDir())
	id, err := s.id()
	require.NoError(t, err)
	require.Zero(t, id)
	require.NoError(t, s.keepID(0xabc))
	require.NoError(t, s.keepID(0xabcd))
	id, err = s.id()
	require.NoError(t, err)
	require.Equal(t, rserpool.RegistrarID(0xabcd), id)
	require.NoError(t, CheckState(s.dir))
	for _, bad := range []string{"", "0x0000abc", "0x0000abcd", "0x00000000\n", "abcd\n", "0x0000abcd\nmore", "\x00\x00\x00\x00"} {
		require.NoError(t, os.WriteFile(s.path(idFile), []byte(bad), 0o600))
		_, err = s.id()
		require.ErrorContains(t, err, "correct or remove it", "%q", bad)
		require.Error(t, CheckState(s.dir))
	}
}

// Elements are written when they have changed; a damaged file is put aside; a file of
// somebody else is an error and stays.
func TestStateKeepsElements(t *testing.T) {
	s := opened(t, t.TempDir())
	im, err := s.image()
	require.NoError(t, err)
	require.Nil(t, im)
	now := time.Now().Round(0)
	im = &core.Image{ID: 5, Taken: now}
	require.NoError(t, s.keep(im))
	im.Taken = now.Add(time.Second)
	require.NoError(t, s.keep(im))
	require.EqualValues(t, 1, s.stats.Written, "it is there")
	require.Equal(t, now.Add(time.Second), s.stats.Last)
	im.ID, im.Taken = 6, now.Add(2*time.Second)
	require.NoError(t, s.keep(im))
	require.EqualValues(t, 2, s.stats.Written)
	got, err := s.image()
	require.NoError(t, err)
	require.Equal(t, rserpool.RegistrarID(6), got.ID)
	require.True(t, got.Taken.Equal(now.Add(2*time.Second)))
	require.NoFileExists(t, s.path(imageFile+".new"))

	whole, err := os.ReadFile(s.path(imageFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path(imageFile), whole[:len(whole)-1], 0o600))
	require.NoError(t, CheckState(s.dir), "the start can do without")
	got, err = s.image()
	require.NoError(t, err)
	require.Nil(t, got)
	require.FileExists(t, s.path(badFile))
	require.NoFileExists(t, s.path(imageFile))

	require.NoError(t, os.WriteFile(s.path(imageFile), []byte("dear diary"), 0o600))
	_, err = s.image()
	require.ErrorIs(t, err, core.ErrImageForeign)
	require.ErrorIs(t, CheckState(s.dir), core.ErrImageForeign)
	require.NoError(t, os.Remove(s.path(imageFile)))
	require.NoError(t, os.Mkdir(s.path(imageFile), 0o700))
	_, err = s.image()
	require.ErrorIs(t, err, core.ErrImageForeign)
	require.Error(t, s.keep(&core.Image{ID: 7, Taken: now}))
	require.EqualValues(t, 1, s.stats.Failed)
}
