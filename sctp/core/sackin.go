package core

import (
	"math"
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// handleSack takes one SACK (RFC 9260 §6.2.1).
func (a *Association) handleSack(now time.Time, c wire.RawChunk) bool {
	s := a.sackScratch()
	if s.Decode(c) != nil {
		a.drop("malformed SACK")
		return true
	}
	if !a.state.sendsData() { // §6
		a.drop("SACK in a state without data to acknowledge")
		return true
	}
	a.stats.SacksIn++
	if s.CumTSN.Less(a.tx.out.CumAck()) {
		a.drop("old SACK") // D i
		return true
	}
	if !a.ackedTSN(s.CumTSN) {
		a.protocolViolation(now, "SACK acknowledges a TSN never sent")
		return false
	}
	a.applySack(now, s, window(s.ARwnd))
	return true
}

// ackedTSN says whether cum, which is not old, is a TSN that was sent or the one
// before the first.
func (a *Association) ackedTSN(cum wire.TSN) bool {
	return cum == a.tx.out.CumAck() || a.tx.out.Sent(cum)
}

// window is an a_rwnd as a number of bytes that an int of 32 bits can reckon with.
func window(rwnd uint32) int { return int(min(rwnd, math.MaxInt32/2)) }

// applySack applies an acknowledgement: its TSN is valid, rwnd is -1 if the chunk (a
// SHUTDOWN) does not tell it.
func (a *Association) applySack(now time.Time, s *wire.Sack, rwnd int) {
	t := &a.tx
	for _, p := range a.paths.All {
		p.Acked, p.RTT, p.OldestAcked, p.Proven, p.LossSeen, p.Clean, p.Largest = 0, 0, false, false, false, false, 0
	}
	flight := a.flights()
	var acked tx.Acked
	t.out.AckCum(s.CumTSN, &t.queue, &acked)
	if rwnd >= 0 {
		t.out.AckGaps(s.Gaps, &acked)
	}
	a.measure(now, s.CumTSN)
	inRecovery := t.recovery
	if t.recovery && !t.out.CumAck().Less(t.exit) {
		t.recovery = false // D iv
	}
	if acked.Any() {
		a.errors = 0 // §8.1
	}
	if acked.Fresh {
		a.ecn.passed()
	}
	a.judgeLoss(now, &acked)
	for i, p := range a.paths.All {
		a.growWindow(now, p, &acked, flight[i], inRecovery)
	}
	marked := t.out.CountMisses(&acked, inRecovery, !a.cfg.StrictRecovery)
	if marked += a.probesAnswered(now, &acked, s.Dups); marked > 0 {
		a.fastRetransmit(now, marked, &acked)
	}
	if rwnd >= 0 {
		a.windowChanged(rwnd)                      // may take a chunk out of flight
		t.peerRwnd = max(0, rwnd-t.out.InFlight()) // D ii
	}
	for _, p := range a.paths.All {
		a.settleT3(now, p)
		a.renewLossProbe(now, p)
	}
	if acked.CumAdvanced {
		a.released(now)
	}
}

// flights is the flight size of each path before the acknowledgement counts; no
// allocation for the usual few paths.
func (a *Association) flights() [path.MaxPaths]int {
	var f [path.MaxPaths]int
	for i, p := range a.paths.All {
		f[i] = p.InFlight
	}
	return f
}

// measure completes round-trip measurements (RFC 9260 §6.3.1).
func (a *Association) measure(now time.Time, cum wire.TSN) {
	for _, p := range a.paths.All {
		if p.Timing && (p.TimedTSN.LessEq(cum) || p.Acked > 0 && a.tx.out.Acknowledged(p.TimedTSN)) {
			p.Measured(now)
		}
	}
}

// growWindow applies what was newly acknowledged on a path to its error counter
// and its congestion window. The rules for growing come before those for a loss
// (RFC 9260 §7.2.4).
func (a *Association) growWindow(now time.Time, p *path.Path, acked *tx.Acked, flight int, inRecovery bool) {
	if p.Acked == 0 {
		return
	}
	a.dataAcked(p)
	a.passed(p, flight)
	p.Alone = false
	before := p.CC.Window()
	p.CC.OnAck(congestion.AckEvent{
		Now: now, Bytes: p.Acked, CumAdvanced: acked.CumAdvanced,
		CwndLimited: p.Limited || flight >= before, InRecovery: inRecovery || a.ecn.echoed,
		RTT: p.RTT, InFlight: flight, FlightEmpty: a.tx.out.Len() == 0,
	})
	if w := p.CC.Window(); w != before && a.cfg.Trace.CwndChange != nil {
		a.cfg.Trace.CwndChange(p.Remote, w)
	}
	p.Burst -= p.Acked // §6.1 D: what was acknowledged may be replaced
}

// settleT3 stops or restarts T3-rtx of a path (RFC 9260 §6.3.2).
func (a *Association) settleT3(now time.Time, p *path.Path) {
	a.tx.out.Settle(p)
	switch {
	case p.InFlight == 0:
		p.StopT3() // R2
	case p.OldestAcked:
		p.RestartT3(now) // R3
	default:
		p.StartT3(now) // R4: what was reneged on is in flight again
	}
}

// fastRetransmit acts on chunks reported missing three times (RFC 9260 §7.2.4).
func (a *Association) fastRetransmit(now time.Time, marked int, acked *tx.Acked) {
	t := &a.tx
	a.stats.FastRetransmits += uint64(marked)
	a.forgetProbes()
	sent, _ := t.out.NextLost()
	if acked.Again {
		// A retransmission that was sent after the window was reduced, and lost, is one more
		// sign of congestion (RFC 5681 §4.3).
		sent = acked.Resent
		t.recovery = t.recovery && sent.LessEq(t.exit)
	}
	a.doubtLoss(now, marked)
	if t.recovery {
		return
	}
	for _, p := range a.paths.All {
		if p.LossSeen && !a.reducedFor(sent) {
			p.CC.OnLoss(congestion.LossEvent{Now: now, InFlight: p.InFlight})
			p.Reduced = true
		}
	}
	t.recovery = true
	t.exit = t.out.Next().Add(^uint32(0))
	t.force = true
}

// windowChanged looks after zero window probing (RFC 9260 §6.1 A). The window
// counts as closed if it is too small for the next chunk.
func (a *Association) windowChanged(rwnd int) {
	t := &a.tx
	next := t.out.EarliestLen()
	if m := t.queue.Front(); next == 0 && m != nil {
		next = a.fragmentSize(m)
	}
	if rwnd < max(next, 1) {
		// The peer answers: its closed window is no failure, however often the
		// probes, or what was on its way when it closed, are refused.
		t.probing = true
		a.errors = 0
		for _, p := range a.paths.All {
			if p.State == path.Active { // RFC 7829: another has data because of its errors
				p.Errors = 0
			}
		}
		return
	}
	if !t.probing {
		return
	}
	t.probing = false
	a.timers.stop(timerProbe)
	for _, p := range a.paths.All {
		p.RTO.Restore() // it was the probes that backed off, not the path
	}
	// What was refused for lack of room need not wait for its timer.
	if n := t.out.EarliestLen(); t.out.Refused(rwnd) {
		t.peerRwnd += n // §6.2.1 C
		t.force = true
	}
}

// released tells the user what acknowledged data means to it.
func (a *Association) released(now time.Time) {
	t := &a.tx
	a.writable()
	if t.dirty && t.queue.Messages() == 0 {
		t.dirty = false
		a.ev.push(Event{Kind: EventAllAcked})
	}
	a.guardShutdown(now)
	a.advanceShutdown(now)
}

// onT3 handles the expiry of T3-rtx of a path (RFC 9260 §6.3.3).
func (a *Association) onT3(now time.Time, p *path.Path) {
	t := &a.tx
	p.StopT3()
	if p.InFlight == 0 {
		return
	}
	a.stats.T3Expirations++
	p.Count.T3Expirations++
	if a.cfg.Trace.T3Expired != nil {
		a.cfg.Trace.T3Expired(p.Remote)
	}
	if !t.probing || t.out.Len() > 1 { // §6.1 A: probing does not affect cwnd
		p.CC.OnTimeout(now) // E1
	}
	a.suspectBlackHole(p)
	a.unproven()
	p.RTO.Backoff() // E2
	p.Alone = true
	a.stats.T3Chunks += uint64(a.surrender(p)) // E3
	a.pathFailed(now, p, true)
	a.probeHinted(now, p)
}

// surrender marks all that is in flight on a path for retransmission and returns the
// number of chunks.
func (a *Association) surrender(p *path.Path) int {
	t := &a.tx
	p.StopT3()
	p.Timing = false
	p.Tail.Answered()
	before := t.out.InFlight()
	n := t.out.MarkPathLost(p)
	t.peerRwnd += before - t.out.InFlight() // §6.2.1 C
	if n > 0 {
		t.recovery = false
		a.believeLoss()
		t.force = true
	}
	return n
}
