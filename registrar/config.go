package registrar

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config says how a Registrar behaves. It is not modified and must not be changed
// while in use. The zero value listens on all addresses and the usual ports.
type Config struct {
	// Listen is the addresses and the UDP encapsulation port, `IP[/IP…][@UDPPORT]`;
	// an SCTP port in it is ignored. Empty: all addresses and port 9899. UDP port 0:
	// any free one.
	Listen string
	// ASAPPort and ENRPPort are the SCTP ports. Zero: 3863 and 9901, with TLS 9902.
	ASAPPort, ENRPPort uint16
	// Peers are the ENRP endpoints of the other registrars,
	// `IP[/IP…]:PORT[@UDPPORT]`. An own address among them is ignored.
	Peers []string
	// ID is the registrar's identifier; 0: a random one.
	ID rserpool.RegistrarID
	// Profile holds the timers. Zero: core.ProfileDefault.
	Profile core.Profile

	// Access, ClosedPeers, StrictAddresses, SuggestTakeovers, Permit and Limits are
	// those of core.Config.
	Access           core.AccessList
	ClosedPeers      bool
	StrictAddresses  bool
	SuggestTakeovers bool
	Permit           func(h rserpool.PoolHandle, from []netip.Addr) bool
	Limits           core.Limits

	// Announce has the registrar announced by multicast to elements, users and other
	// registrars, and hear these, beside Peers. Nil: neither.
	Announce *Announcements
	// StateDir is a directory of this registrar's own that survives it, made if it is not
	// there; empty for none. The identifier is kept in it. A second registrar cannot use
	// it at the same time, where the system has locks.
	StateDir string
	// SnapshotInterval is how often the elements are written to StateDir, if they have
	// changed; 0: never. A registrar that starts with elements there asks them whether
	// they still are: see core.Config.Restore.
	SnapshotInterval time.Duration

	// TLS, if not nil, makes this a secured registrar (RFC 5352 §9.3): its certificate,
	// and as RootCAs the authority of those that may take part. It speaks TLS with
	// registrars at ENRPPort, with elements and users at ASAPTLSPort, and with elements that
	// it dials. Registrars and elements show a certificate of that authority, for clients and
	// servers both; it is what the pre-shared key of the RFC is, the permission to take
	// part. Who speaks to ASAPPort without TLS, or shows no certificate, may resolve handles
	// and report elements; a registration is "rejected due to security considerations".
	TLS *tls.Config
	// ASAPTLSPort is the SCTP port for ASAP with TLS. Zero: 3864.
	ASAPTLSPort uint16

	// ASAPTCP and ASAPTCPTLS are where users are served over TCP, `HOST:PORT`, without and
	// within TLS, beside SCTP; empty: nowhere. RFC 5352 §8.2 has the ports 3863 and 3864. Elements
	// cannot register there (§2.1).
	ASAPTCP, ASAPTCPTLS string

	// Scope names the operation scope and Description the registrar (RFC 5525), for people who
	// look at the status page and metrics.
	Scope, Description string

	// Stack is the SCTP stack to use instead of one of its own; Listen is then
	// ignored and Run does not close it.
	Stack *sctp.Stack
	// Logger gets what happens; nil: silence.
	Logger *zap.Logger
}

func (c *Config) asapPort() uint16 {
	if c.ASAPPort != 0 {
		return c.ASAPPort
	}
	return asap.Port
}

func (c *Config) enrpPort() uint16 {
	switch {
	case c.ENRPPort != 0:
		return c.ENRPPort
	case c.TLS != nil:
		return enrpTLSPort
	}
	return enrp.Port
}

func (c *Config) profile() core.Profile {
	if c.Profile.Name == "" {
		return core.ProfileDefault
	}
	return c.Profile
}

// openStack takes the given stack or opens one.
func (c *Config) openStack() (s *sctp.Stack, own bool, err error) {
	if c.Stack != nil {
		return c.Stack, false, nil
	}
	sc := &sctp.StackConfig{UDPPort: sctp.DefaultUDPPort, Logger: c.Logger}
	if c.Listen != "" {
		a, err := sctp.ParseListenAddr(c.Listen)
		if err != nil {
			return nil, false, fmt.Errorf("registrar: %w", err)
		}
		sc.ListenAddrs, sc.UDPPort = a.IPs, a.UDPPort
	}
	s, err = sctp.NewStack(sc)
	if err != nil {
		return nil, false, fmt.Errorf("registrar: %w", err)
	}
	return s, true, nil
}

// peers reads the configured peers; names are looked up once.
func (c *Config) peers(ctx context.Context) ([]rserpool.Transport, error) {
	var out []rserpool.Transport
	for _, p := range c.Peers {
		as, err := sctp.ResolveAddr(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("registrar: peer %q: %w", p, err)
		}
		out = append(out, transportOf(as[0]))
	}
	return out, nil
}

// association is the SCTP parameters that go with the profile's timers.
func association(t *core.TransportProfile, localPort uint16) *sctp.Config {
	return &sctp.Config{
		LocalPort:  localPort,
		OutStreams: 2,
		RecvBuffer: 256 << 10, SendBuffer: 1 << 20, MaxMessageSize: maxMessage,
		RTOInitial: t.RTOInitial, RTOMin: t.RTOMin, RTOMax: t.RTOMax,
		HeartbeatInterval: t.HeartbeatInterval, SackDelay: t.SackDelay,
		AssociationMaxRetrans: t.AssociationMaxRetrans, PathMaxRetrans: t.PathMaxRetrans,
		MaxInitRetransmits: t.MaxInitRetransmits,
		Linger:             time.Second, Backlog: 1024,
	}
}

// maxMessage is the largest ASAP or ENRP message: its length field has 16 bits.
const maxMessage = 1 << 16

// transportOf turns an SCTP address into a transport parameter.
func transportOf(a *sctp.Addr) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: a.Port, Addrs: a.IPs, UDPPort: a.UDPPort}
}

// addrOf turns a transport parameter into an SCTP address.
func addrOf(t *rserpool.Transport) *sctp.Addr {
	return &sctp.Addr{IPs: t.Addrs, Port: t.Port, UDPPort: t.UDPPort}
}
