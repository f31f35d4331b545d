package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	// maxHashes bounds the hashes that are remembered.
	maxHashes = 4096
	// settled is how old the last change of a file must be for its hash to be
	// remembered: another change soon after it could leave the same time stamp.
	settled = 2 * time.Second
	// hashBlock is how much is hashed between two looks at the clock and the context.
	hashBlock = 1 << 20
)

// hashCache remembers the hashes of files. The zero value is empty.
type hashCache struct {
	mu      sync.Mutex
	entries map[fileID]*hashEntry
}

// fileID says which file it is and in which state.
type fileID struct {
	dev, ino uint64
	path     string // where the system does not number files
	size     int64
	mtime    int64 // ns
}

// hashEntry is a hash that is known, or that somebody is at work on.
type hashEntry struct {
	done chan struct{} // closed when the rest is set
	sum  [32]byte
	err  error
}

// sum returns the SHA-256 of a file, whose state is fi. While that takes time, beat is
// called every waitInterval; an error of it ends the wait. The error is ErrChanged if the
// file is shorter than fi says.
func (h *hashCache) sum(ctx context.Context, file *os.File, fi fs.FileInfo, path string, beat func() error) ([32]byte, error) {
	id := identify(fi, path)
	for {
		e, mine := h.enter(id)
		if mine {
			e.sum, e.err = hash(ctx, file, fi.Size(), beat)
			if e.err != nil || time.Since(fi.ModTime()) < settled {
				h.forget(id)
			}
			close(e.done)
			return e.sum, e.err
		}
		if err := await(ctx, e.done, beat); err != nil {
			return [32]byte{}, err
		}
		if e.err == nil {
			return e.sum, nil
		}
		// Whoever was at work has given up, perhaps for reasons of its own.
	}
}

// enter returns the entry of a file. If it is a new one the caller must fill it in.
func (h *hashCache) enter(id fileID) (e *hashEntry, mine bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.entries[id]; e != nil {
		return e, false
	}
	if h.entries == nil {
		h.entries = make(map[fileID]*hashEntry)
	}
	for old := range h.entries { // any will do
		if len(h.entries) < maxHashes {
			break
		}
		delete(h.entries, old)
	}
	e = &hashEntry{done: make(chan struct{})}
	h.entries[id] = e
	return e, true
}

func (h *hashCache) forget(id fileID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, id)
}

// await waits for somebody else's work.
func await(ctx context.Context, done <-chan struct{}, beat func() error) error {
	t := time.NewTicker(waitInterval)
	defer t.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := beat(); err != nil {
				return err
			}
		}
	}
}

// hash reads size bytes of a file.
func hash(ctx context.Context, file *os.File, size int64, beat func() error) ([32]byte, error) {
	h := sha256.New()
	r := io.NewSectionReader(file, 0, size)
	last := time.Now()
	for left := size; left > 0; {
		n, err := io.CopyN(h, r, min(left, hashBlock))
		if errors.Is(err, io.EOF) {
			err = ErrChanged
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && time.Since(last) >= waitInterval {
			last = time.Now()
			err = beat()
		}
		if err != nil {
			return [32]byte{}, err
		}
		left -= n
	}
	return [32]byte(h.Sum(nil)), nil
}
