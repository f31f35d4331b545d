package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Codepoints of the ECN bits in the IP header (RFC 3168 §5).
const (
	ect0               = 2
	congestionMet      = 3
	maxUnproven        = 2  // expiries of T3-rtx after which packets with ECT seem not to pass
	patience           = 4  // RTOs for which an echo waits for its answer
	minEchoes          = 10 // echoes without an answer that are a sign of a peer without ECN
	maxUnansweredMarks = 3  // marks whose echo was not answered
	maxHolds           = 5  // marks at the least rate that are a sign of a network that marks everything
)

// ecn is Explicit Congestion Notification (RFC 4960 Appendix A, RFC 3168). Either end
// marks its packets as capable, and echoes the marks of congestion it sees on those of
// the other.
type ecn struct {
	agreed bool // both ends said in the handshake that they can

	// What is sent. A packet with new DATA and nothing sent again is ECN-capable.
	fresh, again bool     // the packet being built holds new DATA, DATA sent again
	proven       bool     // something that was sent as ECN-capable has arrived
	lost         int32    // expiries of T3-rtx before that
	holds        int32    // marks in a row that met a window of one packet
	mute         bool     // the network does not seem to know ECN: nothing is capable
	mutedAt      wire.TSN // the first TSN of that kind
	reduced      bool     // the window was reduced for a mark,
	exit         wire.TSN // and this was the last TSN before that
	echoed       bool     // the packet being processed holds an ECNE

	// What is received.
	met      bool     // the packet being processed was marked
	echo     bool     // ECNE goes with each SACK until CWR comes
	lowest   wire.TSN // of the packet that was marked
	since    time.Time
	echoes   int32 // sent since then
	unheeded int32 // marks in a row without CWR
	deaf     bool
}

// capable says whether the packet just built may be marked instead of dropped (RFC 3168
// §6.1.2, §6.1.4 to §6.1.6): no probes of a closed window, no acknowledgements alone,
// nothing that is sent again.
func (e *ecn) capable() bool { return e.agreed && !e.mute && e.fresh && !e.again }

// codepoint is what goes into the IP header.
func (e *ecn) codepoint() uint8 {
	if e.capable() {
		return ect0
	}
	return 0
}

// markedData notes the TSN of a new DATA chunk in a packet that was marked. What the
// peer sends again, or outside of the window, is no sign (RFC 3168 §6.1.5).
func (a *Association) markedData(now time.Time, t wire.TSN) {
	e := &a.ecn
	switch {
	case !e.met || !e.agreed || e.deaf:
	case !e.echo:
		e.echo, e.lowest, e.since, e.echoes = true, t, now, 0
		a.rx.sackNow = true
	case e.echoes == 0 && t.Less(e.lowest):
		e.lowest = t
	}
}

// appendEcho appends the ECNE that goes with a SACK. A peer that has long ignored it is
// spared: it said that it can do ECN, but does not.
func (a *Association) appendEcho(now time.Time, b []byte, limit int) []byte {
	e := &a.ecn
	if !e.echo || len(b)+ecneLen+sackLen > limit {
		return b
	}
	if e.echoes >= minEchoes && now.Sub(e.since) > patience*a.paths.Current().RTO.Value() {
		e.echo = false
		e.unheeded++
		e.deaf = e.unheeded >= maxUnansweredMarks
		return b
	}
	e.echoes++
	a.stats.ControlOut++
	a.stats.EchoesOut++
	return (&wire.ECNE{LowestTSN: e.lowest}).AppendTo(b)
}

// ecneLen is the size of an ECNE.
const ecneLen = 8

// handleCWR ends the echo of a mark that the peer has acted on.
func (a *Association) handleCWR(c wire.RawChunk) bool {
	var w wire.CWR
	switch e := &a.ecn; {
	case w.Decode(c) != nil:
		a.drop("malformed CWR")
	case e.echo && !w.LowestTSN.Less(e.lowest):
		e.echo, e.unheeded = false, 0
	}
	return true
}

// handleECNE reduces the congestion window of the path on which a packet was marked,
// once for each window of data, and says so with a CWR each time: an earlier one may
// have been lost.
func (a *Association) handleECNE(now time.Time, from *path.Path, c wire.RawChunk) bool {
	var n wire.ECNE
	t, e := &a.tx, &a.ecn
	switch {
	case n.Decode(c) != nil:
		a.drop("malformed ECNE")
		return true
	case !e.agreed || !a.state.sendsData():
		return true
	case !t.out.Sent(n.LowestTSN):
		a.drop("ECNE about a TSN never sent")
		return true
	}
	e.echoed = true
	a.stats.EchoesIn++
	a.replace(from, (&wire.CWR{LowestTSN: n.LowestTSN}).AppendTo(a.out.buffer()))
	if never := e.mute && !n.LowestTSN.Less(e.mutedAt); !never && !a.reducedFor(n.LowestTSN) {
		p := from
		if !n.LowestTSN.Less(t.out.Base()) {
			p = t.out.At(n.LowestTSN).Path
		}
		a.congested(now, p)
	}
	return true
}

// reducedFor says whether the congestion window was reduced after t was sent, for a
// mark or for a loss: one window of data counts as one congestion (RFC 3168 §6.1.2).
func (a *Association) reducedFor(t wire.TSN) bool {
	return a.ecn.reduced && t.LessEq(a.ecn.exit) || a.tx.recovery && t.LessEq(a.tx.exit)
}

// congested reduces the window of a path for a mark. When it is down to one packet
// already, the next one waits for an RTO (RFC 3168 §6.1.2).
func (a *Association) congested(now time.Time, p *path.Path) {
	a.ecn.reduced, a.ecn.exit = true, a.tx.out.Next().Add(^uint32(0))
	a.stats.MarkedWindows++
	before := p.CC.Window()
	p.CC.OnLoss(congestion.LossEvent{Now: now, ECN: true, InFlight: p.InFlight})
	w := p.CC.Window()
	if w < before || w > p.PMDCS() {
		a.ecn.holds = 0
	} else {
		p.RTO.Backoff()
		p.Hold = now.Add(p.RTO.Value())
		a.silenceECN(&a.ecn.holds, maxHolds)
	}
	if w != before && a.cfg.Trace.CwndChange != nil {
		a.cfg.Trace.CwndChange(p.Remote, w)
	}
}

// silenceECN counts a sign that the network does not do ECN as it should, and with the
// last one gives up to send what is capable. Routers then drop what they would have
// marked.
func (a *Association) silenceECN(signs *int32, most int32) {
	if *signs++; *signs >= most && !a.ecn.mute {
		a.ecn.mute, a.ecn.mutedAt = true, a.tx.out.Next()
	}
}

// passed is told that something sent for the first time was acknowledged: packets
// that are ECN-capable pass.
func (e *ecn) passed() {
	if e.agreed && !e.mute {
		e.proven = true
	}
}

// unproven is told of an expiry of T3-rtx. Some middleboxes drop what is ECN-capable; if
// nothing of the kind has ever arrived, the association does without.
func (a *Association) unproven() {
	if a.ecn.agreed && !a.ecn.proven {
		a.silenceECN(&a.ecn.lost, maxUnproven)
	}
}
