package sctp

import (
	"crypto/rand"
	"io"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
)

// Config is the parameters of associations: those of one Dial, or of all that a
// Listener accepts. The zero value, and a nil *Config, take the defaults. A
// Config is not modified; it may be shared and must not be changed while in use.
//
// Times and counters are the protocol parameters of RFC 9260 §16; their defaults
// are the values recommended there unless the field says otherwise. Sizes are in
// bytes.
type Config struct {
	// LocalPort is the SCTP port that Dial uses. It may be one that the stack also
	// listens on. Zero: a random free port.
	LocalPort uint16

	// OutStreams is how many outbound streams to ask for. Zero: 64.
	OutStreams uint16
	// MaxInStreams is how many inbound streams the peer may have. Zero: 65535.
	MaxInStreams uint16

	// PPID is the payload protocol identifier of what Conn.Write and
	// Stream.Write send. Zero: none (RFC 9260 §3.3.1).
	PPID PPID

	// RecvBuffer is how much received data may wait for the application; the
	// receiver window follows from it. Zero: 1 MiB. At least 4,096.
	RecvBuffer int
	// SendBuffer is how much data may wait for acknowledgement before calls that
	// send block. Zero: 1 MiB.
	SendBuffer int
	// MaxMessageSize is the largest message to send. Zero: 16 MiB.
	MaxMessageSize int
	// MTU is the largest IP packet to send, in bytes. Zero: 1,500. What the paths
	// really carry, up to this, is found out by probes (RFC 8899); packets begin with
	// 1,220 bytes (IPv4) or 1,280 (IPv6). Where the carrier cannot keep packets from
	// being fragmented there is no discovery.
	MTU int
	// DisablePathMTUDiscovery says that the network is sure to carry MTU.
	DisablePathMTUDiscovery bool

	// ECN offers Explicit Congestion Notification (RFC 4960 Appendix A): routers that
	// know it mark packets instead of dropping them. It is used if the peer offers it
	// too, and given up where the network does not seem to know it.
	ECN bool

	// Nagle lets small messages wait while data is unacknowledged, at most for a
	// round trip, so that more of them share a packet. False: each message leaves
	// at once if the windows permit.
	Nagle bool

	// RTOInitial, RTOMin and RTOMax bound the retransmission timeout. Zero: 1 s,
	// 1 s, 60 s.
	RTOInitial, RTOMin, RTOMax time.Duration
	// SackDelay is how long an acknowledgement may wait, at most 500 ms. Zero:
	// 200 ms. Negative: each packet is acknowledged at once.
	SackDelay time.Duration
	// SackFrequency is how many packets one acknowledgement is for. Zero: 2.
	SackFrequency int
	// HeartbeatInterval is HB.interval, the pause between probes of an idle path.
	// Zero: 15 s, because UDP state in NATs is short-lived; 30 s without UDP. Negative: no probes; a
	// peer that vanishes is then noticed only when data is sent.
	HeartbeatInterval time.Duration
	// CookieLife is Valid.Cookie.Life. Zero: 60 s.
	CookieLife time.Duration
	// MaxBurst is how many packets may leave at once. Zero: 4. Negative: no limit.
	MaxBurst int
	// AssociationMaxRetrans is how many retransmissions in a row may stay without an
	// answer before the peer counts as unreachable. Zero: 10. Negative: none.
	AssociationMaxRetrans int
	// PathMaxRetrans is the same for one address of the peer. Zero: 5. Negative:
	// none.
	PathMaxRetrans int
	// MaxInitRetransmits is how often INIT and COOKIE ECHO are repeated before
	// Dial fails. Zero: 8. Negative: never.
	MaxInitRetransmits int
	// HeartbeatMaxBurst is HB.Max.Burst: how many addresses of the peer that are not
	// verified yet are probed in each retransmission timeout. Zero: 1.
	HeartbeatMaxBurst int

	// QuickFailover lets data leave a path as soon as it is potentially failed, which
	// is after PFMaxRetrans retransmissions in a row without an answer, and take it
	// back with the first answer to the probes that begin then (SCTP-PF, RFC 7829).
	// False: data leaves a path when it is inactive.
	QuickFailover bool
	// PFMaxRetrans is PotentiallyFailed.Max.Retrans. Zero, the recommended value, means
	// the first timeout. It has an effect if it is below PathMaxRetrans.
	PFMaxRetrans int
	// HidePotentiallyFailed makes potentially failed paths look active in Paths and
	// PathChange.
	HidePotentiallyFailed bool
	// PrimarySwitchover makes another path the primary one for good when the primary
	// has failed more than PrimaryMaxRetrans times in a row (RFC 7829 §5). False: data
	// comes back to the primary when that works again.
	PrimarySwitchover bool
	// PrimaryMaxRetrans is Primary.Switchover.Max.Retrans. Zero: PFMaxRetrans with
	// QuickFailover, else PathMaxRetrans. Dial and Listen fail with a *ParameterError
	// if it is less than that.
	PrimaryMaxRetrans int

	// Congestion is the congestion control of each path: Reno (RFC 9260 §7.2), Cubic
	// (RFC 9438), or one of your own. Nil: Reno.
	Congestion congestion.Algorithm

	// StrictRecovery is loss recovery by the letter of RFC 9260 §7.2.4: a retransmission
	// that gets lost as well, and what is lost at the end of a flight, waits for the
	// retransmission timer, which is at least RTOMin. False: what was sent later and is
	// acknowledged reports it missing, and after two round trips of silence a packet is
	// sent again to learn what was lost (RFC 8985 §7).
	StrictRecovery bool

	// Linger is how long Close waits for the graceful shutdown before it aborts.
	// Zero: 5 s. Negative: Close aborts at once.
	Linger time.Duration

	// Backlog is how many associations may wait for Accept. While it is full
	// handshakes stay incomplete, without a word, and the peers try again. Zero: 128.
	Backlog int

	// Events subscribes to notifications, see Association.NextEvent. Zero: none.
	Events EventMask
	// EventQueue is how many notifications may wait for NextEvent. Zero: 64.
	EventQueue int
}

