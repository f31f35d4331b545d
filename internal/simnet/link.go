package simnet

import (
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Link describes one direction of a path. The zero value is a perfect link: no
// loss, no delay, no limits. Probabilities are between 0 and 1 and are drawn per
// packet.
type Link struct {
	// Loss is the probability that a packet vanishes.
	Loss float64
	// LossBurst is the mean number of packets that vanish in a row once one did
	// (simple Gilbert model: each further packet is lost with probability
	// 1-1/LossBurst). 0 and 1 mean independent losses.
	LossBurst float64
	// Duplicate is the probability that a packet arrives twice. The copy takes a
	// jitter of its own and may be overtaken.
	Duplicate float64
	// Reorder is the probability that a packet is held back by ReorderDelay, so
	// that those sent after it may arrive before it. Nothing else reorders.
	Reorder float64
	// ReorderDelay is the additional delay of a held-back packet. 0 means half of
	// Delay, at least one millisecond.
	ReorderDelay time.Duration
	// Corrupt is the probability that one random bit of the payload flips. No UDP
	// checksum protects the payload here.
	Corrupt float64
	// Delay is the one-way propagation delay.
	Delay time.Duration
	// Jitter is the largest additional random delay, uniformly distributed. It
	// does not reorder: a packet arrives no earlier than its predecessor.
	Jitter time.Duration
	// Bandwidth is the rate in bytes per second, IP and UDP headers included. 0
	// means no limit.
	Bandwidth int
	// Queue is the number of bytes that may wait for the bandwidth; a packet that
	// finds more is dropped (tail drop). 0 means no limit.
	Queue int
	// MarkAt is the queue length in bytes from which ECN-capable packets are
	// marked CE (RFC 3168 §5). 0 means never.
	MarkAt int
	// MTU is the size in bytes of the largest IP packet that passes, counted as
	// Packet.Size does. 0 means no limit. Larger ones vanish
	// unless they may be fragmented.
	MTU int
	// Mark is the probability that an ECN-capable packet is marked CE.
	Mark float64
}

// perfect says that the link needs neither randomness nor memory.
func (l *Link) perfect() bool {
	return l.Loss <= 0 && l.Duplicate <= 0 && l.Reorder <= 0 && l.Corrupt <= 0 && l.Jitter <= 0 && l.Bandwidth <= 0 && l.Mark <= 0
}

// direction is a key: from one address to another, behind any NATs.
type direction struct{ from, to netip.Addr }

// path is the state of a direction.
type path struct {
	link     Link
	explicit bool // link was set for this pair; otherwise the default applies
	down     bool
	rand     *rand.Rand
	inBurst  bool      // the previous packet was lost and bursts are on
	busy     time.Time // the link transmits what it has accepted until then
	last     time.Time // latest arrival of a packet that was not held back
}

// newPath returns the state of direction d with the random stream that seed and
// the addresses define.
func newPath(seed uint64, d direction) *path {
	h := fnv.New64a()
	from, to := d.from.As16(), d.to.As16()
	h.Write(from[:])
	h.Write(to[:])
	return &path{rand: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// chance draws whether something of probability p happens. Impossible things
// draw nothing, so that they do not shift the stream.
func (p *path) chance(prob float64) bool {
	return prob > 0 && p.rand.Float64() < prob
}

// jitter draws an additional delay of l.
func (p *path) jitter(l *Link) time.Duration {
	if l.Jitter <= 0 {
		return 0
	}
	return time.Duration(p.rand.Int64N(int64(l.Jitter) + 1))
}

// backlog returns how many bytes wait for the bandwidth at now.
func (p *path) backlog(l *Link, now time.Time) int {
	wait := p.busy.Sub(now)
	if wait <= 0 {
		return 0
	}
	return int(wait.Seconds() * float64(l.Bandwidth))
}

// transmit occupies the link for size bytes and returns when the last byte left.
func (p *path) transmit(l *Link, now time.Time, size int) time.Time {
	if l.Bandwidth <= 0 {
		return now
	}
	if p.busy.Before(now) {
		p.busy = now
	}
	p.busy = p.busy.Add(time.Duration(float64(size) / float64(l.Bandwidth) * float64(time.Second)))
	return p.busy
}

// lose draws the loss of the next packet.
func (p *path) lose(l *Link) bool {
	if p.inBurst {
		p.inBurst = p.chance(1 - 1/l.LossBurst)
		if p.inBurst {
			return true
		}
	}
	if !p.chance(l.Loss) {
		return false
	}
	p.inBurst = l.LossBurst > 1
	return true
}

// arrival returns when a packet that left at departure arrives, and whether it
// was held back.
func (p *path) arrival(l *Link, departure time.Time) (time.Time, bool) {
	at := departure.Add(l.Delay + p.jitter(l))
	if p.chance(l.Reorder) {
		hold := l.ReorderDelay
		if hold <= 0 {
			hold = max(l.Delay/2, time.Millisecond)
		}
		return at.Add(hold), true
	}
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	return at, false
}

// corrupt flips one bit of b.
func (p *path) corrupt(b []byte) {
	if len(b) > 0 {
		bit := p.rand.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
	}
}
