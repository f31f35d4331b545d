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

// RFC 5353 §3.4.1, §2.1.
func TestNewPeerIntroducesItself(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.enrp("10.0.0.9")
	require.Empty(t, g.out, "who has opened the association speaks first")
	g.say(c, &enrp.ListRequest{Sender: 0x900})
	p := one[*enrp.Presence](g, c)
	require.True(t, p.ReplyRequired, "any message of an unknown peer")
	require.Equal(t, ownID, p.Sender)
	require.Equal(t, rserpool.RegistrarID(0x900), p.Receiver)
	require.True(t, p.HasChecksum)
	require.Equal(t, none, p.Checksum)
	require.NotNil(t, p.Server, "rsplib reads no PRESENCE without")
	require.Equal(t, local, p.Server.Transport.Addrs, "the address of this association")
	require.Equal(t, uint16(9899), p.Server.Transport.UDPPort)
	require.Equal(t, "unknown", g.peerState(0x900))
	g.say(c, &enrp.ListRequest{Sender: 0x900})
	require.Empty(t, sent[*enrp.Presence](g, c), "once")

	g.say(c, g.presence(0x900, "10.0.0.9", none))
	require.Equal(t, "active", g.peerState(0x900))
	require.Equal(t, 1, g.happened(core.EventPeerUp))
	require.Len(t, sent[*enrp.ListRequest](g, c), 1)
}

func TestPresenceReply(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	m := g.presence(0x900, "10.0.0.9", none)
	g.say(c, m)
	require.Empty(t, sent[*enrp.Presence](g, c))
	m.ReplyRequired = true
	g.say(c, m)
	reply := one[*enrp.Presence](g, c)
	require.False(t, reply.ReplyRequired)
	require.NotNil(t, reply.Server, "§2.1: MUST include its server information")
}

// RFC 5353 §3.4.2: PEER-HEARTBEAT-CYCLE, an eighth longer or shorter.
func TestHeartbeat(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	n := 0
	for range 300 {
		g.tick(100 * time.Millisecond)
		g.r.HandleENRP(g.now, c, g.presence(0x900, "10.0.0.9", none))
		for _, p := range sent[*enrp.Presence](g, c) {
			require.False(t, p.ReplyRequired)
			n++
		}
	}
	require.InDelta(t, 15, n, 2)
}

// RFC 5353 §3.4.3: silence, a question, MAX-TIME-NO-RESPONSE, death.
func TestSilentPeer(t *testing.T) {
	p := core.ProfileDefault
	setup := func(t *testing.T) (*rig, core.ConnID) {
		g := newRig(t, core.Config{})
		c := g.peer(0x900, "10.0.0.9")
		g.tick(p.MaxTimeLastHeard - time.Millisecond)
		require.Equal(t, "active", g.peerState(0x900))
		g.out = nil
		g.tick(time.Millisecond)
		require.Equal(t, "suspect", g.peerState(0x900))
		require.True(t, one[*enrp.Presence](g, c).ReplyRequired)
		return g, c
	}
	t.Run("dead", func(t *testing.T) {
		g, c := setup(t)
		g.tick(p.MaxTimeNoResponse)
		require.Equal(t, "", g.peerState(0x900))
		require.True(t, g.did(core.Abort, c))
		require.Equal(t, 1, g.happened(core.EventPeerDown))
	})
	t.Run("any message is a sign of life", func(t *testing.T) {
		g, c := setup(t)
		g.say(c, &enrp.HandleTableRequest{Sender: 0x900})
		require.Equal(t, "active", g.peerState(0x900))
		g.tick(p.MaxTimeLastHeard - time.Millisecond)
		require.Equal(t, "active", g.peerState(0x900))
	})
	t.Run("lost connection is noticed at once", func(t *testing.T) {
		g := newRig(t, core.Config{})
		c := g.peer(0x900, "10.0.0.9")
		g.lose(c)
		require.Equal(t, "suspect", g.peerState(0x900))
		d := g.connect() // it is dialed where it said to be
		g.say(d, g.presence(0x900, "10.0.0.9", none))
		require.Equal(t, "active", g.peerState(0x900))
	})
}

func TestMessagesForOthersAreDropped(t *testing.T) { // RFC 5353 §2.1
	g := newRig(t, core.Config{})
	c := g.enrp("10.0.0.9")
	for _, m := range []core.Message{
		&enrp.ListRequest{Sender: 0x900, Receiver: 0x777},
		&enrp.ListRequest{Sender: 0},
		&asap.Registration{Handle: pool, Element: element(1, "10.0.0.9")},
	} {
		before := g.r.Stats().Dropped
		g.say(c, m)
		require.Empty(t, sent[core.Message](g, c))
		require.Greater(t, g.r.Stats().Dropped, before)
	}
	require.Empty(t, g.r.PeerStatuses())
}

