package tx

import (
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// missLimit is the number of miss indications that make a chunk fast
// retransmitted (RFC 9260 §7.2.4).
const missLimit = 3

// Acked is what one SACK told.
type Acked struct {
	CumAdvanced bool
	Bytes       int // newly acknowledged, all paths
	Reneged     bool
	htna        wire.TSN
	hasHTNA     bool
}

// Any says whether anything was newly acknowledged.
func (a *Acked) Any() bool { return a.Bytes > 0 || a.CumAdvanced }

// Sent reports whether the peer can have received t: it was given out.
func (o *Outstanding) Sent(t wire.TSN) bool { return t.Less(o.next) }

// credit counts a chunk that is acknowledged for the first time.
func (o *Outstanding) credit(t wire.TSN, c *Chunk, a *Acked) {
	switch c.fate {
	case inFlight:
		c.Path.InFlight -= int(c.Len)
		o.bytes -= int(c.Len)
	case lost:
		o.lost--
	case gapAcked:
		return
	}
	p := c.Path
	p.Acked += int(c.Len)
	a.Bytes += int(c.Len)
	if !p.OldestAcked && t == p.Oldest {
		p.OldestAcked = true
	}
	if !a.hasHTNA || a.htna.Less(t) {
		a.htna, a.hasHTNA = t, true
	}
}

// AckCum moves the cumulative TSN ack point to cum, which must lie in
// [CumAck, Next), and releases what it covers.
func (o *Outstanding) AckCum(cum wire.TSN, q *Queue, a *Acked) {
	end := cum.Add(1)
	for t := o.base; t != end; t = t.Add(1) {
		c := o.At(t)
		o.credit(t, c, a)
		if c.fate == gapAcked {
			o.gaps--
		}
		q.Release(c.Msg)
		c.Msg = nil
		a.CumAdvanced = true
	}
	o.base = end
	if o.hint.Less(end) {
		o.hint = end
	}
}

// AckGaps applies the Gap Ack Blocks, which count from the cumulative TSN ack
// point. Blocks that are empty, out of order, or reach past what was sent are
// ignored. A chunk that was gap-acked and no longer is counts as in flight again
// (RFC 9260 §6.2.1 D iii).
func (o *Outstanding) AckGaps(gaps []wire.GapBlock, a *Acked) {
	if len(gaps) == 0 && o.gaps == 0 {
		return
	}
	n := o.Len()
	at := 1 // offset from the ack point of the first chunk not looked at
	for _, g := range gaps {
		if int(g.Start) < at || g.End < g.Start || int(g.End) > n {
			continue
		}
		at = o.renege(at, int(g.Start), a)
		for ; at <= int(g.End); at++ {
			t := o.base.Add(uint32(at - 1))
			if c := o.At(t); c.fate != gapAcked {
				o.credit(t, c, a)
				c.fate = gapAcked
				o.gaps++
			}
		}
	}
	o.renege(at, n+1, a)
}

// renege looks at the chunks at offsets [from, to), which no block covers, and
// returns to.
func (o *Outstanding) renege(from, to int, a *Acked) int {
	for ; from < to && o.gaps > 0; from++ {
		t := o.base.Add(uint32(from - 1))
		c := o.At(t)
		if c.fate != gapAcked {
			continue
		}
		c.fate = inFlight
		c.misses = 1
		o.gaps--
		o.bytes += int(c.Len)
		p := c.Path
		if p.InFlight == 0 || t.Less(p.Oldest) {
			p.Oldest = t
		}
		p.InFlight += int(c.Len)
		a.Reneged = true
	}
	return to
}

// CountMisses adds a miss indication to the chunks that the SACK reports missing:
// those below the highest TSN newly acknowledged, or, in Fast Recovery when the
// cumulative point moved, all of them (RFC 9260 §7.2.4). Chunks with three are
// marked for retransmission, once in their life. It returns how many were marked
// and flags their paths.
func (o *Outstanding) CountMisses(a *Acked, inRecovery bool, gaps []wire.GapBlock) int {
	if o.gaps == 0 || len(gaps) == 0 {
		return 0
	}
	bound := a.htna
	if inRecovery && a.CumAdvanced {
		bound = o.base.Add(uint32(gaps[len(gaps)-1].End) - 1)
	} else if !a.hasHTNA {
		return 0
	}
	if o.next.Less(bound) {
		bound = o.next
	}
	marked := 0
	for t := o.base; t.Less(bound); t = t.Add(1) {
		c := o.At(t)
		if c.fate != inFlight || c.fastRtx {
			continue
		}
		if c.misses++; c.misses >= missLimit {
			c.fastRtx = true
			c.Path.LossSeen = true
			o.MarkLost(t)
			marked++
		}
	}
	return marked
}

// Settle finishes the processing of a SACK for one path: it reports whether the
// path's earliest outstanding chunk was acknowledged, so that T3-rtx restarts
// (RFC 9260 §6.3.2 R3), and finds the new earliest one.
func (o *Outstanding) Settle(p *path.Path) bool {
	was := p.OldestAcked
	p.OldestAcked = false
	if p.InFlight > 0 {
		o.refreshOldest(p)
	}
	return was
}
