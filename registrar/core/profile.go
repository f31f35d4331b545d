package core

import (
	"fmt"
	"time"
)

// LifeUnit is what the Registration Life of an element counts. RFC 5354 §3.10
// says seconds, rsplib sends and expects milliseconds, and nothing on the wire
// tells which.
type LifeUnit uint8

const (
	// LifeAuto reads values below 1000 as seconds. Larger ones may be either: the
	// home registrar reads them as seconds, because its keep-alives find a dead
	// element anyway, other registrars as milliseconds, and no registrar
	// drops an element whose home is alive. Lives sent to a peer that
	// is not of this implementation are converted to milliseconds.
	LifeAuto LifeUnit = iota
	LifeSeconds
	LifeMilliseconds
)

// String is "auto", "s" or "ms".
func (u LifeUnit) String() string {
	switch u {
	case LifeSeconds:
		return "s"
	case LifeMilliseconds:
		return "ms"
	}
	return "auto"
}

// ParseLifeUnit reads what String writes.
func ParseLifeUnit(s string) (LifeUnit, error) {
	for _, u := range []LifeUnit{LifeAuto, LifeSeconds, LifeMilliseconds} {
		if u.String() == s {
			return u, nil
		}
	}
	return 0, fmt.Errorf("registrar: unknown life unit %q (auto, s or ms)", s)
}

// Arbitration is the rule by which one of two registrars that want to take over
// the same peer wins.
type Arbitration uint8

const (
	// ArbitrationAuto is ArbitrationLarger as long as all known peers are of this
	// implementation, else ArbitrationSmaller: all registrars of a scope must go by
	// the same rule or nobody wins.
	ArbitrationAuto    Arbitration = iota
	ArbitrationLarger              // the larger identifier wins (RFC 5353 §3.5.1)
	ArbitrationSmaller             // the smaller identifier wins, as rsplib does
)

// String is "auto", "larger" or "smaller".
func (a Arbitration) String() string {
	switch a {
	case ArbitrationLarger:
		return "larger"
	case ArbitrationSmaller:
		return "smaller"
	}
	return "auto"
}