const (
	defaultLinger     = 5 * time.Second
	plainHeartbeat    = 30 * time.Second // RFC 9260 §16, for UDP see DefaultConfig of core
	defaultBacklog    = 128
	defaultEventQueue = 64
)

// settings is what an association needs of its Config after its machine was made,
// with the defaults filled in. All associations of a listener share it.
type settings struct {
	ppid       PPID
	events     EventMask
	eventQueue int
	linger     time.Duration
	backlog    int
	maxMessage int
	sendBuffer int
	recvBuffer int
	mtu        int
}

// resolve fills in the defaults.
func (c *Config) resolve(s *Stack) (*settings, *core.Config) {
	if c == nil {
		c = &Config{}
	}
	k := core.DefaultConfig()
	k.Rand = s.cfg.Rand
	if !s.encapsulates() {
		k.HeartbeatInterval = plainHeartbeat
	}
	k.EncapOverhead = s.overhead()
	k.NoDelay = !c.Nagle
	k.Congestion = c.Congestion
	k.ECN = c.ECN
	k.StrictRecovery = c.StrictRecovery
	k.ReportUndelivered = c.Events&EventSend != 0
	k.DisableHeartbeat = c.HeartbeatInterval < 0
	k.PathMTUDiscovery = !c.DisablePathMTUDiscovery && s.dontFragment()

	setIf(&k.OutStreams, c.OutStreams)
	setIf(&k.MaxInStreams, c.MaxInStreams)
	setIf(&k.RecvBuffer, c.RecvBuffer)
	setIf(&k.SendBuffer, c.SendBuffer)
	setIf(&k.MaxMessageSize, c.MaxMessageSize)
	setIf(&k.MTU, c.MTU)
	setIf(&k.RTOInitial, c.RTOInitial)
	setIf(&k.RTOMin, c.RTOMin)
	setIf(&k.RTOMax, c.RTOMax)
	setIf(&k.SackDelay, c.SackDelay)
	setIf(&k.SackFrequency, c.SackFrequency)
	setIf(&k.HeartbeatInterval, c.HeartbeatInterval)
	setIf(&k.CookieLife, c.CookieLife)
	setIf(&k.MaxBurst, c.MaxBurst)
	setIf(&k.AssociationMaxRetrans, c.AssociationMaxRetrans)
	setIf(&k.PathMaxRetrans, c.PathMaxRetrans)
	setIf(&k.MaxInitRetransmits, c.MaxInitRetransmits)
	setIf(&k.HeartbeatMaxBurst, c.HeartbeatMaxBurst)
	k.PotentiallyFailed, k.PFMaxRetrans, k.HidePotentiallyFailed = c.QuickFailover, max(c.PFMaxRetrans, 0), c.HidePotentiallyFailed
	k.PrimarySwitchover, k.PrimaryMaxRetrans = c.PrimarySwitchover, c.PrimaryMaxRetrans
	if c.SackDelay < 0 {
		k.SackDelay, k.SackFrequency = 0, 1
	}
	// Users write negative for "none", since zero is the default; the machine wants
	// zero.
	for _, n := range []*int{&k.MaxBurst, &k.AssociationMaxRetrans, &k.PathMaxRetrans, &k.MaxInitRetransmits} {
		*n = max(*n, 0)
	}
	k.MTU = min(max(k.MTU, minMTU), maxMTU)
	// A timeout shorter than RTO.Min would be raised to it after the first
	// measurement; a maximum below it makes no sense.
	k.RTOMax = max(k.RTOMax, k.RTOMin)

	r := &settings{ppid: c.PPID, events: c.Events, eventQueue: defaultEventQueue,
		linger: defaultLinger, backlog: defaultBacklog, maxMessage: k.MaxMessageSize, sendBuffer: k.SendBuffer, recvBuffer: k.RecvBuffer, mtu: k.MTU}
	setIf(&r.linger, c.Linger)
	if c.Backlog > 0 {
		r.backlog = c.Backlog
	}
	if c.EventQueue > 0 {
		r.eventQueue = c.EventQueue
	}
	return r, &k
}