// RFC 5353 §3.2.2.2: all known peers, without those that are dead or are asking.
func TestListRequest(t *testing.T) {
	g := newRig(t, core.Config{})
	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	g.say(a, &enrp.ListRequest{Sender: 0x900, Receiver: ownID})
	resp := one[*enrp.ListResponse](g, a)
	require.False(t, resp.Reject)
	require.Len(t, resp.Servers, 1)
	require.Equal(t, rserpool.RegistrarID(0x901), resp.Servers[0].ID)
	g.lose(b)
	g.say(a, &enrp.ListRequest{Sender: 0x900, Receiver: ownID})
	require.Empty(t, one[*enrp.ListResponse](g, a).Servers)
}

func TestListResponseLearnsPeers(t *testing.T) {
	ask := func(t *testing.T, cfg core.Config, servers ...rserpool.ServerInfo) *rig {
		g := newRig(t, cfg)
		c := g.enrp("10.0.0.9")
		g.say(c, g.presence(0x900, "10.0.0.9", none))
		one[*enrp.ListRequest](g, c)
		g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Servers: servers})
		return g
	}
	other := rserpool.ServerInfo{ID: 0x901, Transport: at("10.0.0.8", 9901)}
	t.Run("and dials them", func(t *testing.T) {
		g := ask(t, core.Config{}, other)
		c := g.connect()
		require.True(t, one[*enrp.Presence](g, c).ReplyRequired)
		g.say(c, g.presence(0x901, "10.0.0.8", none))
		require.Equal(t, "active", g.peerState(0x901))
	})
	t.Run("not itself, nor what is no address of a registrar", func(t *testing.T) {
		g := ask(t, core.Config{},
			rserpool.ServerInfo{ID: ownID, Transport: at("10.0.0.7", 9901)},
			rserpool.ServerInfo{ID: 0, Transport: at("10.0.0.7", 9901)},
			rserpool.ServerInfo{ID: 5, Transport: at("127.0.0.1", 9901)},
			rserpool.ServerInfo{ID: 6, Transport: at("224.0.0.1", 9901)},
			rserpool.ServerInfo{ID: 7, Transport: at("10.0.0.1", 9901)},
			rserpool.ServerInfo{ID: 8, Transport: at("10.0.0.7", 0)})
		require.False(t, g.did(core.Dial, 0), "%v", g.out)
	})
	t.Run("nor strangers in a closed scope", func(t *testing.T) {
		g := newRig(t, core.Config{ClosedPeers: true, Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		c := g.connect()
		g.say(c, g.presence(0x900, "10.0.0.9", none))
		g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Servers: []rserpool.ServerInfo{other}})
		require.False(t, g.did(core.Dial, 0))
	})
	t.Run("unasked", func(t *testing.T) {
		g := newRig(t, core.Config{})
		c := g.enrp("10.0.0.9")
		g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Servers: []rserpool.ServerInfo{other}})
		require.False(t, g.did(core.Dial, 0))
	})
}

// RFC 5355 §2.12. Z6, Z12: what a peer names is where to look, and no more: the number is
// bounded, nobody becomes a peer by it, and it keeps nobody out who comes himself.
func TestZ6NamedRegistrarsAreHearsay(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Peers: 10}, Peers: []rserpool.Transport{at("10.0.0.7", 9901)}})
	g.tick(core.ProfileDefault.MentorTimeout)
	for round := range 20 {
		c := g.enrp("10.0.0.9")
		g.say(c, g.presence(0x900, "10.0.0.9", none))
		m := &enrp.ListResponse{Sender: 0x900, Receiver: ownID}
		for i := range 30 {
			m.Servers = append(m.Servers, rserpool.ServerInfo{
				ID: rserpool.RegistrarID(0x1000*round + i + 1), Transport: at(fmt.Sprintf("10.1.%d.%d", round, i+1), 9901),
			})
		}
		g.say(c, m)
		require.LessOrEqual(t, len(g.r.PeerStatuses()), 10)
		g.say(c, m)
		require.False(t, g.did(core.Dial, 0), "one answer to one question")
		g.lose(c)
	}
	g.peer(0x900, "10.0.0.9")
	for _, p := range g.r.PeerStatuses() {
		require.Equal(t, p.ID == 0x900, p.State == "active")
	}
	g.peer(0x800, "10.0.0.8")
	// Nor do registrars that come in numbers keep a configured one out.
	for i := range 20 {
		ip := fmt.Sprintf("10.2.0.%d", i+1)
		g.say(g.enrp(ip), g.presence(rserpool.RegistrarID(0x2000+i), ip, none))
	}
	require.Len(t, g.r.PeerStatuses(), 10)
	g.peer(0x700, "10.0.0.7")
	require.Len(t, g.r.PeerStatuses(), 10)
}

