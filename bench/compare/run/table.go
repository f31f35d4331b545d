package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A column is one figure of a mode's table.
type column struct {
	title  string
	better int // 1: more is better, -1: less is better, 0: no ratio is shown
	of     func(result) float64
}

// received is in messages of the size under test, whatever the peer cut them into.
func received(r result) float64 { return r.num("rx_bytes") / r.num("size") }

// field is a figure as the peer reports it, NaN if it does not.
func field(name string) func(result) float64 {
	return func(r result) float64 {
		if v, ok := r[name].(float64); ok {
			return v
		}
		return math.NaN()
	}
}

var bulkColumns = []column{
	{"Gbit/s", 1, func(r result) float64 { return r.num("rx_bytes") * 8 / r.num("rx_secs") / 1e9 }},
	{"kmsg/s", 0, func(r result) float64 { return received(r) / r.num("rx_secs") / 1e3 }},
	{"CPU s/GB", -1, func(r result) float64 { return r.num("cpu") / r.num("rx_bytes") * 1e9 }},
	{"CPU µs/msg", 0, func(r result) float64 { return r.num("cpu") / received(r) * 1e6 }},
	{"lost %", 0, func(r result) float64 { return 100 * (1 - received(r)/r.num("msgs")) }},
}

// columns holds the table of each mode.
var columns = map[string][]column{
	"bulk":  bulkColumns,
	"flood": bulkColumns,
	"pingpong": {
		{"p50 µs", -1, field("p50_us")},
		{"p99 µs", -1, field("p99_us")},
		// A tenth more round trips go before the count begins.
		{"CPU µs/trip", -1, func(r result) float64 { return r.num("cpu") / r.num("msgs") / 1.1 * 1e6 }},
	},
	"assoc": {
		{"assoc/s", 1, func(r result) float64 { return r.num("assocs") / r.num("secs") }},
		{"CPU µs/assoc", -1, func(r result) float64 { return r.num("cpu") / r.num("assocs") * 1e6 }},
		{"failed", 0, field("failed")},
	},
	"idle": {
		{"client RSS B", -1, field("client_rss_per")},
		{"server RSS B", -1, field("server_rss_per")},
		{"client heap B", 0, field("client_heap_per")},
		{"server heap B", 0, field("server_heap_per")},
		{"goroutines", 0, field("client_goroutines_per")},
	},
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// ratio says how many times better v is than base.
func ratio(v, base float64, better int) float64 {
	if better < 0 {
		return base / v
	}
	return v / base
}

// table prints the medians of one test.
func (r *runner) table(t test, use []peer, got map[string][]result) {
	cols := columns[t.mode[0]]
	med := func(peer string, c column) float64 {
		var v []float64
		for _, res := range got[peer] {
			v = append(v, c.of(res))
		}
		return median(v)
	}
	use = slices.DeleteFunc(slices.Clone(use), func(p peer) bool { return len(got[p.name]) == 0 })
	if len(use) == 0 {
		return
	}
	base := use[0].name
	if len(got[r.base]) > 0 {
		base = r.base
	}
	head, rule := []string{"peer"}, []string{"---"}
	for _, c := range cols {
		head, rule = append(head, c.title), append(rule, "---:")
		if c.better != 0 {
			head, rule = append(head, "×"), append(rule, "---:")
		}
	}
	head, rule = append(head, "runs"), append(rule, "---:")
	fmt.Fprintf(r.out, "\n### %s\n\n× = times better than %s\n\n", t, base)
	row(r.out, head)
	row(r.out, rule)
	for _, p := range use {
		cells := []string{p.name}
		for _, c := range cols {
			v := med(p.name, c)
			cells = append(cells, figure(v))
			if c.better != 0 {
				cells = append(cells, figure(ratio(v, med(base, c), c.better)))
			}
		}
		row(r.out, append(cells, fmt.Sprint(len(got[p.name]))))
	}
}

func row(w interface{ Write([]byte) (int, error) }, cells []string) {
	fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |")
}

// figure prints three digits that count.
func figure(v float64) string {
	switch {
	case math.IsNaN(v): // a figure that the peer does not report
		return "–"
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
