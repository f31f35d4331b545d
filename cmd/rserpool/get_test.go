package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/service"
)

// content returns n bytes that depend on the seed.
func content(n int, seed uint8) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// place makes a file in a new directory, which it returns.
func place(t *testing.T, name string, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	return dir
}

func infoFor(data []byte) service.FileInfo {
	return service.FileInfo{Size: int64(len(data)), SHA256: sha256.Sum256(data)}
}

func partOf(out string, data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%s.%x.part", out, sum[:8])
}

// oncePart does something when a download of data to "file" has 2 MiB.
func oncePart(t *testing.T, data []byte, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(ctx, 5*time.Millisecond) == nil {
			if fi, err := os.Stat(partOf("file", data)); err == nil && fi.Size() >= 2<<20 {
				do()
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// files lists the names in a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	es, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

// events runs get and returns its events.
func events(t *testing.T, args ...string) []event {
	t.Helper()
	var all []event
	dec := json.NewDecoder(strings.NewReader(ok(t, "", append([]string{"get", "--progress", "json"}, args...)...)))
	for dec.More() {
		var e event
		require.NoError(t, dec.Decode(&e))
		all = append(all, e)
	}
	return all
}

func TestGet(t *testing.T) {
	data := content(3<<20, 1)
	flags := registrarAt(t)
	serve(t, flags, "files", "--pool", "P", "--root", place(t, "file.bin", data))
	dir := t.TempDir()
	t.Chdir(dir)

	r := command(t, "", append(flags, "get", "P/file.bin")...)
	require.Equal(t, 0, r.code, r.err)
	require.Empty(t, r.out)
	require.Regexp(t, `^file.bin: 3.0 MiB in \d+.\d s, sha256 [0-9a-f]{64}\n$`, r.err)
	got, err := os.ReadFile("file.bin")
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.Equal(t, []string{"file.bin"}, files(t, dir), "no temporary file is left")

	require.NoError(t, os.WriteFile("old", []byte("old"), 0o644))
	require.NoError(t, os.Mkdir("sub", 0o755))
	ok(t, "", append(flags, "get", "P/file.bin", "-o", "old")...)
	ok(t, "", append(flags, "get", "P/file.bin", "-o", "sub")...)
	for _, name := range []string{"old", "sub/file.bin"} {
		got, err = os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), name)
	}

	r = command(t, "", append(flags, "get", "P/file.bin", "-o", "-", "--progress", "none")...)
	require.Equal(t, 0, r.code)
	require.Empty(t, r.err)
	require.True(t, bytes.Equal(data, []byte(r.out)))

	es := events(t, append(flags, "P/file.bin")...)
	first, last := es[0], es[len(es)-1]
	require.Equal(t, "begin", first.Event)
	require.EqualValues(t, 0, first.Bytes)
	require.EqualValues(t, len(data), first.Size)
	require.Equal(t, "done", last.Event)
	require.EqualValues(t, len(data), last.Bytes)
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(data)), last.SHA256)
	require.Equal(t, "file.bin", last.File)
	require.Regexp(t, "^0x[0-9a-f]{8}$", last.Element)

	begin := time.Now()
	ok(t, "", append(flags, "get", "P/file.bin", "--limit-rate", "6M")...)
	require.Greater(t, time.Since(begin), 400*time.Millisecond)
}

func TestGetEmptyFile(t *testing.T) {
	flags := registrarAt(t)
	serve(t, flags, "files", "--pool", "P", "--root", place(t, "empty", nil))
	t.Chdir(t.TempDir())
	for _, how := range []string{"bar", "lines", "json"} {
		ok(t, "", append(flags, "get", "P/empty", "--progress", how)...)
		fi, err := os.Stat("empty")
		require.NoError(t, err)
		require.Zero(t, fi.Size())
		require.NoError(t, os.Remove("empty"))
	}
}

func TestGetRefusals(t *testing.T) {
	root := place(t, "file", []byte("data"))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(root, "link")))
	flags := registrarAt(t)
	serve(t, flags, "files", "--pool", "P", "--root", root)
	serve(t, flags, "echo", "--pool", "Echo")
	dir := t.TempDir()
	t.Chdir(dir)
	for path, text := range map[string]string{
		"P/missing":   "missing does not exist",
		"P/link":      "link leads out of the root",
		"P/../file":   "not a path below the root",
		"P//file":     "not a path below the root",
		"Echo/file":   "does not speak the file protocol",
		"Nobody/file": "unknown pool handle",
	} {
		r := command(t, "", append(flags, "get", path)...)
		require.Equal(t, 1, r.code, path)
		require.Contains(t, r.err, text, path)
		require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
	}
	require.Empty(t, files(t, dir), "nothing was written")
	r := command(t, "", append(flags, "get", "P/file", "-o", "no/such/dir")...)
	require.Equal(t, 1, r.code)
}

