package sctp

import (
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// StreamID identifies a stream of an association, one in each direction.
type StreamID = wire.StreamID

// PPID is a payload protocol identifier: four bytes that SCTP passes on for the
// application (RFC 9260 §15.5).
type PPID = wire.PPID

// Association is an SCTP association: a connection that carries messages on many
// streams. Its methods may be called by several goroutines at once.
//
// There are three ways to read, which should not be mixed: Receive gives the
// messages of all streams, a Stream those of one, and Conn the bytes of stream 0. A
// Poller receives for many associations at once.
//
// An Association must be closed with Close, also after it ended by itself.
type Association struct {
	stack             *Stack
	settings          *settings
	listener          *Listener // who let it in, nil if it was dialed
	ourPort, peerPort uint16
	dialed            bool
	id                uint32  // our number of it, see ledger
	alarm             int32   // place in alarms.heap plus one, 0: not in it; guarded by alarms.mu
	tracer            *tracer // nil: nobody watches

	mu   sync.Mutex
	core *core.Association // nil after a restart took it away

	taken     *Stats // what a restarted machine had counted here when it went away
	inherited *Stats // what it had counted before it came here

	armed time.Duration // when the alarm rings, since Stack.began; 0: not at all
	now   time.Time     // of the last turn
	held  int           // bytes taken to send since the last turn, see Message.More
	eaten int           // bytes given to readers since the last turn

	tag    wire.VTag // as the demux knows it; guarded by demux.mu for writing
	tuples []tuple   // likewise
	claims []tuple   // likewise: the other addresses of the peer, which are not verified
	rekey  bool      // the demux must be told about changes
	via    *link     // where the latest packet came in
	waits  uint64    // calls that had to wait so far
	roused bool      // the input let a call go
	unread bool      // messages waited when a packet with another tag came

	established bool
	shutting    bool          // Shutdown or Close was called
	closed      bool          // Close was called
	done        bool          // the machine has ended
	closeBy     time.Duration // when Close gives up the graceful way, since Stack.began
	err         error         // why, nil if gracefully

	changed gate // established, done
	readers gate // Receive
	writers gate // all that send
	pieces  gate // of these, the ones in the middle of a message, see Message.Partial

	assembling bool                  // ReceiveMessage is in the middle of a message
	rest       gate                  // and waits for the rest
	skipped    map[StreamID]struct{} // streams in the middle of a message that was too long

	streams *streams    // nil until used
	polled  *Polled     // nil unless a Poller has it
	events  *eventQueue // nil until used
}

func newAssociation(s *Stack, st *settings, ourPort, peerPort uint16) *Association {
	return &Association{stack: s, settings: st, ourPort: ourPort, peerPort: peerPort, id: s.ledger.number()}
}
