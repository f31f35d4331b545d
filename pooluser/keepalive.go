package pooluser

import (
	"net"
	"time"

	"github.com/rserpool/rserpool/asap/core"
)

// netDialer returns the dialer for elements of TCP and UDP. One of TCP that has gone
// silent is noticed about as fast as one of SCTP is by its heartbeats and retransmissions:
// by keep-alives if the connection is idle, and, where the system can do it, by the time
// for which data may stay unacknowledged.
func netDialer(p *core.TransportProfile) *net.Dialer {
	silence := time.Duration(0)
	rto := p.RTOMin
	for range p.AssociationMaxRetrans + 1 {
		silence += rto
		rto = min(2*rto, p.RTOMax)
	}
	silence = max(silence, time.Second)
	const probes = 3
	return &net.Dialer{
		// Systems count in seconds.
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: seconds(p.HeartbeatInterval), Interval: seconds(silence / probes), Count: probes,
		},
		ControlContext: unacknowledged(silence),
	}
}

// seconds rounds up to whole seconds, at least one.
func seconds(d time.Duration) time.Duration {
	return max((d + time.Second - 1).Truncate(time.Second), time.Second)
}
