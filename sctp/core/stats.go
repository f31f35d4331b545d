package core

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// Stats counts what an association did, modelled on the tables of RFC 3873.
type Stats struct {
	PacketsIn, PacketsOut   uint64
	DataIn, DataOut         uint64 // DATA chunks, first transmissions
	Retransmitted           uint64 // DATA chunks sent again
	FastRetransmits         uint64 // of these, after gap reports
	T3Expirations           uint64
	BytesIn, BytesOut       uint64 // user data
	DuplicatesIn            uint64 // DATA chunks received twice
	SacksIn, SacksOut       uint64
	Dropped                 uint64 // packets and chunks discarded as invalid
	NoRoom                  uint64 // DATA chunks dropped for lack of buffer
	HeartbeatsOut, Restarts uint64
	ICMPIn, ICMPIgnored     uint64 // messages that quoted this association, and others
}

// PathState is the reachability of a peer address.
type PathState = path.State

// States of a path.
const (
	PathUnconfirmed       = path.Unconfirmed
	PathActive            = path.Active
	PathInactive          = path.Inactive
	PathPotentiallyFailed = path.PotentiallyFailed
)

// PathInfo is what is known of one peer address.
type PathInfo struct {
	Remote            netip.AddrPort // IP address and UDP encapsulation port
	Local             netip.Addr
	State             PathState
	Primary           bool
	SRTT, RTTVar, RTO time.Duration
	Cwnd, InFlight    int // bytes
	PacketSize        int // largest SCTP packet in bytes
	Errors            int
}

// Stats returns the counters so far.
func (a *Association) Stats() Stats { return a.stats }

// Paths describes the peer's addresses.
func (a *Association) Paths() []PathInfo {
	out := make([]PathInfo, 0, len(a.paths.All))
	for _, p := range a.paths.All {
		out = append(out, PathInfo{
			Remote: p.Remote, Local: p.Local, State: p.State, Primary: p == a.paths.Primary(),
			SRTT: p.RTO.SRTT(), RTTVar: p.RTO.RTTVar(), RTO: p.RTO.Value(),
			Cwnd: p.CC.Window(), InFlight: p.InFlight, PacketSize: p.Size, Errors: p.Errors,
		})
	}
	return out
}

// Held is the number of bytes of user data in the receive buffer.
func (a *Association) Held() int { return a.rx.inbox.Held() }