// ParseArbitration reads what String writes.
func ParseArbitration(s string) (Arbitration, error) {
	for _, a := range []Arbitration{ArbitrationAuto, ArbitrationLarger, ArbitrationSmaller} {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("registrar: unknown arbitration %q (auto, larger or smaller)", s)
}

// Profile holds the timers, thresholds and compatibility switches of a registrar
// as data: this is the only place where they have values.
type Profile struct {
	Name string

	// Heartbeat is PEER-HEARTBEAT-CYCLE (RFC 5353 §4.2). Each cycle is an eighth
	// longer or shorter at random, so that registrars do not stay in step.
	Heartbeat time.Duration
	// MaxTimeLastHeard is MAX-TIME-LAST-HEARD: how long a peer may be silent before
	// it is asked for a sign of life.
	MaxTimeLastHeard time.Duration
	// MaxTimeNoResponse is MAX-TIME-NO-RESPONSE: how long to wait for any answer
	// of a peer.
	MaxTimeNoResponse time.Duration
	// MentorTimeout bounds the start-up: without a mentor's handlespace by then the
	// registrar starts with what it has (RFC 5353 §3.2).
	MentorTimeout time.Duration
	// MentorRetry is the pause before a mentor that rejected a request is asked
	// again (RFC 5353 §3.2.2.2: "a few seconds").
	MentorRetry time.Duration
	// TakeoverGuard is how long a peer that somebody else wants to take over stays
	// unmonitored. RFC 5353 §3.5.1 sets no bound; without one the elements
	// would be orphaned if the initiator died too.
	TakeoverGuard time.Duration
	// DialRetryMin and DialRetryMax bound the pause between two attempts to reach
	// a peer or an element; it doubles from one to the other.
	DialRetryMin, DialRetryMax time.Duration

	// KeepAlive is the mean time between two keep-alives to an element; each time
	// is drawn from half to one and a half of it (RFC 5352 §3.5).
	KeepAlive time.Duration
	// KeepAliveTimeout is how long an element has to acknowledge one.
	KeepAliveTimeout time.Duration
	// LinkGrace is how long an element whose association ended may take to
	// register again, here or at another registrar, or to be reached by a new
	// association, before it is removed.
	LinkGrace time.Duration
	// AdoptTimeout is the same for an element that was taken over from a dead
	// registrar: its own detection of the failure may take longer.
	AdoptTimeout time.Duration
	// ConflictWindow is how old a registration may be to be taken as simultaneous
	// with one at another registrar that is announced now.
	ConflictWindow time.Duration
	// MaxBadReports is MAX-BAD-PE-REPORT (RFC 5352 §3.5): an element is removed when
	// more distinct reporters than this found it unreachable within ReportWindow.
	MaxBadReports int
	// ReportWindow is how long a report counts.
	ReportWindow time.Duration
	// NotifyDelay collects changes of a pool before its subscribers are told.
	NotifyDelay time.Duration

	// DistanceStep is what distances are rounded to, for the policies that go by them
	// (draft-dreibholz-rserpool-delay §2.1); 0 means that all are 0.
	DistanceStep time.Duration

	// LifeUnit is the unit of registration lives.
	LifeUnit LifeUnit
	// Arbitration decides between two registrars that take over the same peer.
	Arbitration Arbitration
	// HoldTakeoverAck says not to acknowledge a takeover of a peer that this
	// registrar hears well before that peer was asked and stayed silent. RFC 5353
	// §3.5.1 acknowledges at once, which lets a registrar that is cut off from one
	// peer only take over its elements while it lives.
	HoldTakeoverAck bool
	// MaxHandle is the longest pool handle in bytes that may be registered. rsplib
	// programs abort on more than 32 bytes.
	MaxHandle int

	// Transport holds the SCTP parameters that go with the timers above.
	Transport TransportProfile
}

// TransportProfile holds SCTP protocol parameters (RFC 9260 §16) for the
// associations of a registrar.
type TransportProfile struct {
	RTOInitial, RTOMin, RTOMax time.Duration
	HeartbeatInterval          time.Duration
	SackDelay                  time.Duration
	AssociationMaxRetrans      int
	PathMaxRetrans             int
	MaxInitRetransmits         int
	// DialTimeout bounds the attempt to open an association.
	DialTimeout time.Duration
}

// ProfileRFC has the values of RFC 5353 §4.2 and RFC 9260 §16, and where the
// RFCs name none, values that go with them. A dead registrar is replaced after
// little more than a minute.
var ProfileRFC = Profile{
	Name:      "rfc",
	Heartbeat: 30 * time.Second, MaxTimeLastHeard: 61 * time.Second, MaxTimeNoResponse: 5 * time.Second,
	MentorTimeout: 10 * time.Second, MentorRetry: 2 * time.Second, TakeoverGuard: 15 * time.Second,
	DialRetryMin: time.Second, DialRetryMax: 30 * time.Second,
	KeepAlive: 5 * time.Second, KeepAliveTimeout: 5 * time.Second,
	LinkGrace: 5 * time.Second, AdoptTimeout: 30 * time.Second, ConflictWindow: time.Second,
	MaxBadReports: 3, ReportWindow: time.Minute, NotifyDelay: 100 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
	LifeUnit: LifeSeconds, Arbitration: ArbitrationLarger, MaxHandle: 1024,
	Transport: TransportProfile{
		RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute,
		HeartbeatInterval: 30 * time.Second, SackDelay: 200 * time.Millisecond,
		AssociationMaxRetrans: 10, PathMaxRetrans: 5, MaxInitRetransmits: 8,
		DialTimeout: 15 * time.Second,
	},
}

// ProfileDefault goes by the RFCs, with timers that interoperate with rsplib's
// registrar at its defaults, which suspects a peer after five silent seconds.
// A dead element is found after 5 seconds on average, a dead registrar after 7.
var ProfileDefault = Profile{
	Name:      "default",
	Heartbeat: 2 * time.Second, MaxTimeLastHeard: 5 * time.Second, MaxTimeNoResponse: 2 * time.Second,
	MentorTimeout: 5 * time.Second, MentorRetry: time.Second, TakeoverGuard: 6 * time.Second,
	DialRetryMin: 500 * time.Millisecond, DialRetryMax: 10 * time.Second,
	KeepAlive: 3 * time.Second, KeepAliveTimeout: 3 * time.Second,
	LinkGrace: 3 * time.Second, AdoptTimeout: 15 * time.Second, ConflictWindow: time.Second,
	MaxBadReports: 3, ReportWindow: 30 * time.Second, NotifyDelay: 50 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
	HoldTakeoverAck: true, MaxHandle: 1024,
	Transport: TransportProfile{
		RTOInitial: time.Second, RTOMin: 500 * time.Millisecond, RTOMax: 10 * time.Second,
		HeartbeatInterval: 15 * time.Second, SackDelay: 100 * time.Millisecond,
		AssociationMaxRetrans: 8, PathMaxRetrans: 4, MaxInitRetransmits: 8,
		DialTimeout: 5 * time.Second,
	},
}

// ProfileRsplib has rsplib's defaults and wire quirks: use it in a scope whose
// other registrars and elements are rsplib's.
var ProfileRsplib = Profile{
	Name:      "rsplib",
	Heartbeat: 2444 * time.Millisecond, MaxTimeLastHeard: 5 * time.Second, MaxTimeNoResponse: 5 * time.Second,
	MentorTimeout: 5 * time.Second, MentorRetry: time.Second, TakeoverGuard: 10 * time.Second,
	DialRetryMin: time.Second, DialRetryMax: 10 * time.Second,
	KeepAlive: 5 * time.Second, KeepAliveTimeout: 5 * time.Second,
	LinkGrace: 3 * time.Second, AdoptTimeout: 15 * time.Second, ConflictWindow: time.Second,
	MaxBadReports: 2, ReportWindow: time.Minute, NotifyDelay: 50 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
	LifeUnit: LifeMilliseconds, Arbitration: ArbitrationSmaller, MaxHandle: 32,
	Transport: TransportProfile{
		RTOInitial: 2 * time.Second, RTOMin: time.Second, RTOMax: 5 * time.Second,
		HeartbeatInterval: 15 * time.Second, SackDelay: 10 * time.Millisecond,
		AssociationMaxRetrans: 8, PathMaxRetrans: 3, MaxInitRetransmits: 8,
		DialTimeout: 7500 * time.Millisecond,
	},
}

// ProfileFast finds a dead element or a dead registrar in less than a second. It
// suits round-trip times up to about 100 ms.
var ProfileFast = Profile{
	Name:      "fast",
	Heartbeat: 150 * time.Millisecond, MaxTimeLastHeard: 450 * time.Millisecond, MaxTimeNoResponse: 300 * time.Millisecond,
	MentorTimeout: time.Second, MentorRetry: 100 * time.Millisecond, TakeoverGuard: time.Second,
	DialRetryMin: 50 * time.Millisecond, DialRetryMax: time.Second,
	KeepAlive: 300 * time.Millisecond, KeepAliveTimeout: 400 * time.Millisecond,
	LinkGrace: 400 * time.Millisecond, AdoptTimeout: 3 * time.Second, ConflictWindow: 200 * time.Millisecond,
	MaxBadReports: 3, ReportWindow: 10 * time.Second, NotifyDelay: 10 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
	HoldTakeoverAck: true, MaxHandle: 1024,
	Transport: TransportProfile{
		RTOInitial: 200 * time.Millisecond, RTOMin: 60 * time.Millisecond, RTOMax: time.Second,
		HeartbeatInterval: 500 * time.Millisecond, SackDelay: 20 * time.Millisecond,
		AssociationMaxRetrans: 6, PathMaxRetrans: 3, MaxInitRetransmits: 4,
		DialTimeout: time.Second,
	},
}

// Profiles lists the known profiles, the default one first.
func Profiles() []Profile {
	return []Profile{ProfileDefault, ProfileRFC, ProfileRsplib, ProfileFast}
}

// ParseProfile returns the profile of the given name: default, rfc, rsplib or
// fast.
func ParseProfile(name string) (Profile, error) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("registrar: unknown profile %q (default, rfc, rsplib or fast)", name)
}
