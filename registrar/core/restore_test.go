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

// imageOf is an image with elements 1, 2, … on hosts 10.0.1.1, …, which end in a minute.
func imageOf(g0 time.Time, n int) *core.Image {
	im := &core.Image{ID: ownID, Taken: g0}
	for i := range n {
		ip := "10.0.1." + string(rune('1'+i))
		im.Elements = append(im.Elements, core.ImageElement{Handle: pool, Element: owned(ownID, rserpool.PEID(i+1), ip), Expiry: g0.Add(time.Minute)})
	}
	return im
}

var g0 = time.Unix(1_700_000_000, 0) // when newRig starts

func (g *rig) members() []rserpool.PoolElement {
	u := g.asap("10.0.9.9")
	g.say(u, &asap.HandleResolution{Handle: pool})
	return one[*asap.HandleResolutionResponse](g, u).Elements
}

// An element of an image is known when it has answered, not before; its life goes on
// where it was.
func TestRestoreAsksTheElements(t *testing.T) {
	g := newRig(t, core.Config{Restore: imageOf(g0, 2)})
	require.Equal(t, 1, g.happened(core.EventRestoring))
	first := g.connect()
	k := one[*keepAlive](g, first)
	require.True(t, k.Home, "RFC 5353 §3.5.2: it is to take this registrar as its home")
	require.Empty(t, g.members(), "nothing is known before")
	require.Zero(t, g.home(1))
	require.Len(t, g.r.Image(g.now).Elements, 2, "another crash forgets nothing")
	g.say(first, ack(1))
	require.Equal(t, ownID, g.home(1))
	require.Len(t, g.members(), 1)
	require.EqualValues(t, 1, g.r.Stats().Restored)
	el, _ := g.r.Space().Get(pool, 1)
	require.Equal(t, g0.Add(time.Minute), el.Expiry)
	require.Equal(t, 1, g.happened(core.EventRegistered))
	g.tick(30 * time.Second) // it answers nothing any more
	require.Zero(t, g.home(1))
	require.Empty(t, g.r.Image(g.now).Elements, "and the other one never did")
}

func TestRestoreIsAnnounced(t *testing.T) { // RFC 5353 §3.3.1
	g := newRig(t, core.Config{Restore: imageOf(g0, 1)})
	c := g.connect()
	p := g.peer(0x600, "10.0.0.6")
	g.say(c, ack(1))
	u := one[*enrp.HandleUpdate](g, p)
	require.Equal(t, enrp.AddPE, u.Action)
	require.Equal(t, ownID, u.Element.Home)
	require.Len(t, g.r.Image(g.now).Elements, 1)
}

// Registrations end by the clock on the wall, also while the registrar is down. A clock
// that was set back gives them what they had left.
func TestRestoreCountsLifeByTheWallClock(t *testing.T) {
	im := imageOf(g0.Add(-2*time.Minute), 1)
	g := newRig(t, core.Config{Restore: im})
	require.Zero(t, g.happened(core.EventRestoring), "it has ended meanwhile")
	require.Empty(t, g.r.Image(g.now).Elements)

	im = imageOf(g0.Add(time.Hour), 1) // of the future
	g = newRig(t, core.Config{Restore: im})
	c := g.connect()
	g.say(c, ack(1))
	el, ok := g.r.Space().Get(pool, 1)
	require.True(t, ok)
	require.Equal(t, g0.Add(time.Minute), el.Expiry)

	im = imageOf(g0, 1)
	im.Elements[0].Expiry = time.Time{}
	im.Elements[0].Element.Life = rserpool.LifeInfinite
	g = newRig(t, core.Config{Restore: im})
	c = g.connect()
	g.say(c, ack(1))
	el, ok = g.r.Space().Get(pool, 1)
	require.True(t, ok)
	require.Zero(t, el.Expiry)

	im = imageOf(g0, 1)
	im.Elements[0].Expiry = g0.Add(time.Second / 10) // ends while it is asked
	g = newRig(t, core.Config{Restore: im})
	c = g.connect()
	g.now = g.now.Add(time.Second / 5)
	g.say(c, ack(1))
	require.Zero(t, g.home(1))
}

