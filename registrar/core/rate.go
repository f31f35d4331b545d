package core

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// bucket limits a rate: it holds what may still be done.
type bucket struct {
	tokens float64
	at     time.Time
}

// burst is what a full bucket holds: a second's worth, at least one.
func burst(rate float64) float64 { return max(rate, 1) }

// take takes one token if there is one. The bucket fills at rate per second.
func (b *bucket) take(now time.Time, rate float64) bool {
	b.fill(now, rate)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) fill(now time.Time, rate float64) {
	if b.at.IsZero() {
		b.tokens = burst(rate)
	} else if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.tokens+d.Seconds()*rate, burst(rate))
	}
	b.at = now
}

// Rates bounds how often something may be done in a second; 0 and less mean any
// number of times. A second's worth may come at once. What is refused does not
// count, so that who slows down is served.
type Rates struct {
	Source float64 // by one source: see Limits.SourceBits
	Pool   float64 // about one pool, by all sources together
}

// rateKey names a bucket: what is done, and by which source or about which pool.
type rateKey struct {
	op     Operation
	source netip.Addr
	pool   rserpool.PoolHandle
}

// maxBuckets bounds the memory that floods from many sources take.
const maxBuckets = 8192

// meter holds the buckets of those that did something lately.
type meter struct {
	buckets map[rateKey]*bucket
	rest    map[Operation]*bucket // shared by those that there is no room for
	swept   time.Time
}

func newMeter() meter {
	return meter{buckets: make(map[rateKey]*bucket), rest: make(map[Operation]*bucket)}
}

// bucket returns the bucket of a key. If all room is taken by others that are busy,
// newcomers share one.
func (m *meter) bucket(now time.Time, k rateKey) *bucket {
	if b := m.buckets[k]; b != nil {
		return b
	}
	if len(m.buckets) >= maxBuckets && now.Sub(m.swept) >= time.Second {
		m.swept = now
		for k, b := range m.buckets {
			if now.Sub(b.at) > 2*time.Second {
				delete(m.buckets, k)
			}
		}
	}
	if len(m.buckets) >= maxBuckets {
		if m.rest[k.op] == nil {
			m.rest[k.op] = &bucket{}
		}
		return m.rest[k.op]
	}
	b := &bucket{}
	m.buckets[k] = b
	return b
}

// admit reports whether a connection may do something about a pool now, and counts
// it if so.
func (r *Registrar) withinRate(now time.Time, op Operation, limit Rates, c *conn, pool rserpool.PoolHandle) bool {
	if limit.Source > 0 && !r.meter.bucket(now, rateKey{op: op, source: r.sourceOf(c)}).take(now, limit.Source) ||
		limit.Pool > 0 && !r.meter.bucket(now, rateKey{op: op, pool: pool}).take(now, limit.Pool) {
		r.stats.RateLimited++
		return false
	}
	return true
}

// sourceOf is where a connection comes from, for counting.
func (r *Registrar) sourceOf(c *conn) netip.Addr { return r.source(firstAddr(c.remote.Addrs)) }

// source is the network that counts as one source: the host, or, since whoever has
// one IPv6 address usually has 2⁶⁴ of them, the first bits of its address.
func (r *Registrar) source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(min(r.limits.SourceBits, 128))
	if err != nil {
		return a
	}
	return p.Addr()
}
