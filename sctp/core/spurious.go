package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
)

// doubt is whether what was fast retransmitted had really been lost. If all of it is
// acknowledged sooner than a round trip after it was sent again, it had not: packets
// were reordered. The duplicates that SACK reports would tell as well, but also what a
// peer makes up that wants no congestion control; this it can only forge by
// acknowledging what it did not get.
type doubt struct {
	since   time.Time // when the first chunk was marked; zero: there is no doubt
	pending int       // chunks marked and not acknowledged
}

// doubtLoss begins to watch the chunks that are fast retransmitted now, or adds some.
func (a *Association) doubtLoss(now time.Time, marked int) {
	d := &a.tx.doubt
	switch {
	case !a.tx.recovery:
		a.believeLoss()
		*d = doubt{since: now, pending: marked}
	case !d.since.IsZero():
		d.pending += marked
	}
}

// believeLoss ends the doubt.
func (a *Association) believeLoss() {
	a.tx.doubt = doubt{}
	for _, p := range a.paths.All {
		p.Reduced = false
	}
}

// judgeLoss looks at what a SACK acknowledges of the chunks in doubt (RFC 9438 §4.9.2).
// Three quarters of the least round-trip time leave no room for the retransmission.
func (a *Association) judgeLoss(now time.Time, acked *tx.Acked) {
	d := &a.tx.doubt
	if d.since.IsZero() || acked.Repaired == 0 {
		return
	}
	if d.pending -= acked.Repaired; d.pending > 0 {
		return
	}
	elapsed := now.Sub(d.since)
	for _, p := range a.paths.All {
		if c, ok := p.CC.(congestion.Undoer); ok && p.Reduced && elapsed >= 0 && elapsed < p.MinRTT*3/4 {
			c.OnSpurious(now)
			a.stats.SpuriousLosses++
		}
	}
	a.believeLoss()
}
