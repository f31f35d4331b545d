package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/coresim"
	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// lossy is a sender with a large window and much to send, whose network loses chosen
// TSNs, and a peer that acknowledges each packet.
type lossy struct {
	*victim
	cum  wire.TSN
	got  map[wire.TSN]bool
	sent map[wire.TSN]int // how often
	line []wire.TSN       // under way, in order
	drop func(tsn wire.TSN, nth int) bool
}

func newLossy(t *testing.T, change func(*core.Config)) *lossy {
	v, first := sending(t, 300, 1400, func(c *core.Config) {
		c.MaxBurst = 0
		if change != nil {
			change(c)
		}
	})
	l := &lossy{victim: v, cum: first - 1, got: map[wire.TSN]bool{}, sent: map[wire.TSN]int{}, drop: func(wire.TSN, int) bool { return false }}
	for tsn := first; tsn != first+wire.TSN(v.as.Paths()[0].InFlight/1416); tsn++ {
		l.note(tsn)
	}
	return l
}

func (l *lossy) note(tsn wire.TSN) {
	l.sent[tsn]++
	l.line = append(l.line, tsn)
}

// deliver lets the oldest packet under way arrive, or get lost, a little later.
func (l *lossy) deliver() {
	l.run(100 * time.Microsecond)
	tsn := l.line[0]
	l.line = l.line[1:]
	if l.drop(tsn, l.sent[tsn]) {
		return
	}
	for l.got[tsn] = true; l.got[l.cum+1]; l.cum++ {
	}
	s := &wire.Sack{CumTSN: l.cum, ARwnd: 1 << 20}
	for i := uint16(2); i < 200; i++ {
		if !l.got[l.cum+wire.TSN(i)] {
			continue
		}
		if n := len(s.Gaps); n > 0 && s.Gaps[n-1].End == i-1 {
			s.Gaps[n-1].End = i
		} else {
			s.Gaps = append(s.Gaps, wire.GapBlock{Start: i, End: i})
		}
	}
	l.take(l.inject(l.as.LocalTag(), s))
}

// run lets time pass.
func (l *lossy) run(d time.Duration) {
	l.out = nil
	l.w.run(d)
	l.take(l.out)
}

// take puts what was sent on its way.
func (l *lossy) take(packets []wire.Packet) {
	for _, p := range packets {
		for c := range p.Chunks() {
			if c.Type() == wire.TypeData {
				var d wire.Data
				require.NoError(l.t, d.Decode(c))
				l.note(d.TSN)
			}
		}
	}
}

// grow delivers packets until the window is of some size.
func (l *lossy) grow(packets int) {
	for l.cwnd() < packets*1416 {
		l.deliver()
	}
}

// The loss of a retransmission is a sign of congestion of its own, that of two of one
// window is one (RFC 5681 §4.3).
func TestLostRetransmissionsHalveTheWindowAgain(t *testing.T) {
	l := newLossy(t, nil)
	l.grow(40)
	at := l.line[10]
	l.drop = func(tsn wire.TSN, nth int) bool { return (tsn == at || tsn == at+5) && nth <= 2 }
	full := l.cwnd()
	for l.sent[at] < 2 {
		l.deliver()
	}
	half := l.cwnd()
	require.InDelta(t, full/2, half, 16*1416)
	for l.sent[at] < 3 {
		l.deliver()
	}
	require.Equal(t, half/2, l.cwnd())
	for l.cum.Less(at + 50) {
		l.deliver()
	}
	require.Equal(t, 3, l.sent[at+5])
	require.GreaterOrEqual(t, l.cwnd(), half/2, "one for both")
	require.Zero(t, l.as.Stats().T3Expirations)
	require.Equal(t, uint64(4), l.as.Stats().FastRetransmits)
}

// RFC 9260 §7.2.4 step 5: with StrictRecovery the second loss waits for T3-rtx.
func TestStrictRecoveryLeavesLostRetransmissionsToT3(t *testing.T) {
	l := newLossy(t, func(c *core.Config) { c.StrictRecovery = true })
	l.grow(40)
	at := l.line[10]
	l.drop = func(tsn wire.TSN, nth int) bool { return tsn == at && nth <= 2 }
	for len(l.line) > 0 {
		l.deliver()
	}
	require.Equal(t, 2, l.sent[at])
	require.Equal(t, at-1, l.cum)
}

// A chunk that never arrives while others do is left to T3-rtx in the end, which counts
// it as an error of the path (RFC 9260 §8.1, §8.2).
func TestChunkThatNeverArrivesWaitsForT3(t *testing.T) {
	l := newLossy(t, func(c *core.Config) { c.SendBuffer = 4 << 20 })
	for range 1000 {
		require.NoError(t, l.as.Send(l.w.now, &core.Outgoing{}, make([]byte, 1400)))
	}
	l.grow(20)
	at := l.line[10]
	l.drop = func(tsn wire.TSN, _ int) bool { return tsn == at }
	for i := 0; i < 150; i++ {
		l.deliver()
	}
	require.Equal(t, 8, l.sent[at])
	require.Zero(t, l.as.Paths()[0].Errors)
	l.run(2 * time.Second)
	require.Positive(t, l.as.Paths()[0].Errors)
}

