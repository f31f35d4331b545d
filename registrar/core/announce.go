package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// Bounds of what is made of announcements, which anybody can send (RFC 5352 §9.2,
// RFC 5353 §6.2: "be prepared to receive a large number").
const (
	maxHeardRate   = 100 // announcements looked at in a second
	maxSourceRate  = 10  // of these from one source
	maxServers     = 64  // registrars counted for the announce cycle
	maxHearsay     = 16  // peers known from announcements only
	maxAddresses   = 4   // endpoints tried for each of them
	maxAnnounceGap = 4   // announce cycles between two announcements
)

// ears is what was heard by multicast.
type ears struct {
	meter   meter
	all     bucket
	servers map[rserpool.RegistrarID]time.Time // announced to elements and users; when last
}

func newEars() ears {
	return ears{meter: newMeter(), servers: make(map[rserpool.RegistrarID]time.Time)}
}

// announceTimeout is T6-Serverannounce. A registrar that starts asks for a mentor by its
// presence: those that do not know it yet dial it. One that serves is announced to
// elements and users, every N+1 cycles if N others are (RFC 5352 §3.6), so that
// there is about one announcement in each. More than four cycles apart the announcements
// would be outdated before the next one (T7-ENRPoutdate), and whoever forges those of many
// registrars would silence the others.
func (r *Registrar) announceTimeout(now time.Time) {
	if !r.cfg.Announce {
		return
	}
	cycles := 1
	switch r.phase {
	case phaseStarting:
		r.multicastPresence()
	case phaseReady:
		r.multicast(ASAP, &asap.ServerAnnounce{Server: r.id, Transports: []rserpool.Transport{r.announced(ASAP, nil)}})
		cycles = min(r.otherServers(now)+1, maxAnnounceGap)
	default:
		return // elements had better find another
	}
	r.timers.set(timerKey{kind: timerAnnounce}, now.Add(r.jitter(time.Duration(cycles)*r.profile.ServerAnnounce, 8)))
}

// otherServers counts the registrars that were announced lately.
func (r *Registrar) otherServers(now time.Time) int {
	for id, last := range r.ears.servers {
		if now.Sub(last) > (maxAnnounceGap+1)*r.profile.ServerAnnounce {
			delete(r.ears.servers, id)
		}
	}
	return len(r.ears.servers)
}

// multicastPresence announces this registrar to others that listen (RFC 5353 §3.1,
// §3.4.2). Peers get their presence by their associations as well, since not all
// listen.
func (r *Registrar) multicastPresence() {
	if !r.cfg.Announce || r.phase == phaseDraining {
		return
	}
	r.multicast(ENRP, &enrp.Presence{
		Sender: r.id, Checksum: r.ownChecksum(nil), HasChecksum: true,
		Server: &rserpool.ServerInfo{ID: r.id, Transport: r.announced(ENRP, nil)},
	})
}

func (r *Registrar) multicast(ch Channel, m Message) {
	r.stats.AnnouncesSent++
	r.actions.push(Action{Kind: Multicast, Channel: ch, Message: m})
}

// announced is the endpoint of a channel at the given addresses.
func (r *Registrar) announced(ch Channel, local []netip.Addr) rserpool.Transport {
	t := r.cfg.ENRP
	if ch == ASAP {
		t = r.cfg.ASAP
	}
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Use: rserpool.UseData, Port: t.Port, UDPPort: t.UDPPort, Addrs: slices.Clone(local)}
}

// For returns the message of a Multicast action for one interface, with the addresses at
// which others there reach this registrar, at least one.
func (a Action) For(local []netip.Addr) Message {
	local = slices.Clone(local)
	switch m := a.Message.(type) {
	case *asap.ServerAnnounce:
		t := m.Transports[0]
		t.Addrs = local
		return &asap.ServerAnnounce{Server: m.Server, Transports: []rserpool.Transport{t}}
	case *enrp.Presence:
		c, s := *m, *m.Server
		s.Transport.Addrs = local
		c.Server = &s
		return &c
	}
	return a.Message
}

// Heard handles a datagram that came on the multicast channel. What it says is a hint:
// a registrar of which only this is known is dialed, and becomes a peer, or the mentor, by
// what it says on the association. It is no sign of life of a peer (RFC 5353 §3.4.3 takes
// it for one): whoever forges it could keep a dead one from being taken over.
func (r *Registrar) Heard(now time.Time, ch Channel, from netip.AddrPort, b []byte) {
	source := r.source(from.Addr())
	if !r.cfg.Announce || r.phase == phaseDraining ||
		!r.ears.meter.bucket(now, rateKey{source: source}).take(now, maxSourceRate) || !r.ears.all.take(now, maxHeardRate) {
		r.stats.AnnouncesIgnored++
		return
	}
	ok := false
	if ch == ASAP {
		ok = r.heardServer(now, b)
	} else {
		ok = r.heardPresence(now, from.Addr(), b)
	}
	if ok {
		r.stats.AnnouncesHeard++
	} else {
		r.stats.AnnouncesIgnored++
	}
}

// heardServer counts another registrar for the announce cycle.
func (r *Registrar) heardServer(now time.Time, b []byte) bool {
	m, err := asap.Decode(b)
	a, ok := m.(*asap.ServerAnnounce)
	if err != nil || !ok || a.Server == 0 || a.Server == r.id {
		return false
	}
	if _, known := r.ears.servers[a.Server]; !known && len(r.ears.servers) >= maxServers {
		return false
	}
	r.ears.servers[a.Server] = now
	return true
}

// heardPresence dials a registrar that is not connected. Addresses of this host are
// believed only if they come from this host.
func (r *Registrar) heardPresence(now time.Time, from netip.Addr, b []byte) bool {
	m, err := enrp.Decode(b)
	p, ok := m.(*enrp.Presence)
	if err != nil || !ok || p.Sender == 0 || p.Sender == r.id || p.Server == nil || p.Server.ID != p.Sender {
		return false
	}
	t := p.Server.Transport.Clone()
	t.Addrs = slices.DeleteFunc(t.Addrs, func(a netip.Addr) bool {
		return !unicast(a) || a.IsLoopback() && !from.Unmap().IsLoopback()
	})
	if t.Protocol != rserpool.ProtoSCTP || t.Port == 0 || len(t.Addrs) == 0 || len(t.Addrs) > r.limits.Addresses ||
		!r.mayDial(t.Addrs) || sameEndpoint(t, r.cfg.ENRP) {
		return false
	}
	known := r.peers[p.Sender]
	switch {
	case known != nil && (known.conn != 0 || known.info != nil):
		return true // it is spoken to, or will be as soon as it can be reached
	case known == nil && r.hearsays() >= maxHearsay, !r.mayTry(p.Sender, t):
		return false
	}
	if known = r.hearsay(now, p.Sender); known == nil {
		return false
	}
	r.tryAt(now, known, t)
	return true
}

// hearsays counts the peers that have not introduced themselves.
func (r *Registrar) hearsays() int {
	n := 0
	for _, p := range r.peers {
		if p.info == nil && p.conn == 0 {
			n++
		}
	}
	return n
}

// mayTry reports whether an endpoint may be dialed for a peer now: not if that has just
// failed, and not if there are many for the same one.
func (r *Registrar) mayTry(id rserpool.RegistrarID, at rserpool.Transport) bool {
	n := 0
	for _, t := range r.targets {
		if sameEndpoint(t.at, at) {
			return !r.timers.running(timerKey{kind: timerDial, id: t.id})
		}
		if t.peer == id && !t.static {
			n++
		}
	}
	return n < maxAddresses
}
