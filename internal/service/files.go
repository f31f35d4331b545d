package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/sctp"
)

const (
	// defaultBlock is how many bytes of content a message carries.
	defaultBlock = 64 << 10
	// cookieInterval is how many bytes are sent between two cookies: about so many
	// are sent twice after a fail-over.
	cookieInterval = 1 << 20
	// waitInterval is how often a user that waits for a description hears that it is
	// being worked on.
	waitInterval = time.Second
)

// Files serves the files below a directory. Paths that lead out of it, through
// symbolic links or otherwise, are refused, and so is what is no regular file. It must be
// closed when it is not needed any more.
type Files struct {
	// Block is how many bytes of content a message carries. Zero: 64 KiB.
	Block int
	// Draining, if not nil, is closed when the element is about to leave the pool:
	// transfers then stop with a last cookie, and go on elsewhere. It is what
	// PoolElement.Draining returns, and must be set before the first session.
	Draining <-chan struct{}

	root   *os.Root
	hashes hashCache
}

// NewFiles returns a server of the files below the directory root.
func NewFiles(root string) (*Files, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	return &Files{root: r}, nil
}

// Close gives the directory back. Requests then fail.
func (f *Files) Close() error { return f.root.Close() }

// HashAll hashes the files below the root, as far as hashes are remembered, so that the
// first download of each need not wait for that. It returns when that is done or ctx
// ends; what it cannot read it leaves out.
func (f *Files) HashAll(ctx context.Context) {
	n := 0
	_ = fs.WalkDir(f.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil || n == maxHashes:
			return fs.SkipAll
		case err != nil || !d.Type().IsRegular():
			return nil
		}
		file, fi, err := f.open(path)
		if err != nil {
			return nil
		}
		n++
		_, _ = f.hashes.sum(ctx, file, fi, path, func() error { return nil })
		return file.Close()
	})
}

// errDrained ends a session because the element leaves the pool.
var errDrained = errors.New("element leaves the pool")

// ServeSession implements poolelement.Handler.
func (f *Files) ServeSession(ctx context.Context, s *poolelement.Session) {
	t := &transfer{files: f, s: s, block: f.Block}
	if t.block <= 0 {
		t.block = defaultBlock
	}
	// Any error ends the session: what the user can know of it, it has been told.
	_ = t.serve(ctx)
}

// transfer is the state of a session.
type transfer struct {
	files *Files
	s     *poolelement.Session
	block int
	out   []byte // of the control message
}

// serve handles the requests of a session, which begins with a request, or with the
// cookie of a transfer that another element began.
func (t *transfer) serve(ctx context.Context) error {
	state, err := t.s.Cookie(ctx)
	switch {
	case errors.Is(err, cookie.ErrInvalid):
		err = t.report(ctx, &FileError{FileMalformed, err.Error()})
	case err == nil && state != nil:
		err = t.report(ctx, t.resume(ctx, state))
	}
	if err != nil {
		return err
	}
	var buf []byte
	for {
		m, err := Receive(ctx, t.s, buf, maxFileControl)
		if err != nil {
			return err
		}
		buf = m.Data
		err = errFileMessage
		if m.PPID == PPIDFileControl {
			var msg fileMessage
			if msg, err = decodeFile(m.Data); err == nil {
				err = t.request(ctx, msg)
			}
		}
		if err := t.report(ctx, err); err != nil {
			return err
		}
	}
}

// report tells the user about a request that failed. The error that it returns ends
// the session.
func (t *transfer) report(ctx context.Context, err error) error {
	var fe *FileError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFileMessage):
		_ = t.send(ctx, &FileError{FileMalformed, err.Error()})
		return err
	case errors.As(err, &fe):
		return t.send(ctx, fe)
	}
	return err
}

