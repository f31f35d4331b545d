package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
)

// goodput is what a sender with a congestion control gets through a link in the time
// after the loss of one packet at full speed, as a share of the bandwidth.
func goodput(t *testing.T, algorithm congestion.Algorithm, link simnet.Link, after time.Duration) float64 {
	w, a, b := two(t, 1, func(c *core.Config) {
		c.Congestion = algorithm
		c.SendBuffer, c.RecvBuffer = 16<<20, 16<<20
		c.MTU = 9000
	})
	w.segs = 7
	w.net.SetDefaultLink(link)
	a.dial(b)
	w.until(time.Minute, "established", func() bool { return a.only().State() == core.Established && len(b.assocs) == 1 })
	message, buf := make([]byte, 200_000), make([]byte, 1<<16)
	pump := func() {
		for a.only().Send(w.now, &core.Outgoing{}, message) == nil {
		}
		a.drain(a.only())
		for {
			if _, _, err := b.only().Receive(w.now, buf); err != nil {
				break
			}
		}
		b.drain(b.only())
	}
	run := func(d time.Duration, stop func() bool) {
		for end := w.now.Add(d); !stop() && w.step(end); {
			pump()
		}
	}
	pump()
	// Slow start fills the pipe, and its queue until that overflows.
	run(2*time.Minute, func() bool { return a.only().Stats().FastRetransmits > 0 })
	run(20*link.Delay, func() bool { return false })
	before := b.only().Stats().BytesIn
	run(after, func() bool { return false })
	require.NoError(t, a.only().Verify())
	return float64(b.only().Stats().BytesIn-before) / after.Seconds() / float64(link.Bandwidth)
}

// RFC 9438 §1: on a long fat pipe, here of 1,250 kB, CUBIC soon uses all of the
// bandwidth again after a loss, and Reno, which gains a packet in each round trip, does
// not.
func TestCubicFillsALongFatPipe(t *testing.T) {
	link := simnet.Link{Delay: 250 * time.Millisecond, Bandwidth: 2_500_000, Queue: 150_000}
	reno := goodput(t, congestion.Reno, link, 30*time.Second)
	cubic := goodput(t, congestion.Cubic, link, 30*time.Second)
	t.Logf("goodput after a loss: Reno %.2f, CUBIC %.2f of the bandwidth", reno, cubic)
	require.Greater(t, cubic, 0.8)
	require.Greater(t, cubic/reno, 1.3)
}

// RFC 9438 §4.3: on a short path CUBIC is no better and no worse.
func TestCubicIsRenoOnAShortPath(t *testing.T) {
	link := simnet.Link{Delay: 2 * time.Millisecond, Bandwidth: 2_000_000, Queue: 60_000}
	reno := goodput(t, congestion.Reno, link, 4*time.Second)
	cubic := goodput(t, congestion.Cubic, link, 4*time.Second)
	t.Logf("goodput after a loss: Reno %.2f, CUBIC %.2f of the bandwidth", reno, cubic)
	require.InEpsilon(t, reno, cubic, 0.1)
}

// RFC 9438 §4.9.2: when packets are only reordered, CUBIC takes the reduction of its
// window back; when they are lost it does not.
func TestCubicTakesBackReductionsForReordering(t *testing.T) {
	run := func(link simnet.Link) core.Stats {
		w, a, b := connected(t, 21, func(c *core.Config) { c.Congestion, c.MTU = congestion.Cubic, 9000 })
		link.Delay, link.Bandwidth = 50*time.Millisecond, 2_000_000
		w.net.SetDefaultLink(link)
		w.transfer(2*time.Minute, newFlow(a, b, 21, 4, 500))
		require.NoError(t, a.only().Verify())
		return a.only().Stats()
	}
	s := run(simnet.Link{Reorder: 0.02, ReorderDelay: 30 * time.Millisecond})
	require.Positive(t, s.FastRetransmits)
	require.Positive(t, s.SpuriousLosses)
	s = run(simnet.Link{Loss: 0.01})
	require.Positive(t, s.FastRetransmits)
	require.Zero(t, s.SpuriousLosses)
}
