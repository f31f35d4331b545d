package pooluser

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config says how a pool user finds and reaches elements. The zero value lacks
// Registrars only. A Config is not modified and must not be changed while in use.
type Config struct {
	// Registrars are the ASAP endpoints of registrars, `IP[/IP…]:PORT[@UDPPORT]`;
	// a host name may stand for an IP. They are tried in random order.
	Registrars []string

	// Listen is the local end of all associations, `[IP[/IP…]][@UDPPORT]`; by default
	// all local addresses and any free UDP port. With Stack it does not matter.
	Listen string

	// Profile holds the timers (core.ProfileRFC, core.ProfileFast, …): they decide how
	// fast an element that went silent is noticed. The zero value is
	// core.ProfileDefault.
	Profile core.Profile

	// StaleCache is how old a cached resolution may be to be used. Zero is the
	// profile's value; negative asks the registrar each time.
	StaleCache time.Duration

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
	maxAge     time.Duration // of cached resolutions, as core.Endpoint.Resolve wants it
	sctp       *sctp.Config
	log        *zap.Logger
}

// lookupTimeout bounds the look-up of registrars that are given by host names.
const lookupTimeout = 10 * time.Second

func (c *Config) resolve() (*setup, error) {
	if len(c.Registrars) == 0 {
		return nil, errors.New("pooluser: Config.Registrars is empty")
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
	switch {
	case c.StaleCache < 0:
		s.maxAge = 0
	case c.StaleCache == 0:
		s.maxAge = s.Profile.StaleCache
	default:
		s.maxAge = c.StaleCache
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
