package congestion

import (
	"math"
	"time"
)

// Constants of CUBIC (RFC 9438 §4.1, §4.6, §5.1).
const (
	cubicC    = 0.4 // segments per cubed second
	cubicBeta = 0.7 // multiplicative decrease
	// cubicAlpha makes the Reno-friendly window grow as fast, on average, as that of
	// Reno with its deeper cuts: 3 * (1 - beta) / (1 + beta), §4.3.
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)
	// cubicMaxStep bounds the growth in one round trip: less than slow start, §4.2.
	cubicMaxStep = 1.5
)

// cubic is the congestion control of RFC 9438. Where that speaks of segments these
// are PMDCS; windows are kept in bytes.
type cubic struct {
	pmdcs   int
	srtt    time.Duration // 0: not measured yet
	idle    bool          // the window was already decayed in this idle period
	touched time.Time     // when the window was last looked at
	cubicState
	undo cubicState // before the last loss
}

// cubicState is what a loss changes, and what is restored if it was none (§4.9.2).
type cubicState struct {
	cwnd     float64
	prior    float64   // cwnd_prior: cwnd when ssthresh was set last
	wMax     float64   // W_max, 0: undefined
	wEst     float64   // W_est: what Reno would have
	k        float64   // seconds from epoch until the window is at wMax again
	epoch    time.Time // t_epoch: begin of this congestion avoidance; zero: not begun
	ssthresh int
}

// NewCubic returns the congestion control of RFC 9438 for a path to an IPv4 address.
// The parameters are those of NewReno; slow start, the initial window and the decay
// when idle are the same. It fills paths of high bandwidth and long delay much faster
// than NewReno after a loss, and behaves like it where the delay is short.
func NewCubic(pmdcs, initialRwnd int) Controller {
	return newCubicWith(pmdcs, initialRwnd, initialWindowIPv4)
}

// NewCubicIPv6 is NewCubic for a path to an IPv6 address.
func NewCubicIPv6(pmdcs, initialRwnd int) Controller {
	return newCubicWith(pmdcs, initialRwnd, initialWindowIPv6)
}

func newCubicWith(pmdcs, initialRwnd, base int) *cubic {
	r := newRenoWith(pmdcs, initialRwnd, base)
	return &cubic{pmdcs: r.pmdcs, cubicState: cubicState{cwnd: float64(r.cwnd), ssthresh: r.ssthresh}}
}

// Window implements Controller.
func (c *cubic) Window() int { return int(c.cwnd) }

// OnSent implements Controller. When sending begins again after a pause, the pause
// is taken out of the time that the window grows with (RFC 9438 §5.8).
func (c *cubic) OnSent(now time.Time, _, inFlight int) {
	c.idle = false
	if inFlight == 0 {
		c.pause(now)
	}
}

// pause takes the time since the window was last looked at out of the epoch: it was
// not used up, so it could not grow (§4.2).
func (c *cubic) pause(now time.Time) {
	if d := now.Sub(c.touched); d > 0 && !c.touched.IsZero() && !c.epoch.IsZero() {
		c.epoch = c.epoch.Add(d)
	}
	c.touched = now
}

// OnAck implements Controller.
func (c *cubic) OnAck(e AckEvent) {
	c.measure(e.RTT)
	switch {
	case e.Bytes <= 0:
	case !e.CwndLimited || e.InRecovery:
		c.pause(e.Now)
	case c.cwnd <= float64(c.ssthresh):
		c.touched = e.Now
		c.grow(c.cwnd + float64(min(e.Bytes, c.pmdcs))) // RFC 9260 §7.2.1, RFC 9438 §4.10
	default:
		c.avoidCongestion(e)
	}
}

// measure smooths round-trip times as RFC 6298 does.
func (c *cubic) measure(rtt time.Duration) {
	switch {
	case rtt <= 0:
	case c.srtt == 0:
		c.srtt = rtt
	default:
		c.srtt += (rtt - c.srtt) / 8
	}
}

