package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// shutdown is the state of a graceful end (RFC 9260 §9.2).
type shutdown struct {
	retries int // of SHUTDOWN or SHUTDOWN ACK
	tried   attempts
}

// Shutdown begins a graceful end: what was sent is delivered first, nothing new is
// accepted. During set-up it gives up the attempt. It fails with ErrIncomplete
// while a message is being written piece by piece.
func (a *Association) Shutdown(now time.Time) error {
	switch {
	case a.state == Closed:
		return a.endError()
	case a.state.setup():
		a.abort(now, ErrClosed, wire.AppendCause(nil, wire.CauseUserAbort))
		return nil
	case a.state != Established:
		return nil // already under way (§9.2: ULP requests are ignored)
	case a.tx.queue.Composing():
		return ErrIncomplete // the rest of it would be new data
	}
	a.setState(ShutdownPending)
	a.guardShutdown(now)
	a.advanceShutdown(now)
	return nil
}

// guardShutdown starts T5-shutdown-guard, five times RTO.Max (RFC 9260 §9.2). The
// standard has it bound the time from the SHUTDOWN on. Here it also bounds how
// long data may be on its way before that without any progress, on either side:
// a peer whose window stays closed answers and so never counts as unreachable.
func (a *Association) guardShutdown(now time.Time) {
	if a.state == ShutdownPending || a.state == ShutdownReceived {
		a.timers.set(timerT5Guard, now.Add(5*a.cfg.RTOMax))
	}
}

// advanceShutdown sends SHUTDOWN or SHUTDOWN ACK once all data is acknowledged.
func (a *Association) advanceShutdown(now time.Time) {
	if a.tx.queue.Bytes() > 0 || a.tx.out.Len() > 0 {
		return
	}
	switch a.state {
	case ShutdownPending:
		a.setState(ShutdownSent)
		a.shut = new(shutdown)
		a.stopHeartbeats() // §8.3
		a.sendShutdown(now, a.paths.Current())
	case ShutdownReceived:
		a.beginShutdownAck(now, a.paths.Current())
	}
}

// beginShutdownAck enters SHUTDOWN-ACK-SENT.
func (a *Association) beginShutdownAck(now time.Time, p *path.Path) {
	a.setState(ShutdownAckSent)
	a.shut = new(shutdown)
	a.stopHeartbeats() // §8.3
	a.sendShutdownAck(now, p)
}

// sendShutdown sends SHUTDOWN and starts T2-shutdown.
func (a *Association) sendShutdown(now time.Time, p *path.Path) {
	p = a.verified(p)
	a.shut.tried.note(p)
	a.replace(p, (&wire.Shutdown{CumTSN: a.rx.tsn.Cum()}).AppendTo(a.out.buffer()))
	a.timers.set(timerT2Shutdown, now.Add(p.RTO.Value()))
}

// sendShutdownAck sends SHUTDOWN ACK and starts T2-shutdown.
func (a *Association) sendShutdownAck(now time.Time, p *path.Path) {
	p = a.verified(p)
	a.shut.tried.note(p)
	a.repeatShutdownAck(p)
	a.timers.set(timerT2Shutdown, now.Add(p.RTO.Value()))
}

// repeatShutdownAck answers what anybody can send: it does not touch the timer,
// which somebody could otherwise keep from ever expiring.
func (a *Association) repeatShutdownAck(p *path.Path) {
	a.replace(p, (&wire.ShutdownAck{}).AppendTo(a.out.buffer()), wire.TypeShutdown)
}

// onT2Shutdown repeats SHUTDOWN or SHUTDOWN ACK (§9.2). The path has failed as with
// DATA; if there is another one it goes there.
func (a *Association) onT2Shutdown(now time.Time) {
	a.stats.T2Expirations++
	p := a.shut.tried.to
	if a.shut.retries++; a.shut.retries > a.cfg.AssociationMaxRetrans {
		e := &UnreachableError{Chunk: wire.TypeShutdown, Sent: a.shut.retries, Addrs: a.shut.tried.all}
		if a.state == ShutdownAckSent {
			e.Chunk = wire.TypeShutdownAck
		}
		a.fail(e)
		return
	}
	a.stats.ControlRetransmitted++
	p.RTO.Backoff()
	a.pathFailed(now, p, false)
	p = a.paths.Alternate(p)
	if a.state == ShutdownSent {
		a.sendShutdown(now, p)
	} else {
		a.sendShutdownAck(now, p)
	}
}

// handleShutdown takes the peer's SHUTDOWN. Its Cumulative TSN Ack must be one
// that was sent, as in a SACK.
func (a *Association) handleShutdown(now time.Time, p *path.Path, c wire.RawChunk) bool {
	var s wire.Shutdown
	if s.Decode(c) != nil {
		a.drop("malformed SHUTDOWN")
		return true
	}
	if a.state.setup() {
		a.drop("SHUTDOWN during set-up")
		return true
	}
	old := s.CumTSN.Less(a.tx.out.CumAck()) // overtaken; the state change still counts
	if !old && !a.ackedTSN(s.CumTSN) {
		a.protocolViolation(now, "SHUTDOWN acknowledges a TSN never sent")
		return false
	}
	if !a.Abandon(now) {
		return false
	}
	state := a.state
	if state == Established || state == ShutdownPending {
		a.setState(ShutdownReceived)
		a.guardShutdown(now)
		a.ev.push(Event{Kind: EventPeerShutdown})
	}
	if !old {
		a.applySack(now, &wire.Sack{CumTSN: s.CumTSN}, -1)
	}
	switch state {
	case ShutdownSent: // both at once
		a.beginShutdownAck(now, p)
	case ShutdownAckSent:
		a.sendShutdownAck(now, p)
	default:
		a.advanceShutdown(now)
	}
	return true
}

func (a *Association) handleShutdownAck(p *path.Path, c wire.RawChunk) bool {
	if (&wire.ShutdownAck{}).Decode(c) != nil {
		a.drop("malformed SHUTDOWN ACK")
		return true
	}
	switch a.state {
	case ShutdownSent, ShutdownAckSent:
		p = a.verified(p)
		a.alone(Inbound{Local: p.Local, Remote: p.Remote}, a.id.peerTag, (&wire.ShutdownComplete{}).AppendTo)
		a.finish(nil)
		return false
	}
	a.drop("unexpected SHUTDOWN ACK")
	return true
}

// replyShutdownComplete answers a SHUTDOWN ACK of an earlier association (§8.4
// rule 5).
func (a *Association) replyShutdownComplete(in Inbound, pkt wire.Packet) {
	a.alone(in, pkt.VTag, (&wire.ShutdownComplete{T: true}).AppendTo)
}

func (a *Association) handleShutdownComplete(pkt wire.Packet, c wire.RawChunk) bool {
	var s wire.ShutdownComplete
	if s.Decode(c) != nil || c.Len() != chunksLen(pkt) {
		a.drop("malformed SHUTDOWN COMPLETE")
		return false
	}
	if a.state != ShutdownAckSent { // §8.5.1 C
		a.drop("unexpected SHUTDOWN COMPLETE")
		return false
	}
	a.finish(nil)
	return false
}
