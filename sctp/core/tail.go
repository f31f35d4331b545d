package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// watchesTail says whether silence on a path is worth a loss probe: it works, and what is
// in flight was not sent to a closed window.
func (a *Association) watchesTail(p *path.Path) bool {
	return !a.cfg.StrictRecovery && !p.Tail.Probing && p.InFlight > 0 && p.Errors == 0 && p.RTO.SRTT() > 0 && !a.tx.probing
}

// awaitLossProbe plans a loss probe for when nothing is heard since a time. If one is
// planned for earlier, that is postponed when its time has come: see onSilence.
func (a *Association) awaitLossProbe(since time.Time, p *path.Path) {
	if a.watchesTail(p) {
		p.AwaitLossProbe(since, a.cfg.SackDelay)
	}
}

// renewLossProbe plans a loss probe anew after a SACK.
func (a *Association) renewLossProbe(now time.Time, p *path.Path) {
	if p.Acked > 0 {
		p.StopLossProbe()
		a.awaitLossProbe(now, p)
	}
}

// onSilence sends a loss probe, unless something was sent since it was planned. The
// highest TSN in flight is sent again, with the I bit, whatever cwnd says: no more is in
// flight than before. T3-rtx goes on.
func (a *Association) onSilence(now time.Time, p *path.Path) {
	p.StopLossProbe()
	a.awaitLossProbe(p.LastData, p)
	if at := p.LossProbeAt(); at.IsZero() || at.After(now) {
		return
	}
	p.StopLossProbe()
	t := &a.tx
	if t.out.Lost() > 0 {
		return // that waits for cwnd, and would go first
	}
	n := t.out.InFlight()
	p.LossProbeSent(now, t.out.MarkLast(p))
	t.peerRwnd += n - t.out.InFlight() // RFC 9260 §6.2.1 C
	t.force = true
	a.stats.LossProbes++
}

// probesAnswered looks for loss probes that a SACK acknowledges, and returns how many
// chunks it marked as lost: what left before the probe and is not there though the probe
// is (RFC 8985 §7.4.1). If the probe made good the only loss, the window is reduced as
// for any other (§7.4.2), unless the chunk is reported to have come twice. An answer that
// came too soon is one to what was sent before.
func (a *Association) probesAnswered(now time.Time, acked *tx.Acked, dups []wire.TSN) int {
	marked := 0
	for _, p := range a.paths.All {
		if !p.Tail.Probing || !a.tx.out.Acknowledged(p.Tail.TSN) {
			continue
		}
		since := p.SinceLossProbe(now)
		p.Tail.Answered()
		if p.Acked == 0 || since < p.MinRTT*3/4 {
			continue
		}
		n := a.tx.out.MarkBelow(p, p.Tail.TSN, acked)
		marked += n
		again := acked.Repaired > 0 // the chunk had been lost before
		if n == 0 && !p.LossSeen && (!a.tx.recovery || again) && !slices.Contains(dups, p.Tail.TSN) {
			p.CC.OnLoss(congestion.LossEvent{Now: now, InFlight: p.InFlight})
		}
	}
	return marked
}

// forgetProbes forgets the loss probes under way, because chunks were marked as lost by
// other signs: what is sent now is later than the probes.
func (a *Association) forgetProbes() {
	for _, p := range a.paths.All {
		p.Tail.Answered()
	}
}
