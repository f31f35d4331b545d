package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// handleSack takes one SACK (RFC 9260 §6.2.1).
func (a *Association) handleSack(now time.Time, _ *path.Path, c wire.RawChunk) bool {
	s := &a.sack
	if s.Decode(c) != nil {
		a.drop("malformed SACK")
		return true
	}
	if a.state.setup() {
		a.drop("SACK during set-up")
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
	a.applySack(now, s.CumTSN, s.Gaps, int64(s.ARwnd))
	return a.state != Closed
}

// ackedTSN says whether cum, which is not old, is a TSN that was sent or the one
// before the first.
func (a *Association) ackedTSN(cum wire.TSN) bool {
	return cum == a.tx.out.CumAck() || a.tx.out.Sent(cum)
}

// applySack applies an acknowledgement: cum is valid, rwnd is -1 if the chunk (a
// SHUTDOWN) does not tell it.
func (a *Association) applySack(now time.Time, cum wire.TSN, gaps []wire.GapBlock, rwnd int64) {
	t := &a.tx
	for _, p := range a.paths.All {
		p.Acked, p.OldestAcked, p.LossSeen = 0, false, false
	}
	flight := a.flights()
	var acked tx.Acked
	t.out.AckCum(cum, &t.queue, &acked)
	if rwnd >= 0 {
		t.out.AckGaps(gaps, &acked)
	}
	a.measure(now, cum)
	inRecovery := t.recovery
	if t.recovery && !t.out.CumAck().Less(t.exit) {
		t.recovery = false
	}
	if acked.Any() {
		a.errors = 0
	}
	for i, p := range a.paths.All {
		a.settlePath(now, p, &acked, flight[i], inRecovery)
	}
	if marked := t.out.CountMisses(&acked, inRecovery, gaps); marked > 0 {
		a.fastRetransmit(now, marked)
	}
	if rwnd >= 0 {
		t.peerRwnd = int(max(0, rwnd-int64(t.out.InFlight())))
		a.windowChanged(int(rwnd))
	}
	if acked.CumAdvanced {
		a.released(now)
	}
}

// flights is the flight size of each path before the acknowledgement counts; no
// allocation for the usual few paths.
func (a *Association) flights() [maxPaths]int {
	var f [maxPaths]int
	for i, p := range a.paths.All {
		f[i] = p.InFlight
	}
	return f
}

// maxPaths bounds the paths of an association: those the user named and those the
// peer listed.
const maxPaths = 2 * maxPeerAddrs

// measure completes round-trip measurements (RFC 9260 §6.3.1).
func (a *Association) measure(now time.Time, cum wire.TSN) {
	for _, p := range a.paths.All {
		if p.Timing && (p.TimedTSN.LessEq(cum) || p.Acked > 0 && a.tx.out.Acknowledged(p.TimedTSN)) {
			p.Timing = false
			p.RTO.Measure(now.Sub(p.TimedAt))
		}
	}
}

// settlePath applies a SACK's effect on one path: error counters, window, T3-rtx.
func (a *Association) settlePath(now time.Time, p *path.Path, acked *tx.Acked, flight int, inRecovery bool) {
	restart := a.tx.out.Settle(p)
	if p.Acked == 0 {
		if p.InFlight == 0 {
			p.StopT3()
		}
		return
	}
	a.pathAnswered(p)
	before := p.CC.Window()
	p.CC.OnAck(congestion.AckEvent{
		Now: now, Bytes: p.Acked, CumAdvanced: acked.CumAdvanced,
		CwndLimited: p.Full || flight >= before, InRecovery: inRecovery,
		RTT: p.RTO.SRTT(), InFlight: flight, FlightEmpty: a.tx.out.Len() == 0,
	})
	if w := p.CC.Window(); w != before && a.cfg.Trace.CwndChange != nil {
		a.cfg.Trace.CwndChange(p.Remote, w)
	}
	p.Full = false
	p.Burst = a.burst(p) + p.Acked
	switch {
	case p.InFlight == 0:
		p.StopT3()
	case restart:
		p.RestartT3(now)
	}
}

// burst is Max.Burst in bytes (RFC 9260 §6.1 D).
func (a *Association) burst(p *path.Path) int {
	if a.cfg.MaxBurst <= 0 {
		return 1 << 30
	}
	return a.cfg.MaxBurst * p.PMDCS()
}

// fastRetransmit acts on chunks reported missing three times (RFC 9260 §7.2.4).
func (a *Association) fastRetransmit(now time.Time, marked int) {
	t := &a.tx
	a.stats.FastRetransmits += uint64(marked)
	if t.recovery {
		return
	}
	for _, p := range a.paths.All {
		if p.LossSeen {
			p.CC.OnLoss(congestion.LossEvent{Now: now, InFlight: p.InFlight})
		}
	}
	t.recovery = true
	t.exit = t.out.Next().Add(^uint32(0))
	t.force = true
}

// windowChanged looks after zero window probing (RFC 9260 §6.1 A).
func (a *Association) windowChanged(rwnd int) {
	t := &a.tx
	if rwnd < t.out.EarliestLen() || rwnd == 0 {
		// The peer answers: its closed window is no failure, however often the
		// probes, or what was on its way when it closed, are refused.
		t.probing = true
		a.errors = 0
		for _, p := range a.paths.All {
			if p.Usable() {
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
	// What was refused for lack of room need not wait for its timer, which has
	// backed off.
	if t.out.Refused(rwnd) {
		t.force = true
	}
}

// released tells the user what acknowledged data means to it.
func (a *Association) released(now time.Time) {
	t := &a.tx
	if t.blocked && t.queue.Held() <= a.cfg.SendBuffer*3/4 {
		t.blocked = false
		a.ev.push(Event{Kind: EventWritable})
	}
	if t.dirty && t.queue.Messages() == 0 {
		t.dirty = false
		a.ev.push(Event{Kind: EventAllAcked})
	}
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
	if a.cfg.Trace.T3Expired != nil {
		a.cfg.Trace.T3Expired(p.Remote)
	}
	p.CC.OnTimeout(now) // E1
	p.RTO.Backoff()     // E2
	p.Timing = false
	before := t.out.InFlight()
	t.out.MarkPathLost(p)                   // E3
	t.peerRwnd += before - t.out.InFlight() // §6.2.1 C
	t.recovery = false
	t.force = true
	a.pathFailed(now, p, true)
}
