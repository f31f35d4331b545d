package registrar

import (
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
)

// latencyBounds are the upper bounds of a Latency's buckets.
var latencyBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
}

// Latency is how long messages waited and were worked on, as a histogram.
type Latency struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[time.Duration]uint64 // how many took no longer than that
}

// meter counts times without a lock.
type meter struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

func (m *meter) observe(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	m.buckets[i].Add(1)
	m.sum.Add(int64(d))
}

func (m *meter) read() Latency {
	l := Latency{Sum: time.Duration(m.sum.Load()), Buckets: make(map[time.Duration]uint64, len(latencyBounds))}
	for i, b := range latencyBounds {
		l.Count += m.buckets[i].Load()
		l.Buckets[b] = l.Count
	}
	l.Count += m.buckets[len(latencyBounds)].Load()
	return l
}

// kinds of messages whose times are measured apart.
const (
	kindRegistration = iota
	kindDeregistration
	kindResolution
	kindReport
	kindOtherASAP
	kindENRP
	kinds
)

var kindNames = [kinds]string{"registration", "deregistration", "handle_resolution", "unreachable_report", "other_asap", "enrp"}

// kindOf tells by the first byte of a message, its type, what it asks for.
func kindOf(ch core.Channel, msg []byte) int {
	if ch == core.ENRP {
		return kindENRP
	}
	if len(msg) > 0 {
		switch asap.MessageType(msg[0]) {
		case asap.TypeRegistration:
			return kindRegistration
		case asap.TypeDeregistration:
			return kindDeregistration
		case asap.TypeHandleResolution:
			return kindResolution
		case asap.TypeEndpointUnreachable:
			return kindReport
		}
	}
	return kindOtherASAP
}

// Latencies returns how long messages took from when they were read until all that follows
// from them, answers above all, was handed to SCTP; by what they ask for.
func (r *Registrar) Latencies() map[string]Latency {
	out := make(map[string]Latency, kinds)
	for i := range r.meters {
		out[kindNames[i]] = r.meters[i].read()
	}
	return out
}

// RoundTrips returns the smoothed round-trip time of each association that has one.
func (r *Registrar) RoundTrips(ch core.Channel) []time.Duration {
	r.mu.Lock()
	conns := make([]*conn, 0, len(r.conns))
	for _, c := range r.conns {
		if c.channel == ch && c.assoc != nil {
			conns = append(conns, c)
		}
	}
	r.mu.Unlock()
	var out []time.Duration
	for _, c := range conns {
		if d := roundTrip(c.assoc); d > 0 {
			out = append(out, d)
		}
	}
	return out
}
