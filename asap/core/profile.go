package core

import (
	"fmt"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Profile is a set of timer values and thresholds: those of RFC 5352 §7, those
// of the back-off between attempts, and those of the SCTP associations below.
// Profiles are data; the code asks for no profile by name.
type Profile struct {
	// Name is what ParseProfile reads.
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

	// Transport holds the SCTP parameters (RFC 9260 §16) that go with the timers
	// above. They decide how fast a silent peer is noticed.
	Transport TransportProfile
}

// TransportProfile holds SCTP protocol parameters, RFC 9260 §16, for data
// associations and for those with registrars.
type TransportProfile struct {
	// RTOInitial, RTOMin and RTOMax bound the retransmission timeout.
	RTOInitial, RTOMin, RTOMax time.Duration
	// HeartbeatInterval is HB.interval; the RTO and a jitter are added to it.
	HeartbeatInterval time.Duration
	// SackDelay is the delayed acknowledgement timer. It must stay well below
	// the peer's RTOMin.
	SackDelay time.Duration
	// AssociationMaxRetrans, PathMaxRetrans and MaxInitRetransmits are the
	// numbers of consecutive timeouts that are tolerated.
	AssociationMaxRetrans, PathMaxRetrans, MaxInitRetransmits int
	// DialTimeout bounds the attempt to reach one pool element.
	DialTimeout time.Duration
}

// ProfileRFC has the values of RFC 5352 §7 and RFC 9260 §16. A dead peer is
// noticed after a minute or more.
var ProfileRFC = Profile{
	Name:                  "rfc",
	Request:               15 * time.Second,
	Registration:          30 * time.Second,
	Deregistration:        30 * time.Second,
	Reregistration:        10 * time.Minute,
	LifeMargin:            20 * time.Second,
	Hunt:                  10 * time.Second,
	RetransMax:            time.Minute,
	Outdate:               5 * time.Second,
	MaxRegAttempts:        2,
	MaxRequestRetransmits: 2,
	// RFC 5352 names no life. 300 is a plausible number of seconds and not of
	// milliseconds, so that a registrar that guesses the unit guesses right.
	Life:           5 * time.Minute,
	LifeUnit:       time.Second,
	StaleCache:     30 * time.Second,
	StaleIfError:   10 * time.Minute,
	NegativeMax:    10 * time.Second,
	RetryMin:       250 * time.Millisecond,
	ReportInterval: 5 * time.Second,
	Transport: TransportProfile{
		RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute,
		HeartbeatInterval: 30 * time.Second, SackDelay: 200 * time.Millisecond,
		AssociationMaxRetrans: 10, PathMaxRetrans: 5, MaxInitRetransmits: 8,
		DialTimeout: time.Minute,
	},
}

// ProfileDefault lies between RFC and fast: a dead or silent peer is noticed
// within about three seconds, and some loss of packets on the way does no harm.
var ProfileDefault = Profile{
	Name:                  "default",
	Request:               2 * time.Second,
	Registration:          3 * time.Second,
	Deregistration:        3 * time.Second,
	Reregistration:        20 * time.Second,
	LifeMargin:            20 * time.Second,
	Hunt:                  3 * time.Second,
	RetransMax:            15 * time.Second,
	Outdate:               5 * time.Second,
	MaxRegAttempts:        2,
	MaxRequestRetransmits: 2,
	Life:                  time.Minute,
	LifeUnit:              time.Second,
	StaleCache:            5 * time.Second,
	StaleIfError:          10 * time.Minute,
	NegativeMax:           5 * time.Second,
	RetryMin:              100 * time.Millisecond,
	ReportInterval:        time.Second,
	Transport: TransportProfile{
		RTOInitial: 500 * time.Millisecond, RTOMin: 100 * time.Millisecond, RTOMax: time.Second,
		HeartbeatInterval: 500 * time.Millisecond, SackDelay: 40 * time.Millisecond,
		AssociationMaxRetrans: 4, PathMaxRetrans: 2, MaxInitRetransmits: 4,
		DialTimeout: 2 * time.Second,
	},
}

// ProfileRsplib has the defaults of rsplib, and its unit of the registration
// life. Use it in a deployment that rsplib programs take part in.
var ProfileRsplib = Profile{
	Name:                  "rsplib",
	Request:               3 * time.Second,
	Registration:          3 * time.Second,
	Deregistration:        3 * time.Second,
	Reregistration:        30 * time.Second,
	LifeMargin:            20 * time.Second,
	Hunt:                  7500 * time.Millisecond,
	RetransMax:            time.Minute,
	Outdate:               5 * time.Second,
	MaxRegAttempts:        1,
	MaxRequestRetransmits: 1,
	Life:                  90 * time.Second,
	LifeUnit:              time.Millisecond,
	StaleCache:            0,
	StaleIfError:          10 * time.Minute,
	NegativeMax:           5 * time.Second,
	RetryMin:              250 * time.Millisecond,
	ReportInterval:        time.Second,
	Transport: TransportProfile{
		RTOInitial: 2 * time.Second, RTOMin: time.Second, RTOMax: 5 * time.Second,
		HeartbeatInterval: 15 * time.Second, SackDelay: 200 * time.Millisecond,
		AssociationMaxRetrans: 8, PathMaxRetrans: 3, MaxInitRetransmits: 8,
		DialTimeout: 5 * time.Second,
	},
}

// ProfileFast notices a dead or silent peer well under a second: three timeouts
// of 60, 120 and 240 ms in a row, at most a quarter of a second after the peer
// was last heard. It suits a local network with round-trip times up to about
// 100 ms: on longer paths the retransmission timeout follows the measured
// round-trip time, and where three packets in a row may get lost, a peer is
// taken for dead that is not.
var ProfileFast = Profile{
	Name:                  "fast",
	Request:               400 * time.Millisecond,
	Registration:          500 * time.Millisecond,
	Deregistration:        500 * time.Millisecond,
	Reregistration:        5 * time.Second,
	LifeMargin:            5 * time.Second,
	Hunt:                  500 * time.Millisecond,
	RetransMax:            5 * time.Second,
	Outdate:               3 * time.Second,
	MaxRegAttempts:        2,
	MaxRequestRetransmits: 2,
	Life:                  30 * time.Second,
	LifeUnit:              time.Second,
	StaleCache:            time.Second,
	StaleIfError:          10 * time.Minute,
	NegativeMax:           time.Second,
	RetryMin:              20 * time.Millisecond,
	ReportInterval:        500 * time.Millisecond,
	Transport: TransportProfile{
		RTOInitial: 200 * time.Millisecond, RTOMin: 60 * time.Millisecond, RTOMax: time.Second,
		HeartbeatInterval: 100 * time.Millisecond, SackDelay: 20 * time.Millisecond,
		AssociationMaxRetrans: 2, PathMaxRetrans: 1, MaxInitRetransmits: 2,
		DialTimeout: 500 * time.Millisecond,
	},
}

// Profiles lists the known profiles.
func Profiles() []Profile {
	return []Profile{ProfileDefault, ProfileRFC, ProfileRsplib, ProfileFast}
}

// ParseProfile returns the profile with the given name: default, rfc, rsplib or
// fast.
func ParseProfile(name string) (Profile, error) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("asap: unknown profile %q (default, rfc, rsplib or fast)", name)
}

// validate returns an error if a timer could run without letting time pass.
func (p *Profile) validate() error {
	for _, d := range []time.Duration{
		p.Request, p.Registration, p.Deregistration, p.Reregistration, p.Hunt,
		p.RetransMax, p.Outdate, p.LifeUnit, p.NegativeMax, p.RetryMin,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("asap: profile %q: a timer of %v is below 1 ms", p.Name, d)
		}
	}
	return nil
}

// reregisterAfter returns T4-reregistration for a registration of the given
// life, RFC 5352 §7.1: 10 minutes or 20 seconds less than the life, whichever is
// less. A life about as short as the margin is renewed after a third of it. A
// negative life never ends.
func (p *Profile) reregisterAfter(life time.Duration) time.Duration {
	if life < 0 {
		return p.Reregistration
	}
	return min(p.Reregistration, max(life-p.LifeMargin, life/3))
}

// wireLife returns the life field of a registration. RFC 5354 §3.10: -1 is for
// ever. Lives beyond the signed field are cut, below one unit are one unit.
func (p *Profile) wireLife(life time.Duration) uint32 {
	if life < 0 {
		return rserpool.LifeInfinite
	}
	return uint32(min(max(int64(life/p.LifeUnit), 1), 0x7fffffff))
}
