package core_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// announcing is a registrar with multicast channels.
func announcing(t testing.TB, cfg core.Config) *rig {
	t.Helper()
	cfg.Announce = true
	cfg.ASAP = rserpool.Transport{Port: 4000, UDPPort: 9900}
	return newRig(t, cfg)
}

// multicasts returns the messages to a group for an interface at which this host is
// 10.0.0.1, and forgets all output.
func (g *rig) multicasts(ch core.Channel) (ms []core.Message) {
	for _, a := range g.out {
		if a.Kind == core.Multicast && a.Channel == ch {
			ms = append(ms, a.For(local))
		}
	}
	g.out = nil
	return ms
}

// hear brings a message by multicast.
func (g *rig) hear(ch core.Channel, from string, m core.Message) {
	g.r.Heard(g.now, ch, netip.MustParseAddrPort(from), m.AppendTo(nil))
	g.drain()
}

// dialed are the endpoints dialed in the output.
func (g *rig) dialed() (to []string) {
	for _, a := range g.out {
		if a.Kind == core.Dial {
			to = append(to, fmt.Sprintf("%v:%d@%d", a.To.Addrs[0], a.To.Port, a.To.UDPPort))
		}
	}
	return to
}

// RFC 5352 §2.2.10, §3.6: one SCTP transport, which is what rsplib reads, with the
// addresses of the interface; nothing before the start-up has ended, and nothing during
// the drain.
func TestServerAnnounce(t *testing.T) {
	g := announcing(t, core.Config{})
	require.Empty(t, g.multicasts(core.ASAP), "while it starts")
	g.tick(core.ProfileDefault.MentorTimeout)
	ms := g.multicasts(core.ASAP)
	require.Len(t, ms, 1, "at once")
	m := ms[0].(*asap.ServerAnnounce)
	require.Equal(t, ownID, m.Server)
	require.Equal(t, []rserpool.Transport{{Protocol: rserpool.ProtoSCTP, Port: 4000, UDPPort: 9900, Addrs: local}}, m.Transports)
	require.NoError(t, m.Validate())
	g.tick(100 * time.Second)
	require.InDelta(t, 100, len(g.multicasts(core.ASAP)), 3, "T6-Serverannounce")
	g.r.Drain(g.now)
	g.out = nil
	g.tick(time.Minute)
	require.Empty(t, g.out)
}

// RFC 5352 §3.6: "every (N+1)*T6-Serverannounce", N being the number of others heard
// lately, but not so seldom that announcements get outdated, however many are forged
// (Z12).
func TestZ12AnnounceCycle(t *testing.T) {
	for others, want := range map[int]float64{0: 60, 1: 30, 2: 20, 3: 15, 5: 15, 500: 15} {
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			g := announcing(t, core.Config{})
			g.tick(10 * time.Second)
			g.out = nil
			sent := 0
			for i := range 600 {
				for o := range min(others, 5) {
					if i%8 == o {
						id := rserpool.RegistrarID(o + 1)
						if others > 5 {
							id = rserpool.RegistrarID(i*5 + o + 1)
						}
						g.hear(core.ASAP, fmt.Sprintf("10.0.1.%d:4000", o), &asap.ServerAnnounce{Server: id})
					}
				}
				g.tick(100 * time.Millisecond)
				sent += len(g.multicasts(core.ASAP))
			}
			require.InDelta(t, want, sent, 3)
			g.tick(10 * time.Second) // the others are gone
			g.multicasts(core.ASAP)
			g.tick(20 * time.Second)
			require.InDelta(t, 20, len(g.multicasts(core.ASAP)), 2)
		})
	}
}

