package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// header is the top of a report: what was run, when, on what.
func header(began time.Time, took time.Duration, rounds int, plan string, peers []peer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark results\n\n")
	fmt.Fprintf(&b, "Written by `make bench-peers` (see [compare/README.md](compare/README.md) for what the modes and peers are\n"+
		"and how to read them). Compare peers of one table only; a table's runs are interleaved, but machines are noisy.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n")
	line := func(k, v string) { fmt.Fprintf(&b, "| %s | %s |\n", k, v) }
	line("date", began.UTC().Format("2006-01-02 15:04 UTC"))
	line("commit", commit())
	line("machine", machine())
	line("Go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
	line("plan", fmt.Sprintf("%s, %d rounds, took %s", plan, rounds, took.Round(time.Second)))
	for _, p := range peers {
		line(p.name, "`"+strings.Join(p.command, " ")+"`")
	}
	return b.String()
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
	kernel := output("uname", "-sr")
	return fmt.Sprintf("%d × %s, %s, %s", runtime.NumCPU(), model, memory, kernel)
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