// A download that failed goes on where it was. The temporary name says which content it
// is part of, so a part of something else does no harm.
func TestGetContinuesItsPart(t *testing.T) {
	data := content(2<<20, 2)
	flags := registrarAt(t)
	serve(t, flags, "files", "--pool", "P", "--root", place(t, "file", data))
	dir := t.TempDir()
	t.Chdir(dir)
	get := append(flags, "P/file")

	other := partOf("file", []byte("other"))
	require.NoError(t, os.WriteFile(other, []byte("of another content"), 0o644))
	require.NoError(t, os.WriteFile(partOf("file", data), data[:1_500_000], 0o644))
	require.EqualValues(t, 1_500_000, events(t, get...)[0].Bytes)
	got, err := os.ReadFile("file")
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.ElementsMatch(t, []string{"file", other}, files(t, dir))

	require.NoError(t, os.WriteFile(partOf("file", data), data, 0o644)) // all of it
	require.EqualValues(t, len(data), events(t, get...)[0].Bytes)

	// A part that is spoiled is noticed, and not used again.
	for _, part := range [][]byte{content(1_000_000, 3), append(bytes.Clone(data), 'x')} {
		require.NoError(t, os.WriteFile(partOf("file", data), part, 0o644))
		r := command(t, "", append([]string{"get"}, get...)...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.err, "the part was removed")
		require.NoFileExists(t, partOf("file", data))
	}

	// Two downloads at once would spoil it.
	p, err := openPart("file", infoFor(data))
	require.NoError(t, err)
	defer p.Close()
	r := command(t, "", append([]string{"get"}, get...)...)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "another download is under way")
}

// When the server dies and there is no other, what is there is kept, and a server that
// comes later continues it.
func TestGetKeepsWhatItHas(t *testing.T) {
	data := content(8<<20, 4)
	root := place(t, "file", data)
	flags := registrarAt(t)
	s, _ := serve(t, flags, "files", "--pool", "P", "--root", root)
	dir := t.TempDir()
	t.Chdir(dir)
	oncePart(t, data, func() { s.stop() })
	r := command(t, "", append(flags, "get", "P/file", "--limit-rate", "8M", "--timeout", "2s")...)
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^rserpool: no element of the pool could be reached for 2s: .* \(\d.\d MiB of 8.0 MiB are kept in `+partOf("file", data), r.err)
	require.Equal(t, []string{partOf("file", data)}, files(t, dir))

	serve(t, flags, "files", "--pool", "P", "--root", root)
	require.Greater(t, events(t, append(flags, "P/file")...)[0].Bytes, int64(1<<20))
	require.Equal(t, []string{"file"}, files(t, dir))
}

// A server with another file under the same name cannot continue the download.
func TestGetDoesNotMixFiles(t *testing.T) {
	data := content(8<<20, 5)
	flags := registrarAt(t)
	s, first := serve(t, flags, "files", "--pool", "P", "--policy", "Priority:9", "--root", place(t, "file", data))
	_, second := serve(t, flags, "files", "--pool", "P", "--policy", "Priority:1", "--root", place(t, "file", content(8<<20, 6)))
	dir := t.TempDir()
	t.Chdir(dir)
	oncePart(t, data, func() { s.stop() })
	r := command(t, "", append(flags, "get", "P/file", "--limit-rate", "8M")...)
	require.Equal(t, 1, r.code, "%s then %s", first, second)
	require.Contains(t, r.err, "here, not 8388608 bytes, sha256")
	require.Contains(t, r.err, "are kept in "+partOf("file", data))
	part, err := os.ReadFile(partOf("file", data))
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(data, part))
}

// A download that is interrupted says what it keeps.
func TestGetInterrupted(t *testing.T) {
	data := content(8<<20, 7)
	flags := registrarAt(t)
	serve(t, flags, "files", "--pool", "P", "--root", place(t, "file", data))
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	oncePart(t, data, cancel)
	r := commandIn(ctx, "", append(flags, "get", "P/file", "--limit-rate", "4M")...)
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^rserpool: interrupted \(\d.\d MiB of 8.0 MiB are kept in `, r.err)
}

// The three ways to show a fail-over.
func TestProgress(t *testing.T) {
	begin := event{Element: "0x1", Size: 4 << 20}
	half := event{Element: "0x1", Size: 4 << 20, Bytes: 2 << 20}
	moved := event{Element: "0x2", Size: 4 << 20, Bytes: 2 << 20, PauseMS: 312.4}
	done := event{Element: "0x2", Size: 4 << 20, Bytes: 4 << 20, Failovers: 1, WorstPauseMS: 312.4, Seconds: 1.5, SHA256: "abcd"}
	show := func(how string) (string, string) {
		var out, errOut bytes.Buffer
		p, err := newProgress(how, "a-file-with-a-long-name.img", &out, &errOut)
		require.NoError(t, err)
		p.begin(begin)
		if l, ok := p.(*lineProgress); ok {
			l.next = time.Now() // as if time had passed
		}
		p.advance(half)
		p.failover(moved)
		p.done(done)
		return out.String(), errOut.String()
	}
	const name = "a-file-with-a-long-name.img"
	out, errOut := show("auto") // which is not a terminal
	require.Empty(t, out)
	require.Equal(t, name+": 50 %, 2.0 MiB of 4.0 MiB from element 0x1\n"+
		name+": fail-over to element 0x2 after 312 ms, at 2.0 MiB\n"+
		name+": 4.0 MiB in 1.5 s, sha256 abcd, 1 fail-over (312 ms)\n", errOut)
	out, errOut = show("bar")
	require.Empty(t, out)
	require.Contains(t, errOut, "a-file-w…ame.img 0x1")
	require.Contains(t, errOut, "fail-over to element 0x2 after 312 ms, at 2.0 MiB\n")
	require.True(t, strings.HasSuffix(errOut, name+": 4.0 MiB in 1.5 s, sha256 abcd, 1 fail-over (312 ms)\n"))
	out, errOut = show("json")
	require.Empty(t, errOut)
	require.Equal(t, 4, strings.Count(out, "\n"))
	require.Contains(t, out, `{"event":"failover","element":"0x2","bytes":2097152,"size":4194304,"pause_ms":312.4}`)
	out, errOut = show("none")
	require.Empty(t, out+errOut)

	require.False(t, isTerminal(io.Discard))
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	require.False(t, isTerminal(null))
}
