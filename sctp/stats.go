package sctp

import (
	"sync/atomic"

	"github.com/rserpool/rserpool/sctp/core"
)

// Stats is the counters of an association, modelled on RFC 3873.
type Stats = core.Stats

// PathInfo is what is known of one address of the peer.
type PathInfo = core.PathInfo

// PathState is the reachability of a peer address (RFC 9260 §5.4, §8.2).
type PathState = core.PathState

// States of a path.
const (
	PathUnconfirmed       = core.PathUnconfirmed
	PathActive            = core.PathActive
	PathInactive          = core.PathInactive
	PathPotentiallyFailed = core.PathPotentiallyFailed
)

// StackStats is the counters of a stack.
type StackStats struct {
	Associations int // alive now, handshakes of Dial included
	Established  int // of these, in ESTABLISHED, SHUTDOWN-PENDING or SHUTDOWN-RECEIVED
	Paths        PathCounts

	PacketsIn, PacketsOut int64 // SCTP packets
	BytesIn, BytesOut     int64 // in SCTP packets
	SendErrors            int64 // batches that met a closed carrier
	ReadErrors            int64 // errors of a carrier that were not final

	BadChecksum int64 // packets dropped for a wrong CRC32c (RFC 9260 §6.8)
	Malformed   int64 // packets dropped as not well-formed, or from no unicast address
	Strays      int64 // packets of no association: handshakes, RFC 9260 §8.4
	OutOfBlue   int64 // of these, not the begin of a handshake with a listener (RFC 9260 §8.4)
	StrayChunks int64 // chunks in strays
	Replies     int64 // answers to strays, a packet with one control chunk each
	RateLimited int64 // answers suppressed by MaxInitRate and MaxReplyRate
	Refused     int64 // handshakes not completed for lack of room

	ICMPIn     int64 // ICMP messages about packets sent (RFC 9260 §10)
	ICMPStrays int64 // of these, about packets of no association

	Dialed    int64 // associations that Dial began
	Connected int64 // of these, established
	Accepted  int64 // associations that came in
	Closed    int64 // ended gracefully
	Failed    int64 // ended otherwise
	Aborted   int64 // of these, by an ABORT of either side

	Totals Stats // of all associations, those that ended included

	// RecvBuffer and SendBuffer are the smallest buffers in bytes that the operating
	// system granted a socket; 0 if it does not tell.
	RecvBuffer, SendBuffer int
}

// PathCounts is the paths of the associations that are alive, by state.
type PathCounts struct {
	Unconfirmed, Active, Inactive, PotentiallyFailed int
}

// add counts the paths of an association.
func (n *PathCounts) add(paths []PathInfo) {
	for i := range paths {
		switch paths[i].State {
		case PathUnconfirmed:
			n.Unconfirmed++
		case PathActive:
			n.Active++
		case PathInactive:
			n.Inactive++
		case PathPotentiallyFailed:
			n.PotentiallyFailed++
		}
	}
}

// stackCounters is StackStats while it is being counted.
type stackCounters struct {
	packetsIn, packetsOut, bytesIn, bytesOut, sendErrors, readErrors atomic.Int64
	badChecksum, malformed, strays, replies, limited, refused        atomic.Int64
	outOfBlue, strayChunks, icmpIn, icmpStrays                       atomic.Int64
	dialed, connected, accepted, closed, failed, aborted             atomic.Int64
}

func (c *stackCounters) snapshot() StackStats {
	return StackStats{
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		SendErrors: c.sendErrors.Load(), ReadErrors: c.readErrors.Load(),
		BadChecksum: c.badChecksum.Load(), Malformed: c.malformed.Load(),
		Strays: c.strays.Load(), Replies: c.replies.Load(),
		RateLimited: c.limited.Load(), Refused: c.refused.Load(),
		ICMPIn: c.icmpIn.Load(), ICMPStrays: c.icmpStrays.Load(),
		OutOfBlue: c.outOfBlue.Load(), StrayChunks: c.strayChunks.Load(),
		Dialed: c.dialed.Load(), Connected: c.connected.Load(), Accepted: c.accepted.Load(),
		Closed: c.closed.Load(), Failed: c.failed.Load(), Aborted: c.aborted.Load(),
	}
}