// RFC 5353 §3.1, §3.4.2: PRESENCE with checksum and server information, by multicast too.
func TestMulticastPresence(t *testing.T) {
	g := announcing(t, core.Config{})
	first := g.multicasts(core.ENRP)
	require.Len(t, first, 1, "at once: whoever hears it may be the mentor")
	m := first[0].(*enrp.Presence)
	require.NoError(t, m.Validate())
	require.Equal(t, &enrp.Presence{
		Sender: ownID, Checksum: none, HasChecksum: true,
		Server: &rserpool.ServerInfo{ID: ownID, Transport: rserpool.Transport{
			Protocol: rserpool.ProtoSCTP, Port: rserpool.ENRPPort, UDPPort: 9899, Addrs: local}},
	}, m)
	g.tick(core.ProfileDefault.MentorTimeout)
	require.GreaterOrEqual(t, len(g.multicasts(core.ENRP)), 5, "often during the start-up")
	g.tick(200 * time.Second)
	require.InDelta(t, 100, len(g.multicasts(core.ENRP)), 5, "PEER-HEARTBEAT-CYCLE")

	quiet := newRig(t, core.Config{})
	quiet.tick(time.Minute)
	require.Empty(t, quiet.multicasts(core.ENRP))
	require.Empty(t, quiet.multicasts(core.ASAP))
	quiet.hear(core.ENRP, "10.0.0.9:9901", g.presence(0x900, "10.0.0.9", none))
	require.Empty(t, quiet.out, "not without channels")
}

// RFC 5353 §3.2.2.1: who is heard during the start-up is dialed and becomes the
// mentor: it is asked for its list and its handlespace.
func TestHeardPeerIsMentor(t *testing.T) {
	g := announcing(t, core.Config{})
	require.False(t, g.r.Ready())
	g.out = nil
	m := g.presence(0x900, "10.0.0.9", none)
	m.Receiver = 0
	g.hear(core.ENRP, "10.0.0.9:40000", m)
	require.Equal(t, []string{"10.0.0.9:9901@9899"}, g.dialed())
	c := g.connect()
	require.True(t, one[*enrp.Presence](g, c).ReplyRequired)
	g.say(c, g.presence(0x900, "10.0.0.9", none))
	one[*enrp.ListRequest](g, c)
	g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
	require.False(t, one[*enrp.HandleTableRequest](g, c).OwnOnly)
	g.say(c, &enrp.HandleTableResponse{Sender: 0x900, Receiver: ownID})
	require.True(t, g.r.Ready())
	require.NotEmpty(t, g.multicasts(core.ASAP))
}

// Without a mentor it begins at the end of the start-up, not before: somebody may be heard,
// even if no configured peer can be reached.
func TestNobodyHeard(t *testing.T) {
	for _, peers := range [][]rserpool.Transport{nil, {at("10.0.0.7", 9901)}} {
		g := announcing(t, core.Config{Peers: peers})
		for _, a := range g.out {
			if a.Kind == core.Dial {
				g.r.Lost(g.now, a.Conn, "refused")
			}
		}
		g.tick(core.ProfileDefault.MentorTimeout - time.Millisecond)
		require.False(t, g.r.Ready())
		g.tick(time.Millisecond)
		require.True(t, g.r.Ready())
	}
}

// Whoever is heard later is dialed and becomes a peer, once, and what is heard of a peer is no
// sign of life: it can be forged.
func TestZ6HeardIsAHint(t *testing.T) {
	g := announcing(t, core.Config{})
	g.tick(10 * time.Second)
	g.out = nil
	m := g.presence(0x900, "10.0.0.9", 0x1234)
	m.ReplyRequired = true
	g.hear(core.ENRP, "10.0.0.9:9901", m)
	require.Equal(t, []string{"10.0.0.9:9901@9899"}, g.dialed())
	require.Equal(t, "unknown", g.peerState(0x900))
	g.hear(core.ENRP, "10.0.0.9:9901", m)
	require.Len(t, g.dialed(), 1)
	c := g.connect()
	g.say(c, g.presence(0x900, "10.0.0.9", none))
	require.Equal(t, "active", g.peerState(0x900))
	g.out = nil
	for range 20 {
		g.tick(500 * time.Millisecond)
		g.hear(core.ENRP, "10.0.0.9:9901", m)
		require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "its checksum counts for nothing")
	}
	require.NotEqual(t, "active", g.peerState(0x900), "silent on its association")
}

