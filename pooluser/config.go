package pooluser

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config says how a pool user finds and reaches elements. The zero value lacks
// Registrars, or Discover, only. A Config is not modified and must not be changed while in use.
type Config struct {
	// Registrars are the ASAP endpoints of registrars, `IP[/IP…]:PORT[@UDPPORT]`;
	// a host name may stand for an IP. They are tried in random order.
	Registrars []string

	// Discover has registrars found by what they announce by multicast (RFC 5352 §3.6),
	// beside Registrars, which may be empty then. Announcements are not authenticated:
	// whoever is in the group can offer itself as a registrar.
	Discover bool

	// DiscoverGroups are the groups of the announcements, `GROUP:PORT`; empty: those of
	// the profile. DiscoverInterfaces are the names of the interfaces to listen on, also
	// of those that do not exist yet; empty: all.
	DiscoverGroups, DiscoverInterfaces []string

	// Listen is the local end of all associations, `[IP[/IP…]][@UDPPORT]`; by default
	// all local addresses and any free UDP port. With Stack it does not matter.
	Listen string

	// TLS, if not nil, has registrars spoken to within TLS (RFC 5352 §9.2, RFC 3436), at
	// their port for that, usually 3864. RootCAs is the authority that has signed the
	// registrars' certificates, which must be for ServerName or, if that is empty, for
	// the address that is dialed. Certificates may hold one for this user. Data is not
	// touched by it: run TLS over the sessions for that.
	TLS *tls.Config
	// Profile holds the timers (core.ProfileRFC, core.ProfileFast, …): they decide how
	// fast an element that went silent is noticed. The zero value is
	// core.ProfileDefault.
	Profile core.Profile

	// StaleCache is how old a cached resolution may be to be used. Zero is the
	// profile's value; negative asks the registrar each time.
	StaleCache time.Duration

	// StaleIfError is how old a cached resolution may be to be used when no registrar
	// can be asked. Zero is the profile's value; negative never uses one.
	StaleIfError time.Duration

	// NegativeCache is the longest time during which a pool that was not found is not
	// asked for again: the first pause is short, and each further one twice as long, with
	// jitter. Zero is the profile's value; negative asks each time.
	NegativeCache time.Duration

	// Race is how many elements are dialed at once, at most 8. Each has a head start of
	// RaceDelay on the next one that the policy selects; the first that answers is taken
	// and the others are given up, without a report. Zero and one: the next element is
	// dialed when one has failed.
	Race int

	// RaceDelay is the head start. Zero is the profile's initial retransmission
	// timeout: an element that has not answered by then is down, or a packet was lost.
	RaceDelay time.Duration

	// DialNet dials elements of TCP and UDP pools: network is "tcp" or "udp", address
	// is IP:PORT. Nil: a net.Dialer with TCP keep-alives after the profile.
	DialNet func(ctx context.Context, network, address string) (net.Conn, error)

	// Subscribe asks registrars to send changes of pools that were resolved, so that
	// the cache does not get stale (RFC 5352 §2.2.5). Not all do it.
	Subscribe bool

	// Items is how many elements of a pool to ask for; 0 leaves it to the registrar,
	// negative means all (draft-dreibholz-rserpool-asap-hropt).
	Items int

	// WaitForPool lets Dial wait, as long as its context lasts, for a pool that does
	// not exist yet and for registrars that cannot be reached. Otherwise it fails;
	// fail-over waits in any case.
	WaitForPool bool

	// FailoverOnShutdown lets a session move to another element also when the
	// element ends it gracefully, as one that drains does. Otherwise that is
	// the end of the session: io.EOF.
	FailoverOnShutdown bool

	// FailoverTimeout bounds a fail-over; the session fails when it is over. Zero: the
	// contexts and deadlines of the calls that wait are the only bound.
	FailoverTimeout time.Duration

	// MaxCookie is the longest cookie in bytes that is kept; longer ones are ignored.
	// Zero: all that fit into a message, 65,524.
	MaxCookie int

	// BusinessCard, if not nil, tells elements that the user is one, too: its pool, and in
	// which order they should try the elements of that when this one fails (RFC 5352
	// §3.9). It is the first message of a session, but after a cookie.
	BusinessCard *BusinessCard

	// Stack carries all associations, if not nil; it stays the caller's.
	Stack *sctp.Stack

	// SCTP holds parameters of the associations with elements. Times and counters that
	// are not set are the profile's.
	SCTP *sctp.Config

	// Logger gets fail-overs and failures. Nil: silence.
	Logger *zap.Logger
}

// setup is a Config read and filled in.
type setup struct {
	Config
	registrars []rserpool.Transport
	announced  *asaplink.Announcements // nil without Discover
	maxAge     time.Duration           // of cached resolutions, as core.Endpoint.Resolve wants it
	sctp       *sctp.Config
	log        *zap.Logger
}

// lookupTimeout bounds the look-up of registrars that are given by host names.
const lookupTimeout = 10 * time.Second

func (c *Config) resolve() (*setup, error) {
	if len(c.Registrars) == 0 && !c.Discover {
		return nil, errors.New("pooluser: Config.Registrars is empty, and so is Discover")
	}
	s := &setup{Config: *c, log: c.Logger}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	var err error
	if s.registrars, err = asaplink.Registrars(ctx, c.Registrars); err != nil {
		return nil, err
	}
	if s.Profile == (core.Profile{}) {
		s.Profile = core.ProfileDefault
	}
	if c.Discover {
		if s.announced, err = asaplink.ReadAnnouncements(c.DiscoverGroups, c.DiscoverInterfaces, &s.Profile); err != nil {
			return nil, err
		}
	}
	switch {
	case c.StaleCache < 0:
		s.maxAge = 0
	case c.StaleCache == 0:
		s.maxAge = s.Profile.StaleCache
	default:
		s.maxAge = c.StaleCache
	}
	switch {
	case c.StaleIfError < 0:
		s.Profile.StaleIfError = 0
	case c.StaleIfError > 0:
		s.Profile.StaleIfError = c.StaleIfError
	}
	if c.Race < 0 || c.Race > maxRace {
		return nil, fmt.Errorf("pooluser: Config.Race is %d, want 0 to %d", c.Race, maxRace)
	}
	s.Race = max(c.Race, 1)
	if c.RaceDelay <= 0 {
		s.RaceDelay = s.Profile.Transport.RTOInitial
	}
	if s.DialNet == nil {
		s.DialNet = netDialer(&s.Profile.Transport).DialContext
	}
	if c.BusinessCard != nil {
		if err := c.BusinessCard.message().Validate(); err != nil {
			return nil, fmt.Errorf("pooluser: Config.BusinessCard: %w", err)
		}
	}
	if s.MaxCookie <= 0 {
		s.MaxCookie = rserpool.MaxCookie
	}
	s.sctp = asaplink.SCTPConfig(s.Profile.Transport, c.SCTP)
	s.sctp.LocalPort = 0 // sessions need one each
	s.sctp.Events |= sctp.EventDry
	if s.log == nil {
		s.log = zap.NewNop()
	}
	return s, nil
}

// stack opens a stack of its own.
func (s *setup) stack() (*sctp.Stack, error) {
	cfg := &sctp.StackConfig{Logger: s.log}
	if s.Listen != "" {
		a, err := sctp.ParseListenAddr(s.Listen)
		if err != nil {
			return nil, err
		}
		cfg.ListenAddrs, cfg.UDPPort = a.IPs, a.UDPPort
	}
	return sctp.NewStack(cfg)
}
