package service_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// random returns n bytes that depend on the seed.
func random(n int, seed uint8) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

func infoOf(b []byte) service.FileInfo {
	return service.FileInfo{Size: int64(len(b)), SHA256: sha256.Sum256(b)}
}

// files starts element id with the files of a directory.
func (w *world) files(id rserpool.PEID, root string) *poolelement.PoolElement {
	w.t.Helper()
	f, err := service.NewFiles(root)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = f.Close() })
	// The channel is there only after the element.
	draining := make(chan struct{})
	f.Draining = draining
	pe := w.serve(id, f)
	go func() {
		<-pe.Draining()
		close(draining)
	}()
	return pe
}

func (w *world) fetch(path string, o *service.FetchOptions) *service.Fetch {
	w.t.Helper()
	f, err := service.NewFetch(w.dial(), path, o)
	require.NoError(w.t, err)
	return f
}

// sink takes content; at marks it does something.
type sink struct {
	bytes.Buffer
	marks map[int]func() // by the number of bytes; done once that many are there
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.Buffer.Write(b)
	for at, do := range s.marks {
		if s.Len() >= at {
			delete(s.marks, at)
			do()
		}
	}
	return n, err
}

func TestFilesFetch(t *testing.T) {
	root := t.TempDir()
	data := random(300_000, 1)
	write(t, filepath.Join(root, "a", "b.bin"), data)
	write(t, filepath.Join(root, "empty"), nil)
	for _, dataOnly := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.dataOnly = dataOnly
			w.files(1, root)
			f := w.fetch("a/b.bin", nil)
			info, err := f.Describe(t.Context())
			require.NoError(t, err)
			require.Equal(t, infoOf(data), info)
			for _, offset := range []int64{0, 1, 200_000, 299_999, 300_000} {
				var got sink
				require.NoError(t, f.Content(t.Context(), offset, &got))
				require.True(t, bytes.Equal(data[offset:], got.Bytes()), offset)
			}
			f = w.fetch("empty", nil)
			var got sink
			require.NoError(t, f.Content(t.Context(), 0, &got))
			require.Zero(t, got.Len())
			info, err = f.Describe(t.Context())
			require.NoError(t, err)
			require.Equal(t, infoOf(nil), info)
		})
	}
}

// Paths that leave the root are refused, whatever they are made of, and nothing
// but regular files is served.
func TestFilesStayInTheirRoot(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), []byte("secret"))
	root := filepath.Join(outside, "root")
	write(t, filepath.Join(root, "dir", "file"), []byte("public"))
	links := map[string]string{
		"abs":       filepath.Join(outside, "secret"),
		"rel":       "../secret",
		"dir/up":    "../../secret",
		"updir":     "..",
		"chain":     "rel",
		"loop":      "loop",
		"inside":    "dir/file",
		"dir/inner": "../dir/./file",
	}
	for name, to := range links {
		require.NoError(t, os.Symlink(to, filepath.Join(root, name)))
	}
	fifo(t, filepath.Join(root, "pipe"))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		for _, path := range []string{"dir/file", "inside", "dir/inner"} {
			var got sink
			require.NoError(t, w.fetch(path, nil).Content(t.Context(), 0, &got), path)
			require.Equal(t, "public", got.String())
		}
		for _, path := range []string{
			"../secret", "dir/../../secret", "dir/../dir/file", "./dir/file", "/etc/passwd", "/", ".", "..", "dir", "dir/", "dir//file",
			"abs", "rel", "dir/up", "updir/secret", "chain", "loop", "pipe",
			filepath.Join(outside, "secret"), "dir/file\x00", "dir\x00/file",
		} {
			for _, ask := range []func(f *service.Fetch) error{
				func(f *service.Fetch) error { _, err := f.Describe(t.Context()); return err },
				func(f *service.Fetch) error { return f.Content(t.Context(), 0, io.Discard) },
			} {
				err := ask(w.fetch(path, nil))
				require.ErrorIs(t, err, fs.ErrPermission, "%q", path)
				require.NotContains(t, err.Error(), root, "where the root is is nobody's business")
			}
		}
		for _, path := range []string{"missing", "dir/missing", "dir/file/missing"} {
			_, err := w.fetch(path, nil).Describe(t.Context())
			require.ErrorIs(t, err, fs.ErrNotExist, path)
		}
	})
}

