package core

import (
	"math"
	"math/bits"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// distance is how far the other side of a connection is, one way in milliseconds:
// half of the round-trip time, in whole steps so that it does not change all the
// time (draft-dreibholz-rserpool-delay §2.1).
func (r *Registrar) distance(c *conn) uint32 {
	if c == nil || c.rtt == nil || r.profile.DistanceStep <= 0 {
		return 0
	}
	return uint32(min(max(0, c.rtt()/2).Round(r.profile.DistanceStep)/time.Millisecond, math.MaxUint32))
}

// placeHere sets the distance of an element that registers on c, if its policy goes by
// that (§2.2: "A Home ENRP server can measure the delay").
func (r *Registrar) placeHere(p *rserpool.Policy, c *conn) {
	if p.Type.HasDistance() {
		p.Distance = r.distance(c)
	}
}

// placeBehind adds the distance to a peer to that which it has told for an element
// (§2.2: "adds the delay of the ENRP association").
func (r *Registrar) placeBehind(p *rserpool.Policy, from *peer) {
	if p.Type.HasDistance() {
		sum, carry := bits.Add32(p.Distance, r.distance(r.links.byID[from.conn]), 0)
		p.Distance = sum | -carry // at most the largest number
	}
}
