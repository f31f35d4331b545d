package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5353 §3.3.1, §3.3.2.
func TestUpdatesFromTheHome(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	pe := owned(0x900, 1, "10.0.1.1")
	g.say(c, add(pe))
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	pe.User.Port = 81
	g.say(c, add(pe))
	el, _ := g.r.Space().Get(pool, 1)
	require.Equal(t, uint16(81), el.User.Port, "§3.3.1 step 3: replace the attributes")
	g.say(c, del(0x900, pe))
	require.Zero(t, g.home(1))
	pools, _ := g.r.Space().Len()
	require.Zero(t, pools, "§3.3.2: the last one takes the pool along")
	g.say(c, del(0x900, pe)) // unknown: no further actions
	require.Empty(t, sent[core.Message](g, 0))
}

// Only the home of an element may announce it: rsplib believes anybody.
func TestZ3UpdatesOfOthersAreRefused(t *testing.T) {
	g := newRig(t, core.Config{})
	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	e := g.asap("10.0.1.5")
	g.register(e, element(5, "10.0.1.5"))
	g.say(a, add(owned(0x900, 1, "10.0.1.1")))
	for name, m := range map[string]*enrp.HandleUpdate{
		"add for a third":       {Sender: 0x901, Action: enrp.AddPE, Handle: pool, Element: owned(0x900, 1, "10.6.6.6")},
		"add for this one":      {Sender: 0x901, Action: enrp.AddPE, Handle: pool, Element: owned(ownID, 5, "10.6.6.6")},
		"add for nobody":        {Sender: 0x901, Action: enrp.AddPE, Handle: pool, Element: owned(0, 1, "10.6.6.6")},
		"remove of a third's":   del(0x901, owned(0x900, 1, "10.0.1.1")),
		"remove of this one's":  del(0x901, owned(ownID, 5, "10.0.1.5")),
		"remove, home pretends": del(0x901, owned(0x901, 5, "10.0.1.5")),
	} {
		before := g.r.Stats().Refused
		g.say(b, m)
		require.Greater(t, g.r.Stats().Refused, before, name)
	}
	g.say(b, &enrp.HandleUpdate{Sender: 0x901, Action: 7, Handle: pool, Element: owned(0x901, 9, "10.6.6.6")})
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	require.Equal(t, ownID, g.home(5))
	require.Zero(t, g.home(9))
	el, _ := g.r.Space().Get(pool, 1)
	require.Equal(t, "10.0.1.1", el.User.Addrs[0].String())
}