func TestFilesOffsetBeyondTheEnd(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), []byte("data"))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		var fe *service.FileError
		require.ErrorAs(t, w.fetch("file", nil).Content(t.Context(), 5, io.Discard), &fe)
		require.Equal(t, service.FileRange, fe.Code)
	})
}

// Two elements die in the middle, the third finishes, and every byte is there once.
func TestFetchGoesOnElsewhere(t *testing.T) {
	root := t.TempDir()
	data := random(6<<20, 2)
	write(t, filepath.Join(root, "file"), data)
	for _, dataOnly := range []bool{false, true} { // with a cookie, and without
		inWorld(t, func(t *testing.T, w *world) {
			w.dataOnly = dataOnly
			for id := range rserpool.PEID(3) {
				w.files(id+1, root)
			}
			s := w.dial()
			f, err := service.NewFetch(s, "file", nil)
			require.NoError(t, err)
			_, err = f.Describe(t.Context())
			require.NoError(t, err)
			got := sink{marks: map[int]func(){
				1_700_000: func() { w.cut(1) },
				3_100_000: func() { w.cut(2) },
			}}
			require.NoError(t, f.Content(t.Context(), 0, &got))
			require.True(t, bytes.Equal(data, got.Bytes()))
			require.Equal(t, 2, s.Failovers())
			require.EqualValues(t, 3, s.Element().ID)
		})
	}
}

// An element that dies between request and description is no problem either.
func TestFetchDescribeGoesOnElsewhere(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), []byte("data"))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		w.files(2, root)
		f := w.fetch("file", nil)
		w.cut(1)
		info, err := f.Describe(t.Context())
		require.NoError(t, err)
		require.Equal(t, infoOf([]byte("data")), info)
	})
}

// A download continues only if the next element has the same content: other bytes,
// another size or no file at all end it, and what is there was not touched.
func TestFetchRefusesAnotherFile(t *testing.T) {
	data := random(4<<20, 3)
	first, other := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "file"), data)
	changed := bytes.Clone(data)
	changed[4_000_000] ^= 1
	for name, tt := range map[string]struct {
		content []byte
		err     error
		text    string
	}{
		"other byte": {changed, service.ErrDifferent, "file"},
		"shorter":    {data[:4<<20-1], service.ErrDifferent, "4194303 bytes"},
		"longer":     {append(bytes.Clone(data), 0), service.ErrDifferent, "4194305 bytes"},
		"missing":    {nil, fs.ErrNotExist, "does not exist"},
	} {
		for _, dataOnly := range []bool{false, true} {
			require.NoError(t, os.RemoveAll(filepath.Join(other, "file")))
			if tt.content != nil {
				write(t, filepath.Join(other, "file"), tt.content)
			}
			inWorld(t, func(t *testing.T, w *world) {
				w.dataOnly = dataOnly
				w.files(1, first)
				w.files(2, other)
				f := w.fetch("file", nil)
				got := sink{marks: map[int]func(){1 << 20: func() { w.cut(1) }}}
				err := f.Content(t.Context(), 0, &got)
				require.ErrorIs(t, err, tt.err, name)
				require.ErrorContains(t, err, tt.text, name)
				require.GreaterOrEqual(t, got.Len(), 1<<20, name)
				require.True(t, bytes.HasPrefix(data, got.Bytes()), name)
			})
		}
	}
}

// An element that leaves the pool in an orderly way hands its transfers over.
func TestFilesDrainHandsOver(t *testing.T) {
	root := t.TempDir()
	data := random(8<<20, 4)
	write(t, filepath.Join(root, "file"), data)
	inWorld(t, func(t *testing.T, w *world) {
		pe := w.files(1, root)
		w.files(2, root)
		s := w.dial()
		f, err := service.NewFetch(s, "file", nil)
		require.NoError(t, err)
		done := make(chan error, 1)
		got := sink{marks: map[int]func(){1 << 20: func() {
			go func() { done <- pe.Shutdown(t.Context()) }()
		}}}
		require.NoError(t, f.Content(t.Context(), 0, &got))
		require.True(t, bytes.Equal(data, got.Bytes()))
		require.NoError(t, <-done, "nothing was cut off")
		require.Equal(t, 1, s.Failovers())
	})
}

