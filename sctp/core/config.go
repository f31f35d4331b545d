package core

import (
	"crypto/rand"
	"io"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// Config is the protocol parameters of an association (RFC 9260 §16) and its
// limits. Take DefaultConfig and change what must differ; a Config is not modified
// and may be shared.
type Config struct {
	// Rand is the source of tags, TSNs, nonces and jitter. It must be
	// cryptographically strong outside of simulations.
	Rand io.Reader

	RTOInitial time.Duration // RTO.Initial
	RTOMin     time.Duration // RTO.Min
	RTOMax     time.Duration // RTO.Max
	SackDelay  time.Duration // SACK.Delay, at most 500 ms (RFC 9260 §6.2)
	CookieLife time.Duration // Valid.Cookie.Life; cookie keys allow for 5 minutes

	HeartbeatInterval time.Duration // HB.interval
	DisableHeartbeat  bool          // no probing of idle paths
	HeartbeatMaxBurst int           // HB.Max.Burst: probes of unconfirmed addresses per RTO

	SackFrequency         int // packets with DATA per SACK
	MaxBurst              int // Max.Burst in packets; 0: no limit
	AssociationMaxRetrans int // Association.Max.Retrans
	PathMaxRetrans        int // Path.Max.Retrans
	MaxInitRetransmits    int // Max.Init.Retransmits

	// PotentiallyFailed lets data leave a path after PFMaxRetrans unanswered
	// transmissions in a row, before it counts as inactive
	// (PotentiallyFailed.Max.Retrans, RFC 7829 §3).
	PotentiallyFailed bool
	PFMaxRetrans      int
	// HidePotentiallyFailed shows potentially failed paths as active ones and makes no
	// events of them (RFC 7829 §3.2 rule 12).
	HidePotentiallyFailed bool
	// PrimarySwitchover makes another path the primary one for good after
	// PrimaryMaxRetrans errors of the primary in a row
	// (Primary.Switchover.Max.Retrans, RFC 7829 §5). It is at least PFMaxRetrans, or
	// PathMaxRetrans without PotentiallyFailed; less is raised to that.
	PrimarySwitchover bool
	PrimaryMaxRetrans int

	OutStreams   uint16 // outbound streams to ask for
	MaxInStreams uint16 // inbound streams to allow

	RecvBuffer     int // bytes, 4,096 to 256 MiB
	SendBuffer     int // bytes, at most 256 MiB
	MaxMessageSize int // largest message Send takes, in bytes, at most 256 MiB
	MTU            int // IP MTU in bytes, 576 to 65,535
	EncapOverhead  int // bytes between IP header and SCTP: 8 for UDP

	// ReportUndelivered keeps messages that could not be delivered for
	// TakeUndelivered.
	ReportUndelivered bool

	// PathMTUDiscovery looks for the MTU of each path, up to MTU (RFC 8899). Paths
	// begin with 1,220 bytes (IPv4) or 1,280 (IPv6). Packets must leave with Don't
	// Fragment, but those with Transmit.MayFragment. Off: MTU holds for all paths.
	PathMTUDiscovery bool

	// ECN offers Explicit Congestion Notification (RFC 4960 Appendix A): if the peer has
	// it too, Transmit.ECN and Inbound.ECN carry the bits of the IP header.
	ECN bool

	// NoDelay sends small messages at once even while data is unacknowledged.
	// Without it they wait, for at most a round trip, to be bundled.
	NoDelay bool

	// StrictRecovery leaves a chunk whose fast retransmission was lost as well to T3-rtx
	// (RFC 9260 §7.2.4 step 5), and all that nothing reports missing. Without it, what was
	// sent after the retransmission and is acknowledged reports it missing like any other,
	// and when nothing is acknowledged for two round trips a chunk is sent again to learn
	// what was lost (RFC 8985 §7).
	StrictRecovery bool

	// Congestion makes the controller of a path; nil: congestion.Reno.
	Congestion congestion.Algorithm

	Trace *Trace // optional hooks

	shared bool // normalized, and not to be changed: others refer to it
}

// DefaultConfig is the parameter values of RFC 9260 §16, and heartbeats each 15
// seconds as UDP encapsulation wants (draft-tuexen-tsvwg-sctp-udp-encaps-cons §5).
func DefaultConfig() Config {
	return Config{
		Rand:                  rand.Reader,
		RTOInitial:            time.Second,
		RTOMin:                time.Second,
		RTOMax:                60 * time.Second,
		SackDelay:             200 * time.Millisecond,
		CookieLife:            60 * time.Second,
		HeartbeatInterval:     15 * time.Second,
		HeartbeatMaxBurst:     1,
		SackFrequency:         2,
		MaxBurst:              4,
		AssociationMaxRetrans: 10,
		PathMaxRetrans:        5,
		MaxInitRetransmits:    8,
		OutStreams:            64,
		MaxInStreams:          65535,
		RecvBuffer:            1 << 20,
		SendBuffer:            1 << 20,
		MaxMessageSize:        16 << 20,
		MTU:                   1500,
		EncapOverhead:         8,
		NoDelay:               true,
	}
}

// Bounds of what a user may configure.
const (
	minRecvBuffer = 4096    // keeps a_rwnd above the 1,500 bytes of RFC 9260 §3.3.2
	maxBuffer     = 1 << 28 // sums of buffer sizes stay within an int of 32 bits
	minMTU        = 576
	maxMTU        = 65535
	minTimeout    = time.Millisecond // a timer of no length would never end
	maxTimeout    = 24 * time.Hour
	maxSackDelay  = 500 * time.Millisecond // RFC 9260 §6.2
	maxRetrans    = 1 << 24                // an error counter goes on to ten times this
)

// leastSwitchover is the least Primary.Switchover.Max.Retrans (RFC 7829 §5 rule 1).
func (c *Config) leastSwitchover() int {
	if c.PotentiallyFailed {
		return c.PFMaxRetrans
	}
	return c.PathMaxRetrans
}

// normalized returns a copy with values inside the bounds of the standard and of
// arithmetic.
func (c *Config) normalized() *Config {
	if c.shared {
		return c
	}
	n := *c
	n.SackDelay = min(max(n.SackDelay, 0), maxSackDelay)
	n.SackFrequency = max(n.SackFrequency, 1)
	n.RecvBuffer = c.recvBuffer()
	n.SendBuffer = min(max(n.SendBuffer, 1), maxBuffer)
	n.MaxMessageSize = min(max(n.MaxMessageSize, 1), maxBuffer)
	n.OutStreams = max(n.OutStreams, 1)
	n.MaxInStreams = max(n.MaxInStreams, 1)
	n.MTU = min(max(n.MTU, minMTU), maxMTU)
	n.EncapOverhead = min(max(n.EncapOverhead, 0), minMTU/2)
	n.RTOMin = min(max(n.RTOMin, minTimeout), maxTimeout)
	n.RTOMax = min(max(n.RTOMax, n.RTOMin), maxTimeout)
	n.HeartbeatInterval = min(max(n.HeartbeatInterval, 0), maxTimeout)
	n.HeartbeatMaxBurst = max(n.HeartbeatMaxBurst, 1)
	n.PathMaxRetrans = min(max(n.PathMaxRetrans, 0), maxRetrans)
	n.AssociationMaxRetrans = min(max(n.AssociationMaxRetrans, 0), maxRetrans)
	n.PFMaxRetrans = min(max(n.PFMaxRetrans, 0), maxRetrans)
	n.PrimaryMaxRetrans = min(max(n.PrimaryMaxRetrans, n.leastSwitchover()), maxRetrans)
	n.CookieLife = max(n.CookieLife, 0)
	if n.Trace == nil {
		n.Trace = &Trace{}
	}
	return &n
}

// Shared returns a copy that associations refer to, instead of having one each. It must
// not be modified any more.
func (c *Config) Shared() *Config {
	n := *c.normalized()
	n.shared = true
	return &n
}

// own is the configuration of this association alone, to be changed.
func (a *Association) own() *Config {
	if a.cfg.shared {
		c := *a.cfg
		c.shared = false
		a.cfg = &c
	}
	return a.cfg
}

// recvBuffer is RecvBuffer within its bounds.
func (c *Config) recvBuffer() int { return min(max(c.RecvBuffer, minRecvBuffer), maxBuffer) }

// path is what the paths need of a normalized configuration.
func (c *Config) path() *path.Config {
	return &path.Config{
		RTOInitial: c.RTOInitial, RTOMin: c.RTOMin, RTOMax: c.RTOMax,
		MTU: c.MTU, EncapOverhead: c.EncapOverhead, Discover: c.PathMTUDiscovery,
		Settings: path.Settings{
			MaxRetrans: c.PathMaxRetrans, PF: c.PotentiallyFailed, PFMaxRetrans: c.PFMaxRetrans,
			HeartbeatOff: c.DisableHeartbeat, HeartbeatInterval: c.HeartbeatInterval,
		},
		NewController: func(remote netip.Addr, pmdcs int) congestion.Controller {
			if c.Congestion != nil {
				if cc := c.Congestion(pmdcs, remote.Is6()); cc != nil {
					return cc
				}
			}
			return congestion.Reno(pmdcs, remote.Is6())
		},
	}
}
