package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/registrar"
	rcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

var update = flag.Bool("update", false, "rewrite golden files")

// runMain is the environment variable that makes the test binary the command, for
// tests that start processes.
const runMain = "RSERPOOL_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// command runs a command line to its end.
func command(t *testing.T, in string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return commandIn(ctx, in, args...)
}

func commandIn(ctx context.Context, in string, args ...string) result {
	var out, errOut bytes.Buffer
	code := run(ctx, args, strings.NewReader(in), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// ok runs a command that must succeed and returns its output.
func ok(t *testing.T, in string, args ...string) string {
	t.Helper()
	r := command(t, in, args...)
	require.Equal(t, 0, r.code, "%v: %s", args, r.err)
	return r.out
}

// server is a command that runs until it is stopped.
type server struct {
	t     *testing.T
	lines chan string
	stop  func() result // waits for the end
}

// start starts a command that serves.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	pr, pw := io.Pipe()
	var errOut bytes.Buffer
	done := make(chan int, 1)
	go func() {
		code := run(ctx, args, strings.NewReader(""), pw, &errOut)
		_ = pw.Close()
		done <- code
	}()
	s := &server{t: t, lines: make(chan string, 100)}
	go func() {
		defer close(s.lines)
		var buf [4096]byte
		for {
			n, err := pr.Read(buf[:])
			for _, l := range strings.Fields(strings.ReplaceAll(string(buf[:n]), " ", "_")) {
				s.lines <- l
			}
			if err != nil {
				return
			}
		}
	}()
	s.stop = sync.OnceValue(func() result {
		cancel()
		return result{code: <-done, err: errOut.String()}
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// await waits for a line; its spaces are underscores.
func (s *server) await(prefix string) string {
	s.t.Helper()
	for {
		select {
		case l, ok := <-s.lines:
			if !ok {
				require.Fail(s.t, "ended before it printed "+prefix, s.stop().err)
			}
			if strings.HasPrefix(l, prefix) {
				return l
			}
		case <-time.After(30 * time.Second):
			require.Fail(s.t, "did not print "+prefix)
		}
	}
}

// registrarAt runs a registrar and returns the flags that name it.
func registrarAt(t *testing.T) []string {
	t.Helper()
	at, _ := runRegistrar(t, &registrar.Config{ID: 0x1111}).Addrs()
	return []string{"--registrar", at.String(), "--profile", core.ProfileFast.Name}
}

// runRegistrar runs a registrar with the fast profile on loopback.
func runRegistrar(t *testing.T, cfg *registrar.Config) *registrar.Registrar {
	t.Helper()
	cfg.Listen, cfg.Profile = "127.0.0.1@0", rcore.ProfileFast
	r, err := registrar.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		_ = r.Close()
		cancel()
		<-done
	})
	<-r.Ready()
	return r
}

// serve runs an element and returns it with its identifier.
func serve(t *testing.T, flags []string, args ...string) (*server, string) {
	t.Helper()
	args = append(append([]string{"serve"}, args...), "--listen", "127.0.0.1@0", "--log", "off")
	s := start(t, append(args, flags...)...)
	return s, strings.TrimPrefix(s.await("registered_"), "registered_")
}

func TestExitCodesAndErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/notkeys", []byte("my password!\n"), 0o600))
	for _, tt := range []struct {
		code int
		text string // in the error
		args string
	}{
		{0, "", ""},
		{0, "", "--help"},
		{0, "", "--version"},
		{0, "", "help serve"},
		{0, "", "completion bash"},
		{2, "unknown command", "nonsense"},
		{2, "unknown flag", "--nonsense"},
		{2, "unknown flag", "get a/b --nonsense"},
		{2, "unknown command", "registrar x"},
		{2, "--profile", "registrar --profile slow"},
		{2, "--listen", "registrar --listen nowhere"},
		{2, "--peer", "registrar --peer 192.0.2.1"},
		{2, "hex", "registrar --id 0"},
		{2, "hex", "registrar --id 1ffffffff"},
		{2, "--asap-port: 9901 is that of --enrp-port", "registrar --asap-port 9901"},
		{2, "--enrp-port: 0 is not a port", "registrar --enrp-port 0"},
		{2, "--asap-port: \"70000\" is not a number from 0 to 65535", "registrar --asap-port 70000"},
		{2, "--sessions: -1 is below 0", "serve echo --pool x --sessions -1"},
		{2, "--capacity: NaN is below 0", "serve calcapp --pool x --capacity NaN"},
		{2, "--items: -2 is below -1", "resolve x --items -2"},
		{2, "--timeout: 0s is no time", "resolve x --timeout 0"},
		{2, "--timeout: -1s is no time", "call x --timeout -1s"},
		{2, "--timeout: 0s is no time", "get x/y --timeout 0s"},
		{2, "--announce", "registrar --announce perhaps"},
		{2, "--announce-asap", "registrar --announce on --announce-asap 10.0.0.1:3863"},
		{2, "--announce-enrp", "registrar --announce on --announce-enrp 239.0.0.51"},
		{2, "--announce-ttl", "registrar --announce on --announce-ttl 256"},
		{2, "--announce-asap", "resolve x --discover --announce-asap nowhere"},
		{2, "--log", "registrar --log loud"},
		{2, "--log-format", "registrar --log-format xml"},
		{1, "no such file", "registrar --config " + filepath.Join(dir, "missing")},
		{1, "--http", "registrar --listen 127.0.0.1@0 --http 127.0.0.1:99999"},
		{2, "accepts 1 arg", "serve"},
		{2, "unknown service", "serve telnet --pool x"},
		{2, "--pool is missing", "serve echo"},
		{2, "--root is missing", "serve files --pool x"},
		{2, "--root is for files", "serve echo --pool x --root ."},
		{2, "\"Best\" (RoundRobin,", "serve echo --pool x --policy Best"},
		{2, "--listen", "serve echo --pool x --listen x:y"},
		{2, "line 1: not Base64", "serve echo --pool x --cookie-key " + dir + "/notkeys"},
		{1, "no such file", "serve echo --pool x --cookie-key " + dir + "/none"},
		{2, "--advertise", "serve echo --pool x --advertise 1.2.3.4"},
		{2, "pool", "serve echo --pool " + strings.Repeat("x", rserpool.MaxPoolHandle+1)},
		{1, "no such file", "serve files --pool x --root " + filepath.Join(dir, "missing")},
		{1, "not registered within 50ms", "serve echo --pool x --wait 50ms --listen 127.0.0.1@0 --registrar 127.0.0.1:3863@9"},
		{2, "POOL/PATH", "get pool"},
		{2, "POOL/PATH", "get pool/"},
		{2, "POOL/PATH", "get pool/dir/"},
		{2, "pool", "get /path"},
		{2, "--progress", "get pool/file --progress loud"},
		{2, "standard output", "get pool/file --progress json -o -"},
		{2, "--registrar", "get pool/file --registrar 127.0.0.1"},
		{2, "--limit-rate", "get pool/file --limit-rate fast"},
		{2, "no name", "get pool/.."},
		{2, "exclude", "call pool --no-reply --pingpong"},
		{2, "accepts 1 arg", "resolve"},
		{2, "--registrar", "resolve pool --registrar 127.0.0.1:x"},
		{1, "no registrar reachable: 127.0.0.1:3863@9", "resolve pool --timeout 300ms --profile fast --registrar 127.0.0.1:3863@9"},
		{2, "--http", "status --http a/b"},
		{1, "no status", "status --http 127.0.0.1:1"},
		{2, "at least", "demo --size 1K"},
		{2, "--size", "demo --size lots"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := command(t, "", strings.Fields(tt.args)...)
			require.Equal(t, tt.code, r.code, r.err)
			if tt.code == 0 {
				require.Empty(t, r.err)
				require.NotEmpty(t, r.out)
				return
			}
			require.Empty(t, r.out)
			require.Regexp(t, `\Arserpool: [^\n]+\n\z`, r.err, "one line")
			require.Contains(t, r.err, tt.text)
		})
	}
}

