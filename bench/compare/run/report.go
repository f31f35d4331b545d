package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A report is everything that is written about a run.
type report struct {
	*results
	plan  []test
	goals []goal
	base  string
	plot  string // path of the plot as the report links it, "" for none
	with  string // markdown files that it links at its end
}

// write writes the report to w, and to the file of that name if it is not empty.
func (r report) write(w io.Writer, name string) error {
	var b bytes.Buffer
	r.head(&b)
	verdicts(&b, r.goals, r.results)
	section := ""
	for _, t := range r.plan {
		if len(r.by[t.id]) == 0 {
			continue
		}
		if t.section != section {
			section = t.section
			fmt.Fprintf(&b, "\n## %s\n", section)
		}
		table(&b, t, r.results, r.base)
	}
	if err := r.others(&b, name); err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil || name == "" {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// others links the results of other runners, by the heading of each file.
func (r report) others(w io.Writer, name string) error {
	began := false
	for f := range strings.SplitSeq(r.with, ",") {
		text, err := os.ReadFile(f)
		if f == "" || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !began {
			began = true
			fmt.Fprint(w, "\n## Measured elsewhere\n\n")
		}
		heading, _, _ := strings.Cut(string(bytes.TrimSpace(text)), "\n")
		fmt.Fprintf(w, "- [%s](%s)\n", strings.TrimSpace(strings.TrimLeft(heading, "#")), relative(name, f))
	}
	return nil
}

// head is the top of a report: what was run, when, on what.
func (r report) head(w io.Writer) {
	a := r.about
	fmt.Fprint(w, "# Benchmark results\n\n"+
		"Written by `make bench-peers` (see [compare/README.md](compare/README.md) for what the modes and peers are\n"+
		"and how to read them). Compare peers of one table only; a table's runs are interleaved and its figures are medians,\n"+
		"but machines are noisy. CPU is user and system time of client and server together.\n\n")
	if r.plot != "" {
		fmt.Fprintf(w, "![the figures that matter most](%s)\n\n", r.plot)
	}
	fmt.Fprint(w, "| | |\n|---|---|\n")
	row(w, []string{"command", "`" + a.Command + "`"})
	row(w, []string{"date", a.Date})
	row(w, []string{"commit", a.Commit})
	row(w, []string{"machine", a.Machine})
	row(w, []string{"load before", a.Load})
	row(w, []string{"Go", a.Go})
	row(w, []string{"rounds", fmt.Sprintf("%d, took %s", a.Rounds, a.Took)})
	for _, p := range a.Peers {
		row(w, []string{p[0], "`" + p[1] + "`"})
	}
}

// about looks at this machine and this checkout.
func about(rounds int, command string, peers []peer) aboutRun {
	a := aboutRun{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Commit: commit(), Machine: machine(),
		Go:     runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Rounds: rounds, Command: command, Load: "unknown",
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		a.Load = strings.Join(strings.Fields(string(b))[:3], ", ") + " in the last 1, 5 and 15 minutes"
	}
	for _, p := range peers {
		a.Peers = append(a.Peers, []string{p.name, strings.Join(p.command, " ")})
	}
	return a
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func commit() string {
	c := output("git", "rev-parse", "--short", "HEAD")
	if c == "" {
		return "unknown"
	}
	if output("git", "status", "--porcelain", "--untracked-files=no") != "" {
		c += " with local changes"
	}
	return c
}

// machine is the size and kind of the computer.
func machine() string {
	model, memory := "unknown CPU", "unknown memory"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if v, ok := value(string(b), "model name"); ok {
			model = v
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kb float64
		if v, ok := value(string(b), "MemTotal"); ok {
			if _, err := fmt.Sscan(v, &kb); err == nil {
				memory = fmt.Sprintf("%.0f GiB", kb/(1<<20))
			}
		}
	}
	system, _, _ := strings.Cut(output("uname", "-sr"), "-") // without what a distributor calls his build
	s := fmt.Sprintf("%d × %s, %s, %s", runtime.NumCPU(), model, memory, system)
	if b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		s += ", TCP with " + strings.TrimSpace(string(b))
	}
	return s
}

// value finds "key : value" in a /proc file.
func value(text, key string) (string, bool) {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// relative is the path of file as a link in the report is to give it.
func relative(report, file string) string {
	if r, err := filepath.Rel(filepath.Dir(report), file); err == nil {
		return filepath.ToSlash(r)
	}
	return file
}
