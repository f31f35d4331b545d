package poolelement

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config says how a pool element serves and registers. The zero value lacks
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

	// Listen is where to serve, `[IP[/IP…]][:PORT][@UDPPORT]`: by default on all
	// local addresses, on any free SCTP port, and on UDP port 9899 if anything is
	// given, on any free UDP port if Listen is empty. With Stack, which has
	// addresses and a UDP port, only the IPs, to choose among those of the stack,
	// and PORT matter.
	Listen string

	// ASAPPort is the SCTP port of the ASAP endpoint. 0 is any free one.
	ASAPPort uint16

	// Advertise replaces the address that is registered, `IP[/IP…]:PORT[@UDPPORT]`,
	// for an element behind a NAT with forwarded ports. By default it is the
	// addresses of Listen, or, if that is all local ones, the one that the
	// registrar sees the element at. RFC 5352 §2.2.1 wants addresses of the
	// association with the registrar, and rsplib's registrar refuses others.
	Advertise string

	// PEID is the element's identifier. 0 is a random one.
	PEID rserpool.PEID

	// Policy is the pool's selection policy and the element's place in it. The zero
	// value is RoundRobin.
	Policy rserpool.Policy

	// Load, if not nil, says how much of its capacity the element uses, from 0 to 1: it
	// is called every LoadInterval, and what it says is registered when it has changed
	// by LoadStep or reached 0 or 1. The policy must be one with a load (RFC 5356 §5,
	// LeastUsed and its kin). It must not block.
	Load func() float64

	// LoadInterval is the least time between two registrations because of the load.
	// Zero: half a second.
	LoadInterval time.Duration

	// LoadStep is the least change of the load that is registered, from 0 to 1.
	// Zero: 0.01.
	LoadStep float64

	// Life is the registration life, how long registrars keep the element
	// when they hear nothing of it. Zero is the profile's, negative for ever.
	Life time.Duration

	// Profile holds the timers (core.ProfileRFC, core.ProfileFast, …). The zero
	// value is core.ProfileDefault.
	Profile core.Profile

	// DataOnly registers a transport without control channel (RFC 5354 §3.4):
	// cookies cannot be used then. All elements of a pool must agree.
	DataOnly bool

	// BusinessCard, if not nil, is asked for each new session in which order its user
	// should try other elements when this one fails: they are sent to the user in a
	// business card (RFC 5352 §3.9). None, or more than fit into a message: no card. It is
	// off by default, though RFC 5352 wants it on: rsplib's users do not understand cards.
	// It must not block.
	BusinessCard func(*Session) []rserpool.PoolElement

	// Cookies seals the cookies that sessions send and opens those that come back, so
	// that users can neither read nor forge them. All elements of the pool need the
	// same keys. Nil: cookies are sent as they are.
	Cookies *cookie.Sealer

	// TLS, if not nil, has registrars spoken to within TLS (RFC 5352 §9.2, RFC 3436), at
	// their port for that, usually 3864. RootCAs is the authority that has signed the
	// registrars' certificates, which must be for ServerName or, if that is empty, for
	// the address that is dialed. Certificates holds one of the same authority for this
	// element, for servers and clients: registrars dial back. Data is not
	// touched by it: run TLS over the sessions for that.
	TLS *tls.Config
	// KnownRegistrarsOnly restricts home registrars to Registrars: one that is not
	// listed cannot take this element over (RFC 5355 §2.6).
	KnownRegistrarsOnly bool

	// Stack carries all associations, if not nil; it stays the caller's. Otherwise
	// the element opens one of its own, on the addresses of Listen.
	Stack *sctp.Stack

	// Endpoint registers the element, if not nil: it shares the stack and the
	// association with the home registrar with the other elements there. Registrars,
	// Discover, ASAPPort, Profile's timers of ASAP, KnownRegistrarsOnly and Stack are those of the
	// Endpoint then, which stays the caller's.
	Endpoint *Endpoint

	// SCTP holds parameters of the associations with users. Times and counters that
	// are not set are the profile's.
	SCTP *sctp.Config

	// Logger gets what happens to the registration. Nil: silence.
	Logger *zap.Logger
}

// setup is a Config read and filled in.
type setup struct {
	registrars []rserpool.Transport
	announced  *asaplink.Announcements // nil without Discover
	listen     *sctp.Addr
	advertise  *sctp.Addr
	policy     rserpool.Policy
	profile    core.Profile
	use        rserpool.TransportUse
	ppid       sctp.PPID
	cookies    *cookie.Sealer
	card       func(*Session) []rserpool.PoolElement

	load         func() float64
	loadInterval time.Duration
	loadStep     uint32
	log          *zap.Logger
}

func (c *Config) resolve(ctx context.Context) (*setup, error) {
	if len(c.Registrars) == 0 && !c.Discover && c.Endpoint == nil {
		return nil, errors.New("poolelement: Config.Registrars is empty, and so is Discover")
	}
	s := &setup{policy: c.Policy, profile: c.Profile, use: rserpool.UseDataControl, cookies: c.Cookies, card: c.BusinessCard, log: c.Logger}
	var err error
	if s.registrars, err = asaplink.Registrars(ctx, c.Registrars); err != nil {
		return nil, err
	}
	s.listen = &sctp.Addr{} // any free UDP port
	if c.Listen != "" {
		if s.listen, err = sctp.ParseListenAddr(c.Listen); err != nil {
			return nil, err
		}
	}
	if c.Advertise != "" {
		if s.advertise, err = sctp.ParseAddr(c.Advertise); err != nil {
			return nil, err
		}
	}
	if s.policy.Type == 0 {
		s.policy.Type = rserpool.RoundRobin
	}
	if s.profile == (core.Profile{}) {
		s.profile = core.ProfileDefault
	}
	if c.Discover {
		if s.announced, err = asaplink.ReadAnnouncements(c.DiscoverGroups, c.DiscoverInterfaces, &s.profile); err != nil {
			return nil, err
		}
	}
	if err := s.resolveLoad(c); err != nil {
		return nil, err
	}
	if c.SCTP != nil {
		s.ppid = c.SCTP.PPID
	}
	if c.DataOnly {
		s.use = rserpool.UseData
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	return s, nil
}

// resolveLoad reads what the configuration says about the load.
func (s *setup) resolveLoad(c *Config) error {
	switch {
	case c.Load != nil && !s.policy.Type.HasLoad():
		return fmt.Errorf("poolelement: Config.Load is set, and the policy %v has no load", s.policy.Type)
	case c.LoadStep < 0 || c.LoadStep > 1:
		return fmt.Errorf("poolelement: Config.LoadStep is %v, want 0 to 1", c.LoadStep)
	}
	s.load, s.loadInterval, s.loadStep = c.Load, c.LoadInterval, rserpool.LoadOf(c.LoadStep)
	if s.loadInterval <= 0 {
		s.loadInterval = defaultLoadInterval
	}
	if s.loadStep == 0 {
		s.loadStep = rserpool.LoadOf(defaultLoadStep)
	}
	return nil
}