// What others say wins: an element that a peer has, that registers anew, or that
// deregisters before it has answered.
func TestRestoreYieldsToNews(t *testing.T) {
	cfg := func() core.Config { return core.Config{Restore: imageOf(g0, 1)} }
	t.Run("a peer's", func(t *testing.T) {
		g := newRig(t, cfg())
		dial := g.out
		p := g.peer(0x600, "10.0.0.6")
		g.say(p, add(owned(0x600, 1, "10.0.1.1")))
		require.Equal(t, rid(0x600), g.home(1))
		g.out = dial
		c := g.connect()
		require.Empty(t, sent[*keepAlive](g, c), "it is not asked")
		require.Empty(t, g.r.Image(g.now).Elements)
		g.tick(time.Second)
		require.Equal(t, rid(0x600), g.home(1))
	})
	t.Run("a peer's, when it was asked", func(t *testing.T) {
		g := newRig(t, cfg())
		c := g.connect()
		p := g.peer(0x600, "10.0.0.6")
		g.say(p, add(owned(0x600, 1, "10.0.1.1")))
		require.Equal(t, rid(0x600), g.home(1))
		g.say(c, ack(1)) // the keep-alive had the H flag: it goes by this registrar now
		require.Equal(t, ownID, g.home(1))
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home, "and the peer hears of it")
	})
	t.Run("removed by a peer", func(t *testing.T) {
		g := newRig(t, cfg())
		c := g.connect()
		p := g.peer(0x600, "10.0.0.6")
		g.say(p, del(0x600, owned(0x600, 1, "10.0.1.1")))
		g.say(c, ack(1))
		require.Zero(t, g.home(1))
	})
	t.Run("deregisters", func(t *testing.T) {
		g := newRig(t, cfg())
		c := g.connect()
		other := g.asap("10.0.1.1")
		g.say(other, &asap.Deregistration{Handle: pool, PEID: 1})
		require.Empty(t, one[*asap.DeregistrationResponse](g, other).Causes)
		g.say(c, ack(1)) // which was on its way
		require.Zero(t, g.home(1))
		require.Empty(t, g.r.Image(g.now).Elements)
	})
	t.Run("not by others", func(t *testing.T) {
		g := newRig(t, cfg())
		c := g.connect()
		other := g.asap("10.0.6.6")
		g.say(other, &asap.Deregistration{Handle: pool, PEID: 1})
		g.say(other, ack(1))
		require.Zero(t, g.home(1))
		g.say(c, ack(1))
		require.Equal(t, ownID, g.home(1))
	})
	t.Run("registers", func(t *testing.T) {
		g := newRig(t, cfg())
		dial := g.out
		c := g.asap("10.0.1.1")
		g.register(c, element(1, "10.0.1.1"))
		g.out = dial
		d := g.connect()
		require.True(t, g.did(core.Close, d), "nobody is asked there")
		el, _ := g.r.Space().Get(pool, 1)
		require.Equal(t, g.now.Add(time.Minute), el.Expiry)
	})
	t.Run("access list", func(t *testing.T) {
		c := cfg()
		c.Access = rules(t, "deny register from 10.0.1.1/32")
		g := newRig(t, c)
		require.Empty(t, g.out)
		g = newRig(t, cfg())
		conn := g.connect()
		require.NoError(t, g.r.Reconfigure(g.now, c))
		g.say(conn, ack(1))
		require.Zero(t, g.home(1))
	})
}

// Nobody is asked before the start-up has ended: what the mentor knows it knows better.
func TestRestoreWaitsForTheMentor(t *testing.T) { // RFC 5353 §3.2.3
	cfg := core.Config{Restore: imageOf(g0, 3), Peers: []rserpool.Transport{at("10.0.0.6", rserpool.ENRPPort)}}
	g := newRig(t, cfg)
	c := g.connect()
	require.Len(t, g.r.Image(g.now).Elements, 3, "a crash during the start-up forgets nothing")
	g.say(c, g.presence(0x600, "10.0.0.6", none))
	g.say(c, &enrp.ListResponse{Sender: 0x600, Receiver: ownID})
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, &enrp.HandleTableResponse{Sender: 0x600, Receiver: ownID, Pools: []enrp.PoolEntries{{Handle: pool, Elements: []rserpool.PoolElement{
		owned(0x600, 1, "10.0.1.1"), // taken over
		owned(ownID, 2, "10.0.1.2"), // not noticed yet
	}}}})
	require.Equal(t, rid(0x600), g.home(1))
	require.Equal(t, ownID, g.home(2))
	require.Zero(t, g.home(3))
	dials := 0
	for _, a := range g.out {
		if a.Kind == core.Dial {
			dials++
			require.NotEqual(t, "10.0.1.1", a.To.Addrs[0].String())
		}
	}
	require.Equal(t, 2, dials)
	require.Len(t, g.r.Image(g.now).Elements, 2)
}
