package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// CollectOften has garbage collected sooner than Go does, which waits until as much of it is
// there as memory in use (GOGC=100), until ctx ends. A daemon with thousands of idle
// associations makes little garbage; memory is what its host is short of. With less
// than 64 MiB in use it waits for 16 MiB of garbage at most, with more for a quarter of what is
// in use, and for more than that only if collecting takes too much of the processors.
// Whoever sets GOGC or GOMEMLIMIT has decided otherwise.
func CollectOften(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	pace, set := newPace(), mostPercent
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// To set it stops all goroutines for a moment.
		if want := pace.next(readCollector()); want != set {
			debug.SetGCPercent(want)
			set = want
		}
	}
}

// mostPercent is what Go does by itself: as much garbage as memory in use.
const mostPercent = 100

const (
	// tolerated is how much garbage there may be in any case, in bytes.
	tolerated = 16 << 20
	// maxShare is the share of the processors that collecting may take to save memory.
	maxShare = 0.03
)

// bounds are the least and the most garbage to wait for, in hundredths of the memory in
// use.
func bounds(live float64) (low, high float64) {
	low = 100 * max(tolerated, live/4) / live
	high = 100 * max(tolerated, (live-2*tolerated)/2) / live
	return min(low, mostPercent), min(max(low, high), mostPercent)
}

// collector is what the runtime says after a collection.
type collector struct {
	live      uint64  // bytes in use
	gc, total float64 // processor time in seconds, since the start
}

func readCollector() collector {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(s)
	return collector{s[0].Value.Uint64(), s[1].Value.Float64(), s[2].Value.Float64()}
}

// pace finds out what GOGC should be.
type pace struct {
	last    collector
	percent float64
}

func newPace() *pace { return &pace{percent: mostPercent} }

// next is told the state of the collector and returns the percentage.
func (p *pace) next(c collector) int {
	if span := c.total - p.last.total; span > 0 { // there was a collection
		switch share := (c.gc - p.last.gc) / span; {
		case share > maxShare:
			p.percent *= 1.5
		case share < maxShare/2:
			p.percent /= 1.5
		}
		p.last = c
	}
	low, high := bounds(max(float64(c.live), 1))
	p.percent = min(max(p.percent, low), high)
	return int(p.percent)
}
