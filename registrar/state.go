package registrar

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// The files of a state directory.
const (
	lockFile  = "lock"        // held while the registrar runs; the process's number
	idFile    = "id"          // its identifier
	imageFile = "handlespace" // its elements, if they are kept
	badFile   = "handlespace.damaged"
)

// maxImage bounds what is read of a file: more than 100,000 elements need.
const maxImage = 1 << 30

// state is what a registrar keeps on disk, in a directory of its own.
type state struct {
	dir  string
	log  *zap.Logger
	lock *os.File

	mu    sync.Mutex // guards what follows, and one writes at a time
	taken time.Time  // of the image that was written last
	sum   uint32     // of it
	ended bool
	stats SnapshotStats
}

// SnapshotStats says how the elements are kept on disk.
type SnapshotStats struct {
	Written  uint64    // times they were written
	Failed   uint64    // times that failed
	Last     time.Time // when they were written last, or found to be as written
	Elements int       // how many then
	Bytes    int       // in so many bytes
}

// openState takes a directory for this process.
func openState(dir string, log *zap.Logger) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("registrar: state directory: %w", err)
	}
	s := &state{dir: dir, log: log}
	f, err := os.OpenFile(s.path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("registrar: state directory: %w", err)
	}
	if err := flock(f); err != nil {
		owner, _ := os.ReadFile(f.Name()) // it is for people
		_ = f.Close()
		return nil, fmt.Errorf("registrar: state directory %s is in use by process %s: %w", dir, strings.TrimSpace(string(owner)), err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("registrar: state directory: %w", err)
	}
	s.lock = f
	return s, nil
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// close lets others have the directory. Nothing is written any more.
func (s *state) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	_ = s.lock.Close() // cannot fail; it ends the lock
}

// CheckState says why a registrar could not start with a state directory: it is no
// directory, or holds files that are not readable, damaged or not a registrar's. It
// changes nothing. A directory that is not there is made at the start.
func CheckState(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s: not a directory", dir)
	}
	s := &state{dir: dir}
	if _, err := s.id(); err != nil {
		return err
	}
	if _, err := s.read(); err != nil && !errors.Is(err, core.ErrImageDamaged) {
		return err
	}
	return nil
}

// id reads the identifier, 0 if there is none. A damaged one is an error: to go on under
// another would surprise elements and peers.
func (s *state) id() (rserpool.RegistrarID, error) {
	b, err := os.ReadFile(s.path(idFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("registrar: %w", err)
	}
	var id rserpool.RegistrarID
	if _, err := fmt.Sscanf(string(b), "0x%08x\n", (*uint32)(&id)); err != nil || id == 0 || string(b) != idText(id) {
		return 0, fmt.Errorf("registrar: %s: not an identifier such as 0x0000abcd; correct or remove it", s.path(idFile))
	}
	return id, nil
}

func idText(id rserpool.RegistrarID) string { return fmt.Sprintf("0x%08x\n", uint32(id)) }

// keepID writes the identifier.
func (s *state) keepID(id rserpool.RegistrarID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	return s.write(idFile, []byte(idText(id)))
}

// read reads the image; nil if there is none.
func (s *state) read() (*core.Image, error) {
	name := s.path(imageFile)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxImage) {
		err = fmt.Errorf("%s: %w", name, core.ErrImageForeign)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	im, err := core.DecodeImage(b)
	if err != nil {
		return nil, fmt.Errorf("registrar: %s: %w", name, err)
	}
	return im, nil
}

// image reads the image. A damaged one is put aside, since all it can do is to bring
// elements back sooner than they come by themselves. What somebody else has written there
// is not touched, and an error.
func (s *state) image() (*core.Image, error) {
	im, err := s.read()
	if !errors.Is(err, core.ErrImageDamaged) {
		return im, err
	}
	s.log.Warn("starting without the elements of before", zap.Error(err), zap.String("kept as", s.path(badFile)))
	if err := os.Rename(s.path(imageFile), s.path(badFile)); err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	return nil, nil
}

// keep writes an image unless it is as the one that was written last.
func (s *state) keep(im *core.Image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	now := im.Taken
	im.Taken = s.taken
	b := im.AppendTo(nil)
	if s.stats.Written == 0 || crc32.ChecksumIEEE(b) != s.sum {
		im.Taken = now
		b = im.AppendTo(b[:0])
		if err := s.write(imageFile, b); err != nil {
			s.stats.Failed++
			return err
		}
		s.taken, s.sum = now, crc32.ChecksumIEEE(b)
		s.stats.Written++
	}
	s.stats.Last, s.stats.Elements, s.stats.Bytes = now, len(im.Elements), len(b)
	return nil
}

// write replaces a file: whatever happens meanwhile, it is the old or the new one.
func (s *state) write(name string, b []byte) error {
	tmp := s.path(name + ".new")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("registrar: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, s.path(name))
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("registrar: %w", err)
	}
	return nil
}
