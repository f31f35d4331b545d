package main

import "math"

// A column is one figure of a mode's table.
type column struct {
	key    string // its name in targets and plots
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

// peak is the largest resident set of client and server together, in MiB. It is no
// less than what the runner has when it starts them.
var peak = column{"peak", "peak MiB", 0, func(r result) float64 { return (r.num("client_peak") + r.num("server_peak")) / (1 << 20) }}

var bulkColumns = []column{
	{"rate", "Gbit/s", 1, func(r result) float64 { return r.num("rx_bytes") * 8 / r.num("rx_secs") / 1e9 }},
	{"msgs", "messages/s", 0, func(r result) float64 { return received(r) / r.num("rx_secs") }},
	{"cpu", "CPU s/GB", -1, func(r result) float64 { return r.num("cpu") / r.num("rx_bytes") * 1e9 }},
	{"cpumsg", "CPU µs/msg", 0, func(r result) float64 { return r.num("cpu") / received(r) * 1e6 }},
	{"lost", "lost %", 0, func(r result) float64 { return 100 * (1 - received(r)/r.num("msgs")) }},
	peak,
}

// columns holds the table of each mode.
var columns = map[string][]column{
	"bulk":  bulkColumns,
	"flood": bulkColumns,
	"timed": {
		// Over the client's time: a sender that waits for a timer at the end is no faster for it.
		{"rate", "Mbit/s", 1, func(r result) float64 { return r.num("rx_bytes") * 8 / r.num("secs") / 1e6 }},
		{"cpu", "CPU s/GB", -1, func(r result) float64 { return r.num("cpu") / r.num("rx_bytes") * 1e9 }},
	},
	"pingpong": {
		{"p50", "p50 µs", -1, field("p50_us")},
		{"p99", "p99 µs", -1, field("p99_us")},
		// A tenth more round trips go before the count begins.
		{"cpu", "CPU µs/trip", -1, func(r result) float64 { return r.num("cpu") / r.num("msgs") / 1.1 * 1e6 }},
	},
	"assoc": {
		{"rate", "assoc/s", 1, func(r result) float64 { return r.num("assocs") / r.num("secs") }},
		{"cpu", "CPU µs/assoc", -1, func(r result) float64 { return r.num("cpu") / r.num("assocs") * 1e6 }},
		{"failed", "failed", 0, field("failed")},
	},
	"idle": {
		{"client_rss", "client RSS B", -1, field("client_rss_per")},
		{"server_rss", "server RSS B", -1, field("server_rss_per")},
		{"client_heap", "client heap B", 0, field("client_heap_per")},
		{"server_heap", "server heap B", 0, field("server_heap_per")},
		{"goroutines", "client goroutines", 0, field("client_goroutines_per")},
		{"server_goroutines", "server goroutines", 0, field("server_goroutines_per")},
		// Of one core, both ends, while nothing but heartbeats goes back and forth.
		{"cpu", "CPU %", -1, func(r result) float64 {
			return 100 * (field("client_cpu_secs")(r) + field("server_cpu_secs")(r)) / field("watch_secs")(r)
		}},
		peak,
	},
}

// columnOf finds the column of a mode by its key.
func columnOf(mode, key string) (column, bool) {
	for _, c := range columns[mode] {
		if c.key == key {
			return c, true
		}
	}
	return column{}, false
}
