package core

import (
	"net/netip"
	"reflect"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// Stats counts what an association did, modelled on the tables of RFC 3873.
type Stats struct {
	PacketsIn, PacketsOut uint64 // SCTP packets, retransmissions and duplicates included

	ControlIn, ControlOut uint64 // chunks other than DATA, retransmissions included
	ControlRetransmitted  uint64 // of these, INIT, COOKIE ECHO, SHUTDOWN and SHUTDOWN ACK sent again
	SacksIn, SacksOut     uint64 // of these, SACK
	HeartbeatsOut         uint64 // of these, HEARTBEAT

	DataIn, DataOut           uint64 // DATA chunks, first transmissions
	UnorderedIn, UnorderedOut uint64 // of these, with the U bit
	DuplicatesIn              uint64 // DATA chunks received twice
	Retransmitted             uint64 // DATA chunks sent again
	FastRetransmits           uint64 // of these, after gap reports

	MessagesIn, MessagesOut      uint64 // user messages received, sent whole
	ReassembledIn, FragmentedOut uint64 // of these, in more than one chunk; FragmentedOut: begun
	BytesIn, BytesOut            uint64 // user data

	T1Expirations, T2Expirations uint64 // timers of the handshake and of the shutdown
	T3Expirations                uint64 // retransmission timer
	T3Chunks                     uint64 // DATA chunks that it marked for retransmission

	LossProbes uint64 // DATA chunks sent again because nothing was acknowledged for a while

	Dropped  uint64 // packets and chunks discarded as invalid
	NoRoom   uint64 // DATA chunks dropped for lack of buffer
	Restarts uint64 // of the peer

	SourceChanges uint64 // of paths whose source address was replaced by another

	ICMPIn, ICMPIgnored uint64 // messages that quoted this association, and others
	SpuriousLosses      uint64 // Fast Recoveries taken back, since packets were only reordered
	EchoesIn, EchoesOut uint64 // ECNE chunks (RFC 4960 Appendix A)
	MarkedWindows       uint64 // congestion windows reduced for a mark
	MTUProbes           uint64 // packets sent to try a size (RFC 8899)
	BlackHoles          uint64 // times that a size that had passed did no longer
}

// Add adds the counters of o, so that those of several associations can be summed.
func (s *Stats) Add(o *Stats) { s.each(o, func(mine, other uint64) uint64 { return mine + other }) }

// Sub takes away the counters of o, which were read before s.
func (s *Stats) Sub(o *Stats) { s.each(o, func(mine, other uint64) uint64 { return mine - other }) }

// each combines every counter with that of o.
func (s *Stats) each(o *Stats, f func(mine, other uint64) uint64) {
	all, others := reflect.ValueOf(s).Elem(), reflect.ValueOf(o).Elem()
	for i := range all.NumField() {
		all.Field(i).SetUint(f(all.Field(i).Uint(), others.Field(i).Uint()))
	}
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
	Cwnd, InFlight    int  // bytes
	PacketSize        int  // largest SCTP packet in bytes
	Errors            int  // consecutive retransmissions and heartbeats without an answer (RFC 9260 §8.2)
	MaxRetrans        int  // more than which make the path inactive
	Heartbeats        bool // whether the path is probed when idle (RFC 9260 §8.3)
	HeartbeatInterval time.Duration

	PacketsIn, PacketsOut uint64 // SCTP packets from and to the address
	Retransmitted         uint64 // DATA chunks sent again, to this address
	T3Expirations         uint64
}

// Stats returns the counters so far.
func (a *Association) Stats() Stats {
	s := a.stats
	s.MessagesIn, s.ReassembledIn = a.rx.inbox.Arrived()
	return s
}

// Established is when the association was established, or restarted by the peer;
// the zero time before that.
func (a *Association) Established() time.Time { return a.since }

// Paths describes the peer's addresses.
func (a *Association) Paths() []PathInfo { return a.AppendPaths(make([]PathInfo, 0, len(a.paths.All))) }

// AppendPaths appends what Paths returns to b.
func (a *Association) AppendPaths(b []PathInfo) []PathInfo {
	for _, p := range a.paths.All {
		b = append(b, PathInfo{
			Remote: p.Remote, Local: p.Local, State: a.shown(p.State), Primary: p == a.paths.Primary(),
			SRTT: p.RTO.SRTT(), RTTVar: p.RTO.RTTVar(), RTO: p.RTO.Value(),
			Cwnd: p.CC.Window(), InFlight: p.InFlight, PacketSize: p.Size, Errors: p.Errors,
			MaxRetrans: p.Settings.MaxRetrans, Heartbeats: !p.Settings.HeartbeatOff, HeartbeatInterval: p.Settings.HeartbeatInterval,
			PacketsIn: p.Count.PacketsIn, PacketsOut: p.Count.PacketsOut,
			Retransmitted: p.Count.Retransmitted, T3Expirations: p.Count.T3Expirations,
		})
	}
	return b
}

// Held is the number of bytes of user data in the receive buffer.
func (a *Association) Held() int { return a.rx.inbox.Held() }
