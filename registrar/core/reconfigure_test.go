package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

func (g *rig) reconfigure(cfg core.Config) {
	g.t.Helper()
	g.out, g.events = nil, nil
	require.NoError(g.t, g.r.Reconfigure(g.now, cfg))
	g.drain()
	require.Equal(g.t, core.EventReconfigured, g.events[len(g.events)-1].Kind)
}

// What an access list does not allow any more ends: the element is told, the peers are
// told, and it cannot come back. What it never allowed here, or still does, is left alone.
func TestReconfigureExpelsElements(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x600, "10.0.0.6")
	a, b := g.asap("10.0.1.1"), g.asap("10.0.1.2")
	g.register(a, element(1, "10.0.1.1"))
	g.register(b, element(2, "10.0.1.2"))
	g.reconfigure(core.Config{Access: rules(t, "deny register from 10.0.1.1/32")})
	require.Equal(t, rserpool.PEID(1), one[*asap.DeregistrationResponse](g, a).PEID)
	require.Len(t, g.out, 1, "the peer hears of it, and nothing else: %v", g.out)
	require.Equal(t, p, g.out[0].Conn)
	require.Zero(t, g.home(1))
	require.Equal(t, ownID, g.home(2))
	g.say(a, regOf(pool, element(1, "10.0.1.1")))
	require.True(t, one[*asap.RegistrationResponse](g, a).Reject)
	g.reconfigure(core.Config{})
	require.Empty(t, g.out)
	g.register(a, element(1, "10.0.1.1"))
	g.reconfigure(core.Config{Permit: func(rserpool.PoolHandle, []netip.Addr) bool { return false }})
	require.Zero(t, g.home(1))
	require.Zero(t, g.home(2))
	require.Len(t, sent[*asap.DeregistrationResponse](g, 0), 2)
}

// An element that was taken over from a peer with another access list is not the
// business of a reload that does not change what is allowed.
func TestReconfigureWithoutChangeChangesNothing(t *testing.T) {
	cfg := core.Config{Access: rules(t, "deny register from 10.0.1.1/32")}
	g := newRig(t, cfg)
	p := g.peer(0x600, "10.0.0.6")
	g.say(p, add(owned(0x600, 1, "10.0.1.1")))
	g.lose(p)
	g.tick(time.Minute / 2)
	for range 3 { // whatever becomes of it by itself
		home := g.home(1)
		g.reconfigure(cfg)
		require.Empty(t, g.out)
		require.Equal(t, home, g.home(1))
		g.tick(time.Second)
	}
}

func TestReconfigureEndsSubscriptions(t *testing.T) { // RFC 5352 §2.2.5, S bit
	g := newRig(t, core.Config{})
	a, u := g.asap("10.0.1.1"), g.asap("10.0.2.1")
	g.register(a, element(1, "10.0.1.1"))
	g.say(u, &asap.HandleResolution{Handle: pool, Subscribe: true})
	require.True(t, one[*asap.HandleResolutionResponse](g, u).AcceptUpdate)
	g.reconfigure(core.Config{Access: rules(t, "deny resolve pool p*")})
	resp := one[*asap.HandleResolutionResponse](g, u)
	require.False(t, resp.AcceptUpdate)
	require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
	g.register(a, element(2, "10.0.1.1"))
	g.tick(time.Second)
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, u))
}

// Peers that are added are dialed; those that are removed are not looked for any more,
// but may come by themselves as long as the scope is open.
func TestReconfigurePeers(t *testing.T) {
	g := newRig(t, core.Config{})
	six, seven := at("10.0.0.6", 9901), at("10.0.0.7", 9901)
	g.reconfigure(core.Config{Peers: []rserpool.Transport{six, seven}})
	c := g.connect()
	g.say(c, g.presence(0x600, "10.0.0.6", none))
	require.Equal(t, "active", g.peerState(0x600))
	g.reconfigure(core.Config{Peers: []rserpool.Transport{six, seven}})
	require.Empty(t, g.out, "they are there or dialed")
	g.reconfigure(core.Config{})
	require.Equal(t, "active", g.peerState(0x600), "it has come, and may stay")
	require.True(t, g.did(core.Abort, 0), "the dial of the other one")
	g.out = nil
	g.tick(2 * time.Second)
	require.False(t, g.did(core.Dial, 0))
	err := g.r.Reconfigure(g.now, core.Config{Peers: []rserpool.Transport{{}}, ClosedPeers: true})
	require.Error(t, err)
	g.drain()
	require.Equal(t, "active", g.peerState(0x600), "nothing has changed")
}

// A registrar that may not be a peer any more is gone, and so are its elements: they are
// not taken over from a registrar that lives, and none of its messages counts.
func TestReconfigureExpelsPeers(t *testing.T) {
	for name, cfg := range map[string]core.Config{
		"closed": {Peers: []rserpool.Transport{at("10.0.0.7", 9901)}, ClosedPeers: true},
		"access": {Access: rules(t, "deny peer from 10.0.0.6/32")},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{})
			six, seven := g.peer(0x600, "10.0.0.6"), g.peer(0x700, "10.0.0.7")
			e := g.asap("10.0.1.3")
			g.register(e, element(3, "10.0.1.3"))
			g.say(six, add(owned(0x600, 1, "10.0.1.1")))
			g.say(seven, add(owned(0x700, 2, "10.0.1.2")))
			g.reconfigure(cfg)
			require.True(t, g.did(core.Abort, six))
			require.False(t, g.did(core.Abort, seven))
			require.Empty(t, g.peerState(0x600))
			require.Equal(t, "active", g.peerState(0x700))
			require.Zero(t, g.home(1))
			require.Equal(t, rid(0x700), g.home(2))
			require.Equal(t, ownID, g.home(3))
			require.False(t, g.did(core.Send, seven), "no update for what is not ours, no takeover")
			g.enrp("10.0.0.6")
			require.True(t, g.did(core.Abort, 0), "and it cannot come back")
		})
	}
}

// Limits count from now on. Sources are counted again if they are other ones.
func TestReconfigureLimits(t *testing.T) {
	g := newRig(t, core.Config{})
	v6 := "2001:db8::"
	conns := []core.ConnID{g.asap(v6 + "1"), g.asap(v6 + "2")}
	g.register(conns[0], element(1, v6+"1"))
	g.register(conns[1], element(2, v6+"2"))
	g.reconfigure(core.Config{Limits: core.Limits{Elements: 1, ElementsPerSource: 2}})
	require.Equal(t, ownID, g.home(1), "what is there stays")
	require.Equal(t, ownID, g.home(2))
	g.register(conns[0], element(1, v6+"1")) // and is renewed
	refused := func(id core.ConnID, pe rserpool.PoolElement) bool {
		g.say(id, regOf(pool, pe))
		return one[*asap.RegistrationResponse](g, id).Reject
	}
	require.True(t, refused(conns[0], element(3, v6+"1")), "elements")
	g.reconfigure(core.Config{Limits: core.Limits{ElementsPerSource: 2}})
	require.True(t, refused(conns[0], element(3, v6+"1")), "one network is one source")
	g.reconfigure(core.Config{Limits: core.Limits{ElementsPerSource: 2, SourceBits: 128}})
	require.False(t, refused(conns[0], element(3, v6+"1")))
	require.True(t, refused(conns[0], element(4, v6+"1")))
	g.reconfigure(core.Config{Limits: core.Limits{Registrations: core.Rates{Source: 1}}})
	require.False(t, refused(conns[0], element(4, v6+"1")))
	require.True(t, refused(conns[0], element(5, v6+"1")))
}
