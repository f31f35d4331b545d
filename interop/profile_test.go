//go:build interop

package interop

import (
	"time"

	"github.com/rserpool/rserpool/sctp"
)

// A profile is the timers of an association: ours, and those of a guest.
type profile struct {
	name  string
	ours  sctp.Config
	guest []string       // sysctls
	gone  sctp.PathState // of a path that data has left
}

// rfcTimers are the values of RFC 9260 §16 at both ends. Linux's own quick
// fail-over (RFC 7829) is off.
var rfcTimers = profile{
	name: "RFC 9260 timers",
	ours: sctp.Config{Events: sctp.EventAll},
	guest: []string{"net.sctp.rto_max=60000", "net.sctp.rto_initial=1000", "net.sctp.rto_min=1000",
		"net.sctp.path_max_retrans=5", "net.sctp.hb_interval=30000", "net.sctp.pf_enable=0"},
	gone: sctp.PathInactive,
}

// quickFailover is rfcTimers with SCTP-PF (RFC 7829) at both ends.
var quickFailover = profile{
	name:  "RFC 9260 timers and RFC 7829",
	ours:  sctp.Config{Events: sctp.EventAll, QuickFailover: true},
	guest: append(append([]string{}, rfcTimers.guest...), "net.sctp.pf_enable=1", "net.sctp.pf_retrans=0"),
	gone:  sctp.PathPotentiallyFailed,
}

// fastTimers are for networks of one's own with short round trips, where a path
// should count as dead after two losses in a row.
var fastTimers = profile{
	name: "fast timers",
	ours: sctp.Config{Events: sctp.EventAll, RTOInitial: 300 * time.Millisecond, RTOMin: 100 * time.Millisecond,
		RTOMax: time.Second, PathMaxRetrans: 1, HeartbeatInterval: 500 * time.Millisecond,
		SackDelay: 20 * time.Millisecond},
	guest: []string{"net.sctp.rto_min=100", "net.sctp.rto_initial=300", "net.sctp.rto_max=1000",
		"net.sctp.path_max_retrans=1", "net.sctp.hb_interval=500", "net.sctp.sack_timeout=20", "net.sctp.pf_enable=0"},
	gone: sctp.PathInactive,
}

// fastFailover is fastTimers with SCTP-PF.
var fastFailover = func() profile {
	p := fastTimers
	p.name = "fast timers and RFC 7829"
	p.ours.QuickFailover = true
	p.guest = append(append([]string{}, p.guest...), "net.sctp.pf_enable=1", "net.sctp.pf_retrans=0")
	p.gone = sctp.PathPotentiallyFailed
	return p
}()
