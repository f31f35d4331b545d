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

// announce notes that a registrar says it is at t, valid until the given time.
// Once the list is full new ones are ignored: announcements are not
// authenticated and "a receiver must be prepared to receive a large number"
// (RFC 5352 §9.2). It reports whether the address is in the list.
func (d *directory) announce(t rserpool.Transport, id rserpool.RegistrarID, until time.Time) bool {
	r := d.find(t)
	if r == nil {
		if len(d.list) >= maxRegistrars {
			return false
		}
		r = &registrar{at: t}
		d.list = append(d.list, r)
	}
	r.id = id
	r.until = until
	return true
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

// order returns the registrars in the order to dial them: those that did not
// fail lately first, the longest ago failed next; among equals configured ones
// before announced ones, else at random, so that clients spread over the
// registrars. skip is left out.
func (d *directory) order(skip *registrar, rnd *rand.Rand) []*registrar {
	rs := slices.Clone(d.list)
	rs = slices.DeleteFunc(rs, func(r *registrar) bool { return r == skip })
	rnd.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	slices.SortStableFunc(rs, func(a, b *registrar) int {
		if c := a.failed.Compare(b.failed); c != 0 {
			return c
		}
		switch {
		case a.static == b.static:
			return 0
		case a.static:
			return -1
		}
		return 1
	})
	return rs
}

func sameEndpoint(a, b rserpool.Transport) bool {
	return a.Port == b.Port && a.UDPPort == b.UDPPort && overlap(a.Addrs, b.Addrs)
}

func overlap(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(x netip.Addr) bool { return slices.Contains(b, x) })
}

// earliest returns the earlier of two times, of which a zero one means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due reports whether a deadline is set and reached.
func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
