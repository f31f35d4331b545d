package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// perfServer starts a server on loopback and returns its address.
func perfServer(t *testing.T, flags ...string) (*started, string) {
	t.Helper()
	addr := "127.0.0.1:5000@" + freeUDP(t)
	s := start(t, append([]string{"perf", "server", addr}, flags...)...)
	require.Eventually(t, func() bool { return s.out.String() != "" }, 10*time.Second, 2*time.Millisecond)
	require.Equal(t, "ready\n", s.out.String())
	return s, addr
}

// Each mode prints one JSON line with its figures, and what the server has counted
// is what the client has sent.
func TestPerfModes(t *testing.T) {
	s, addr := perfServer(t)
	run := func(args ...string) map[string]float64 {
		out, err := execute(t, strings.NewReader(""), append([]string{"perf", "client", addr}, args...)...)
		require.NoError(t, err)
		return figures(t, out)
	}
	pingpong := run("pingpong", "64", "50")
	require.EqualValues(t, 50, pingpong["msgs"])
	require.Positive(t, pingpong["p50_us"])
	require.GreaterOrEqual(t, pingpong["p99_us"], pingpong["p50_us"])
	require.Len(t, pingpong, 3)

	assoc := run("assoc", "200", "2")
	require.Positive(t, assoc["assocs"])
	require.Zero(t, assoc["failed"])
	require.GreaterOrEqual(t, assoc["secs"], 0.2)
	require.Len(t, assoc, 3)

	idle := run("idle", "5")
	require.EqualValues(t, 5, idle["assocs"])
	require.Positive(t, idle["open_secs"])
	for _, side := range []string{"client_", "server_"} {
		for _, what := range []string{"rss", "heap", "stack", "goroutines"} {
			require.Contains(t, idle, side+what+"_per")
		}
	}

	const size = 1000
	bulk := run("bulk", "1000", "200")
	require.Positive(t, bulk["msgs"])
	require.GreaterOrEqual(t, bulk["secs"], 0.2)
	require.Len(t, bulk, 2)

	line, ok := strings.CutPrefix(s.wait(), "ready\n")
	require.True(t, ok)
	got := figures(t, line)
	require.Equal(t, bulk["msgs"], got["rx_msgs"])
	require.Equal(t, bulk["msgs"]*size, got["rx_bytes"])
	require.Positive(t, got["rx_secs"])
	require.Equal(t, assoc["assocs"]+1+6+1, got["rx_conns"], "pingpong, idle with its probe, bulk")
	require.Len(t, got, 4)
}

// Messages larger than a packet and than a piece of a read arrive whole.
func TestPerfLargeMessages(t *testing.T) {
	s, addr := perfServer(t)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "bulk", "300000", "100")
	require.NoError(t, err)
	sent := figures(t, out)["msgs"]
	_, line, _ := strings.Cut(s.wait(), "\n")
	got := figures(t, line)
	require.Equal(t, sent, got["rx_msgs"])
	require.Equal(t, sent*300_000, got["rx_bytes"])
}

// Bulk on several associations at once: the server counts all of them together.
func TestPerfManyAssociations(t *testing.T) {
	s, addr := perfServer(t)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "bulk", "1000", "100", "5")
	require.NoError(t, err)
	client := figures(t, out)
	require.GreaterOrEqual(t, client["secs"], 0.1)
	sent := client["msgs"]
	require.GreaterOrEqual(t, sent, 5.0*65)
	_, line, _ := strings.Cut(s.wait(), "\n")
	got := figures(t, line)
	require.Equal(t, sent, got["rx_msgs"])
	require.Equal(t, sent*1000, got["rx_bytes"])
	require.Positive(t, got["rx_secs"]) // from its first message on, which may be late on a busy machine
	require.EqualValues(t, 5, got["rx_conns"])
}

// A timed transfer ends at its time, and the server tells what had arrived by then.
func TestPerfTimed(t *testing.T) {
	s, addr := perfServer(t)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "timed", "1000", "400")
	require.NoError(t, err)
	sent := figures(t, out)
	require.GreaterOrEqual(t, sent["secs"], 0.4)
	require.Less(t, sent["secs"], 5.0)
	_, line, _ := strings.Cut(s.wait(), "\n")
	got := figures(t, line)
	require.Positive(t, got["rx_msgs"])
	require.LessOrEqual(t, got["rx_msgs"], sent["msgs"])
	require.Positive(t, got["rx_secs"])
}

