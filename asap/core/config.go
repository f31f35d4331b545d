package core

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Limits that hold whatever a peer or the application does.
const (
	// MaxHuntDials is how many registrars are dialed at once, RFC 5352 §3.6 SH1:
	// "MUST NOT establish more than three associations".
	MaxHuntDials = 3

	maxRegistrars = 64   // static and announced together
	maxPerSource  = 8    // announced ones from one address
	maxRound      = 8    // announced ones that are dialed in one round of a hunt
	maxHeard      = 100  // announcements that are looked at in a second
	maxHeardFrom  = 20   // of these from one source
	maxAccepted   = 16   // links that registrars opened
	maxRequests   = 256  // handle resolutions under way
	maxPools      = 1024 // cache entries
	maxReports    = 64   // reports waiting for a registrar
	maxRecent     = 256  // reports remembered to not repeat them
)

// Config says how an Endpoint behaves. It is not modified after New.
type Config struct {
	// Profile holds the timers. The zero value means ProfileDefault.
	Profile Profile

	// Rand is where all randomness comes from; nil means crypto/rand.
	Rand io.Reader

	// Registrars are the configured registrars. Of three that are dialed at once, one at
	// most is an announced one as long as there are configured ones left (a multicast
	// announcement is a hint that anybody can send). No more than 64 are used.
	Registrars []rserpool.Transport

	// Discover says that HandleAnnounce gets what registrars announce by multicast, so
	// that who finds nobody goes on as long as an announcement is valid (T7-ENRPoutdate),
	// by when all registrars have been heard, before anything fails.
	Discover bool

	// KnownOnly restricts the change of the home registrar that a keep-alive
	// with H flag asks for (RFC 5352 §3.4 KA2.4) to registrars whose address is
	// configured or announced. Others are answered, not adopted.
	KnownOnly bool

	// Subscribe sets the S bit of handle resolutions (RFC 5352 §2.2.5): a
	// registrar that agrees sends a new response whenever the pool changes.
	Subscribe bool

	// Items is how many elements to ask for in a handle resolution
	// (draft-dreibholz-rserpool-asap-hropt); 0 leaves it to the registrar, a
	// negative number asks for as many as possible.
	Items int

	// NegativeCache is the longest time during which a pool that was not found is not
	// asked for again; 0 means the profile's NegativeMax, negative not at all.
	NegativeCache time.Duration

	// Trace has optional hooks.
	Trace *Trace
}

// Trace holds hooks that are called, if not nil, as things happen. They must not
// call back into the Endpoint.
type Trace struct {
	// Dropped is called for input that is ignored, with the reason.
	Dropped func(link LinkID, reason string)
	// HuntFailed is called when a registrar hunt found nobody of use. failed
	// counts how often in a row; the next begins after the pause.
	HuntFailed func(failed int, pause time.Duration)
}

func (c *Config) source() (*rand.Rand, error) {
	r := c.Rand
	if r == nil {
		r = crand.Reader
	}
	var seed [16]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return nil, fmt.Errorf("asap: random seed: %w", err)
	}
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:]))), nil
}
