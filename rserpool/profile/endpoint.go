package profile

import (
	"fmt"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Endpoint holds the timers and thresholds of pool elements and pool users: those of
// RFC 5352 §7, those of the back-off between attempts, and those of the SCTP
// associations below.
type Endpoint struct {
	// Name is what Parse reads.
	Name string

	// Request is T1-ENRPrequest: how long to wait for a handle resolution.
	Request time.Duration
	// Registration is T2-registration: how long to wait for its response.
	Registration time.Duration
	// Deregistration is T3-deregistration.
	Deregistration time.Duration
	// Reregistration and LifeMargin make T4-reregistration: the shorter of
	// Reregistration and of the registration life less LifeMargin.
	Reregistration, LifeMargin time.Duration
	// Hunt is T5-Serverhunt: how long to wait for the associations of one set of
	// registrars. It doubles with each set that fails, up to RetransMax.
	Hunt time.Duration
	// RetransMax is RETRAN-MAX, the ceiling of every doubling interval.
	RetransMax time.Duration
	// Outdate is T7-ENRPoutdate: how long an announcement is valid.
	Outdate time.Duration
	// MaxRegAttempts is MAX-REG-ATTEMPT: after so many unanswered registrations
	// another registrar is hunted for.
	MaxRegAttempts int
	// MaxRequestRetransmits is MAX-REQUEST-RETRANSMIT: how often a request is
	// repeated before it fails.
	MaxRequestRetransmits int

	// Life is the registration life of elements that do not choose one.
	Life time.Duration
	// LifeUnit is what the life field on the wire counts. RFC 5354 §3.10 says
	// seconds; rsplib sends and expects milliseconds, and nothing on the wire
	// tells the two apart.
	LifeUnit time.Duration

	// StaleCache is stale.cache.value (RFC 5352 §7.2): how old a cached
	// resolution may be and still be used without asking.
	StaleCache time.Duration
	// StaleIfError is how old a cached resolution may be to be used when no
	// registrar answers.
	StaleIfError time.Duration
	// NegativeMax is the longest time during which a pool that was not found is
	// not asked for again. The time starts at RetryMin and doubles.
	NegativeMax time.Duration
	// RetryMin is the first pause before something that failed is tried again.
	RetryMin time.Duration
	// ReportInterval is the shortest time between two reports about the same
	// unreachable element.
	ReportInterval time.Duration

	// ASAPGroups are the multicast groups in which registrars announce themselves:
	// GROUP:PORT, with spaces between several.
	ASAPGroups string

	// Transport holds the SCTP parameters (RFC 9260 §16) that go with the timers
	// above. They decide how fast a silent peer is noticed.
	Transport Transport
}

// Validate returns an error if a timer could run without letting time pass.
func (p *Endpoint) Validate() error {
	for _, d := range []time.Duration{
		p.Request, p.Registration, p.Deregistration, p.Reregistration, p.Hunt,
		p.RetransMax, p.Outdate, p.LifeUnit, p.NegativeMax, p.RetryMin,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("profile: endpoint %q: a timer of %v is below 1 ms", p.Name, d)
		}
	}
	return nil
}

// ReregisterAfter returns T4-reregistration for a registration of the given
// life, RFC 5352 §7.1: 10 minutes or 20 seconds less than the life, whichever is
// less. A life about as short as the margin is renewed after a third of it. A
// negative life never ends.
func (p *Endpoint) ReregisterAfter(life time.Duration) time.Duration {
	if life < 0 {
		return p.Reregistration
	}
	return min(p.Reregistration, max(life-p.LifeMargin, life/3))
}

// WireLife returns the life field of a registration. RFC 5354 §3.10: -1 is for
// ever. Lives beyond the signed field are cut, below one unit are one unit.
func (p *Endpoint) WireLife(life time.Duration) uint32 {
	if life < 0 {
		return rserpool.LifeInfinite
	}
	return uint32(min(max(int64(life/p.LifeUnit), 1), 0x7fffffff))
}