// Idle associations that are watched for a while tell the CPU time of both ends.
func TestPerfWatchesIdleAssociations(t *testing.T) {
	_, addr := perfServer(t)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "idle", "3", "1")
	require.NoError(t, err)
	got := figures(t, out)
	require.EqualValues(t, 1, got["watch_secs"])
	for _, k := range []string{"client_cpu_secs", "server_cpu_secs"} {
		require.Contains(t, got, k)
		require.GreaterOrEqual(t, got[k], 0.0)
		require.Less(t, got[k], 2.0)
	}
}

// ANCHOR_MTU is the IP MTU to respect, 1500 where it is not set; a mistake in it would
// make a measurement of something else.
func TestPerfMTU(t *testing.T) {
	for env, want := range map[string]int{"": 1500, "9000": 9000, "1500": 1500, "x": 0, "-5": 0} {
		t.Setenv("ANCHOR_MTU", env)
		got, err := perfMTU()
		require.Equal(t, want, got, env)
		require.Equal(t, want == 0, err != nil, env)
	}
	t.Setenv("ANCHOR_MTU", "9000")
	_, addr := perfServer(t)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "pingpong", "8000", "5")
	require.NoError(t, err)
	require.EqualValues(t, 5, figures(t, out)["msgs"])
}

// --congestion chooses the congestion control by its name.
func TestPerfCongestion(t *testing.T) {
	_, addr := perfServer(t, "--congestion", "reno")
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "bulk", "3000", "50", "--congestion", "cubic")
	require.NoError(t, err)
	require.Positive(t, figures(t, out)["msgs"])
	_, err = execute(t, strings.NewReader(""), "perf", "client", addr, "bulk", "3000", "50", "--congestion", "vegas")
	require.ErrorContains(t, err, `"vegas"`)
}

// --human is not JSON, and names each figure.
func TestPerfHuman(t *testing.T) {
	s, addr := perfServer(t, "--human")
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "pingpong", "64", "5", "--human")
	require.NoError(t, err)
	require.NotContains(t, out, "{")
	for _, name := range []string{"msgs", "p50 us", "p99 us"} {
		require.Contains(t, out, name)
	}
	out, err = execute(t, strings.NewReader(""), "perf", "client", addr, "bulk", "1000", "20", "--human")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^msgs/s +\d+\.\d+$`, out)
	require.Regexp(t, `(?m)^Mbit/s +\d+\.\d+$`, out)
	out = s.wait()
	require.Contains(t, out, "rx conns")
	require.Contains(t, out, "rx Mbit/s")
}

// Numbers that cannot be meant are refused before anything is made of them; errors name
// the argument, the value and the bounds.
func TestPerfArguments(t *testing.T) {
	for args, want := range map[string]string{
		"bulk":                         "perf client: bulk: want bulk SIZE MILLISECONDS [COUNT]",
		"bulk 1 2 3 4":                 "perf client: bulk 1 2 3 4: want bulk SIZE MILLISECONDS [COUNT]",
		"bulk 0 1":                     `perf client: SIZE: "0" is not a number from 1 to 16777216`,
		"bulk 16777217 1":              `perf client: SIZE: "16777217" is not a number from 1 to 16777216`,
		"bulk 99999999999999999999 1":  `perf client: SIZE: "99999999999999999999" is not a number from 1 to 16777216`,
		"timed 64 9999999999999999":    `perf client: MILLISECONDS: "9999999999999999" is not a number from 1 to 86400000`,
		"pingpong 64 9999999999999999": `perf client: COUNT: "9999999999999999" is not a number from 1 to 10000000`,
		"assoc 1 65537":                `perf client: PARALLEL: "65537" is not a number from 1 to 65536`,
		"idle 1 x":                     `perf client: SECONDS: "x" is not a number from 1 to 86400`,
		"sing":                         `mode is not supported: "sing" (bulk, timed, pingpong, assoc, idle)`,
		"idle 1 1 --recv-buffer many":  `--recv-buffer: "many" is not a number`,
		"idle 1 1 --congestion vegas":  `--congestion: "vegas": no congestion control "vegas": reno or cubic`,
	} {
		_, err := execute(t, strings.NewReader(""), append([]string{"perf", "client", "127.0.0.1:5000@9"}, strings.Fields(args)...)...)
		require.EqualError(t, err, want, args)
	}
}

// Nobody is there: a failure, not a hang.
func TestPerfWithoutServer(t *testing.T) {
	c := start(t, "perf", "client", "127.0.0.1:5000@"+freeUDP(t), "pingpong", "64", "5")
	select {
	case err := <-c.done:
		require.Error(t, err)
	case <-time.After(2 * time.Second):
		// The handshake may take as long as RFC 9260 §5.1 says; it can be given up.
	}
}