// RFC 5355 §2.5. Z5: a closed scope lets nobody in who is not configured.
func TestZ5RogueRegistrarIsRefused(t *testing.T) {
	g := newRig(t, core.Config{ClosedPeers: true, Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
	g.out = nil
	c := g.enrp("10.6.6.6")
	require.True(t, g.did(core.Abort, c))
	g.say(c, g.presence(0x666, "10.6.6.6", none))
	require.Empty(t, g.r.PeerStatuses())
	c = g.enrp("10.0.0.9")
	require.False(t, g.did(core.Abort, c))
}

// One registrar may not speak for another.
func TestZ5PeerInTheNameOfAnother(t *testing.T) {
	g := newRig(t, core.Config{})
	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	g.say(a, add(owned(0x900, 1, "10.0.1.1")))
	pe := owned(0x900, 1, "10.0.1.1")
	g.say(b, del(0x900, pe))
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	require.NotZero(t, g.r.Stats().Refused)

	c := g.enrp("10.6.6.6")
	g.say(c, g.presence(0x900, "10.6.6.6", none))
	require.True(t, g.did(core.Abort, c), "the identifier is in use by a peer that is alive")
	require.Equal(t, "active", g.peerState(0x900))
}

// A registrar that was started again may find its association still there.
func TestPeerWithNewIdentifierOnItsConnection(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, g.presence(0x902, "10.0.0.9", none))
	require.Equal(t, "active", g.peerState(0x902))
	require.Equal(t, "suspect", g.peerState(0x900))
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, "", g.peerState(0x900))
	require.Equal(t, "active", g.peerState(0x902))
}

// RFC 5353 §3.2.1: identifiers collide.
func TestIdentifierCollision(t *testing.T) {
	t.Run("the larger endpoint draws a new one", func(t *testing.T) {
		g := newRig(t, core.Config{}) // at 10.0.0.1
		p := g.peer(0x900, "10.0.0.9")
		e := g.asap("10.0.1.1")
		g.register(e, element(1, "10.0.1.1"))
		c := g.r.Accept(g.now, core.Conn{Channel: core.ENRP, Remote: at("10.0.0.0", 9901), Local: local})
		g.say(c, g.presence(ownID, "10.0.0.0", none))
		require.NotEqual(t, ownID, g.r.ID())
		require.NotZero(t, g.r.ID())
		require.Equal(t, g.r.ID(), g.home(1), "its elements go with it")
		u := one[*enrp.HandleUpdate](g, p)
		require.Equal(t, g.r.ID(), u.Sender)
		require.Equal(t, g.r.ID(), u.Element.Home)
		require.True(t, one[*asap.EndpointKeepAlive](g, e).Home)
		require.Equal(t, 1, g.happened(core.EventIdentifier))
	})
	t.Run("the smaller tells the other", func(t *testing.T) {
		g := newRig(t, core.Config{})
		c := g.enrp("10.0.0.9")
		g.say(c, g.presence(ownID, "10.0.0.9", none))
		require.Equal(t, ownID, g.r.ID())
		require.Equal(t, ownID, one[*enrp.Presence](g, c).Sender)
	})
	t.Run("two that meet agree", func(t *testing.T) {
		w := newWorld(t, 1)
		a, b := w.addHost("A"), w.addHost("B")
		w.cut(a, b)
		a.startRegistrar(core.Config{Profile: core.ProfileFast, ID: 7}, a, b)
		b.startRegistrar(core.Config{Profile: core.ProfileFast, ID: 7}, a, b)
		w.run(3 * time.Second)
		w.heal(a, b)
		_, ok := w.until(5*time.Second, w.meshed)
		require.True(t, ok)
		require.NotEqual(t, w.registrars()[0].ID(), w.registrars()[1].ID())
	})
}

// All registrars of a scope may share one list of peers, themselves included.
func TestOwnAddressAmongThePeers(t *testing.T) {
	g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.1", 9901)}})
	require.False(t, g.r.Ready())
	c := g.connect()
	require.True(t, g.did(core.Close, c))
	require.True(t, g.r.Ready(), "alone")
	g.out = nil
	g.tick(time.Minute)
	require.False(t, g.did(core.Dial, 0))
}

