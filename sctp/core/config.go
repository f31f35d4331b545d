package core

import (
	"crypto/rand"
	"io"
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
	CookieLife time.Duration // Valid.Cookie.Life

	HeartbeatInterval time.Duration // HB.interval
	DisableHeartbeat  bool          // no probing of idle paths

	SackFrequency         int // packets with DATA per SACK
	MaxBurst              int // Max.Burst in packets; 0: no limit
	AssociationMaxRetrans int // Association.Max.Retrans
	PathMaxRetrans        int // Path.Max.Retrans
	MaxInitRetransmits    int // Max.Init.Retransmits

	OutStreams   uint16 // outbound streams to ask for
	MaxInStreams uint16 // inbound streams to allow

	RecvBuffer     int // bytes; at least 4,096
	SendBuffer     int // bytes
	MaxMessageSize int // largest message Send takes, in bytes
	MTU            int // IP MTU in bytes
	EncapOverhead  int // bytes between IP header and SCTP: 8 for UDP

	// NoDelay sends small messages at once even while data is unacknowledged.
	// Without it they wait, for at most a round trip, to be bundled.
	NoDelay bool

	// Congestion makes the controller of a path; nil: congestion.NewReno.
	Congestion func(pmdcs int) congestion.Controller

	Trace *Trace // optional hooks
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

// minRecvBuffer keeps a_rwnd above the 1,500 bytes of RFC 9260 §3.3.2.
const minRecvBuffer = 4096

// maxSackDelay is the bound of RFC 9260 §6.2.
const maxSackDelay = 500 * time.Millisecond

// normalized returns a copy with values inside the bounds of the standard.
func (c *Config) normalized() *Config {
	n := *c
	n.SackDelay = min(max(n.SackDelay, 0), maxSackDelay)
	n.SackFrequency = max(n.SackFrequency, 1)
	n.RecvBuffer = max(n.RecvBuffer, minRecvBuffer)
	n.SendBuffer = max(n.SendBuffer, 1)
	n.OutStreams = max(n.OutStreams, 1)
	n.MaxInStreams = max(n.MaxInStreams, 1)
	n.RTOMax = max(n.RTOMax, n.RTOMin)
	if n.Congestion == nil {
		n.Congestion = func(pmdcs int) congestion.Controller { return congestion.NewReno(pmdcs, 0) }
	}
	if n.Trace == nil {
		n.Trace = &Trace{}
	}
	return &n
}

func (c *Config) path() *path.Config {
	return &path.Config{
		RTOInitial: c.RTOInitial, RTOMin: c.RTOMin, RTOMax: c.RTOMax,
		MTU: c.MTU, EncapOverhead: c.EncapOverhead, NewController: c.Congestion,
	}
}