// RFC 8985 §7.4: a probe tells what of the end of a flight is lost. The window is halved
// once, and nothing is sent again needlessly but the probe.
func TestLossProbeFindsALostFlight(t *testing.T) {
	l := newLossy(t, nil)
	l.grow(40)
	lost := wire.TSN(0)
	l.drop = func(tsn wire.TSN, nth int) bool {
		lost = max(lost, tsn)
		return nth == 1
	}
	for len(l.line) > 0 {
		l.deliver()
	}
	window, first := l.cwnd(), l.cum+1
	l.run(100 * time.Millisecond)
	require.Equal(t, []wire.TSN{lost}, l.line)
	l.drop = func(wire.TSN, int) bool { return false }
	l.deliver()
	require.InDelta(t, window/2, l.cwnd(), 1416, "it grew for the SACK before")
	for len(l.line) > 0 {
		l.deliver()
	}
	s := l.as.Stats()
	require.Equal(t, uint64(1), s.LossProbes)
	require.Equal(t, uint64(lost-first+1), s.Retransmitted)
	require.Zero(t, s.T3Expirations)
	require.Zero(t, l.as.Buffered())
	require.GreaterOrEqual(t, l.cwnd(), window/2)
}

// RFC 8985 §7.3: while there is no answer to a probe there is no other, and T3-rtx expires
// no later than without it.
func TestLossProbeIsOne(t *testing.T) {
	l := newLossy(t, nil)
	l.grow(20)
	l.drop = func(wire.TSN, int) bool { return true }
	for len(l.line) > 0 {
		l.deliver()
	}
	l.run(900 * time.Millisecond)
	require.Len(t, l.line, 1)
	l.run(110 * time.Millisecond)
	s := l.as.Stats()
	require.Equal(t, uint64(1), s.LossProbes)
	require.Equal(t, uint64(1), s.T3Expirations)
}

// A flow with pauses, over a path that loses nothing, is not disturbed by probes: each
// message is sent once, though the peer delays its acknowledgements.
func TestLossProbesWaitForDelayedAcknowledgements(t *testing.T) {
	w, a, b := connected(t, 5, nil)
	for i := range 100 {
		for range 1 + i%5 {
			require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, make([]byte, 1+i*14)))
			a.drain(a.only())
			w.run(time.Duration(i%7) * time.Millisecond)
		}
		w.run(time.Duration(i) * 7 * time.Millisecond)
		for buf := make([]byte, 1500); ; {
			if _, _, err := b.only().Receive(w.now, buf); err != nil {
				break
			}
		}
		b.drain(b.only())
	}
	require.Zero(t, a.only().Stats().LossProbes)
	require.Zero(t, a.only().Stats().Retransmitted)
}

// A request or an answer that gets lost is repeated before a second is over, unless the probe
// gets lost as well.
func TestLossProbesShortenRequests(t *testing.T) {
	slow := func(strict bool) (late int) {
		w, a, b := connected(t, 31, func(c *core.Config) { c.StrictRecovery, c.AssociationMaxRetrans = strict, 100 })
		w.net.SetDefaultLink(simnet.Link{Delay: time.Millisecond, Loss: 0.05})
		buf := make([]byte, 100)
		for range 1000 {
			since := w.now
			for from, to := a, b; ; from, to = b, a {
				require.NoError(t, from.only().Send(w.now, &core.Outgoing{}, []byte("hello")))
				from.drain(from.only())
				w.until(time.Minute, "received", func() bool {
					_, _, err := to.only().Receive(w.now, buf)
					return err == nil
				})
				if from == b {
					break
				}
			}
			if w.now.Sub(since) > 900*time.Millisecond {
				late++
			}
			w.run(time.Second)
		}
		return late
	}
	now, before := slow(false), slow(true)
	t.Logf("of 1,000 requests %d take more than 0.9 s, %d by the letter", now, before)
	require.Less(t, now, before/5)
}

// transferred is what both ends of a transfer of some MiB counted, summed over seeds, and
// the time that it took.
func transferred(t *testing.T, strict bool, link simnet.Link, seeds uint64) (tx, rx core.Stats, took time.Duration) {
	for seed := range seeds {
		cfg := core.DefaultConfig()
		cfg.StrictRecovery = strict
		b := coresim.Bulk{Bytes: 2 << 20, Message: 16384, Seed: seed, Config: cfg, Link: link, Calm: true}
		res, err := b.Run()
		require.NoError(t, err)
		tx.Add(&res.Sender)
		rx.Add(&res.Receiver)
		took += res.Took
	}
	return tx, rx, took
}

// Where a twentieth of the packets is lost, and so of the retransmissions, T3-rtx hardly
// ever has to expire.
func TestLostRetransmissionsDoNotWaitForT3(t *testing.T) {
	link := simnet.Link{Delay: 500 * time.Microsecond, Loss: 0.05, Bandwidth: 125_000_000, Queue: 6_250_000}
	before, _, slow := transferred(t, true, link, 6)
	tx, _, took := transferred(t, false, link, 6)
	t.Logf("%.1f Mbit/s with %d timeouts, %.1f Mbit/s with %d by the letter", 6*16.8/took.Seconds(), tx.T3Expirations, 6*16.8/slow.Seconds(), before.T3Expirations)
	require.Less(t, took, slow/2)
	require.Less(t, tx.T3Expirations, before.T3Expirations/2)
}

// Packets that overtake each other cost hardly more retransmissions than by the letter of
// RFC 9260, whether they are late by less than a round trip or by more.
func TestReorderingDoesNotMultiplyRetransmissions(t *testing.T) {
	for _, hold := range []time.Duration{5 * time.Millisecond, 15 * time.Millisecond, 40 * time.Millisecond} {
		link := simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.01, Reorder: 0.2, ReorderDelay: hold, Bandwidth: 12_500_000}
		share := func(strict bool) float64 {
			tx, rx, _ := transferred(t, strict, link, 4)
			return float64(rx.DuplicatesIn) / float64(tx.DataOut)
		}
		strict, now := share(true), share(false)
		t.Logf("held back by %v: %.1f %% duplicates, %.1f %% by the letter", hold, now*100, strict*100)
		require.Less(t, now, strict*1.2+0.01)
	}
}
