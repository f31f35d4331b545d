package profile

import "time"

// Transport holds SCTP protocol parameters (RFC 9260 §16) that go with the timers
// above. They decide how fast a silent peer is noticed.
type Transport struct {
	// RTOInitial, RTOMin and RTOMax bound the retransmission timeout.
	RTOInitial, RTOMin, RTOMax time.Duration
	// HeartbeatInterval is HB.interval; the RTO and a jitter are added to it.
	HeartbeatInterval time.Duration
	// SackDelay is the delayed acknowledgement timer. It must stay well below
	// the peer's RTOMin.
	SackDelay time.Duration
	// AssociationMaxRetrans, PathMaxRetrans and MaxInitRetransmits are the
	// numbers of consecutive timeouts that are tolerated.
	AssociationMaxRetrans, PathMaxRetrans, MaxInitRetransmits int
	// DialTimeout bounds the attempt to open an association.
	DialTimeout time.Duration
}
