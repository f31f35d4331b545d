package profile

import (
	"fmt"
	"time"
)

// Registrar holds the timers, thresholds and compatibility switches of a registrar.
type Registrar struct {
	// Name is what Parse reads.
	Name string

	// Heartbeat is PEER-HEARTBEAT-CYCLE (RFC 5353 §4.2). Each cycle is an eighth
	// longer or shorter at random, so that registrars do not stay in step.
	Heartbeat time.Duration
	// ServerAnnounce is T6-Serverannounce (RFC 5352 §7.1): with N other registrars heard,
	// this one is announced by multicast every N+1 of these, so that there is about one
	// announcement in each.
	ServerAnnounce time.Duration
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

	// ASAPGroups and ENRPGroups are the multicast groups of announcements for elements and
	// users, and for registrars: GROUP:PORT, with spaces between several. RFC 5352 §8.4
	// names those of ASAP; for ENRP, which has none of its own, they are the same at its
	// port. rsplib has others.
	ASAPGroups, ENRPGroups string

	// Transport holds the SCTP parameters that go with the timers above.
	Transport Transport
}

// Validate refuses profiles whose timers would spin or never fire.
func (p *Registrar) Validate() error {
	for _, d := range []time.Duration{
		p.Heartbeat, p.ServerAnnounce, p.MaxTimeLastHeard, p.MaxTimeNoResponse, p.MentorTimeout, p.MentorRetry, p.TakeoverGuard,
		p.DialRetryMin, p.DialRetryMax, p.KeepAlive, p.KeepAliveTimeout, p.LinkGrace, p.AdoptTimeout,
		p.ReportWindow, p.NotifyDelay,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("profile: registrar %q has a timer of %v, want at least 1ms", p.Name, d)
		}
	}
	if p.MaxHandle < 1 {
		return fmt.Errorf("profile: registrar %q allows pool handles of %d bytes", p.Name, p.MaxHandle)
	}
	return nil
}
