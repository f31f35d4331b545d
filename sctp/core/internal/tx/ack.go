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
	Bytes       int  // newly acknowledged user data, all paths
	Reneged     bool // something acknowledged before is missing again
	Fresh       bool // something newly acknowledged was sent only once
	Repaired    int  // chunks newly acknowledged that were fast retransmitted
	// Again: chunks were marked whose retransmission was lost as well; the last of these was
	// sent when Resent was the next TSN.
	Again  bool
	Resent wire.TSN

	newest  wire.TSN // highest TSN newly acknowledged, if Bytes > 0
	highest wire.TSN // highest TSN that a gap block covers, if hasGaps
	hasGaps bool
}

// Any says whether anything was newly acknowledged.
func (a *Acked) Any() bool { return a.Bytes > 0 || a.CumAdvanced }

// Sent reports whether the peer can have received t: it was given out.
func (o *Outstanding) Sent(t wire.TSN) bool { return t.Less(o.next) }

// credit counts a chunk that is acknowledged, if it is for the first time.
func (o *Outstanding) credit(t wire.TSN, c *Chunk, a *Acked) {
	p := c.Path
	switch c.fate {
	case inFlight:
		p.InFlight -= c.size()
		o.bytes -= int(c.Len)
	case lost:
		o.lost--
	case gapAcked:
		return
	}
	if a.Bytes == 0 || a.newest.Less(t) {
		a.newest = t
	}
	a.Bytes += int(c.Len)
	p.Acked += c.size()
	if c.Sends == 1 {
		a.Fresh = true
		if !p.Clean || p.Latest.Less(t) {
			p.Latest, p.Clean = t, true
		}
	}
	if c.fastRtx {
		a.Repaired++
	}
	p.Proven = p.Proven || !c.Moved
	if t == p.Oldest {
		p.OldestAcked = true
	}
	if n := wire.HeaderLen + c.size(); n > p.Largest && p.Large(n) {
		p.Largest = n
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
		q.Release(c)
		a.CumAdvanced = true
	}
	o.base = end
	if o.hint.Less(end) {
		o.hint = end
	}
}

// AckGaps applies the Gap Ack Blocks, which count from the cumulative TSN ack
// point. They come in ascending order (RFC 9260 §6.7); what is upside down, goes
// back or reaches past what was sent is ignored. A chunk that was gap-acked and no
// longer is counts as in flight again (§6.2.1 D iii).
func (o *Outstanding) AckGaps(gaps []wire.GapBlock, a *Acked) {
	if len(gaps) == 0 && o.gaps == 0 {
		return
	}
	n := o.Len()
	at := 1 // offset from the ack point of the first chunk not looked at
	for _, g := range gaps {
		start, end := max(int(g.Start), at), int(g.End)
		if g.Start == 0 || g.End < g.Start || end < start || end > n {
			continue
		}
		o.renege(at, start, a)
		for at = start; at <= end; at++ {
			t := o.base.Add(uint32(at - 1))
			if c := o.At(t); c.fate != gapAcked {
				o.credit(t, c, a)
				c.fate = gapAcked
				o.gaps++
			}
		}
		a.highest, a.hasGaps = o.base.Add(uint32(end-1)), true
	}
	o.renege(at, n+1, a)
}

// renege looks at the chunks at offsets [from, to), which no block covers.
func (o *Outstanding) renege(from, to int, a *Acked) {
	for ; from < to && o.gaps > 0; from++ {
		t := o.base.Add(uint32(from - 1))
		c := o.At(t)
		if c.fate != gapAcked {
			continue
		}
		c.misses = 1
		o.gaps--
		o.fly(t, c)
		a.Reneged = true
	}
}

// CountMisses adds a miss indication to the chunks that the SACK reports missing:
// those below the highest TSN newly acknowledged, or, in Fast Recovery when the
// cumulative point moved, all of them (RFC 9260 §7.2.4). Chunks with three are
// marked for retransmission. What has been fast retransmitted gets none any more, or,
// if again is true, where that was overtaken. It returns how many chunks were marked
// and flags their paths.
func (o *Outstanding) CountMisses(a *Acked, inRecovery, again bool) int {
	if !a.hasGaps {
		return 0 // nothing is reported missing
	}
	bound := a.newest
	switch {
	case inRecovery && a.CumAdvanced:
		bound = a.highest
	case a.Bytes == 0:
		return 0
	}
	marked := 0
	for t := o.base; t.Less(bound); t = t.Add(1) {
		c := o.At(t)
		if c.fate != inFlight || c.fastRtx && !(again && c.overtaken()) {
			continue
		}
		if c.misses++; c.misses >= missLimit {
			o.markMissing(t, c, a)
			marked++
		}
	}
	return marked
}

// markMissing marks a chunk for fast retransmission.
func (o *Outstanding) markMissing(t wire.TSN, c *Chunk, a *Acked) {
	if c.fastRtx && (!a.Again || a.Resent.Less(c.after)) {
		a.Again, a.Resent = true, c.after
	}
	c.fastRtx = true
	c.Path.LossSeen = true
	o.MarkLost(t)
}

// MarkBelow marks what is in flight on a path below a TSN for fast retransmission, and
// returns how many chunks that are.
func (o *Outstanding) MarkBelow(p *path.Path, end wire.TSN, a *Acked) int {
	marked := 0
	for t := o.base; t.Less(end); t = t.Add(1) {
		if c := o.At(t); c.fate == inFlight && c.Path == p && c.Sends < maxFast {
			o.markMissing(t, c, a)
			marked++
		}
	}
	return marked
}

// maxFast is how often a chunk is sent before it is left to T3-rtx, whose expiry
// counts against the path (RFC 9260 §8.2) and finds out whether it is too large for it.
const maxFast = 8

// overtaken says whether the SACK newly acknowledges what left after the chunk was last
// sent, on the same path, and was itself sent but once: then that transmission is
// missing.
func (c *Chunk) overtaken() bool {
	return c.Path.Clean && c.after.LessEq(c.Path.Latest) && c.Sends < maxFast
}
