package sctp

import (
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// maxReply bounds the one packet that may answer a packet out of the blue. The
// largest is an INIT ACK; nothing the peer sends makes it longer than a packet.
const maxReply = 2048

// gatekeeper answers packets that belong to no association. It keeps no state for
// them, only its keys and what the rate limits need.
type gatekeeper struct {
	mu        sync.Mutex
	responder *core.Responder
	inits     bucket // INIT ACK
	replies   bucket // ABORT, SHUTDOWN COMPLETE
}

func (k *gatekeeper) init(r *core.Responder, cfg *StackConfig) {
	k.responder = r
	k.inits.rate = float64(max(cfg.MaxInitRate, 0)) // 0: no limit
	k.replies.rate = float64(cfg.MaxReplyRate)
}

// bucket is a token bucket that holds the tokens of one second. A rate of zero
// means no limit, a negative one that nothing passes.
type bucket struct {
	rate   float64 // tokens per second
	tokens float64
	last   time.Time
}

// has says whether there is a token.
func (b *bucket) has(now time.Time) bool {
	switch {
	case b.rate == 0:
		return true
	case b.rate < 0:
		return false
	case b.last.IsZero():
		b.tokens = b.rate
	default:
		b.tokens = min(b.rate, b.tokens+b.rate*max(now.Sub(b.last), 0).Seconds())
	}
	b.last = now
	return b.tokens >= 1
}

// take takes a token if there is one.
func (b *bucket) take(now time.Time) bool {
	if !b.has(now) {
		return false
	}
	b.tokens--
	return true
}

// handshake says whether a packet involves the keys of the responder, inside an
// association too: an INIT or a COOKIE ECHO is the first chunk (RFC 9260 §6.10).
func handshake(pkt *wire.Packet) bool {
	t := pkt.FirstType()
	return t == wire.TypeInit || t == wire.TypeCookieEcho
}

// stray handles a packet that had no association when it was sorted.
func (r *reader) stray(now time.Time, i int) {
	p := &r.packets[i]
	p.next = -1
	s := r.stack
	if a := s.demux.lookup(&p.pkt.Header, p.in.Remote); a != nil {
		r.input(now, run{a, i, i})
		return
	}
	if !r.link.door.udp && !s.demux.ours(p.pkt.DstPort) {
		return // it may be for another process that speaks SCTP over IP
	}
	l := s.demux.listener(p.pkt.DstPort, p.in.Local)
	switch p.pkt.FirstType() {
	case wire.TypeCookieEcho:
		r.cookie(now, i, l)
	case wire.TypeInit:
		if a := s.demux.listing(p.in, p.pkt); a != nil {
			r.input(now, run{a, i, i})
			return
		}
		if l != nil && s.demux.full() {
			r.refuse(now, p)
			return
		}
		r.answer(now, p, l, &s.keeper.inits)
	default:
		if a := s.demux.claimed(&p.pkt.Header, p.in.Remote); a != nil {
			r.input(now, run{a, i, i})
			return
		}
		r.answer(now, p, l, &s.keeper.replies)
	}
}

// refuse says that there is no room for another association (RFC 9260 §5.1). For a
// COOKIE ECHO the peer has shown that it is where it says; the answer to an INIT is
// smaller than the INIT ACK would be. Nothing is said while the stack closes, and
// nothing if only the backlog is full, which passes: the peer tries again.
func (r *reader) refuse(now time.Time, p *inPacket) {
	s := r.stack
	s.count.refused.Add(1)
	if s.demux.isClosed() {
		return
	}
	k := &s.keeper
	k.mu.Lock()
	t := k.responder.Refuse(now, p.in, p.pkt, r.reply[:0])
	pass := t.Data != nil && k.replies.take(now)
	k.mu.Unlock()
	if pass {
		r.send(&t)
	}
}

// answer sends what the responder has to say to a packet, within a limit.
func (r *reader) answer(now time.Time, p *inPacket, l *Listener, limit *bucket) {
	s := r.stack
	s.stray(p, l)
	k := &s.keeper
	k.mu.Lock()
	if !limit.has(now) { // before the work: in a flood it is all that a packet costs
		k.mu.Unlock()
		s.count.limited.Add(1)
		return
	}
	t, _ := k.responder.HandlePacket(now, p.in, p.pkt, l.listening(), r.reply[:0])
	if t.Data != nil {
		limit.take(now)
	}
	k.mu.Unlock()
	if t.Data != nil {
		r.send(&t)
	}
}

// cookie lets an association in whose COOKIE ECHO is valid, if there is room for it.
// While the backlog is full nothing is said: the peer repeats its COOKIE ECHO.
func (r *reader) cookie(now time.Time, i int, l *Listener) {
	s, p := r.stack, &r.packets[i]
	if l == nil {
		r.answer(now, p, nil, &s.keeper.replies)
		return
	}
	if s.demux.full() {
		r.refuse(now, p)
		return
	}
	if !l.reserve() {
		s.count.refused.Add(1)
		return
	}
	k := &s.keeper
	k.mu.Lock()
	t, c := k.responder.HandlePacket(now, p.in, p.pkt, l.listening(), r.reply[:0])
	pass := t.Data == nil || k.replies.take(now) // a Stale Cookie error
	k.mu.Unlock()
	if c != nil {
		// The INIT came when there was none, from an address that the peer has beside
		// that of an association which was opened since (RFC 9260 §5.2.4).
		if a := s.demux.one(c.PeerAddrs(), c.PeerPort(), c.LocalPort()); a != nil {
			l.unreserve()
			r.input(now, run{a, i, i})
			return
		}
		l.enter(now, c, Stats{}, r)
		return
	}
	l.unreserve()
	s.stray(p, l)
	if t.Data != nil && pass {
		r.send(&t)
	}
}

// stray counts a packet of no association. l is who listens on its port.
func (s *Stack) stray(p *inPacket, l *Listener) {
	s.count.strays.Add(1)
	chunks := int64(0)
	for range p.pkt.Chunks() {
		chunks++
	}
	s.count.strayChunks.Add(chunks)
	if l == nil || p.pkt.FirstType() != wire.TypeInit {
		s.count.outOfBlue.Add(1)
	}
}

// send writes one packet where the packet that it answers came from.
func (r *reader) send(t *core.Transmit) {
	c := &r.stack.count
	c.replies.Add(1)
	c.packetsOut.Add(1)
	c.bytesOut.Add(int64(len(t.Data)))
	r.out[0] = carrier.Datagram{Local: t.Local, Remote: t.Remote, Data: t.Data, ECN: t.ECN, MayFragment: t.MayFragment}
	if r.stack.cfg.Capture != nil {
		r.stack.captureOut(r.link, r.out[:])
	}
	if _, err := r.link.WriteBatch(r.out[:]); err != nil {
		c.sendErrors.Add(1)
	}
}