func (t *transfer) request(ctx context.Context, m fileMessage) error {
	o, ok := m.(*fileOpen)
	if !ok {
		return errFileMessage
	}
	file, info, err := t.open(ctx, o.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	switch {
	case o.Describe:
		return t.send(ctx, &fileFile{Info: info})
	case o.Offset > info.Size:
		return &FileError{FileRange, fmt.Sprintf("%s has %d bytes", o.Path, info.Size)}
	}
	return t.content(ctx, file, &fileCookie{Info: info, Offset: o.Offset, Path: o.Path})
}

// resume goes on with a transfer that another element began.
func (t *transfer) resume(ctx context.Context, cookie []byte) error {
	c, err := decodeFileCookie(cookie)
	if err != nil {
		return &FileError{FileMalformed, err.Error()}
	}
	file, info, err := t.open(ctx, c.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if info != c.Info {
		return &FileError{FileDifferent, fmt.Sprintf("%s has %v here, not %v", c.Path, info, c.Info)}
	}
	return t.content(ctx, file, c)
}

// open opens a file and finds out what it has in it. Meanwhile the user is told to
// wait.
func (t *transfer) open(ctx context.Context, path string) (*os.File, FileInfo, error) {
	file, fi, err := t.files.open(path)
	if err != nil {
		return nil, FileInfo{}, err
	}
	sum, err := t.files.hashes.sum(ctx, file, fi, path, func() error { return t.send(ctx, fileWait{}) })
	if err == nil {
		return file, FileInfo{Size: fi.Size(), SHA256: sum}, nil
	}
	_ = file.Close() // it was only read
	var pe *fs.PathError
	if errors.Is(err, ErrChanged) || errors.As(err, &pe) {
		err = refusal(path, err)
	}
	return nil, FileInfo{}, err
}

// open opens a regular file below the root.
func (f *Files) open(path string) (*os.File, fs.FileInfo, error) {
	name, err := filepath.Localize(path) // neither absolute nor with ".."
	if err != nil {
		return nil, nil, &FileError{FileRefused, fmt.Sprintf("%q is not a path below the root", path)}
	}
	// A named pipe would block without nonblock. Root follows symbolic links, but
	// not out of the directory.
	file, err := f.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, refusal(path, err)
	}
	fi, err := file.Stat()
	if err == nil && fi.Mode().IsRegular() {
		return file, fi, nil
	}
	_ = file.Close() // it was only read
	if err != nil {
		return nil, nil, refusal(path, err)
	}
	return nil, nil, &FileError{FileRefused, path + " is not a regular file"}
}

// refusal puts an error into words that say nothing about the element's directories.
func refusal(path string, err error) *FileError {
	var errno syscall.Errno
	switch {
	case errors.Is(err, ErrChanged):
		return &FileError{FileChanged, path + ": " + ErrChanged.Error()}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &FileError{FileNotFound, path + " does not exist"}
	case errors.Is(err, fs.ErrPermission):
		return &FileError{FileRefused, "no permission to read " + path}
	case errors.Is(err, fs.ErrClosed):
		return &FileError{FileFailed, "the element closes"}
	case errors.Is(err, syscall.ELOOP), !errors.As(err, &errno):
		// package os has no error to compare with for a path that leads out.
		return &FileError{FileRefused, path + " leads out of the root"}
	}
	return &FileError{FileFailed, path + ": " + errno.Error()}
}

// content sends the description and the content from the cookie's offset on.
func (t *transfer) content(ctx context.Context, file *os.File, c *fileCookie) error {
	begun, err := file.Stat()
	if err != nil {
		return refusal(c.Path, err)
	}
	if err := t.send(ctx, &fileFile{Info: c.Info, Offset: c.Offset}); err != nil {
		return err
	}
	t.cookie(ctx, c)
	buf := make([]byte, t.block)
	for next := c.Offset + cookieInterval; c.Offset < c.Info.Size; {
		n := int(min(int64(len(buf)), c.Info.Size-c.Offset))
		if _, err := file.ReadAt(buf[:n], c.Offset); err != nil {
			if errors.Is(err, io.EOF) {
				err = ErrChanged
			}
			return refusal(c.Path, err)
		}
		last := c.Offset+int64(n) == c.Info.Size
		if last && !same(file, begun) {
			return refusal(c.Path, ErrChanged)
		}
		if err := t.s.Send(ctx, &sctp.Message{PPID: PPIDFileContent, More: !last, Data: buf[:n]}); err != nil {
			return err
		}
		c.Offset += int64(n)
		if c.Offset >= next {
			t.cookie(ctx, c)
			next = c.Offset + cookieInterval
		}
		select {
		case <-t.files.Draining:
			t.cookie(ctx, c)
			return errDrained
		default:
		}
	}
	return nil
}

// same says whether a file is as it was.
func same(file *os.File, was fs.FileInfo) bool {
	fi, err := file.Stat()
	return err == nil && fi.Size() == was.Size() && fi.ModTime().Equal(was.ModTime())
}

// cookie gives the user a cookie. Without control channel there are none: the user
// then asks the next element for the path and the offset itself.
func (t *transfer) cookie(ctx context.Context, c *fileCookie) {
	_ = t.s.SendCookie(ctx, c.encode())
}

func (t *transfer) send(ctx context.Context, m fileMessage) error {
	t.out = m.appendTo(t.out[:0])
	return t.s.Send(ctx, &sctp.Message{PPID: PPIDFileControl, Data: t.out})
}
