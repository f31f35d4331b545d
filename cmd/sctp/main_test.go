package main

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/outputtest"
)

// TestMain lets the test binary play the command: its exit code, its standard error
// and its pipes are then those of a real process.
func TestMain(m *testing.M) {
	if os.Getenv("SCTP_TEST_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// execute runs one command line in this process.
func execute(t *testing.T, in io.Reader, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out outputtest.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetIn(in)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// started is a command that runs beside the test.
type started struct {
	t    *testing.T
	in   *io.PipeWriter
	out  outputtest.Buffer
	err  outputtest.Buffer
	done chan error
}

// start runs a command whose standard input the test holds.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, w := io.Pipe()
	s := &started{t: t, in: w, done: make(chan error, 1)}
	c := rootCommand()
	c.SetArgs(args)
	c.SetIn(r)
	c.SetOut(&s.out)
	c.SetErr(&s.err)
	go func() {
		defer cancel()
		err := c.ExecuteContext(ctx)
		_ = r.CloseWithError(io.ErrClosedPipe) // who still writes does not wait for ever
		s.done <- err
	}()
	t.Cleanup(func() { _ = w.Close(); cancel() })
	return s
}

// wait closes the standard input and returns what the command printed.
func (s *started) wait() string {
	s.t.Helper()
	require.NoError(s.t, s.in.Close())
	select {
	case err := <-s.done:
		require.NoError(s.t, err)
	case <-time.After(20 * time.Second):
		s.t.Fatal("the command does not end")
	}
	return s.out.String()
}

// freeUDP is a UDP port of the loopback address that was free just now.
func freeUDP(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(22_000) // below those that are given to whoever asks for any
		if c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err == nil {
			require.NoError(t, c.Close())
			return strconv.Itoa(port)
		}
	}
	require.Fail(t, "no free port")
	return ""
}

// figures decodes the one JSON line that a measurement prints.
func figures(t *testing.T, line string) map[string]float64 {
	t.Helper()
	require.Equal(t, 1, strings.Count(line, "\n"), "one line: %q", line)
	var m map[string]float64
	require.NoError(t, json.Unmarshal([]byte(line), &m), line)
	return m
}

// The shell completes what there is a list of, and files where files are read.
func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"perf ":                                "client server :4",
		"perf client ":                         ":4",
		"perf client 127.0.0.1:5000 ":          "assoc bulk idle pingpong timed :4",
		"perf client 127.0.0.1:5000 p":         "pingpong :4",
		"perf client --congestion ":            "reno cubic :4",
		"perf server ":                         ":4",
		"nc ":                                  ":4",
		"dump ":                                "pcap pcapng :8",
		"perf client 127.0.0.1:5000 bulk 100 ": ":4",
	} {
		out, err := execute(t, strings.NewReader(""), append([]string{"__completeNoDesc"}, strings.Split(args, " ")...)...)
		require.NoError(t, err)
		out, _, _ = strings.Cut(out, "Completion ended")
		require.Equal(t, want, strings.Join(strings.Fields(out), " "), args)
	}
}
