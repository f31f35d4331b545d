package core

import (
	crand "crypto/rand"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"

	"github.com/rserpool/rserpool/rserpool"
)

// Config says how a Registrar behaves. It is not modified after New.
type Config struct {
	// ID is the registrar's identifier; 0 means a random one (RFC 5353 §3.2.1). A
	// fixed one lets a registrar that restarts find its elements again. It is
	// given up if another registrar turns out to have it.
	ID rserpool.RegistrarID

	// Rand is where all randomness comes from; nil means crypto/rand.
	Rand io.Reader

	// Profile holds the timers. The zero value means ProfileDefault.
	Profile Profile

	// ENRP is where peers reach this registrar: the SCTP port and the UDP
	// encapsulation port of its ENRP endpoint. Without addresses each peer is
	// told those that the association with it uses.
	ENRP rserpool.Transport

	// Peers are the configured peers; at start-up they are the mentors to choose
	// from (RFC 5353 §3.2.2). An own address among them is ignored, so that all
	// registrars of a scope can share one list.
	Peers []rserpool.Transport

	// Announce says that there are multicast channels (RFC 5352 §3.6, RFC 5353 §3.1):
	// Multicast actions announce the registrar to whoever listens, and Heard takes what
	// others announce. It does not matter how many announcements are forged: they are
	// hints about where to dial, a few at a time, after those of Peers.
	Announce bool

	// ASAP is where elements and users reach this registrar, for announcements: the SCTP
	// port and the UDP encapsulation port. Its addresses do not matter.
	ASAP rserpool.Transport

	// ClosedPeers restricts ENRP to hosts of Peers: associations from others are
	// refused and lists from peers are not followed. Without it whoever reaches the ENRP
	// port can join (RFC 5355 §2.5).
	ClosedPeers bool

	// Secured refuses registrations and deregistrations from connections whose other side
	// has not been authenticated (RFC 5352 §9.3). Its users get answers all the same.
	Secured bool

	// SuggestTakeovers hands each element that registers here on to the registrar that
	// rates highest as its home, to spread the elements over the registrars
	// (draft-dreibholz-rserpool-enrp-takeover). Suggestions of others are followed
	// in any case.
	SuggestTakeovers bool

	// Access says who may register, deregister, resolve, report, join as a peer and
	// take over. Without it everybody may.
	Access AccessList

	// Permit, if not nil, is asked in addition whether the element at the given addresses,
	// which it has shown to have, may be in the pool. A refusal is answered with "rejected due to security
	// considerations".
	Permit func(h rserpool.PoolHandle, from []netip.Addr) bool

	// StrictAddresses refuses registrations with user addresses that are not of the
	// association (RFC 5352 §2.2.1). Behind a NAT, or where a service has an address of
	// its own, they differ for good reasons.
	StrictAddresses bool

	// Limits bound what others can make the registrar hold.
	Limits Limits

	// Restore, if not nil, is an image of a former life of this registrar: when the
	// start-up has ended its elements are asked whether they are still there.
	Restore *Image
}

// Limits bound memory and work. Zero fields mean the defaults, negative ones no
// limit. A source is a host: see SourceBits.
type Limits struct {
	Elements          int // of all pools; default 100,000
	Pools             int // default 10,000
	ElementsPerPool   int // default 10,000
	ElementsPerSource int // owned ones from the same source; default 10,000
	Addresses         int // of one transport; default 16
	Peers             int // default 64
	// Connections are associations with elements and users; default 20,000.
	// ConnectionsPerSource are accepted ones from the same source; default
	// three quarters of Connections.
	Connections, ConnectionsPerSource int
	// SourceBits is the number of leading bits of an IPv6 address that make a source,
	// default 64; an IPv4 address is a source by itself. 128 tells the hosts of one
	// network apart, and lets one host be as many as it likes.
	SourceBits int
	// Items is how many elements a handle resolution returns at most, and without a
	// Handle Resolution Option; default 128.
	Items int
	// DefaultItems is how many it returns without the option; default Items. rsplib
	// returns 3.
	DefaultItems int
	// PageElements and PageBytes bound one handle table response; defaults 256 and
	// 16,384. Peers of other implementations get at most 1,400 bytes.
	PageElements, PageBytes int
	// Registrations bounds registrations, re-registrations and deregistrations,
	// Resolutions handle resolutions, Reports the reports of unreachable elements. By
	// default only reports of one source are limited, to 100.
	Registrations, Resolutions, Reports Rates
	// Subscriptions of one connection to pools; default 64.
	Subscriptions int
	// KeepAlives is how many keep-alives a second this registrar sends of its own accord;
	// default 2,000. With more elements than that is enough for, each is asked less often
	// than Profile.KeepAlive says, and its association tells sooner that it is gone.
	KeepAlives int
	// ElementDials is how many associations to elements are opened at once;
	// default 64.
	ElementDials int
}

// or returns v, d if v is zero, and the largest number if v is negative.
func or(v, d int) int {
	switch {
	case v == 0:
		return d
	case v < 0:
		return math.MaxInt
	}
	return v
}

func (l Limits) withDefaults() Limits {
	l.Elements = or(l.Elements, 100_000)
	l.Pools = or(l.Pools, 10_000)
	l.ElementsPerPool = or(l.ElementsPerPool, 10_000)
	l.ElementsPerSource = or(l.ElementsPerSource, 10_000)
	l.Addresses = or(l.Addresses, 16)
	l.Peers = or(l.Peers, 64)
	l.Connections = or(l.Connections, 20_000)
	l.ConnectionsPerSource = or(l.ConnectionsPerSource, l.Connections-l.Connections/4)
	l.SourceBits = or(l.SourceBits, 64)
	if l.Reports.Source == 0 {
		l.Reports.Source = 100
	}
	l.Items = or(l.Items, 128)
	l.DefaultItems = min(or(l.DefaultItems, l.Items), l.Items)
	l.PageElements = or(l.PageElements, 256)
	l.PageBytes = min(or(l.PageBytes, 16_384), maxPage)
	l.Subscriptions = or(l.Subscriptions, 64)
	l.KeepAlives = or(l.KeepAlives, 2000)
	l.ElementDials = or(l.ElementDials, 64)
	return l
}

// source returns the generator of all random decisions.
func (c *Config) source() (*rand.Rand, error) {
	r := c.Rand
	if r == nil {
		r = crand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return nil, fmt.Errorf("registrar: random seed: %w", err)
	}
	return rand.New(rand.NewChaCha8(seed)), nil
}