// A file that changes while it is sent is an error, not a mixture.
func TestFilesChangeUnderWay(t *testing.T) {
	data := random(8<<20, 5)
	for name, change := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 6<<20) },
		"touched": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
	} {
		root := t.TempDir()
		path := filepath.Join(root, "file")
		write(t, path, data)
		inWorld(t, func(t *testing.T, w *world) {
			w.files(1, root)
			got := sink{marks: map[int]func(){1 << 20: func() { require.NoError(t, change(path)) }}}
			err := w.fetch("file", nil).Content(t.Context(), 0, &got)
			require.ErrorIs(t, err, service.ErrChanged, name)
			require.Less(t, got.Len(), len(data))
		})
	}
}

// The hash of a file is remembered, but not beyond a change.
func TestFilesHashFollowsTheFile(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "file")
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		for i, content := range []string{"one", "two", "three", "four"} {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
			at := time.Unix(1000, int64(i)) // long ago, each a nanosecond later
			require.NoError(t, os.Chtimes(path, at, at))
			for range 2 {
				info, err := w.fetch("file", nil).Describe(t.Context())
				require.NoError(t, err)
				require.Equal(t, infoOf([]byte(content)), info)
			}
		}
	})
}

// What is hashed ahead is not hashed again: a file that is changed without a trace has
// its old hash still.
func TestFilesHashAhead(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "dir", "file")
	write(t, path, []byte("data"))
	require.NoError(t, os.Symlink("..", filepath.Join(root, "dir", "loop")))
	fifo(t, filepath.Join(root, "pipe"))
	f, err := service.NewFiles(root)
	require.NoError(t, err)
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.HashAll(ctx) // does nothing
	f.HashAll(t.Context())
	write(t, path, []byte("atad"))
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, f)
		info, err := w.fetch("dir/file", nil).Describe(t.Context())
		require.NoError(t, err)
		require.Equal(t, infoOf([]byte("data")), info)
	})
}

// handler is a file server that misbehaves.
type handler = poolelement.HandlerFunc

// An element that takes a request and does not answer is left for the next.
func TestFetchLeavesSilentElements(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), []byte("data"))
	silent := handler(func(ctx context.Context, _ *poolelement.Session) { <-ctx.Done() })
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, silent)
		w.serve(2, silent)
		w.files(3, root)
		begin := time.Now()
		var got sink
		require.NoError(t, w.fetch("file", &service.FetchOptions{Stall: 300 * time.Millisecond}).Content(t.Context(), 0, &got))
		require.Equal(t, "data", got.String())
		require.WithinDuration(t, begin, time.Now(), 5*time.Second)
	})
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, silent)
		_, err := w.fetch("file", &service.FetchOptions{Stall: time.Second}).Describe(t.Context())
		require.ErrorIs(t, err, service.ErrStalled)
	})
}

// An element that needs time says so and is waited for.
func TestFetchWaitsForBusyElements(t *testing.T) {
	file := "02000034 0000000000000000 0000000000000004" + strings.Repeat("00", 32)
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, handler(func(ctx context.Context, s *poolelement.Session) {
			_, _ = s.Receive(ctx, make([]byte, 1000)) // the request
			for range 10 {
				time.Sleep(time.Second / 2)
				_ = s.Send(ctx, &sctp.Message{PPID: service.PPIDFileControl, Data: unhex(t, "03000004")})
			}
			_ = s.Send(ctx, &sctp.Message{PPID: service.PPIDFileControl, Data: unhex(t, file)})
			_ = s.Send(ctx, &sctp.Message{PPID: service.PPIDFileContent, Data: []byte("data")})
		}))
		var got sink
		require.NoError(t, w.fetch("file", &service.FetchOptions{Stall: time.Second}).Content(t.Context(), 0, &got))
		require.Equal(t, "data", got.String())
	})
}