// The rules for an element that two registrars claim; see update.go. The peer's
// identifier is smaller or larger than this registrar's.
func TestConflictingClaims(t *testing.T) {
	const small, large = ownID - 1, ownID + 1
	setup := func(t *testing.T, id rserpool.RegistrarID) (g *rig, p, e core.ConnID) {
		g = newRig(t, core.Config{})
		p = g.peer(id, "10.0.0.9")
		e = g.asap("10.0.1.1")
		g.register(e, element(1, "10.0.1.1"))
		g.out = nil
		return g, p, e
	}
	window := core.ProfileDefault.ConflictWindow

	for _, id := range []rserpool.RegistrarID{small, large} {
		t.Run("a later registration elsewhere counts, "+id.String(), func(t *testing.T) {
			g, p, _ := setup(t, id)
			g.tick(window + time.Millisecond)
			g.say(p, add(owned(id, 1, "10.0.1.1")))
			require.Equal(t, id, g.home(1))
			require.Empty(t, sent[*enrp.HandleUpdate](g, p))
			g.tick(core.ProfileDefault.KeepAlive * 2)
			require.Empty(t, sent[*keepAlive](g, 0), "it is not this registrar's to ask any more")
		})
		t.Run("without association this registrar gives way, "+id.String(), func(t *testing.T) {
			g, p, e := setup(t, id)
			g.lose(e)
			g.say(p, add(owned(id, 1, "10.0.1.1")))
			require.Equal(t, id, g.home(1))
		})
	}
	t.Run("registrations cross, the larger keeps", func(t *testing.T) {
		g, p, e := setup(t, small)
		g.say(p, add(owned(small, 1, "10.0.1.1")))
		require.Equal(t, ownID, g.home(1))
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home, "and says so")
		require.True(t, one[*keepAlive](g, e).Home, "to the element too")
	})
	t.Run("registrations cross, the smaller waits for that", func(t *testing.T) {
		g, p, _ := setup(t, large)
		g.say(p, add(owned(large, 1, "10.0.1.1")))
		require.Equal(t, ownID, g.home(1))
		require.Empty(t, g.out)
		g.say(p, add(owned(large, 1, "10.0.1.1")))
		require.Equal(t, large, g.home(1))
	})
	// claim lets the peer list the element in its table.
	claim := func(g *rig, p core.ConnID, id rserpool.RegistrarID) {
		g.say(p, g.presence(id, "10.0.0.9", sumOf(id, 1)))
		one[*enrp.HandleTableRequest](g, p)
		g.say(p, table(id, false, 1))
	}
	t.Run("a table is older than the association, the larger says so", func(t *testing.T) {
		g, p, e := setup(t, small)
		g.tick(window + time.Millisecond)
		claim(g, p, small)
		require.Equal(t, ownID, g.home(1))
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
		require.True(t, one[*keepAlive](g, e).Home)
	})
	t.Run("the smaller waits, and says so if nothing comes", func(t *testing.T) {
		g, p, _ := setup(t, large)
		g.tick(window + time.Millisecond)
		claim(g, p, large)
		require.Equal(t, ownID, g.home(1))
		require.Empty(t, sent[*enrp.HandleUpdate](g, p))
		claim(g, p, large)
		require.Equal(t, ownID, g.home(1))
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
	})
	t.Run("what the smaller says is not the last word, also if the element agrees", func(t *testing.T) {
		g, p, e := setup(t, large)
		g.tick(window + time.Millisecond)
		claim(g, p, large)
		claim(g, p, large)
		require.True(t, one[*keepAlive](g, e).Home)
		g.say(e, ack(1))
		g.say(p, add(owned(large, 1, "10.0.1.1"))) // its association works, too: otherwise both would go on for ever
		require.Equal(t, large, g.home(1))
	})
	t.Run("a table counts where there is no association", func(t *testing.T) {
		g, p, e := setup(t, small)
		g.lose(e)
		claim(g, p, small)
		require.Equal(t, small, g.home(1))
	})
	t.Run("taken back when the other disowns it", func(t *testing.T) {
		g, p, _ := setup(t, large)
		g.tick(window + time.Millisecond)
		g.say(p, add(owned(large, 1, "10.0.1.1")))
		require.Equal(t, large, g.home(1))
		g.say(p, g.presence(large, "10.0.0.9", none))
		one[*enrp.HandleTableRequest](g, p)
		g.say(p, table(large, false))
		require.Equal(t, ownID, g.home(1), "its association works")
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
	})
	t.Run("removed by its new home, but here it answers", func(t *testing.T) {
		g, p, e := setup(t, large)
		g.tick(window + time.Millisecond)
		g.say(p, add(owned(large, 1, "10.0.1.1")))
		g.say(p, del(large, owned(large, 1, "10.0.1.1")))
		require.Zero(t, g.home(1))
		require.True(t, one[*keepAlive](g, e).Home)
		g.say(e, ack(1))
		require.Equal(t, ownID, g.home(1))
		require.Equal(t, ownID, sent[*enrp.HandleUpdate](g, p)[0].Element.Home)
	})
	t.Run("removed by its new home, and it does not answer", func(t *testing.T) {
		g, p, e := setup(t, large)
		g.tick(window + time.Millisecond)
		g.say(p, add(owned(large, 1, "10.0.1.1")))
		g.say(p, del(large, owned(large, 1, "10.0.1.1")))
		g.tick(core.ProfileDefault.KeepAliveTimeout)
		g.say(e, ack(1)) // too late
		require.Zero(t, g.home(1))
		require.Empty(t, sent[*enrp.HandleUpdate](g, p))
	})
}

// An element that acknowledges a keep-alive with H flag has taken the sender as its
// home, whatever another registrar has announced meanwhile.
func TestElementDecidesByAcknowledgement(t *testing.T) {
	g := newRig(t, core.Config{})
	p, dying := g.peer(0x900, "10.0.0.9"), g.peer(0x100, "10.0.0.8")
	g.say(dying, add(owned(0x100, 1, "10.0.1.1")))
	g.lose(dying)
	g.out = nil
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	g.say(p, &enrp.InitTakeoverAck{Sender: 0x900, Receiver: ownID, Target: 0x100})
	require.Equal(t, ownID, g.home(1))
	e := g.connect()
	require.True(t, one[*keepAlive](g, e).Home)
	g.say(p, add(owned(0x900, 1, "10.0.1.1"))) // it had registered there just before
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	g.say(e, ack(1))
	require.Equal(t, ownID, g.home(1))
	require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
}

// An element whose home never has introduced itself is watched over all the same.
func TestUnknownHomeIsMonitored(t *testing.T) {
	g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
	c := g.connect()
	g.say(c, g.presence(0x900, "10.0.0.9", none))
	g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
	m := table(0x900, false)
	m.Pools = []enrp.PoolEntries{{Handle: pool, Elements: []rserpool.PoolElement{owned(0x777, 1, "10.0.1.1")}}}
	g.say(c, m)
	require.Equal(t, rserpool.RegistrarID(0x777), g.home(1))
	for g.home(1) == 0x777 {
		g.tick(time.Second)
		g.say(c, g.presence(0x900, "10.0.0.9", none))
		g.say(c, &enrp.InitTakeoverAck{Sender: 0x900, Receiver: ownID, Target: 0x777})
		require.Less(t, g.now.Sub(time.Unix(1_700_000_000, 0)), 20*time.Second)
	}
	require.Equal(t, ownID, g.home(1), "taken over")
}

