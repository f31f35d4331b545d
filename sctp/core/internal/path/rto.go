package path

import "time"

// Clock granularity G of RFC 9260 §6.3.1 G1.
const granularity = time.Millisecond

// RTO computes the retransmission timeout of one path (RFC 9260 §6.3.1).
type RTO struct {
	initial, min, max time.Duration
	srtt, rttvar      time.Duration // zero: not measured yet
	rto               time.Duration
}

// NewRTO returns an estimator without a measurement: RTO is initial (rule C1).
func NewRTO(initial, minimum, maximum time.Duration) RTO {
	r := RTO{initial: initial, min: minimum, max: maximum}
	r.Restore()
	return r
}

func (r *RTO) clamp(d time.Duration) time.Duration { return min(max(d, r.min), r.max) }

// Measure takes one round-trip time (rules C2, C3). A negative time, which only a
// clock that was set back or a forged echo can cause, counts as zero.
func (r *RTO) Measure(rtt time.Duration) {
	rtt = min(max(rtt, 0), r.max)
	if r.rttvar == 0 {
		r.srtt, r.rttvar = rtt, rtt/2
	} else {
		r.rttvar += ((r.srtt - rtt).Abs() - r.rttvar) / 4
		r.srtt += (rtt - r.srtt) / 8
	}
	if r.rttvar == 0 {
		r.rttvar = granularity // rule G1
	}
	r.Restore()
}

// SetBounds changes RTO.Min and RTO.Max; a back-off stays as far as they allow.
func (r *RTO) SetBounds(minimum, maximum time.Duration) {
	r.min, r.max = minimum, maximum
	r.rto = r.clamp(r.rto)
}

// Restore undoes the back-off.
func (r *RTO) Restore() { r.rto = r.Base() }

// Base is the timeout without any back-off.
func (r *RTO) Base() time.Duration {
	if r.rttvar > 0 {
		return r.clamp(r.srtt + 4*r.rttvar)
	}
	return r.clamp(r.initial)
}

// Backoff doubles the timeout up to the maximum (RFC 9260 §6.3.3 E2).
func (r *RTO) Backoff() { r.rto = r.clamp(2 * r.rto) }

// Value is the current timeout.
func (r *RTO) Value() time.Duration { return r.rto }

// SRTT is the smoothed round-trip time, 0 before the first measurement.
func (r *RTO) SRTT() time.Duration { return r.srtt }

// RTTVar is the round-trip time variation, 0 before the first measurement.
func (r *RTO) RTTVar() time.Duration { return r.rttvar }