// Names of library packages, line ends and jargon stay out of what users read.
func TestErrorsAreForPeople(t *testing.T) {
	for want, err := range map[string]error{
		"unknown pool handle":                   fmt.Errorf("pooluser: %w", core.ErrUnknownPool),
		"resolving x: unknown pool handle":      fmt.Errorf("pooluser: resolving x: %w", core.ErrUnknownPool),
		"fail-over: timeout (peer unreachable)": errors.New("pooluser: fail-over: context deadline exceeded (sctp: peer unreachable)"),
		"one; two":                              errors.Join(errors.New("one"), errors.New("two")),
		"dial x: interrupted":                   fmt.Errorf("dial x: %w", context.Canceled),
		"open sctp: no such file":               errors.New("open sctp: no such file"),
	} {
		require.Equal(t, want, oneLine(err))
	}
}

// The help texts, as users read them.
func TestHelp(t *testing.T) {
	var b strings.Builder
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		args := strings.Fields(c.CommandPath())[1:]
		fmt.Fprintf(&b, "=== %s\n%s\n", c.CommandPath(), ok(t, "", append(args, "--help")...))
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand())
	golden := filepath.Join("testdata", "help.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "go test ./cmd/rserpool -update")
}

func TestCompletion(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"serve ", []string{"echo", "discard", "daytime", "chargen", "pingpong", "calcapp", "fractal", "files", ":4"}},
		{"serve d", []string{"discard", "daytime", ":4"}},
		{"registrar --profile ", []string{"default", "rfc", "rsplib", "fast", ":4"}},
		{"registrar --announce ", []string{"on", "off", ":4"}},
		{"registrar --config ", []string{"yaml", "yml", ":8"}},
		{"serve files --root ", []string{":16"}},
		{"get ", []string{":4"}},
		{"get a/b --progress ", []string{"auto", "bar", "lines", "json", "none", ":4"}},
	} {
		args := strings.Split("__complete "+tt.args, " ")
		r := command(t, "", args...)
		require.Equal(t, 0, r.code)
		require.Equal(t, tt.want, strings.Fields(r.out), tt.args)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, ok(t, "", "completion", shell), "rserpool")
	}
}

