//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asapload"
	rcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// rss reads the resident memory of a process, now and at its highest, in MiB.
func rss(t *testing.T, pid int) (now, peak int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			now = kib >> 10
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			peak = kib >> 10
		}
	}
	return now, peak
}

// cpuTime is the CPU time that a process has taken, in the kernel's ticks of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third on
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// loneElements registers elements with an association of their own each, and returns when
// they are registered.
func loneElements(s *scope, elements, pools int) {
	s.t.Helper()
	stack := s.stack()
	registered := make(chan struct{}, elements)
	for i := range elements {
		f, err := asapload.Start(&asapload.Config{Registrars: s.asap, Profile: core.ProfileRFC, Stack: stack,
			Elements: []core.Registration{{Handle: handleOf(i % pools), ID: rserpool.PEID(i + 1), Policy: rserpool.Policy{Type: rserpool.RoundRobin},
				User: rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}},
			OnEvent: func(_ int, _ time.Time, ev core.Event) {
				if ev.Kind == core.EventRegistered {
					registered <- struct{}{}
				}
			}})
		require.NoError(s.t, err)
		s.t.Cleanup(f.Close)
		require.NoError(s.t, f.Launch(0))
		if i >= 50 {
			<-registered // no more than 50 at once
		}
	}
	for range min(elements, 50) {
		<-registered
	}
}

// holds waits until the registrar has so many elements: one that was slow to answer is gone
// for a moment.
func (s *scope) holds(elements int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.table(0)) == elements }, patient(5*time.Second), 100*time.Millisecond)
}

// memorySpan is how long keep-alives come and go before memory is looked at: long enough
// for garbage to be collected several times, where it is measured.
func memorySpan() time.Duration {
	if small() {
		return 3 * time.Second
	}
	return 40 * time.Second
}

// The same with an association for each element, as 10,000 programs have (`make memory`).
func TestMemoryOfRegistrarProcessWithAssociations(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	elements := killSize(300)
	s := startProfile(t, 1, rcore.ProfileDefault.Name)
	before, _ := rss(t, s.regs[0].pid())
	loneElements(s, elements, max(elements/10, 1))
	first := cpuTime(t, s.regs[0].pid())
	time.Sleep(memorySpan())
	used := cpuTime(t, s.regs[0].pid()) - first
	now, peak := rss(t, s.regs[0].pid())
	t.Logf("MiB: %d before, %d after, %d at most; %v of CPU in %v of keep-alives", before, now, peak, used, memorySpan())
	if elements <= 10_000 && !raceDetector {
		require.Less(t, peak-before, 85) // on top of 16 of the program
	}
	s.holds(elements)
}

// A registrar process with 10,000 elements in 1,000 pools takes less than 100 MiB, with
// all that registering and keep-alives need; half of it would be no surprise.
func TestMemoryOfRegistrarProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	elements := 10_000
	if raceDetector {
		elements = 1000
	}
	profile := killProfile()
	if small() {
		profile = rcore.ProfileDefault.Name // elements may be slow to answer
	}
	s := startProfile(t, 1, profile)
	before, _ := rss(t, s.regs[0].pid())
	m := startMuster(s, elements)
	m.run()
	s.wait(m.all, "all registrations")
	time.Sleep(3 * time.Second) // keep-alives
	now, peak := rss(t, s.regs[0].pid())
	t.Logf("MiB: %d before, %d after, %d at most", before, now, peak)
	if !raceDetector {
		require.Less(t, peak, 100)
	}
	s.holds(elements)
}