// Whatever an element sends, the user gets an error or the right bytes.
func TestFetchHostileElements(t *testing.T) {
	file := "02000034 0000000000000000 0000000000000004" + strings.Repeat("00", 32)
	for name, replies := range map[string][]sctp.Message{
		"content first":    {{PPID: service.PPIDFileContent, Data: []byte("data")}},
		"garbage":          {{PPID: service.PPIDFileControl, Data: []byte{2}}},
		"a request":        {{PPID: service.PPIDFileControl, Data: unhex(t, "0100000d 0000000000000000 78")}},
		"no file protocol": {{PPID: 7, Data: []byte("hello")}},
		"two descriptions": {{PPID: service.PPIDFileControl, Data: unhex(t, file)}, {PPID: service.PPIDFileControl, Data: unhex(t, file)}},
		"too much content": {{PPID: service.PPIDFileControl, Data: unhex(t, file)}, {PPID: service.PPIDFileContent, Data: []byte("datax")}},
		"starts too late":  {{PPID: service.PPIDFileControl, Data: unhex(t, strings.Replace(file, "0000 000", "0001 000", 1))}},
		"endless control":  {{PPID: service.PPIDFileControl, Data: make([]byte, 100_000)}},
		"unknown error":    {{PPID: service.PPIDFileControl, Data: unhex(t, "04000008 ffff0000")}},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.serve(1, handler(func(ctx context.Context, s *poolelement.Session) {
				_, _ = s.Receive(ctx, make([]byte, 1000)) // the request
				for _, m := range replies {
					_ = s.Send(ctx, &m)
				}
				<-ctx.Done()
			}))
			err := w.fetch("file", nil).Content(t.Context(), 0, io.Discard)
			require.Error(t, err, name)
			require.False(t, errors.Is(err, service.ErrStalled), name)
		})
	}
}

// Whatever a user sends, the element ends the session in order and serves others.
func TestFilesHostileUsers(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), []byte("data"))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		for name, m := range map[string]sctp.Message{
			"garbage":       {PPID: service.PPIDFileControl, Data: []byte("garbage")},
			"not control":   {PPID: 0, Data: unhex(t, "0100000d 0000000000000000 78")},
			"a description": {PPID: service.PPIDFileControl, Data: unhex(t, "03000004")},
			"too long":      {PPID: service.PPIDFileControl, Data: make([]byte, 1<<20)},
		} {
			s := w.dial()
			_ = s.Send(t.Context(), &m) // the session may end meanwhile
			for {
				m, err := message(t, s)
				if err != nil {
					require.NotErrorIs(t, err, context.DeadlineExceeded, name)
					break
				}
				require.EqualValues(t, 4, m.Data[0], "an error is reported first")
			}
			_ = s.Close()
		}
		_, err := w.fetch("file", nil).Describe(t.Context())
		require.NoError(t, err)
	})
}

// A forged cookie gets no more than a request would.
func TestFilesForgedCookie(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), []byte("secret"))
	root := filepath.Join(outside, "root")
	write(t, filepath.Join(root, "file"), []byte("data"))
	info := infoOf([]byte("secret"))
	head := append([]byte("RSFILE-1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06"), info.SHA256[:]...)
	for path, code := range map[string]byte{"../secret": 2, "missing": 1, "file": 3} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.files(1, root))
			w.echo(a, append(bytes.Clone(head), path...))
			m, err := a.ReceiveMessage(t.Context(), nil, 1000)
			require.NoError(t, err)
			require.Equal(t, []byte{4, 0}, m.Data[:2], path)
			require.Equal(t, []byte{0, code}, m.Data[4:6], path)
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		a := w.raw(w.files(1, root))
		w.echo(a, []byte("garbage"))
		m, err := a.ReceiveMessage(t.Context(), nil, 1000)
		require.NoError(t, err)
		require.Equal(t, []byte{0, byte(service.FileMalformed)}, m.Data[4:6])
	})
}

// The end of the caller's context ends a download, whatever it waits for.
func TestFetchCancel(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), random(2<<20, 6))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		f := w.fetch("file", nil)
		ctx, cancel := context.WithCancel(t.Context())
		got := sink{marks: map[int]func(){1 << 20: func() {
			w.cut(1) // now it waits for the element, later for another
			time.AfterFunc(3*time.Second, cancel)
		}}}
		require.ErrorIs(t, f.Content(ctx, 0, &got), context.Canceled)
	})
}

// Without any element left the download ends after the fail-over time.
func TestFetchGivesUp(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), random(2<<20, 7))
	inWorld(t, func(t *testing.T, w *world) {
		w.files(1, root)
		f := w.fetch("file", nil)
		begin := time.Now()
		got := sink{marks: map[int]func(){1 << 20: func() { w.cut(1) }}}
		require.ErrorIs(t, f.Content(t.Context(), 0, &got), context.DeadlineExceeded)
		require.Less(t, time.Since(begin), 30*time.Second)
	})
}
