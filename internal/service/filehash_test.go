package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hashed opens a file with some content that was changed at a time.
func hashed(t *testing.T, content string, at time.Time) (*os.File, os.FileInfo) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	require.NoError(t, os.Chtimes(path, at, at))
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	fi, err := file.Stat()
	require.NoError(t, err)
	return file, fi
}

func noBeat() error { return nil }

// Whoever wants a hash that somebody else is at work on waits for it, and says so once a
// second.
func TestHashIsComputedOnce(t *testing.T) {
	file, fi := hashed(t, "data", time.Unix(1000, 0))
	synctest.Test(t, func(t *testing.T) {
		var h hashCache
		e, mine := h.enter(identify(fi, "file"))
		require.True(t, mine)
		time.AfterFunc(3500*time.Millisecond, func() {
			e.sum = [32]byte{1, 2, 3}
			close(e.done)
		})
		beats := 0
		sum, err := h.sum(t.Context(), file, fi, "file", func() error { beats++; return nil })
		require.NoError(t, err)
		require.Equal(t, [32]byte{1, 2, 3}, sum, "not computed again")
		require.Equal(t, 3, beats)
	})
}

// Those who wait go on by themselves when the other one fails, or when they may not wait.
func TestHashOfAnotherFails(t *testing.T) {
	file, fi := hashed(t, "data", time.Unix(1000, 0))
	id := identify(fi, "file")
	synctest.Test(t, func(t *testing.T) {
		var h hashCache
		e, _ := h.enter(id)
		time.AfterFunc(time.Second/2, func() {
			e.err = context.Canceled
			h.forget(id)
			close(e.done)
		})
		sum, err := h.sum(t.Context(), file, fi, "file", noBeat)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256([]byte("data")), sum)

		h.forget(id)
		h.enter(id)
		gone := errors.New("user has gone")
		_, err = h.sum(t.Context(), file, fi, "file", func() error { return gone })
		require.ErrorIs(t, err, gone)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err = h.sum(ctx, file, fi, "file", noBeat)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// A hash is not remembered while another change could leave the same time stamp.
func TestHashOfYoungFileIsNotRemembered(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		kept int
	}{{time.Now(), 0}, {time.Now().Add(time.Hour), 0}, {time.Now().Add(-time.Hour), 1}} {
		file, fi := hashed(t, "data", tt.at)
		var h hashCache
		_, err := h.sum(t.Context(), file, fi, "file", noBeat)
		require.NoError(t, err)
		require.Len(t, h.entries, tt.kept)
	}
}

func TestHashFailures(t *testing.T) {
	file, fi := hashed(t, "data", time.Unix(1000, 0))
	var h hashCache
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.sum(ctx, file, fi, "file", noBeat)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.Truncate(file.Name(), 2))
	_, err = h.sum(t.Context(), file, fi, "file", noBeat)
	require.ErrorIs(t, err, ErrChanged)
	require.Empty(t, h.entries)
}

func TestHashesAreBounded(t *testing.T) {
	var h hashCache
	for i := range int64(2 * maxHashes) {
		_, mine := h.enter(fileID{size: i})
		require.True(t, mine)
	}
	require.Len(t, h.entries, maxHashes)
}
