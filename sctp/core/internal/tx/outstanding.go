package tx

import (
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// fate is what is known of a DATA chunk that was sent.
type fate uint8

const (
	inFlight fate = iota
	gapAcked      // reported in a Gap Ack Block: received, but may be reneged on
	lost          // to be sent again
)

// Chunk is one DATA chunk that was sent and not yet cumulatively acknowledged.
type Chunk struct {
	seg        *segment   // where its user data lies
	Path       *path.Path // where it was last sent
	Off, Len   int32
	Sends      uint16
	fate       fate
	misses     uint8
	fastRtx    bool // was fast retransmitted: not again by RFC 9260 §7.2.4 step 5
	Begin, End bool
	Probe      bool // went beyond the peer's window, RFC 9260 §6.1 A
	Moved      bool // was sent to more than one destination
	// after is the TSN that came next when the chunk was last sent again: those from there
	// on left later.
	after wire.TSN
}

// Message is the message that the chunk is of.
func (c *Chunk) Message() *Message { return c.seg.msg }

// Payload is the chunk's user data.
func (c *Chunk) Payload() []byte { return c.seg.data[c.Off : c.Off+c.Len] }

// size is what the chunk takes of the congestion window: its length with header
// and padding (RFC 9260 §7.2). The peer's window counts user data only (§6.2.1).
func (c *Chunk) size() int { return Size(int(c.Len)) }

// Size is the length of a DATA chunk with n bytes of user data, with its padding.
func Size(n int) int { return wire.DataHeaderLen + (n+3)&^3 }

// Outstanding is the scoreboard: a ring of chunks from the cumulative TSN ack
// point to the last TSN given out.
type Outstanding struct {
	ring  []Chunk // length is a power of two, or 0
	base  wire.TSN
	next  wire.TSN
	lost  int      // chunks to be retransmitted
	hint  wire.TSN // no lost chunk lies below
	gaps  int      // chunks gap-acked
	bytes int      // user data in flight on all paths
}

// Init sets the first TSN.
func (o *Outstanding) Init(first wire.TSN) { *o = Outstanding{base: first, next: first, hint: first} }

// Len is the number of chunks not cumulatively acknowledged.
func (o *Outstanding) Len() int { return int(o.next.Sub(o.base)) }

// maxChunks bounds the chunks not cumulatively acknowledged: a Gap Ack Block
// cannot tell of one that lies further ahead (RFC 9260 §3.3.4), so a receiver
// would discard it.
const maxChunks = 1<<16 - 1

// Full says whether no new chunk may be sent before others are acknowledged.
func (o *Outstanding) Full() bool { return o.Len() >= maxChunks }

// Next is the TSN the next new chunk will get.
func (o *Outstanding) Next() wire.TSN { return o.next }

// Base is the lowest TSN not cumulatively acknowledged, or Next if there is none.
func (o *Outstanding) Base() wire.TSN { return o.base }

// CumAck is the cumulative TSN ack point.
func (o *Outstanding) CumAck() wire.TSN { return o.base.Add(^uint32(0)) }

// Acknowledged says whether t was acknowledged, cumulatively or in a gap block.
func (o *Outstanding) Acknowledged(t wire.TSN) bool {
	return t.Less(o.base) || t.Less(o.next) && o.At(t).fate == gapAcked
}

// InFlight is the user data outstanding on all paths in bytes: neither
// acknowledged nor marked for retransmission.
func (o *Outstanding) InFlight() int { return o.bytes }

// Lost is the number of chunks marked for retransmission.
func (o *Outstanding) Lost() int { return o.lost }

// At returns the chunk with this TSN, which must be outstanding.
func (o *Outstanding) At(t wire.TSN) *Chunk { return &o.ring[uint32(t)&uint32(len(o.ring)-1)] }

// Push appends a chunk that is sent on p now and returns its TSN.
func (o *Outstanding) Push(c Chunk, p *path.Path) wire.TSN {
	if o.Len() == len(o.ring) {
		o.grow()
	}
	t := o.next
	o.next = t.Add(1)
	c.Path, c.Sends = p, 1
	*o.At(t) = c
	o.fly(t, &c)
	return t
}

// fly counts a chunk as in flight on its path.
func (o *Outstanding) fly(t wire.TSN, c *Chunk) {
	c.fate = inFlight
	p := c.Path
	if p.InFlight == 0 || t.Less(p.Oldest) {
		p.Oldest = t
	}
	p.InFlight += c.size()
	o.bytes += int(c.Len)
}

func (o *Outstanding) grow() {
	old := o.ring
	o.ring = make([]Chunk, max(2, 2*len(old)))
	for t := o.base; t != o.next; t = t.Add(1) {
		*o.At(t) = old[uint32(t)&uint32(len(old)-1)]
	}
}

// NextLost returns the lowest TSN marked for retransmission.
func (o *Outstanding) NextLost() (wire.TSN, *Chunk) {
	if o.lost == 0 {
		return 0, nil
	}
	for t := o.hint; t != o.next; t = t.Add(1) {
		if c := o.At(t); c.fate == lost {
			o.hint = t
			return t, c
		}
	}
	return 0, nil
}

// Resend records that a lost chunk is sent again on p.
func (o *Outstanding) Resend(t wire.TSN, p *path.Path) {
	c := o.At(t)
	c.Path.Untime(t)
	p.Untime(t)
	c.Moved = c.Moved || c.Path != p
	c.Path, c.misses, c.after = p, 0, o.next
	c.Sends++
	o.lost--
	o.fly(t, c)
}

// MarkLost marks a chunk in flight for retransmission and takes it out of the
// flight size.
func (o *Outstanding) MarkLost(t wire.TSN) {
	c := o.At(t)
	if c.fate != inFlight {
		return
	}
	c.fate = lost
	c.misses = 0
	o.lost++
	c.Path.InFlight -= c.size()
	o.bytes -= int(c.Len)
	if t.Less(o.hint) || o.lost == 1 {
		o.hint = t
	}
}

// MarkLast marks the highest TSN in flight on p, of which there must be one, and returns
// it.
func (o *Outstanding) MarkLast(p *path.Path) wire.TSN {
	t := o.next.Add(^uint32(0))
	for c := o.At(t); c.fate != inFlight || c.Path != p; c = o.At(t) {
		t = t.Add(^uint32(0))
	}
	o.MarkLost(t)
	return t
}

// EarliestLen is the size of the earliest chunk not acknowledged, 0 if there is
// none.
func (o *Outstanding) EarliestLen() int {
	if o.Len() == 0 {
		return 0
	}
	return int(o.At(o.base).Len)
}

// Refused marks the earliest chunk for retransmission if the peer had no room for it
// and has now: it was sent as a window probe, or more than once.
func (o *Outstanding) Refused(rwnd int) bool {
	if o.Len() == 0 {
		return false
	}
	c := o.At(o.base)
	if c.fate != inFlight || int(c.Len) > rwnd || c.Sends == 1 && !c.Probe {
		return false
	}
	o.MarkLost(o.base)
	return true
}

// MarkPathLost marks all chunks in flight on p (RFC 9260 §6.3.3 E3) and returns
// their number.
func (o *Outstanding) MarkPathLost(p *path.Path) int {
	n := 0
	for t := o.base; t != o.next; t = t.Add(1) {
		if c := o.At(t); c.fate == inFlight && c.Path == p {
			o.MarkLost(t)
			n++
		}
	}
	return n
}

// MarkLargeLost marks the chunks in flight on p that do not fit a packet of size
// bytes, and returns their number.
func (o *Outstanding) MarkLargeLost(p *path.Path, size int) int {
	n := 0
	for t := o.base; t != o.next; t = t.Add(1) {
		if c := o.At(t); c.fate == inFlight && c.Path == p && wire.HeaderLen+c.size() > size {
			o.MarkLost(t)
			n++
		}
	}
	return n
}

// Settle finds the lowest TSN in flight on p after its oldest may have been
// acknowledged or marked.
func (o *Outstanding) Settle(p *path.Path) {
	if p.InFlight == 0 {
		return
	}
	t := p.Oldest
	if t.Less(o.base) {
		t = o.base
	}
	for ; t != o.next; t = t.Add(1) {
		if c := o.At(t); c.fate == inFlight && c.Path == p {
			p.Oldest = t
			return
		}
	}
}

// Trim gives the ring's memory back to the garbage collector if nothing is
// outstanding.
func (o *Outstanding) Trim() {
	if o.Len() == 0 {
		o.ring = nil
	}
}
