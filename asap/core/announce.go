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
// are tried first, the list is bounded, and addresses that cannot be a
// registrar's are ignored.
func (e *Endpoint) HandleAnnounce(now time.Time, from netip.AddrPort, b []byte) {
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
			t := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, Addrs: []netip.Addr{from.Addr().Unmap()}}
			if len(ts) == 0 || ts[0].Port != port {
				ts = append(ts, t)
			}
		}
	}
	until := now.Add(e.profile.Outdate)
	for _, t := range ts {
		t.Addrs = slices.DeleteFunc(slices.Clone(t.Addrs), func(a netip.Addr) bool { return !dialable(a) })
		if t.Port == 0 || len(t.Addrs) == 0 || !e.dir.announce(t, a.Server, until) {
			e.dropped(0, "announced address ignored")
		}
	}
	e.announced(now)
	e.settle(now)
}

// announced lets a hunt that has run out of addresses use the new one at once.
func (e *Endpoint) announced(now time.Time) {
	if e.hunt.state == huntPausing && e.hunt.empty {
		e.hunt.state = huntIdle
		e.startRound(now)
	}
}

func dialable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
