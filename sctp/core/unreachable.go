package core

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// UnreachableError is the end of an association, or of the attempt to set one up,
// because the peer did not answer. It is an ErrTimeout.
type UnreachableError struct {
	// Chunk is what stayed without an answer: INIT or COOKIE ECHO in the set-up (RFC
	// 9260 §5.1.6), SHUTDOWN or SHUTDOWN ACK at the end (§9.2), else DATA, which stands
	// for HEARTBEAT as well (§8.1).
	Chunk wire.ChunkType
	// Sent is how many of them in a row.
	Sent int
	// Addrs is where they were sent. Directly over IP there is no UDP port: it is 0.
	Addrs []netip.AddrPort
	// Stale says that there were answers, but that they called every State Cookie
	// stale (§5.2.6).
	Stale bool
}

// Error tells what was sent how often to which addresses.
func (e *UnreachableError) Error() string {
	if e.Stale {
		return fmt.Sprintf("%v: it called %d cookies stale", ErrTimeout, e.Sent)
	}
	var to []string
	for _, a := range e.Addrs {
		at := a.String()
		if a.Port() == 0 {
			at = a.Addr().String()
		}
		to = append(to, at)
	}
	return fmt.Sprintf("%v: no answer to %d × %v to %s", ErrTimeout, e.Sent, e.Chunk, strings.Join(to, ", "))
}

// Is says that it is an ErrTimeout.
func (e *UnreachableError) Is(target error) bool { return target == ErrTimeout }

// attempts is what was sent without an answer during set-up or shutdown.
type attempts struct {
	to  *path.Path // where it went last
	all []netip.AddrPort
}

// note records one more.
func (t *attempts) note(p *path.Path) {
	if t.to = p; !slices.Contains(t.all, p.Remote) {
		t.all = append(t.all, p.Remote)
	}
}

// unreachable is the error for the retransmissions of a path or of the association.
func (a *Association) unreachable() error {
	e := &UnreachableError{Chunk: wire.TypeData, Sent: a.errors}
	for _, p := range a.paths.All {
		if p.State != path.Unconfirmed {
			e.Addrs = append(e.Addrs, p.Remote)
		}
	}
	return e
}