// Z6: own announcements, those of nobody, of another's addresses or of this host are ignored.
func TestZ6Ignored(t *testing.T) {
	for name, change := range map[string]func(p *enrp.Presence, from *string){
		"own":            func(p *enrp.Presence, _ *string) { p.Sender, p.Server.ID = ownID, ownID },
		"own at another": func(p *enrp.Presence, from *string) { p.Sender, p.Server.ID, *from = ownID, ownID, "10.0.0.66:1" },
		"nobody":         func(p *enrp.Presence, _ *string) { p.Sender, p.Server.ID = 0, 0 },
		"another's":      func(p *enrp.Presence, _ *string) { p.Server.ID = 0x901 },
		"no information": func(p *enrp.Presence, _ *string) { p.Server = nil },
		"port 0":         func(p *enrp.Presence, _ *string) { p.Server.Transport.Port = 0 },
		"multicast":      func(p *enrp.Presence, _ *string) { p.Server.Transport = at("239.0.0.51", 9901) },
		"loopback":       func(p *enrp.Presence, _ *string) { p.Server.Transport = at("127.0.0.1", 9901) },
		"many addresses": func(p *enrp.Presence, _ *string) { p.Server.Transport.Addrs = many(40) },
		"not the transport": func(p *enrp.Presence, _ *string) {
			p.Server.Transport.Protocol, p.Server.Transport.UDPPort = rserpool.ProtoTCP, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := announcing(t, core.Config{})
			g.tick(10 * time.Second)
			g.out = nil
			m, from := g.presence(0x900, "10.0.0.9", none), "10.0.0.9:9901"
			change(m, &from)
			g.hear(core.ENRP, from, m)
			require.Empty(t, g.out)
			require.Empty(t, g.r.PeerStatuses())
			require.EqualValues(t, 1, g.r.Stats().AnnouncesIgnored)
			require.Zero(t, g.r.Stats().AnnouncesHeard)
		})
	}
	g := announcing(t, core.Config{})
	g.hear(core.ENRP, "127.0.0.1:9901", g.presence(0x900, "127.0.0.1", none))
	require.Len(t, g.dialed(), 1, "from this host")
}

func many(n int) (as []netip.Addr) {
	for i := range n {
		as = append(as, netip.AddrFrom4([4]byte{10, 3, 0, byte(i)}))
	}
	return as
}

// Z5, Z6: who takes configured peers only, or has an access list, dials nobody else.
func TestZ6ClosedPeersAreNotDialed(t *testing.T) {
	deny, err := core.ParseAccessRule("deny peer from 10.0.0.0/24")
	require.NoError(t, err)
	for _, cfg := range []core.Config{
		{ClosedPeers: true, Peers: []rserpool.Transport{at("10.0.0.7", 9901)}},
		{Access: core.AccessList{deny}},
	} {
		g := announcing(t, cfg)
		g.out = nil
		g.hear(core.ENRP, "10.0.0.9:9901", g.presence(0x900, "10.0.0.9", none))
		require.Empty(t, g.dialed())
		require.Empty(t, g.peerState(0x900))
	}
}

// Z12: garbage is counted and does nothing.
func TestZ12Garbage(t *testing.T) {
	g := announcing(t, core.Config{})
	g.out = nil
	list := [][]byte{nil, {1}, {1, 0, 0, 4}, make([]byte, 2048), (&enrp.ListRequest{Sender: 9}).AppendTo(nil),
		(&asap.ServerAnnounce{Server: 9}).AppendTo(nil)[:6], (&asap.EndpointKeepAlive{Server: 9, Handle: "x"}).AppendTo(nil)}
	for i, b := range list {
		for _, ch := range []core.Channel{core.ASAP, core.ENRP} {
			g.r.Heard(g.now, ch, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 2, byte(i)}), 1), b)
			g.drain()
		}
	}
	require.Empty(t, g.out)
	require.EqualValues(t, 2*len(list), g.r.Stats().AnnouncesIgnored)
}

// Z12: so many are looked at in a second, in all and from one source.
func TestZ12HeardRate(t *testing.T) {
	for from, want := range map[string]uint64{"10.0.%d.%d:1": 100, "10.0.1.1:%d%d": 10} {
		g := announcing(t, core.Config{})
		for i := range 5000 {
			g.hear(core.ASAP, fmt.Sprintf(from, i/250+1, i%250), &asap.ServerAnnounce{Server: 9})
		}
		require.Equal(t, want, g.r.Stats().AnnouncesHeard, from)
		require.Equal(t, 5000-want, g.r.Stats().AnnouncesIgnored, from)
		g.tick(time.Second)
		g.hear(core.ASAP, "10.0.1.1:9", &asap.ServerAnnounce{Server: 9})
		require.Equal(t, want+1, g.r.Stats().AnnouncesHeard, from)
	}
}

