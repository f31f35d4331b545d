package congestion

import (
	"math"
	"time"
)

const (
	// initialWindowIPv4 and initialWindowIPv6 are the byte counts in the formula
	// of the initial window (RFC 9260 §7.2.1).
	initialWindowIPv4 = 4404
	initialWindowIPv6 = 4344
	// maxWindow keeps sums of windows and bytes within an int of 32 bits.
	maxWindow = math.MaxInt32 / 4
	// maxPMDCS is more than any IP packet can hold.
	maxPMDCS = math.MaxUint16
)

// newReno is the congestion control of RFC 9260 §7.2.
type newReno struct {
	pmdcs    int
	cwnd     int
	ssthresh int
	// pba is partial_bytes_acked (RFC 9260 §7.2.2).
	pba int
	// idle says that cwnd was already adjusted in this idle period.
	idle bool
}

// NewReno returns the congestion control of RFC 9260 §7.2 for a path to an IPv4
// address. pmdcs is the path's PMTU less all headers up to the DATA chunks.
// initialRwnd is the peer's a_rwnd and becomes ssthresh, which is to be
// arbitrarily high at first; 0 or less is no limit at all.
func NewReno(pmdcs, initialRwnd int) Controller {
	return newRenoWith(pmdcs, initialRwnd, initialWindowIPv4)
}

// NewRenoIPv6 is NewReno for a path to an IPv6 address, where the initial window
// is smaller by as much as the IP header is larger.
func NewRenoIPv6(pmdcs, initialRwnd int) Controller {
	return newRenoWith(pmdcs, initialRwnd, initialWindowIPv6)
}

func newRenoWith(pmdcs, initialRwnd, base int) *newReno {
	pmdcs = clampPMDCS(pmdcs)
	c := &newReno{pmdcs: pmdcs, cwnd: InitialWindow(pmdcs, base), ssthresh: maxWindow}
	if initialRwnd > 0 {
		// A peer that opens with a small window may open it later: ssthresh must
		// not send a new path straight to congestion avoidance.
		c.ssthresh = min(maxWindow, max(initialRwnd, 4*pmdcs))
	}
	return c
}

// InitialWindow is min(4 * PMDCS, max(2 * PMDCS, base)), where base is 4404 for
// IPv4 and 4344 for IPv6 (RFC 9260 §7.2.1).
func InitialWindow(pmdcs, base int) int { return min(4*pmdcs, max(2*pmdcs, base)) }

// Window implements Controller.
func (c *newReno) Window() int { return c.cwnd }

// OnSent implements Controller.
func (c *newReno) OnSent(time.Time, int, int) { c.idle = false }

// OnAck implements Controller.
func (c *newReno) OnAck(e AckEvent) {
	if e.Bytes > 0 {
		if c.cwnd <= c.ssthresh {
			c.slowStart(e)
		} else {
			c.avoidCongestion(e)
		}
	}
	if e.FlightEmpty {
		// RFC 9260 §7.2.2: "When all of the data transmitted by the sender has
		// been acknowledged by the receiver, partial_bytes_acked is initialized
		// to 0."
		c.pba = 0
	}
}

// slowStart is RFC 9260 §7.2.1: cwnd grows only if it is fully used and the
// sender is not in Fast Recovery, by the bytes acknowledged but no more than
// L * PMDCS, with L = 1. That the Cumulative TSN Ack Point advances is no
// condition any more, as it was in RFC 4960.
func (c *newReno) slowStart(e AckEvent) {
	if e.CwndLimited && !e.InRecovery {
		c.grow(min(e.Bytes, c.pmdcs))
	}
}

// avoidCongestion is RFC 9260 §7.2.2: one PMDCS per window of acknowledged bytes.
// The bytes of Duplicate TSNs, which the RFC counts as well, are left out: their
// sizes are forgotten once they are acknowledged, and a peer could invent them.
func (c *newReno) avoidCongestion(e AckEvent) {
	c.pba = min(c.pba+min(e.Bytes, maxWindow), maxWindow)
	switch {
	case !e.CwndLimited:
		c.pba = min(c.pba, c.cwnd)
	case c.pba >= c.cwnd:
		c.pba -= c.cwnd
		c.grow(c.pmdcs)
	}
}

// OnLoss implements Controller: RFC 9260 §7.2.3. A congestion mark counts as a
// loss. With less than 4 * PMDCS the formula raises cwnd: below that Fast
// Retransmit would not get its three miss indications.
func (c *newReno) OnLoss(LossEvent) {
	c.halve()
	c.cwnd = c.ssthresh
}

// OnTimeout implements Controller: RFC 9260 §7.2.3.
func (c *newReno) OnTimeout(time.Time) {
	c.halve()
	c.cwnd = c.pmdcs
}

// halve sets ssthresh after congestion.
func (c *newReno) halve() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.pba = 0
}

// OnIdle implements Controller: RFC 9260 §7.2.1. The adjustment is a decay (§7.1),
// so a window that a timeout has made smaller than 4 * PMDCS stays as it is.
func (c *newReno) OnIdle(time.Time, time.Duration) {
	w := max(c.cwnd/2, 4*c.pmdcs)
	if w >= c.cwnd {
		return
	}
	if !c.idle {
		c.ssthresh, c.idle = c.cwnd, true
	}
	c.cwnd = w
}

// SetMTU implements Controller.
func (c *newReno) SetMTU(pmdcs int) {
	c.pmdcs = clampPMDCS(pmdcs)
	c.cwnd = max(c.cwnd, c.pmdcs)
}

// grow adds n to cwnd.
func (c *newReno) grow(n int) { c.cwnd = min(c.cwnd+n, maxWindow) }

// clampPMDCS makes a size that arithmetic cannot fail with out of any number.
func clampPMDCS(n int) int { return min(max(n, 1), maxPMDCS) }
