package core

import (
	"encoding/binary"
	"io"
	"math/bits"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// heartbeatInfoLen is the nonce and the path identifier. The time of sending stays
// here, so that no echo can forge a round-trip time.
const heartbeatInfoLen = 12

// heartbeatLen is the size of a HEARTBEAT with that.
const heartbeatLen = wire.ChunkHeaderLen + 4 + heartbeatInfoLen

// startHeartbeat plans the first HEARTBEAT of a path: at once if the address is
// not verified (RFC 9260 §5.4), else after an idle period.
func (a *Association) startHeartbeat(now time.Time, p *path.Path) {
	if p.State == path.Unconfirmed {
		p.Heartbeat.At = now
		if now.Before(p.Heartbeat.Expires) {
			p.Heartbeat.At = p.Heartbeat.Expires // one went with the COOKIE ECHO
		}
		return
	}
	a.planHeartbeat(now, p)
}

// planHeartbeat sets the time of the next HEARTBEAT of a path that is idle since a
// time: HB.interval plus the RTO with a jitter of half of it later (RFC 9260 §8.3),
// or at once where a path is potentially failed (RFC 7829 §3.2 rules 5, 6). One that
// is pending is judged first.
func (a *Association) planHeartbeat(since time.Time, p *path.Path) {
	h, rto := &p.Heartbeat, p.RTO.Value()
	h.At = time.Time{}
	switch {
	case p.State == path.Unconfirmed && !p.Unreachable():
		h.At = since.Add(rto) // §5.4: one probe per RTO
	case p.Settings.HeartbeatOff:
		return
	case p.State == path.PotentiallyFailed:
		h.At = since
	default:
		jitter, _ := bits.Mul64(uint64(a.random32())<<32, uint64(rto)) // [0, rto)
		h.At = since.Add(p.Settings.HeartbeatInterval + rto/2 + time.Duration(jitter))
	}
	if h.At.Before(h.Expires) {
		h.At = h.Expires
	}
}

func (a *Association) stopHeartbeats() {
	for _, p := range a.paths.All {
		p.Heartbeat.At, p.Heartbeat.Expires = time.Time{}, time.Time{}
		p.StopDiscovery() // its probes are HEARTBEATs too
	}
}

// onHeartbeatTimers sends a HEARTBEAT that is due on an idle path and counts one
// that was not answered within an RTO (RFC 9260 §8.3).
func (a *Association) onHeartbeatTimers(now time.Time, p *path.Path) {
	h := &p.Heartbeat
	if !h.Expires.IsZero() && !h.Expires.After(now) {
		h.Expires = time.Time{}
		a.heartbeatLost(now, p)
		if a.state == Closed {
			return
		}
	}
	if h.At.IsZero() || h.At.After(now) {
		return
	}
	switch {
	case a.state.setup() || a.state == ShutdownSent || a.state == ShutdownAckSent:
		h.At = time.Time{}
		return
	case p.State == path.PotentiallyFailed && p.InFlight > 0:
		h.At = now.Add(p.RTO.Value()) // rule 6 of RFC 7829 §3.2: T3-rtx will tell as much
		return
	case p.State == path.Unconfirmed:
		if !a.mayProbe(now, p) {
			return
		}
	case p.State == path.Active && p.Errors == 0 && now.Sub(p.LastData) < p.Settings.HeartbeatInterval:
		a.planHeartbeat(p.LastData, p) // not idle
		return
	}
	a.sendHeartbeat(now, p)
	a.planHeartbeat(now, p)
}

// heartbeatLost counts a HEARTBEAT without an answer. Those to the path that carries
// the data count against the association too (RFC 9260 §8.1), unless it is being
// verified (§5.4).
func (a *Association) heartbeatLost(now time.Time, p *path.Path) {
	if p.State == path.PotentiallyFailed && p.InFlight > 0 {
		return // T3-rtx counts (RFC 7829 §3.2 rule 6)
	}
	p.RTO.Backoff()
	a.pathFailed(now, p, p == a.paths.Current() && p.State != path.Unconfirmed)
}

// probes counts the HEARTBEATs to addresses that are not verified.
type probes struct {
	since time.Time // when the RTO began in which they are counted
	sent  int
}

// mayProbe says whether an unconfirmed path may be probed now: no more than
// HB.Max.Burst of them are in each RTO, in turns, so that a peer that lists the
// addresses of others cannot have us flood them (RFC 9260 §5.4, RFC 5062 §6). If not,
// its probe is put off.
func (a *Association) mayProbe(now time.Time, p *path.Path) bool {
	n, rto := &a.probes, a.paths.Current().RTO.Value()
	if age := now.Sub(n.since); age < 0 || age >= rto {
		*n = probes{since: now}
	}
	turn := true
	for _, q := range a.paths.All {
		waits := q.State == path.Unconfirmed && !q.Heartbeat.At.IsZero() && !q.Heartbeat.At.After(now)
		turn = turn && !(waits && q.Heartbeat.SentAt.Before(p.Heartbeat.SentAt))
	}
	if !turn || n.sent >= a.cfg.HeartbeatMaxBurst {
		p.Heartbeat.At = n.since.Add(rto)
		return false
	}
	n.sent++
	return true
}

// sendHeartbeat probes a path with a fresh 64-bit nonce (RFC 9260 §5.4).
func (a *Association) sendHeartbeat(now time.Time, p *path.Path) {
	var n [8]byte
	if _, err := io.ReadFull(a.cfg.Rand, n[:]); err != nil {
		return
	}
	p.Heartbeat.Nonce = binary.BigEndian.Uint64(n[:])
	p.Heartbeat.SentAt = now
	p.Heartbeat.Expires = now.Add(p.RTO.Value())
	var info [heartbeatInfoLen]byte
	copy(info[:], n[:])
	binary.BigEndian.PutUint32(info[8:], uint32(p.ID))
	hb := wire.Heartbeat{Info: info[:]}
	a.out.control(p, hb.AppendTo(a.out.buffer()))
	a.stats.HeartbeatsOut++
}

// handleHeartbeat echoes the peer's probe to where it came from (RFC 9260 §8.3).
func (a *Association) handleHeartbeat(in Inbound, p *path.Path, pkt wire.Packet, c wire.RawChunk) bool {
	if a.state == CookieWait || a.state == ShutdownAckSent {
		a.drop("HEARTBEAT in the wrong state")
		return true
	}
	var hb wire.Heartbeat
	if hb.Decode(c) != nil {
		a.drop("malformed HEARTBEAT")
		return true
	}
	// The whole value is returned unchanged, whatever parameters it holds.
	b := append(a.out.buffer(), c.Bytes()...)
	b[0], b[1] = byte(wire.TypeHeartbeatAck), 0 // type and flags
	for len(b)&3 != 0 {
		b = append(b, 0)
	}
	if in.Local.IsValid() && in.Local != p.Local && c.Len() == chunksLen(pkt) {
		// The peer probes another address of this end, which is to answer itself.
		a.alone(in, a.id.peerTag, func(h []byte) []byte { return append(h, b...) })
		a.out.recycle(b)
		return true
	}
	a.out.control(p, b) // verified or not: that is how the peer verifies us (§5.4)
	return true
}

// handleHeartbeatAck verifies the nonce and the path of an answer; all others are
// ignored and the timer keeps running.
func (a *Association) handleHeartbeatAck(now time.Time, c wire.RawChunk) bool {
	var hb wire.Heartbeat
	if hb.Decode(c) != nil || len(hb.Info) != heartbeatInfoLen {
		a.drop("malformed HEARTBEAT ACK")
		return true
	}
	id := binary.BigEndian.Uint32(hb.Info[8:])
	if id >= uint32(len(a.paths.All)) {
		a.drop("HEARTBEAT ACK for no path")
		return true
	}
	p := a.paths.All[id]
	h := &p.Heartbeat
	nonce := binary.BigEndian.Uint64(hb.Info)
	if a.probeAnswered(now, p, nonce) {
		return true
	}
	if h.SentAt.IsZero() || h.Nonce != nonce {
		a.drop("HEARTBEAT ACK with a wrong nonce")
		return true
	}
	p.RTO.Measure(now.Sub(h.SentAt))
	h.SentAt, h.Expires, h.Nonce = time.Time{}, time.Time{}, 0
	p.Refused = false
	if a.tx.out.Len() == 0 {
		a.errors = 0 // §8.1: kept while data is unacknowledged
	}
	a.pathAnswered(p)
	a.planHeartbeat(now, p)
	return true
}