// Two registrars that dial each other end with one association.
func TestSimultaneousDialsSettle(t *testing.T) {
	for _, id := range []rserpool.RegistrarID{ownID - 1, ownID + 1} {
		g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		dialed := g.connect()
		accepted := g.enrp("10.0.0.9")
		m := g.presence(id, "10.0.0.9", none)
		g.say(accepted, m)
		g.say(dialed, m)
		want, other := accepted, dialed // the larger identifier's
		if ownID > id {
			want, other = dialed, accepted
		}
		g.out = nil
		for range 10 {
			g.tick(core.ProfileDefault.MaxTimeNoResponse / 9)
			g.r.HandleENRP(g.now, want, m)
			g.drain()
		}
		require.True(t, g.did(core.Close, other), "%s", id)
		require.False(t, g.did(core.Close, want))
		require.Len(t, g.r.PeerStatuses(), 1)
		g.out = nil
		g.tick(core.ProfileDefault.Heartbeat)
		require.NotEmpty(t, sent[*enrp.Presence](g, want))
	}
}

// A configured peer is dialed for ever, with pauses that grow to a bound.
func TestConfiguredPeerIsDialedAgain(t *testing.T) {
	g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
	dials := 0
	start := g.now
	for g.now.Sub(start) < 10*time.Minute {
		for _, a := range g.out {
			if a.Kind == core.Dial {
				dials++
				g.r.Lost(g.now, a.Conn, "refused")
			}
		}
		g.out = nil
		g.drain()
		g.tick(100 * time.Millisecond)
	}
	require.True(t, g.r.Ready())
	require.Greater(t, dials, 600/13)
	require.Less(t, dials, 600/7+10)
}

func TestWrongPPIDAborts(t *testing.T) { // RFC 5352 §5; as rsplib does
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	b := (&asap.HandleResolution{Handle: pool}).AppendTo(nil)
	g.r.Receive(g.now, c, 0, b)
	g.r.Receive(g.now, c, 4711, b)
	g.drain()
	require.Empty(t, g.out, "other identifiers are ignored")
	g.r.Receive(g.now, c, enrp.PPID, b)
	g.drain()
	require.True(t, g.did(core.Abort, c))
	e := g.enrp("10.0.0.9")
	g.r.Receive(g.now, e, asap.PPID, b)
	g.drain()
	require.True(t, g.did(core.Abort, e))
}

// Z5: what a peer says of where it is may be anything. It is not dialed at addresses of this
// host or of groups, nor at any number of them, when its association is lost; and others do
// not hear of them.
func TestZ5PeerNamesAddresses(t *testing.T) {
	many := at("10.0.2.1", rserpool.ENRPPort)
	for i := range 30 {
		many.Addrs = append(many.Addrs, netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}))
	}
	both := at("10.0.0.9", rserpool.ENRPPort)
	both.Addrs = append(both.Addrs, netip.MustParseAddr("::1"), netip.MustParseAddr("ff02::1"))
	for name, tc := range map[string]struct {
		says rserpool.Transport
		want []netip.Addr
	}{
		"this host":        {at("127.0.0.1", rserpool.ENRPPort), []netip.Addr{netip.MustParseAddr("10.0.0.9")}},
		"a group":          {at("224.0.0.1", rserpool.ENRPPort), []netip.Addr{netip.MustParseAddr("10.0.0.9")}},
		"nothing":          {at("0.0.0.0", rserpool.ENRPPort), []netip.Addr{netip.MustParseAddr("10.0.0.9")}},
		"port 0":           {at("10.0.0.9", 0), []netip.Addr{netip.MustParseAddr("10.0.0.9")}},
		"some":             {both, both.Addrs[:1]},
		"more than enough": {many, many.Addrs[:16]},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{})
			other := g.peer(0x800, "10.0.0.8")
			c := g.enrp("10.0.0.9")
			m := g.presence(0x900, "10.0.0.9", none)
			m.Server.Transport = tc.says
			g.say(c, m)
			require.Equal(t, "active", g.peerState(0x900))

			g.say(other, &enrp.ListRequest{Sender: 0x800, Receiver: ownID})
			told := one[*enrp.ListResponse](g, other).Servers[0].Transport
			require.Equal(t, tc.want, told.Addrs)
			require.NotZero(t, told.Port)
			g.lose(c)
			for _, a := range g.out {
				if a.Kind == core.Dial {
					require.Equal(t, tc.want, a.To.Addrs)
					return
				}
			}
			require.Fail(t, "it is not looked for")
		})
	}
}