// Z12: an announcement does not shorten the pause after a failed attempt.
func TestZ12RedialPauses(t *testing.T) {
	g := announcing(t, core.Config{})
	g.tick(10 * time.Second)
	g.out = nil
	m := g.presence(0x900, "10.0.0.9", none)
	g.hear(core.ENRP, "10.0.0.9:9901", m)
	require.Len(t, g.dialed(), 1)
	g.lose(g.out[0].Conn)
	for range 5 {
		g.hear(core.ENRP, "10.0.0.9:9901", m)
	}
	require.Empty(t, g.dialed())
	g.tick(core.ProfileDefault.DialRetryMin * 3 / 2)
	require.Len(t, g.dialed(), 1)
}

// Z12: of a flood of registrars that do not exist a few are dialed at a time, the list of
// peers keeps room, the configured ones are not concerned, and all is forgotten
// afterwards.
func TestZ12PresenceFlood(t *testing.T) {
	g := announcing(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.7", 9901)}})
	c := g.connect()
	g.say(c, g.presence(0x700, "10.0.0.7", none))
	g.say(c, &enrp.ListResponse{Sender: 0x700, Receiver: ownID})
	g.say(c, &enrp.HandleTableResponse{Sender: 0x700, Receiver: ownID})
	require.True(t, g.r.Ready())
	open := map[core.ConnID]bool{}
	most, total := 0, 0
	for i := range 20_000 {
		id := rserpool.RegistrarID(i + 0x1000)
		if i%2 == 0 {
			id = 0x1000 // the same one everywhere
		}
		ip := fmt.Sprintf("10.9.%d.%d", i>>8&0xff, i&0xff)
		g.hear(core.ENRP, ip+":9901", g.presence(id, ip, none))
		if i%10 == 0 {
			g.tick(5 * time.Millisecond)
		}
		for _, a := range g.out {
			switch a.Kind {
			case core.Dial:
				open[a.Conn] = true
				total++
			case core.Abort, core.Close:
				delete(open, a.Conn)
			}
		}
		g.out = nil
		most = max(most, len(open))
		if i%100 == 0 { // the peer lives
			g.say(c, g.presence(0x700, "10.0.0.7", none))
		}
	}
	require.LessOrEqual(t, most, 20, "dialed at once")
	require.Less(t, total, 200, "in ten seconds")
	require.LessOrEqual(t, len(g.r.PeerStatuses()), 17)
	require.Equal(t, "active", g.peerState(0x700))
	for range 30 {
		g.tick(time.Second)
		g.say(c, g.presence(0x700, "10.0.0.7", none))
	}
	require.Len(t, g.r.PeerStatuses(), 1)
	require.Equal(t, "active", g.peerState(0x700))
}

// Z12: a forged address of a registrar does not keep the right one from being dialed.
func TestZ12ForgedAddress(t *testing.T) {
	g := announcing(t, core.Config{})
	g.tick(10 * time.Second)
	g.out = nil
	g.hear(core.ENRP, "10.0.0.66:9901", g.presence(0x900, "10.0.0.66", none))
	g.hear(core.ENRP, "10.0.0.9:9901", g.presence(0x900, "10.0.0.9", none))
	require.Equal(t, []string{"10.0.0.66:9901@9899", "10.0.0.9:9901@9899"}, g.dialed())
}

// TestSimAnnouncedCluster is TestSimCluster with registrars and elements that know
// no address: all they have is announcements, of which some get lost.
func TestSimAnnouncedCluster(t *testing.T) {
	from, to := seeds(t, 12)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.multicast = true
		w.loss = 0.05
		rs, es := cluster(w, 2+int(seed%4), 5)
		for range 3 {
			for range 1 + w.rnd.IntN(4) {
				mishap(w, rs, es)
				w.run(time.Duration(w.rnd.IntN(1200)) * time.Millisecond)
			}
			settled(w)
		}
	}
}
