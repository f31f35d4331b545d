//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var pidPattern = regexp.MustCompile(`pid (\d+)`)

// gone requires that none of the processes that the demo named is there any more.
func gone(t *testing.T, out string) {
	t.Helper()
	pids := pidPattern.FindAllStringSubmatch(out, -1)
	require.NotEmpty(t, pids)
	for _, m := range pids {
		var pid int
		_, err := fmt.Sscan(m[1], &pid)
		require.NoError(t, err)
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d", pid)
	}
}

// The demo on real processes: three kills, and the download is right.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts eight processes")
	}
	t.Setenv(runMain, "1")
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := command(t, "", "demo", "--size", "4M")
	require.Equal(t, 0, r.code, "%s%s", r.out, r.err)
	require.Empty(t, r.err)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Regexp(t, `^demo: ok bytes=4194304 sha256=[0-9a-f]{64} failovers=2 registrars_killed=1 worst_pause_ms=[1-9]\d*$`, lines[len(lines)-1])
	require.Equal(t, 3, strings.Count(r.out, "SIGKILL"), r.out)
	require.Empty(t, files(t, tmp), "temporary files")
	gone(t, r.out)
}

// Whoever interrupts the demo has neither processes nor files to clean up.
func TestDemoInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts eight processes")
	}
	t.Setenv(runMain, "1")
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &watched{word: "SIGKILL", do: cancel}
	var errOut bytes.Buffer
	code := run(ctx, []string{"demo", "--size", "4M"}, strings.NewReader(""), out, &errOut)
	require.Equal(t, 1, code, out)
	require.Equal(t, "rserpool: demo: interrupted\n", errOut.String())
	require.NotContains(t, out.String(), "demo: ok")
	require.Empty(t, files(t, tmp), "temporary files")
	gone(t, out.String())
}

// watched does something when a word is written.
type watched struct {
	bytes.Buffer
	word string
	do   func()
}

func (w *watched) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.word)) {
		w.do()
	}
	return w.Buffer.Write(b)
}

// A child that dies unasked ends the demo with what it said last.
func TestDemoChildFails(t *testing.T) {
	t.Setenv(runMain, "1")
	exe, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	ps := newProcs(exe, cancel)
	p, err := ps.start("server 7", "serve", "telnet", "--pool", "x")
	require.NoError(t, err)
	_, err = p.await(ctx, "registered")
	require.ErrorContains(t, err, `server 7: exit status 2: serve: unknown service "telnet"`)
	<-p.over
	require.Eventually(t, func() bool { return ctx.Err() != nil }, 5*time.Second, time.Millisecond)
	require.ErrorContains(t, context.Cause(ctx), "server 7")
	ps.killAll()
}