// Bounds of Config.MTU: every IPv4 host takes 576 bytes (RFC 1122 §3.3.2), and
// the length field of IPv4 ends at 65,535.
const (
	minMTU = 576
	maxMTU = 65535
)

// setIf overwrites a default by what was given.
func setIf[T comparable](field *T, given T) {
	var zero T
	if given != zero {
		*field = given
	}
}

// StackConfig is the parameters of a Stack. The zero value takes the defaults.
type StackConfig struct {
	// ListenAddrs is the local addresses to bind. With more than one of them, all
	// are told to the peers, which makes the endpoint multi-homed (RFC 9260
	// §5.1.2). Empty: all local addresses, of which peers learn the one that they
	// talk to, as NATs require (RFC 6951 §3).
	ListenAddrs []netip.Addr
	// AllAddrs, without ListenAddrs, tells peers all addresses of the host that are of
	// use to them, which makes the endpoint multi-homed, as the SCTP of an operating
	// system does it. It is not for hosts behind a NAT.
	AllAddrs bool
	// AddrInterval is how often the stack looks whether the addresses of the host have
	// changed, see RefreshLocalAddrs. Zero: never.
	AddrInterval time.Duration
	// HostAddrs returns the addresses of the host. Nil: those of its interfaces.
	HostAddrs func() ([]netip.Addr, error)

	// UDPPort is the UDP encapsulation port. Zero: any free port. A server that
	// should be found without further ado uses DefaultUDPPort.
	UDPPort uint16

	// Sockets is how many sockets share each address and the UDP port, so that as many
	// processors can receive at once. The associations are spread over them by their
	// verification tags. One is best for few associations, and all that systems other
	// than Linux have. Zero: 1. Negative: one for each processor, at most 8. More than
	// 256 are as good as 256.
	//
	// Several sockets share a port by SO_REUSEPORT, which lets other processes of the
	// same user join in.
	Sockets int

	// RawIP sends and receives SCTP directly over IP, as protocol 132 through raw
	// sockets, instead of in UDP; see package rawip for what that takes. UDP ports in
	// addresses then count for nothing, and UDPPort and Sockets are ignored.
	RawIP bool
	// OwnsIP says that no other process of the host speaks SCTP directly over IP on
	// the addresses of this stack. Packets to SCTP ports that this stack has never used
	// are then answered with ABORT (RFC 9260 §8.4); otherwise they may be somebody
	// else's, and are left alone. It concerns stacks without encapsulation only.
	OwnsIP bool

	// UDPRecvBuffer and UDPSendBuffer are the socket buffers to ask for, in bytes;
	// the operating system may grant less. Zero: 4 MiB.
	UDPRecvBuffer, UDPSendBuffer int
	// DisableOffload turns UDP segmentation offload (GSO and GRO) off.
	DisableOffload bool

	// AllowFragmentation lets packets be fragmented as the operating system
	// likes, instead of sending them whole (with Don't Fragment, on Linux), which is
	// what path MTU discovery by probing needs.
	AllowFragmentation bool

	// Carriers replaces the sockets, and what is said about them above is then ignored;
	// AllAddrs, AddrInterval, HostAddrs and OwnsIP count. The stack closes them.
	// Carriers that are bound to the same addresses share the work, see Sockets. Some
	// may encapsulate and others not: peers are then answered the way that they speak
	// (RFC 6951 §5.4).
	Carriers []carrier.Carrier

	// MaxAssociations bounds the associations of the stack, those in the backlogs
	// included. Further ones cannot be dialed, and peers are refused with the cause
	// Out of Resource. Zero: 65,536.
	MaxAssociations int
	// MaxInitRate bounds the answers to INIT chunks per second, over all
	// listeners. Answering costs no memory (RFC 9260 §5.1.3), but time that a flood
	// takes from the associations there are. Zero: 10,000. Negative: no limit.
	MaxInitRate int
	// MaxReplyRate bounds the answers to packets without an association other than
	// handshakes, which are ABORT and SHUTDOWN COMPLETE (RFC 9260 §8.4), per
	// second. Zero: 1,000. Negative: none are sent.
	MaxReplyRate int

	// Capture gets every packet that is sent or received, the malformed ones too; a
	// capture.Writer makes a file of them that Wireshark opens. Nil: nobody.
	Capture capture.Sink

	// Trace gets what happens inside the associations, packet by packet. Nil: nobody.
	Trace *JSONTrace

	// Rand is the source of tags, ports and keys. Nil: crypto/rand.Reader. Anything
	// else is for simulations only.
	Rand io.Reader
	// Logger gets what happens to associations (debug level, failures at info) and
	// carriers (warnings). Nothing is logged per packet above debug level. Nil:
	// silence.
	Logger *zap.Logger
}

const (
	defaultMaxAssociations = 65536
	defaultReplyRate       = 1000
	defaultInitRate        = 10_000
)

func (c *StackConfig) withDefaults() StackConfig {
	n := *c
	if n.MaxAssociations <= 0 {
		n.MaxAssociations = defaultMaxAssociations
	}
	if n.MaxInitRate == 0 {
		n.MaxInitRate = defaultInitRate
	}
	setIf(&n.MaxReplyRate, c.MaxReplyRate)
	if n.MaxReplyRate == 0 {
		n.MaxReplyRate = defaultReplyRate
	}
	if n.Rand == nil {
		n.Rand = rand.Reader
	}
	if n.Logger == nil {
		n.Logger = zap.NewNop()
	}
	return n
}
