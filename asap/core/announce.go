package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// HandleAnnounce processes a datagram that came on the multicast channel, RFC 5352
// §3.6: each SCTP transport in it is a registrar to try, for T7-ENRPoutdate.
// Without a transport the sender's address is meant: RFC 5352 says with the
// registered ASAP port; rsplib means the port that the datagram came from, so
// both are noted. Announcements are hints from anybody: configured registrars
// are tried first, the list is bounded, also for one sender, and so is how many are looked
// at in a second; addresses that cannot be a registrar's are ignored.
func (e *Endpoint) HandleAnnounce(now time.Time, from netip.AddrPort, b []byte) {
	source := from.Addr().Unmap()
	if !e.ears.take(now, source) {
		e.dropped(0, "too many announcements")
		return
	}
	m, err := asap.Decode(b)
	a, ok := m.(*asap.ServerAnnounce)
	if err != nil || !ok {
		e.dropped(0, "not an announcement")
		return
	}
	ts := make([]rserpool.Transport, 0, 2)
	for _, t := range a.Transports {
		if t.Protocol == rserpool.ProtoSCTP {
			ts = append(ts, t)
		}
	}
	if len(ts) == 0 {
		for _, port := range []uint16{from.Port(), asap.Port} {
			t := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, Addrs: []netip.Addr{source}}
			if len(ts) == 0 || ts[0].Port != port {
				ts = append(ts, t)
			}
		}
	}
	until := now.Add(e.profile.Outdate)
	for _, t := range ts {
		t.Addrs = slices.DeleteFunc(slices.Clone(t.Addrs), func(a netip.Addr) bool { return !dialable(a, source) })
		var r *registrar
		if t.Port != 0 && len(t.Addrs) > 0 {
			r = e.dir.announce(t, a.Server, source, until)
		}
		if r == nil {
			e.dropped(0, "announced address ignored")
			continue
		}
		e.announced(now, r)
	}
	e.settle(now)
}

// announced lets a hunt that is under way use a registrar that has been announced, again
// perhaps: one that has failed may have been started since.
func (e *Endpoint) announced(now time.Time, r *registrar) {
	h := &e.hunt
	again := e.profile.Outdate / 5
	if !r.failed.IsZero() && now.Sub(r.failed) < again {
		return
	}
	switch h.state {
	case huntPausing:
		if h.empty || now.Sub(h.paused) >= again {
			h.state = huntIdle
			e.startRound(now)
		}
	case huntDialing:
		if h.joined < maxRound && !slices.Contains(h.order, r) && !e.links.with(r) {
			h.joined++
			h.order = append(h.order, r)
			e.dialMore(now)
		}
	}
}

// dialable reports whether a registrar may have the address. One of this host is believed
// only if it comes from this host.
func dialable(a, source netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) &&
		(!a.IsLoopback() || source.IsLoopback())
}

// ears counts announcements that were looked at.
type ears struct {
	second time.Time // when counting began
	n      int
	by     map[netip.Addr]int // by where they came from
}

// take reports whether one more may be looked at now. One source does not take all: that of
// a registrar comes once in a second at most, and must not drown.
func (r *ears) take(now time.Time, source netip.Addr) bool {
	if d := now.Sub(r.second); d < 0 || d >= time.Second {
		r.second, r.n = now, 0
		clear(r.by)
	}
	if r.n >= maxHeard || r.by[source] >= maxHeardFrom {
		return false
	}
	if r.by == nil {
		r.by = make(map[netip.Addr]int)
	}
	r.n++
	r.by[source]++
	return true
}
