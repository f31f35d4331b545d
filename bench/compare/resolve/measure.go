package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cpuOf is the user and system time of a process so far, in seconds (Linux).
func cpuOf(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program, in parentheses, may hold anything.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	var user, system int64
	if _, err := fmt.Sscan(f[11]+" "+f[12], &user, &system); err != nil {
		return 0, err
	}
	return float64(user+system) / 100, nil // USER_HZ
}

// table holds the results of each load and peer.
type table struct {
	peers []string
	cells map[string]map[string][]result // by load and peer
}

func measure(ctx context.Context, list []string, rounds int, span time.Duration, profile string) (*table, error) {
	t := &table{peers: list, cells: map[string]map[string][]result{}}
	servers := map[string]*server{}
	for _, p := range list {
		s, err := start(ctx, p, profile)
		if err != nil {
			return nil, err
		}
		defer s.stop() //nolint:errcheck // it may have failed, and that was told
		servers[p] = s
	}
	for round := range rounds {
		for _, l := range loads {
			l.Time = span
			for _, p := range list {
				if l.What == "register" && p == "etcd-serializable" {
					continue // writes are the same
				}
				r, err := turn(ctx, servers[p], p, l)
				if err != nil {
					return nil, err
				}
				if t.cells[l.Name] == nil {
					t.cells[l.Name] = map[string][]result{}
				}
				t.cells[l.Name][p] = append(t.cells[l.Name][p], r)
				fmt.Fprintf(os.Stderr, "round %d: %s: %s: %.0f/s\n", round+1, p, l.Name, float64(r.Count)/r.Secs)
			}
		}
	}
	return t, nil
}

// turn is that of one peer. Registrations get a server of their own: elements whose
// association has ended are looked for, which is work that belongs to nobody's turn.
func turn(ctx context.Context, s *server, peer string, l load) (r result, err error) {
	if l.What == "register" {
		if s, err = start(ctx, peer, ""); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
	}
	return s.under(ctx, peer, l)
}

// median is that of one figure of some results.
func median(rs []result, of func(result) float64) float64 {
	v := make([]float64, 0, len(rs))
	for _, r := range rs {
		v = append(v, of(r))
	}
	slices.SortFunc(v, cmp.Compare[float64])
	return v[len(v)/2]
}

// columns are the figures of a row, and whether more is better.
var columns = []struct {
	name string
	of   func(result) float64
	more bool
}{
	{"answers/s", func(r result) float64 { return float64(r.Count) / r.Secs }, true},
	{"server CPU µs each", func(r result) float64 { return r.Server / float64(r.Count) * 1e6 }, false},
	{"CPU µs each, both ends", func(r result) float64 { return (r.Server + r.CPU) / float64(r.Count) * 1e6 }, false},
	{"p50 µs", func(r result) float64 { return r.P50 }, false},
	{"p99 µs", func(r result) float64 { return r.P99 }, false},
}

// machine is the number and kind of its processors, where Linux tells the kind.
func machine() string {
	model := "processors"
	b, _ := os.ReadFile("/proc/cpuinfo") // without it: none
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			model = strings.TrimSpace(v)
			break
		}
	}
	return fmt.Sprintf("%d × %s", runtime.NumCPU(), model)
}

// write prints the medians, and behind each figure of another peer how many times better
// that of the first one is.
func (t *table) write(w io.Writer, rounds int, span time.Duration) error {
	var b strings.Builder
	b.WriteString("# Handle resolutions and registrations, beside etcd\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n| command | `make bench-resolve ROUNDS=%d` |\n| date | %s |\n| machine | %s |\n| Go | %s %s/%s |\n\n",
		rounds, time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "Medians of %d rounds of %v for each figure, peers in turns; loopback. %d pools of %d elements; a resolution asks for %d of a\n",
		rounds, span, pools, perPool, askedItems)
	b.WriteString("pool, selected round robin. The registrar speaks ASAP over SCTP over UDP. etcd (one member, embedded, without fsync) has the same elements as keys with\n")
	b.WriteString("the pool as prefix and answers a range with that limit over gRPC: `etcd` as it does by default, linearizable, `etcd-serializable` without asking for\n")
	b.WriteString("consensus; its registrations are puts. Behind a figure in parentheses: how many times better the registrar's is.\n")
	for _, l := range loads {
		fmt.Fprintf(&b, "\n**%s**\n\n| |", l.Name)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", c.name)
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
		base := t.cells[l.Name][t.peers[0]]
		for _, p := range t.peers {
			rs := t.cells[l.Name][p]
			if len(rs) == 0 {
				continue
			}
			fmt.Fprintf(&b, "| %s |", p)
			for _, c := range columns {
				v, own := median(rs, c.of), median(base, c.of)
				fmt.Fprintf(&b, " %s", short(v))
				if p != t.peers[0] {
					times := own / v
					if !c.more {
						times = v / own
					}
					fmt.Fprintf(&b, " (%.1f×)", times)
				}
				b.WriteString(" |")
			}
			b.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// short writes three digits.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f k", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// clock collects the times of answers.
type clock struct{ took []time.Duration }

func (c *clock) note(d time.Duration) { c.took = append(c.took, d) }

// sum makes a result of the clocks of all connections.
func sum(cs []clock, secs float64) result {
	var all []time.Duration
	for _, c := range cs {
		all = append(all, c.took...)
	}
	slices.Sort(all)
	r := result{Count: len(all), Secs: secs}
	if len(all) > 0 {
		r.P50 = float64(all[len(all)/2].Nanoseconds()) / 1e3
		r.P99 = float64(all[len(all)*99/100].Nanoseconds()) / 1e3
	}
	return r
}
