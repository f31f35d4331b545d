package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// idle opens n associations and reports what each costs in the two processes: memory,
// and with watch the CPU time of all of them in that time.
func (p messagePeer) idle(addr string, n int, watch time.Duration) (report, error) {
	probe, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	var s0, s1 map[string]float64
	if err := askMemory(probe, &s0); err != nil {
		return nil, err
	}
	c0 := memory()
	conns := make([]conn, n)
	t0 := time.Now()
	for i := range conns {
		if conns[i], err = p.dial(addr); err != nil {
			return nil, fmt.Errorf("association %d: %w", i, err)
		}
	}
	secs := time.Since(t0).Seconds()
	time.Sleep(300 * time.Millisecond)
	r := report{"assocs": n, "open_secs": secs}
	if watch > 0 {
		if err := askMemory(probe, &s1); err != nil {
			return nil, err
		}
		server, client := s1["cpu_after"], cpuSeconds()
		time.Sleep(watch)
		client = cpuSeconds() - client
		if err := askMemory(probe, &s1); err != nil {
			return nil, err
		}
		r["watch_secs"], r["client_cpu_secs"], r["server_cpu_secs"] = watch.Seconds(), client, s1["cpu_before"]-server
	}
	c1 := memory()
	if err := askMemory(probe, &s1); err != nil {
		return nil, err
	}
	for k := range c0 {
		r["client_"+k+"_per"] = (c1[k] - c0[k]) / float64(n)
		r["server_"+k+"_per"] = (s1[k] - s0[k]) / float64(n)
	}
	runtime.KeepAlive(conns)
	return r, nil
}

func askMemory(c conn, into *map[string]float64) error {
	b := make([]byte, 512)
	if err := c.send([]byte{opMemory}, true); err != nil {
		return err
	}
	n, err := c.recv(b)
	if err != nil {
		return err
	}
	return json.Unmarshal(b[:n], into)
}

func memory() map[string]float64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var pages, resident float64
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(b), &pages, &resident)
	}
	return map[string]float64{
		"rss":        resident * float64(os.Getpagesize()),
		"heap":       float64(m.HeapAlloc),
		"stack":      float64(m.StackInuse),
		"goroutines": float64(runtime.NumGoroutine()),
	}
}

// cpuSeconds is the user and system time of this process so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