func TestByteSizes(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "123": 123, "1k": 1024, "1K": 1024, "64KiB": 64 << 10, "1.5M": 3 << 19, "256MB": 256 << 20, "2G": 2 << 30, "1T": 1 << 40, "7B": 7,
	} {
		var n byteSize
		require.NoError(t, n.Set(s), s)
		require.Equal(t, want, int64(n), s)
	}
	for _, s := range []string{"", "-1", "x", "K", "1X", "1e30", "NaN", "Inf", "1KK", "99999999T"} {
		require.Error(t, new(byteSize).Set(s), s)
	}
	for n, want := range map[byteSize]string{0: "0", 1000: "1000", 1 << 10: "1K", 3 << 19: "1536K", 256 << 20: "256M", 1 << 45: "32T"} {
		require.Equal(t, want, n.String())
	}
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<20 - 1: "1.0 MiB", 256 << 20: "256.0 MiB", 1 << 50: "1024.0 TiB",
	} {
		require.Equal(t, want, human(n))
	}
}

func TestHexIDs(t *testing.T) {
	for s, want := range map[string]uint32{"1": 1, "0xa1": 0xa1, "0XA1": 0xa1, "ffffffff": 0xffffffff, "10": 0x10} {
		var id hexID
		require.NoError(t, id.Set(s))
		require.EqualValues(t, want, id)
	}
	for _, s := range []string{"", "0", "0x", "100000000", "-1", "xyz"} {
		require.Error(t, new(hexID).Set(s), s)
	}
	id := hexID(0xa1)
	require.Equal(t, "0x000000a1", id.String())
}
