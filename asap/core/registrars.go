package core

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// registrar is an address at which a registrar may be reached.
type registrar struct {
	at     rserpool.Transport
	id     rserpool.RegistrarID // 0: not heard yet
	static bool                 // configured; never forgotten
	until  time.Time            // T7-ENRPoutdate of an announced one
	source netip.Addr           // who announced it first
	failed time.Time            // last failure; zero if it last did well
}

// directory is the list of registrar addresses, RFC 5352 §3.6.
type directory struct {
	list []*registrar
}

// add puts a configured registrar in.
func (d *directory) add(t rserpool.Transport) {
	if d.find(t) == nil && len(d.list) < maxRegistrars {
		d.list = append(d.list, &registrar{at: t, static: true})
	}
}

// announce notes that a registrar says it is at t, valid until the given time. Once the
// list is full, or what one source may fill of it, new ones are ignored: announcements are
// not authenticated and "a receiver must be prepared to receive a large number"
// (RFC 5352 §9.2). It returns nil then.
func (d *directory) announce(t rserpool.Transport, id rserpool.RegistrarID, source netip.Addr, until time.Time) *registrar {
	r := d.find(t)
	if r == nil {
		if len(d.list) >= maxRegistrars || d.announcedBy(source) >= maxPerSource {
			return nil
		}
		r = &registrar{at: t, source: source}
		d.list = append(d.list, r)
	}
	if !r.static || r.id == 0 {
		r.id = id
	}
	r.until = until
	return r
}

// announcedBy counts what an address has announced.
func (d *directory) announcedBy(source netip.Addr) int {
	n := 0
	for _, r := range d.list {
		if !r.static && r.source == source {
			n++
		}
	}
	return n
}

// find returns the entry that leads to the same SCTP endpoint as t: same ports
// and an address in common.
func (d *directory) find(t rserpool.Transport) *registrar {
	for _, r := range d.list {
		if sameEndpoint(r.at, t) {
			return r
		}
	}
	return nil
}

// has reports whether a registrar with this address is listed, whatever port.
func (d *directory) has(addrs []netip.Addr) bool {
	return slices.ContainsFunc(d.list, func(r *registrar) bool { return overlap(r.at.Addrs, addrs) })
}

// expire forgets announced registrars whose T7-ENRPoutdate ran out.
func (d *directory) expire(now time.Time) {
	d.list = slices.DeleteFunc(d.list, func(r *registrar) bool { return !r.static && !now.Before(r.until) })
}

func (d *directory) nextExpiry() time.Time {
	var t time.Time
	for _, r := range d.list {
		if !r.static {
			t = earliest(t, r.until)
		}
	}
	return t
}

// order returns the registrars in the order to dial them. Two configured ones come before
// each announced one, and of these there are a few only, so that whoever announces many
// does not keep the configured ones waiting. Of either kind those that did not fail lately come
// first, the longest ago failed next, else at random, so that clients spread over the
// registrars. skip is left out.
func (d *directory) order(skip *registrar, rnd *rand.Rand) []*registrar {
	rs := slices.Clone(d.list)
	rs = slices.DeleteFunc(rs, func(r *registrar) bool { return r == skip })
	rnd.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	slices.SortStableFunc(rs, func(a, b *registrar) int { return a.failed.Compare(b.failed) })
	var static, announced []*registrar
	for _, r := range rs {
		switch {
		case r.static:
			static = append(static, r)
		case len(announced) < maxRound:
			announced = append(announced, r)
		}
	}
	rs = rs[:0]
	for len(static) > 0 || len(announced) > 0 {
		n := min(2, len(static))
		rs, static = append(rs, static[:n]...), static[n:]
		n = min(1, len(announced))
		rs, announced = append(rs, announced[:n]...), announced[n:]
	}
	return rs
}

func sameEndpoint(a, b rserpool.Transport) bool {
	return a.Port == b.Port && udpPort(a) == udpPort(b) && overlap(a.Addrs, b.Addrs)
}

// udpPort is the encapsulation port, given or not.
func udpPort(t rserpool.Transport) uint16 {
	if t.UDPPort == 0 {
		return rserpool.DefaultUDPPort
	}
	return t.UDPPort
}

func overlap(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(x netip.Addr) bool { return slices.Contains(b, x) })
}
