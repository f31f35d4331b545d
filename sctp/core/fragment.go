package core

import (
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Fragmentation (RFC 9260 §6.9). A fragment is cut at the moment it is sent, so the
// size is what the paths take then: when a path turns out to take less, the next
// fragment of the same message is smaller already.

// minFragment is the smallest piece of a long message that is worth the rest of a
// packet.
const minFragment = 64

// fragmentSize is the user data of the next chunk of a message, were it to start a
// packet.
func (a *Association) fragmentSize(m *tx.Message) int {
	return min(m.Remaining(), a.maxFragment())
}

// maxFragment is the user data that fits one packet on every path, and the peer's
// receive buffer twice: what does not fit its window could only go as a probe.
func (a *Association) maxFragment() int {
	fits := max(a.tx.peerBuffer/2&^3, minPeerFragment)
	return min(a.paths.MinSize()-wire.HeaderLen-wire.DataHeaderLen, fits)
}

// minPeerFragment is half of the least window a peer may have (RFC 9260 §3.3.2),
// less than which no fragment is made because of it.
const minPeerFragment = minWindow / 2 &^ 3

// fitsWhole says that a message will not be fragmented, if longest is the most that
// a fragment may have.
func fitsWhole(m *tx.Message, longest int) bool {
	return !m.Started() && m.Ended() && m.Remaining() <= longest
}

// cutSize is how many bytes of the front message to send as the next fragment, if
// space is left for it; 0 if none should be sent now.
func (a *Association) cutSize(m *tx.Message, space, longest int) int {
	n := m.Contiguous()
	if !m.Ended() {
		// The last byte so far has to wait, see tx.Message.Ended; and fragments should
		// not be as small as what the user writes at a time.
		left := m.Remaining() - 1
		if left < longest && !a.tx.hurry {
			return 0
		}
		n = min(n, left)
	}
	if room := min(space, longest) &^ 3; n > room {
		// A message that fits a packet is not fragmented; a longer one fills what is
		// left of this one.
		if room < minFragment || fitsWhole(m, longest) {
			return 0
		}
		n = room
	}
	return n
}
