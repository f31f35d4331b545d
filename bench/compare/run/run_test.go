package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ours is a plan of one test of each mode, and what two peers measured in it.
const samplePlan = `
[First]
bulk    1500 bulk 100 10
[Second]
pingpong 1500 pingpong 64 10
assoc   1500 assoc 1000 16
idle    1500 idle 9
extra-x 1500 flood 9 9
`

func sample(t *testing.T) (*results, []test) {
	t.Helper()
	plan, err := parsePlan(samplePlan)
	require.NoError(t, err)
	got := newResults(aboutRun{
		Command: "make bench-peers", Date: "2026-01-02", Machine: "2 × <CPU> & more", Rounds: 3,
		Peers: [][]string{{"slow", "bin/slow"}, {"fast", "bin/fast"}, {"broken", "bin/broken"}},
	})
	add := func(test, peer string, results ...result) {
		for i, r := range results {
			require.NoError(t, got.add(outcome{Test: test, Peer: peer, Round: i, Result: r}, io.Discard))
		}
	}
	bulk := func(rate, cpu float64) result {
		return result{"size": 100.0, "rx_bytes": rate * 1e9, "rx_secs": 8.0, "cpu": cpu * rate, "msgs": rate * 1e7}
	}
	add("bulk", "fast", bulk(10, 0.5), bulk(900, 99), bulk(1, 0.001)) // medians: 10 Gbit/s, 0.5 s/GB
	add("bulk", "slow", bulk(2, 5))
	add("assoc", "fast", result{"assocs": 400.0, "secs": 1.0, "cpu": 0.1, "failed": 0.0})
	add("assoc", "slow", result{"assocs": 100.0, "secs": 1.0, "cpu": 0.1, "failed": 0.0})
	add("idle", "slow", result{"client_rss_per": 7.0})
	require.NoError(t, got.add(outcome{Test: "assoc", Peer: "broken", Error: "server: a `bad` | day"}, io.Discard))
	return got, plan
}

func TestMedianAndRatio(t *testing.T) {
	require.Equal(t, 5.0, median([]float64{9, 1, 5}))
	require.Equal(t, 4.0, median([]float64{9, 1, 5, 3}))
	require.Equal(t, 2.0, ratio(6, 3, 1), "more is better")
	require.Equal(t, 0.5, ratio(6, 3, -1), "less is better")
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		1234.5: "1234", 12345: "12,345", -1234567: "-1,234,567", 100: "100",
		12.345: "12.3", 0.001234: "0.00123", 0.0000001: "0.000", 0: "0", math.Inf(1): "∞",
	} {
		require.Equal(t, want, figure(v))
	}
	require.Equal(t, "–", figure(math.NaN()))
}

// Tables hold medians, divide by the base, leave out figures that nobody has, and say
// who failed.
func TestTables(t *testing.T) {
	got, plan := sample(t)
	var b strings.Builder
	table(&b, plan[0], got, "slow")
	require.Contains(t, b.String(), "### bulk: bulk 100 10 (MTU 1500)")
	require.Contains(t, b.String(), "| fast | 10 | 5 | 12,500,000 | 0.5 | 10 |")
	require.Contains(t, b.String(), "| slow | 2 | 1 |")

	b.Reset()
	table(&b, plan[2], got, "slow")
	require.Contains(t, b.String(), "| fast | 400 | 4 | 250 | 4 | 0 | 1 |")
	require.Contains(t, b.String(), "broken failed 1 of 1 times: `server: a 'bad' | day`")
	require.NotContains(t, b.String(), "| broken |")

	b.Reset()
	table(&b, plan[3], got, "slow")
	require.Contains(t, b.String(), "| peer | client RSS B | × | peak MiB | runs |")

	b.Reset()
	table(&b, plan[1], got, "slow")
	require.Empty(t, b.String(), "not measured")
}

// What was written to the raw file gives the same report when it is read again.
func TestRawFileRoundTrip(t *testing.T) {
	got, plan := sample(t)
	var raw bytes.Buffer
	require.NoError(t, got.writeHead(&raw))
	for _, peers := range got.by {
		for _, outcomes := range peers {
			for _, o := range outcomes {
				require.NoError(t, json.NewEncoder(&raw).Encode(o))
			}
		}
	}
	got.about.Took = "3m"
	require.NoError(t, got.writeHead(&raw))
	again, err := parseResults(&raw)
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = parseResults(strings.NewReader("{}\nnonsense\n"))
	require.ErrorContains(t, err, "line 2")

	var one, two strings.Builder
	require.NoError(t, report{results: got, plan: plan, base: "slow"}.write(&one, ""))
	require.NoError(t, report{results: again, plan: plan, base: "slow"}.write(&two, ""))
	require.Equal(t, one.String(), two.String())
}

// A report has headings once, a link to the plot, and links to what other runners have written.
func TestReport(t *testing.T) {
	got, plan := sample(t)
	dir := t.TempDir()
	more := filepath.Join(dir, "more.md")
	require.NoError(t, os.WriteFile(more, []byte("# More of it\n\ntext\n"), 0o600))
	goals, err := parseGoals("bulk rate fast >= 5 slow", plan)
	require.NoError(t, err)
	var b strings.Builder
	name := filepath.Join(dir, "RESULTS.md")
	require.NoError(t, report{
		results: got, plan: plan, goals: goals, base: "slow",
		plot: relative(name, filepath.Join(dir, "p.svg")), with: filepath.Join(dir, "missing.md") + "," + more,
	}.write(&b, name))
	written, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(written))
	for _, want := range []string{"](p.svg)", "## Targets", "## First", "## Second", "- [More of it](more.md)\n", "| command | `make bench-peers` |", "| fast | `bin/fast` |"} {
		require.Equal(t, 1, strings.Count(b.String(), want), want)
	}
}

