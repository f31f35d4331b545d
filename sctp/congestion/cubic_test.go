package congestion_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
)

// pipe feeds a controller with SACKs for every second packet of a window that is
// always full.
type pipe struct {
	c   congestion.Controller
	rtt time.Duration
	now time.Time
}

// cubicAt is a pipe whose window was grown to w by slow start.
func cubicAt(w int, rtt time.Duration) *pipe {
	p := &pipe{c: congestion.NewCubic(pmdcs, 0), rtt: rtt, now: start}
	for p.c.Window() < w {
		p.ack(min(pmdcs, w-p.c.Window()))
	}
	return p
}

func (p *pipe) ack(n int, change ...func(*congestion.AckEvent)) {
	e := congestion.AckEvent{Now: p.now, Bytes: n, CumAdvanced: true, CwndLimited: true, InFlight: p.c.Window(), RTT: p.rtt}
	for _, f := range change {
		f(&e)
	}
	p.c.OnAck(e)
}

// run lets time pass with a full window.
func (p *pipe) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(p.rtt * 2 * pmdcs / time.Duration(p.c.Window()))
		p.ack(2 * pmdcs)
	}
}

func (p *pipe) lose() { p.c.OnLoss(congestion.LossEvent{Now: p.now, Bytes: pmdcs}) }
func (p *pipe) mark() { p.c.OnLoss(congestion.LossEvent{Now: p.now, ECN: true}) }

// segments is the window in PMDCS.
func (p *pipe) segments() float64 { return float64(p.c.Window()) / pmdcs }

// wCubic is W_cubic(t) of RFC 9438 §4.2 in segments.
func wCubic(t, wMax, cwndEpoch float64) float64 {
	k := math.Cbrt((wMax - cwndEpoch) / 0.4)
	return 0.4*math.Pow(t-k, 3) + wMax
}

// RFC 9438 §4.2, §4.4 to §4.6: after a loss at 1,000 segments the window is 700, and
// back at 1,000 after K = cbrt(300 / 0.4) = 9.1 s, whatever the round-trip time: first
// fast, then slowly, then faster and faster.
func TestCubicConcaveAndConvex(t *testing.T) {
	for _, rtt := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond} {
		p := cubicAt(1_000_000, rtt)
		p.lose()
		require.Equal(t, 700_000, p.c.Window(), "beta is 0.7")
		p.ack(pmdcs) // cwnd = ssthresh is slow start
		require.Equal(t, 701_000, p.c.Window())
		for _, c := range []struct{ at, want float64 }{{1, 789.2}, {3, 910.4}, {5, 973.0}, {8, 999.5}, {9.08, 1000}, {11, 1002.9}, {14, 1047.7}, {20, 1521}} {
			require.InDelta(t, c.want, wCubic(c.at, 1000, 701), 0.6, "the table of this test")
			p.run(time.Duration(c.at*float64(time.Second)) - p.now.Sub(start))
			// The window follows the target, which is a round trip ahead.
			require.InEpsilon(t, wCubic(c.at+rtt.Seconds()/2, 1000, 701), p.segments(), 0.03, "RTT %v, %v s", rtt, c.at)
		}
	}
}

// RFC 9438 §4.3: with a short round-trip time the window is that of Reno with
// alpha = 3 * 0.3 / 1.7 = 0.53 segments for each window, until it has reached what it was
// before the loss; then 1.
func TestCubicRenoFriendly(t *testing.T) {
	p := cubicAt(100_000, 10*time.Millisecond)
	p.lose()
	p.ack(pmdcs)
	require.Equal(t, 71_000, p.c.Window())
	p.run(100 * time.Millisecond) // 10 round trips
	require.InDelta(t, 71+10*0.5294, p.segments(), 0.6)
	p.run(400 * time.Millisecond)
	require.InDelta(t, 71+50*0.5294, p.segments(), 1)
	for p.segments() < 100 {
		p.run(10 * time.Millisecond)
	}
	w := p.segments()
	p.run(200 * time.Millisecond)
	require.InDelta(t, w+20, p.segments(), 1.5)
}

// RFC 9438 §4.7: a loss below W_max makes W_max cwnd * (1 + 0.7) / 2.
func TestCubicFastConvergence(t *testing.T) {
	p := cubicAt(1_000_000, 100*time.Millisecond)
	p.lose()
	p.lose() // at 700, before it has grown: W_max is 700 * 0.85 = 595
	require.InDelta(t, 490_000, p.c.Window(), 1)
	p.ack(pmdcs)
	p.run(time.Second)
	require.InEpsilon(t, wCubic(1.05, 595, 491), p.segments(), 0.03)
	p.run(5 * time.Second)
	require.InEpsilon(t, wCubic(6.05, 595, 491), p.segments(), 0.03, "the plateau is at 595")
	p.run(4 * time.Second)
	require.InEpsilon(t, wCubic(10.05, 595, 491), p.segments(), 0.03)
}

// RFC 9438 §4.8: a timeout leaves one packet, and ssthresh at 0.7; the first stage
// after it has K = 0 and W_max = cwnd.
func TestCubicTimeout(t *testing.T) {
	p := cubicAt(1_000_000, 200*time.Millisecond)
	p.c.OnTimeout(p.now)
	require.Equal(t, pmdcs, p.c.Window())
	for p.c.Window() <= 700_000 {
		p.ack(pmdcs)
	}
	require.Equal(t, 701_000, p.c.Window(), "slow start up to ssthresh, and one step over")
	p.run(time.Second)
	require.InEpsilon(t, 701+0.4*math.Pow(1.1, 3)+3, p.segments(), 0.01, "convex from the begin; W_est helps a little")
	p.run(9 * time.Second)
	require.InEpsilon(t, 701+0.4*math.Pow(10.1, 3), p.segments(), 0.03)
	p.c.OnTimeout(p.now)
	p.c.OnTimeout(p.now)
	for range 3 {
		p.ack(pmdcs)
	}
	require.Equal(t, 4*pmdcs, p.c.Window(), "RFC 9260 §7.2.3: ssthresh is at least 4 * PMDCS")
}

