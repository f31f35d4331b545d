package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/sctp"
)

// errUnsupported is a perf mode that does not exist.
var errUnsupported = errors.New("mode is not supported")

// The first byte of a perf message tells the server what to do with it.
const (
	opCount    = 'S' // count it; the count is told when the next opEcho comes
	opCountNow = 'T' // count it, and tell the count whatever comes next
	opEcho     = 'E' // send it back
	opMemory   = 'M' // reply with memory figures as JSON
)

// maxPerfMessage bounds what the server reads as one message.
const maxPerfMessage = 16 << 20

// perfOptions is what both ends of a measurement share.
type perfOptions struct {
	human      bool
	noOffload  bool
	nagle      bool
	recvBuffer int
	sendBuffer int
	profile    string
	congestion congestionFlag
	lower      lowerLayer
	observe    daemon.Observe
}

// report is the figures of one measurement, printed as one JSON line.
type report map[string]any

func perfCommand() *cobra.Command {
	o := perfOptions{congestion: congestionFlag{"reno"}}
	c := &cobra.Command{
		Use:   "perf",
		Short: "Measure throughput, latency, set-up rate and memory",
		Long: `Measure throughput, latency, set-up rate and memory between two processes.

The environment variable ANCHOR_MTU (1500 or 9000) is the IP MTU to respect.
Figures are printed as one JSON line, or for people with --human.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := c.PersistentFlags()
	f.BoolVar(&o.human, "human", false, "print figures for people")
	f.BoolVar(&o.noOffload, "no-offload", false, "do not use UDP segmentation offload (GSO, GRO)")
	f.BoolVar(&o.nagle, "nagle", false, "let small messages wait for more while data is unacknowledged")
	f.IntVar(&o.recvBuffer, "recv-buffer", 0, "receive buffer of an association in bytes (default 1 MiB)")
	f.IntVar(&o.sendBuffer, "send-buffer", 0, "send buffer of an association in bytes (default 1 MiB)")
	f.Var(&o.congestion, "congestion", "congestion control of RFC 9260 or of RFC 9438")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this `file`")
	o.lower.addFlags(f)
	o.observe.AddFlags(f)
	o.observe.AddMetrics(f)
	if err := c.RegisterFlagCompletionFunc("congestion", cobra.FixedCompletions([]string{"reno", "cubic"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // any run would show it
	}
	c.AddCommand(perfServerCommand(&o), perfClientCommand(&o))
	return c
}

// config is the association parameters of a measurement.
func (o *perfOptions) config() (*sctp.Config, error) {
	mtu, err := perfMTU()
	if err != nil {
		return nil, err
	}
	return &sctp.Config{
		MTU:            mtu,
		RecvBuffer:     o.recvBuffer,
		SendBuffer:     o.sendBuffer,
		MaxMessageSize: maxPerfMessage,
		Nagle:          o.nagle,
		Congestion:     o.congestion.algorithm(),
		Backlog:        1024,
	}, nil
}

// perfMTU is the IP MTU that the environment asks for, 1500 without it. The library
// checks its bounds.
func perfMTU() (int, error) {
	text := os.Getenv("ANCHOR_MTU")
	if text == "" {
		return 1500, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usage("perf: ANCHOR_MTU: %q is not a number of bytes", text)
	}
	return n, nil
}

// print writes a report to w.
func (o *perfOptions) print(w io.Writer, r report) error {
	if !o.human {
		return json.NewEncoder(w).Encode(r)
	}
	for _, k := range slices.Sorted(maps.Keys(r)) {
		v := r[k]
		if f, ok := v.(float64); ok {
			v = strconv.FormatFloat(f, 'f', 3, 64)
		}
		if _, err := fmt.Fprintf(w, "%-24s %v\n", strings.ReplaceAll(k, "_", " "), v); err != nil {
			return err
		}
	}
	return nil
}

// rates adds what people would compute: how much in a second, if both figures are there.
// each is what one of them counts.
func (r report) rates(what, amount, secs string, each float64) {
	n, ok := toFloat(r[amount])
	s, timed := toFloat(r[secs])
	if ok && timed && s > 0 {
		r[what+"/s"] = n * each / s
	}
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// memory is what this process holds: resident set, heap and stacks in bytes, and
// goroutines.
func memory() map[string]float64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]float64{
		"rss":        residentBytes(),
		"heap":       float64(m.HeapAlloc),
		"stack":      float64(m.StackInuse),
		"goroutines": float64(runtime.NumGoroutine()),
	}
}

// cpuSeconds is the user and system time of this process so far, where /proc tells
// it, else 0.
func cpuSeconds() float64 {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // behind the name of the program
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100 // ticks, of which Linux shows 100 a second on every machine
}

// residentBytes reads the resident set where /proc tells it, else 0.
func residentBytes() float64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var pages, resident float64
	if _, err := fmt.Sscan(string(b), &pages, &resident); err != nil {
		return 0
	}
	return resident * float64(os.Getpagesize())
}
