package path

import "time"

// Settings is what the user may choose for each path.
type Settings struct {
	// MaxRetrans is Path.Max.Retrans: with more errors in a row the path is inactive.
	MaxRetrans int
	// With PF, a path that has more than PFMaxRetrans errors in a row is potentially
	// failed (RFC 7829 §3.2).
	PF           bool
	HeartbeatOff bool
	PFMaxRetrans int

	HeartbeatInterval time.Duration // HB.interval
}

// countAbove is how many times Path.Max.Retrans the error counter goes on to count,
// so that the better of several inactive paths can be told (RFC 7829 §4.1 rule 3: an
// order of magnitude).
const countAbove = 10

// Fail counts a T3-rtx expiry or an unanswered HEARTBEAT (RFC 9260 §8.2, §8.3) and
// returns the state that follows. A path that is not confirmed stays so.
func (p *Path) Fail() State {
	if p.Errors < (p.Settings.MaxRetrans+1)*countAbove {
		p.Errors++
	}
	return p.Judge()
}

// Judge returns the state that the error counter and the thresholds call for.
func (p *Path) Judge() State {
	switch {
	case p.State == Unconfirmed, p.State == Inactive:
		return p.State
	case p.Errors > p.Settings.MaxRetrans:
		return Inactive
	case p.Settings.PF && p.Errors > p.Settings.PFMaxRetrans:
		return PotentiallyFailed // RFC 7829 §3.2 rule 2
	}
	return p.State
}

// Unreachable says whether the error counter is above Path.Max.Retrans, whatever
// the state: an unconfirmed path keeps that name.
func (p *Path) Unreachable() bool { return p.Errors > p.Settings.MaxRetrans }