// RSerPool's registration lives at a registrar that is not the home.
func TestLifeAtAnotherRegistrar(t *testing.T) {
	for _, tc := range []struct {
		unit core.LifeUnit
		life uint32
		want time.Duration
	}{
		{core.LifeSeconds, 60, time.Minute},
		{core.LifeMilliseconds, 60_000, time.Minute},
		{core.LifeAuto, 60, time.Minute},
		{core.LifeAuto, 90_000, 90 * time.Second},
		{core.LifeSeconds, 90_000, 25 * time.Hour},
		{core.LifeAuto, rserpool.LifeInfinite, 0},
	} {
		profile := core.ProfileDefault
		profile.LifeUnit = tc.unit
		g := newRig(t, core.Config{Profile: profile})
		c := g.peer(0x900, "10.0.0.9")
		pe := owned(0x900, 1, "10.0.1.1")
		pe.Life = tc.life
		g.say(c, add(pe))
		el, _ := g.r.Space().Get(pool, 1)
		if tc.want == 0 {
			require.True(t, el.Expiry.IsZero())
			continue
		}
		require.Equal(t, tc.want, el.Expiry.Sub(g.now), "%s %d", tc.unit, tc.life)
	}
	t.Run("the home decides while it is alive", func(t *testing.T) {
		g := newRig(t, core.Config{})
		c := g.peer(0x900, "10.0.0.9")
		pe := owned(0x900, 1, "10.0.1.1")
		pe.Life = 5
		g.say(c, add(pe))
		for range 20 {
			g.tick(time.Second)
			g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1)))
		}
		require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	})
	t.Run("and nobody after it has gone", func(t *testing.T) {
		g := newRig(t, core.Config{Limits: core.Limits{Peers: 1}}) // so 0x777 cannot be watched
		c := g.peer(0x900, "10.0.0.9")
		g.say(c, g.presence(0x900, "10.0.0.9", 0x1234))
		m := table(0x900, false)
		g.say(c, m)
		pe := owned(0x900, 1, "10.0.1.1")
		pe.Life = 5
		g.say(c, add(pe))
		g.r.Drain(g.now) // a draining registrar takes nothing over
		g.tick(time.Minute)
		require.Equal(t, "suspect", g.peerState(0x900))
		require.Equal(t, rserpool.RegistrarID(0x900), g.home(1), "it may come back")
	})
}

func TestDrainHandsOver(t *testing.T) {
	g := newRig(t, core.Config{})
	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	e := g.asap("10.0.1.1")
	for id := range rserpool.PEID(4) {
		g.register(e, element(id+1, "10.0.1.1"))
	}
	g.out, g.events = nil, nil
	g.r.Drain(g.now)
	g.drain()
	require.False(t, g.r.Ready())
	for _, c := range []core.ConnID{a, b} {
		us := sent[*enrp.HandleUpdate](g, c)
		require.Len(t, us, 2, "by turns")
		for _, u := range us {
			require.True(t, u.TakeoverSuggested)
			pe := u.Element
			require.Zero(t, g.happened(core.EventDrained))
			pe.Home = map[core.ConnID]rserpool.RegistrarID{a: 0x900, b: 0x901}[c]
			g.r.HandleENRP(g.now, c, add(pe))
			g.drain()
		}
	}
	require.Equal(t, 1, g.happened(core.EventDrained))
	g.say(e, regOf(pool, element(9, "10.0.1.1")))
	resp := one[*asap.RegistrationResponse](g, e)
	require.Equal(t, rserpool.CauseLackOfResources, resp.Causes[0].Code, "not here")
}

func TestDrainEndsInAnyCase(t *testing.T) {
	t.Run("without peers at once", func(t *testing.T) {
		g := newRig(t, core.Config{})
		g.register(g.asap("10.0.1.1"), element(1, "10.0.1.1"))
		g.r.Drain(g.now)
		g.drain()
		require.Equal(t, 1, g.happened(core.EventDrained))
	})
	t.Run("with peers that do not take them after a while", func(t *testing.T) {
		g := newRig(t, core.Config{})
		g.peer(0x900, "10.0.0.9")
		g.register(g.asap("10.0.1.1"), element(1, "10.0.1.1"))
		g.r.Drain(g.now)
		g.drain()
		require.Zero(t, g.happened(core.EventDrained))
		g.tick(core.ProfileDefault.MaxTimeNoResponse)
		require.Equal(t, 1, g.happened(core.EventDrained))
	})
	t.Run("in a cluster nobody notices", func(t *testing.T) {
		w := newWorld(t, 3)
		rs, _ := cluster(w, 3, 6)
		n := rs[0].node.(*registrarNode)
		n.Drain(rs[0].now())
		rs[0].settle()
		d, ok := w.until(time.Second, func() bool { return n.events[core.EventDrained] > 0 })
		require.True(t, ok)
		require.Less(t, d, 100*time.Millisecond)
		require.Zero(t, n.Space().OwnedLen(n.ID()))
		w.run(50 * time.Millisecond)
		rs[0].crash(true)
		settled(w)
		require.Empty(t, w.takeovers)
	})
}