// avoidCongestion is RFC 9438 §4.2 to §4.5. What the RFC does for each ACK is done
// here in proportion to the acknowledged bytes, so that neither acknowledgements in
// small pieces nor those for many packets at once make a difference.
func (c *cubic) avoidCongestion(e AckEvent) {
	if c.epoch.IsZero() {
		c.begin(e.Now)
	}
	c.touched = e.Now
	bytes, pmdcs := float64(min(e.Bytes, maxWindow)), float64(c.pmdcs)
	alpha := cubicAlpha
	if c.wEst >= c.prior {
		alpha = 1 // §4.3: from there on as Reno
	}
	c.wEst = min(c.wEst+alpha*pmdcs*bytes/c.cwnd, maxWindow)
	t := e.Now.Sub(c.epoch).Seconds()
	if c.at(t) < c.wEst { // the Reno-friendly region
		c.grow(max(c.cwnd, c.wEst))
		return
	}
	target := min(max(c.at(t+c.srtt.Seconds()), c.cwnd), cubicMaxStep*c.cwnd)
	c.grow(min(c.cwnd+(target-c.cwnd)*bytes/c.cwnd, target))
}

// begin is the start of a congestion avoidance stage (§4.2). After a timeout, or a
// slow start that ended without a loss, there is no W_max to go back to (§4.8, §4.10).
func (c *cubic) begin(now time.Time) {
	c.epoch, c.wEst, c.k = now, c.cwnd, 0
	if c.wMax == 0 {
		c.prior = c.cwnd
	}
	if c.wMax <= c.cwnd {
		c.wMax = c.cwnd
		return
	}
	c.k = math.Cbrt((c.wMax - c.cwnd) / float64(c.pmdcs) / cubicC)
}

// at is W_cubic(t) in bytes (§4.2).
func (c *cubic) at(t float64) float64 {
	d := t - c.k
	return cubicC*d*d*d*float64(c.pmdcs) + c.wMax
}

// OnLoss implements Controller: RFC 9438 §4.6, §4.7. Instead of the flight size cwnd is
// reduced, which §4.6 permits because cwnd does not grow unless it is used up. After
// a loss at least 4 * PMDCS are left, as RFC 9260 §7.2.3 has it, so that Fast Retransmit
// gets its three miss indications; marks reduce cwnd down to one PMDCS.
func (c *cubic) OnLoss(e LossEvent) {
	if !e.ECN {
		c.undo = c.cubicState
	}
	c.prior = c.cwnd
	switch {
	case c.cwnd < c.wMax: // fast convergence
		c.wMax = c.cwnd * (1 + cubicBeta) / 2
	default:
		c.wMax = c.cwnd
	}
	reduced, pmdcs := c.cwnd*cubicBeta, float64(c.pmdcs)
	if e.ECN {
		c.cwnd = max(reduced, pmdcs)
		c.ssthresh = max(int(reduced), 2*c.pmdcs)
	} else {
		c.cwnd = max(reduced, 4*pmdcs)
		c.ssthresh = int(c.cwnd)
	}
	c.epoch = time.Time{}
}

// OnTimeout implements Controller: RFC 9438 §4.8.
func (c *cubic) OnTimeout(time.Time) {
	c.prior = c.cwnd
	c.ssthresh = max(int(c.cwnd*cubicBeta), 4*c.pmdcs)
	c.cwnd = float64(c.pmdcs)
	c.wMax, c.epoch, c.undo = 0, time.Time{}, cubicState{}
}

// OnSpurious implements Undoer: RFC 9438 §4.9.2.
func (c *cubic) OnSpurious(time.Time) {
	if c.undo.cwnd > 0 && c.cwnd < c.prior {
		c.cubicState = c.undo
	}
	c.undo = cubicState{}
}

// OnIdle implements Controller: RFC 9260 §7.2.1, as NewReno has it.
func (c *cubic) OnIdle(time.Time, time.Duration) {
	w := max(c.cwnd/2, 4*float64(c.pmdcs))
	if w >= c.cwnd {
		return
	}
	if !c.idle {
		c.ssthresh, c.idle = int(c.cwnd), true
	}
	c.cwnd, c.epoch, c.undo = w, time.Time{}, cubicState{}
}

// SetMTU implements Controller.
func (c *cubic) SetMTU(pmdcs int) {
	c.pmdcs = clampPMDCS(pmdcs)
	c.cwnd = max(c.cwnd, float64(c.pmdcs))
}

// grow sets cwnd, which never is so large that sums overflow.
func (c *cubic) grow(w float64) { c.cwnd = min(w, maxWindow) }