// The test binary itself plays the peer, see TestMain.
func TestMeasureJoinsBothEnds(t *testing.T) {
	r := runner{limit: time.Minute, addr: "127.0.0.1:1"}
	self := peer{"self", []string{os.Args[0]}}
	one := test{mtu: "9000", mode: []string{"bulk", "64", "10"}}
	t.Setenv("PEER_FOR_TEST", "works")
	res, err := r.measure(self, one, 0)
	require.NoError(t, err)
	for k, want := range map[string]float64{"size": 64, "rx_bytes": 640, "msgs": 10, "mtu": 9000} {
		require.Equal(t, want, res.num(k), k)
	}
	require.Positive(t, res.num("cpu"))
	require.Positive(t, res.num("client_peak"))
	t.Setenv("PEER_FOR_TEST", "fails")
	_, err = r.measure(self, one, 0)
	require.ErrorContains(t, err, "client: exit status 1: broken")
	r.limit = 200 * time.Millisecond
	t.Setenv("PEER_FOR_TEST", "hangs")
	_, err = r.measure(self, one, 0)
	require.ErrorContains(t, err, "not done after")
}

// Peers take turns, one that never works is given up, and every outcome is kept.
func TestPeersTakeTurns(t *testing.T) {
	t.Setenv("PEER_FOR_TEST", "works")
	for _, together := range []bool{false, true} {
		dir := t.TempDir()
		r := runner{rounds: 3, limit: time.Minute, addr: "127.0.0.1:1", out: io.Discard, log: io.Discard, base: "a"}
		plan := "x 1500 bulk 64 10\ny 1500 bulk 64 10 rounds=1 @a\n"
		if together {
			plan = strings.Replace(plan, "10\n", "10 together\n", 1)
		}
		f := files{plan: filepath.Join(dir, "plan"), raw: filepath.Join(dir, "raw"), report: filepath.Join(dir, "r.md"), plot: filepath.Join(dir, "p.svg")}
		require.NoError(t, os.WriteFile(f.plan, []byte(plan), 0o600))
		require.NoError(t, r.run(f, []string{"a=" + os.Args[0], "b=" + os.Args[0], "c=/no/such/program"}))
		got, err := readResults(f.raw)
		require.NoError(t, err)
		require.Len(t, got.good("x", "a"), 3)
		require.Len(t, got.good("x", "b"), 3)
		require.Len(t, got.good("y", "a"), 1)
		require.Empty(t, got.good("y", "b"))
		require.Len(t, got.by["x"]["c"], 2, "given up after two failures")
		require.NotEmpty(t, got.about.Took)

		again := runner{out: io.Discard, base: "a"}
		f.render, f.raw = f.raw, ""
		first, err := os.ReadFile(f.report)
		require.NoError(t, err)
		require.NoError(t, again.run(f, nil))
		second, err := os.ReadFile(f.report)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	}
}

// The plot is XML whatever names and machines hold, has a bar for each peer, and knows
// both colour schemes.
func TestPlot(t *testing.T) {
	got, _ := sample(t)
	svg := drawPlot(got, []panel{
		{"a < b & \"c\"", "<unit>", "bulk", "bulk", "rate", []string{"fast", "slow", "missing"}},
		{"nothing here", "", "none", "bulk", "rate", []string{"fast"}},
	})
	d := xml.NewDecoder(strings.NewReader(svg))
	var texts []string
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch v := token.(type) {
		case xml.CharData:
			texts = append(texts, string(v))
		case xml.StartElement:
			if v.Name.Local == "rect" {
				bars++
			}
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{`a < b & "c"`, "<unit>", "fast", "slow", "2 × <CPU> & more", "prefers-color-scheme: dark"} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "nothing here")
	require.Equal(t, 3, bars, "two peers and the background")
	require.Equal(t, "abc", fit("abc", 18))
	require.Equal(t, "ab…", fit("abcd", 18))
}

// The figures that the plot of the README shows exist in the plan.
func TestPanelsAreInThePlan(t *testing.T) {
	tests := map[string]test{}
	for _, one := range readPlan(t) {
		tests[one.id] = one
	}
	for _, p := range panels {
		one, ok := tests[p.test]
		require.True(t, ok, p.test)
		require.Equal(t, one.mode[0], p.mode)
		_, ok = columnOf(p.mode, p.key)
		require.True(t, ok, p.key)
		for _, name := range p.peers {
			require.True(t, one.takes(name), "%s: %s", p.test, name)
		}
	}
}

func TestMain(m *testing.M) {
	mode := os.Getenv("PEER_FOR_TEST")
	switch {
	case mode == "":
		os.Exit(m.Run())
	case os.Args[1] == "server":
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Println(`{"rx_bytes":640,"rx_msgs":10,"rx_secs":1}`)
	case mode == "fails":
		fmt.Fprintln(os.Stderr, "broken\nin two lines")
		os.Exit(1)
	case mode == "hangs":
		time.Sleep(time.Minute)
	default:
		fmt.Printf(`{"msgs":10,"mtu":%s}`, os.Getenv("ANCHOR_MTU"))
	}
}