// RFC 9438 §4.2, §5.8: time in which the window was not used up, or nothing was sent,
// does not count.
func TestCubicAppLimitedTimeDoesNotCount(t *testing.T) {
	p, q := cubicAt(1_000_000, 100*time.Millisecond), cubicAt(1_000_000, 100*time.Millisecond)
	for _, r := range []*pipe{p, q} {
		r.lose()
		r.ack(pmdcs)
		r.run(2 * time.Second)
	}
	require.Equal(t, p.c.Window(), q.c.Window())
	for range 600 {
		q.now = q.now.Add(100 * time.Millisecond)
		q.ack(pmdcs, appLimited)
	}
	q.now = q.now.Add(time.Hour)
	q.c.OnSent(q.now, pmdcs, 0)
	require.Equal(t, p.c.Window(), q.c.Window())
	for range 10 {
		p.run(time.Second)
		q.run(time.Second)
		require.InEpsilon(t, p.c.Window(), q.c.Window(), 0.01)
	}
}

// RFC 9438 §4.2: no more than half the window in a round trip.
func TestCubicGrowsLessThanSlowStart(t *testing.T) {
	p := cubicAt(20_000, 10*time.Second)
	p.lose()
	p.ack(pmdcs)
	require.Equal(t, 15_000, p.c.Window())
	p.ack(1) // congestion avoidance begins
	require.Greater(t, wCubic(20, 20, 15), 1000.0)
	p.now = p.now.Add(10 * time.Second)
	p.ack(15_000)
	require.InDelta(t, 15*1.5, p.segments(), 0.1)
}

// RFC 9438 §4.6: marks reduce the window down to one segment, losses only to what
// Fast Retransmit needs (RFC 9260 §7.2.3).
func TestCubicFloors(t *testing.T) {
	p := cubicAt(20_000, 100*time.Millisecond)
	for range 20 {
		p.lose()
	}
	require.Equal(t, 4*pmdcs, p.c.Window())
	for range 20 {
		p.mark()
	}
	require.Equal(t, pmdcs, p.c.Window())
	p.ack(pmdcs)
	require.Equal(t, 2*pmdcs, p.c.Window(), "ssthresh is at least 2 segments")
}

// RFC 9438 §4.9.2: a loss that was none is taken back, unless there was another
// reason to reduce the window, or it has grown beyond meanwhile.
func TestCubicSpuriousLoss(t *testing.T) {
	undo := func(p *pipe) { p.c.(congestion.Undoer).OnSpurious(p.now) }
	p, q := cubicAt(1_000_000, 100*time.Millisecond), cubicAt(1_000_000, 100*time.Millisecond)
	for _, r := range []*pipe{p, q} {
		r.lose()
		r.ack(pmdcs)
		r.run(3 * time.Second)
	}
	p.lose()
	require.Less(t, p.c.Window(), q.c.Window()*3/4)
	undo(p)
	require.Equal(t, q.c.Window(), p.c.Window())
	p.run(3 * time.Second)
	q.run(3 * time.Second)
	require.Equal(t, q.c.Window(), p.c.Window(), "as if nothing had been")
	undo(p)
	require.Equal(t, q.c.Window(), p.c.Window(), "once")

	p.lose()
	p.c.OnTimeout(p.now)
	undo(p)
	require.Equal(t, pmdcs, p.c.Window())

	p = cubicAt(100_000, 10*time.Millisecond)
	p.lose()
	p.run(10 * time.Second)
	w := p.c.Window()
	require.Greater(t, w, 100_000)
	undo(p)
	require.Equal(t, w, p.c.Window())
}

// K8: in congestion avoidance, too, many small acknowledgements gain nothing over a
// few large ones.
func TestK8CubicCountsBytes(t *testing.T) {
	p, q := cubicAt(1_000_000, 100*time.Millisecond), cubicAt(1_000_000, 100*time.Millisecond)
	for _, r := range []*pipe{p, q} {
		r.lose()
		r.ack(pmdcs)
	}
	for range 100 {
		p.now, q.now = p.now.Add(10*time.Millisecond), q.now.Add(10*time.Millisecond)
		p.ack(64_000)
		for range 16_000 / 4 {
			q.ack(16)
		}
	}
	require.InEpsilon(t, p.c.Window(), q.c.Window(), 0.01)
}

// RFC 9260 §7.2.1: the initial window by family.
func TestAlgorithmsChooseByFamily(t *testing.T) {
	for _, a := range []congestion.Algorithm{congestion.Reno, congestion.Cubic} {
		require.Equal(t, 4404, a(1452, false).Window())
		require.Equal(t, 4344, a(1452, true).Window())
	}
}

func BenchmarkCubicOnAck(b *testing.B) {
	p := cubicAt(1_000_000, 100*time.Millisecond)
	p.lose()
	p.ack(pmdcs)
	e := congestion.AckEvent{Now: start, Bytes: 2904, CumAdvanced: true, CwndLimited: true, RTT: p.rtt}
	b.ReportAllocs()
	for b.Loop() {
		e.Now = e.Now.Add(time.Microsecond)
		p.c.OnSent(e.Now, 1452, 100)
		p.c.OnAck(e)
	}
}
