// Package congestion decides how much data may be in flight on one path.
//
// A Controller turns events into a window; what is lost, when a timer fires and
// what is sent next is decided elsewhere. There is one Controller per path, it
// has no clock and no locks, and its owner calls it from one goroutine at a time.
//
//	c := congestion.NewReno(pmdcs, peerRwnd)
//	for inFlight < c.Window() {
//		c.OnSent(now, n, inFlight)
//	}
//
// [NewReno] is RFC 9260 §7.2, [NewCubic] RFC 9438. Each algorithm is a file and passes
// the same conformance test.
package congestion

import "time"

// Controller is the congestion control of one path. All sizes are bytes of DATA
// chunks with their headers and padding (RFC 9260 §7.2).
type Controller interface {
	// OnSent: bytes were sent now; inFlight is what was outstanding before.
	OnSent(now time.Time, bytes, inFlight int)
	// OnAck is called once per SACK that newly acknowledges data sent on this
	// path. If the SACK also reveals a loss, OnAck comes before OnLoss
	// (RFC 9260 §7.2.4).
	OnAck(AckEvent)
	// OnLoss is called once per loss epoch: not again until Fast Recovery ended
	// (RFC 9260 §7.2.4).
	OnLoss(LossEvent)
	// OnTimeout is called at each T3-rtx expiration (RFC 9260 §7.2.3).
	OnTimeout(now time.Time)
	// OnIdle is called each time one more RTO has gone by without transmission on
	// this path; idle is the time since the last one (RFC 9260 §7.2.1). Calls that
	// were missed may be made up for when transmission resumes, before OnSent.
	OnIdle(now time.Time, idle time.Duration)
	// SetMTU tells a new PMDCS: the most bytes of DATA chunks that a packet on
	// this path can hold.
	SetMTU(pmdcs int)
	// Window is the congestion window. It is never less than one PMDCS.
	Window() int
}

// Undoer is a Controller that can take back what it did for a loss.
type Undoer interface {
	// OnSpurious is called when nothing was lost, as it turns out, in the last epoch
	// that OnLoss was told of: all that was sent again had arrived before.
	OnSpurious(now time.Time)
}

// Algorithm makes the Controller of one path, given its PMDCS and the family of its
// addresses, by which the initial window differs (RFC 9260 §7.2.1). Reno and Cubic are
// such functions.
type Algorithm func(pmdcs int, ipv6 bool) Controller

// Reno is NewReno or NewRenoIPv6, with an ssthresh that is arbitrarily high at first.
func Reno(pmdcs int, ipv6 bool) Controller {
	if ipv6 {
		return NewRenoIPv6(pmdcs, 0)
	}
	return NewReno(pmdcs, 0)
}

// Cubic is NewCubic or NewCubicIPv6, with an ssthresh that is arbitrarily high at
// first.
func Cubic(pmdcs int, ipv6 bool) Controller {
	if ipv6 {
		return NewCubicIPv6(pmdcs, 0)
	}
	return NewCubic(pmdcs, 0)
}

// AckEvent is what one SACK says about one path.
type AckEvent struct {
	Now time.Time
	// Bytes newly acknowledged, by the Cumulative TSN Ack or by a gap block.
	Bytes int
	// CumAdvanced: the Cumulative TSN Ack Point advanced.
	CumAdvanced bool
	// CwndLimited: the window was fully used before this SACK came.
	CwndLimited bool
	// InRecovery: the association was in Fast Recovery when this SACK came.
	InRecovery bool
	// RTT measured by this SACK, 0 if none.
	RTT time.Duration
	// InFlight before this SACK's bytes are taken off.
	InFlight int
	// FlightEmpty: all data sent on this path is acknowledged now.
	FlightEmpty bool
}

// LossEvent is the begin of a loss epoch on one path.
type LossEvent struct {
	Now time.Time
	// ECN: congestion was reported by a mark, nothing was lost.
	ECN bool
	// InFlight when the loss was found.
	InFlight int
	// Bytes that were found to be lost.
	Bytes int
}
