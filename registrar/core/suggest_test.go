package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// suggestion is a peer's announcement of an element with the T flag.
func suggestion(pe rserpool.PoolElement) *enrp.HandleUpdate {
	m := add(pe)
	m.TakeoverSuggested = true
	return m
}

// draft-dreibholz-rserpool-enrp-takeover §2: the receiver SHOULD take the element over.
// It becomes its home when the element has agreed.
func TestSuggestedElementIsTaken(t *testing.T) {
	g := newRig(t, core.Config{})
	c, third := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	g.say(c, suggestion(owned(0x900, 1, "10.0.1.1")))
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1), "not before it is asked")
	e := g.connect()
	require.True(t, one[*keepAlive](g, e).Home)
	g.say(e, ack(1))
	require.Equal(t, ownID, g.home(1))
	for _, p := range []core.ConnID{c, third} {
		require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
	}
	g.tick(core.ProfileDefault.KeepAlive / 4)
	require.Equal(t, ownID, g.home(1))
}

// An element that cannot be reached from here, or does not agree, stays where it is.
func TestSuggestedElementThatIsNotReachedStays(t *testing.T) {
	for name, fail := range map[string]func(g *rig){
		"no association": func(g *rig) {
			for range 30 {
				g.tick(core.ProfileDefault.AdoptTimeout / 30)
				g.say(1, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1)))
			}
		},
		"no answer": func(g *rig) { g.connect(); g.tick(core.ProfileDefault.KeepAliveTimeout) },
		"lost":      func(g *rig) { g.lose(g.connect()) },
		"moved":     func(g *rig) { g.say(2, add(owned(0x901, 1, "10.0.1.1"))) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{})
			c := g.peer(0x900, "10.0.0.9")
			require.EqualValues(t, 2, g.peer(0x901, "10.0.0.8"))
			pe := owned(0x900, 1, "10.0.1.1")
			pe.Life = rserpool.LifeInfinite
			g.say(c, suggestion(pe))
			fail(g)
			require.Empty(t, sent[*enrp.HandleUpdate](g, c))
			want := rserpool.RegistrarID(0x900)
			if name == "moved" {
				want = 0x901
			}
			require.Equal(t, want, g.home(1))
		})
	}
}

// The draft's purpose: elements go to the registrar that rates highest, if that is
// wanted, and stay there.
func TestElementsAreSuggestedToThePreferredHome(t *testing.T) {
	for _, on := range []bool{false, true} {
		g := newRig(t, core.Config{SuggestTakeovers: on})
		peers := map[rserpool.RegistrarID]core.ConnID{
			0xa00: g.peer(0xa00, "10.0.0.9"), 0x100: g.peer(0x100, "10.0.0.8"),
		}
		e := g.asap("10.0.1.1")
		for id, want := range map[rserpool.PEID]rserpool.RegistrarID{
			0x5ff: 0xa00, // 0xfff against 0x0ff and 0x4ff
			0xeff: 0x100, // 0xfff against 0xbff and 0x4ff
			0xaff: 0,     // here: 0xfff against 0x0ff and 0xbff
		} {
			g.register(e, element(id, "10.0.1.1"))
			for peer, c := range peers {
				us := sent[*enrp.HandleUpdate](g, c)
				require.False(t, us[0].TakeoverSuggested, "announced as ever")
				require.Equal(t, on && peer == want, len(us) == 2)
				if len(us) == 2 {
					require.True(t, us[1].TakeoverSuggested)
					require.Equal(t, us[0].Element, us[1].Element)
				}
			}
		}
	}
}

// The registrar gives way to the one it has suggested, however young its own
// registration is; if it is given the element back it keeps it.
func TestSuggestionIsStoodBy(t *testing.T) {
	g := newRig(t, core.Config{SuggestTakeovers: true})
	c := g.peer(0xa, "10.0.0.9")
	e := g.asap("10.0.1.1")
	g.register(e, element(0xaff, "10.0.1.1"))
	require.Len(t, sent[*enrp.HandleUpdate](g, c), 1, "preferred here")
	id := rserpool.PEID(0xf00) // 0xa00 here, 0xf0a there
	g.register(e, element(id, "10.0.1.1"))
	require.Len(t, sent[*enrp.HandleUpdate](g, c), 2)
	pe := owned(0xa, id, "10.0.1.1")
	g.say(c, add(pe))
	require.Equal(t, rserpool.RegistrarID(0xa), g.home(id))
	require.Empty(t, sent[*enrp.HandleUpdate](g, c))

	g.say(c, del(0xa, pe)) // it has lost it
	require.True(t, one[*keepAlive](g, e).Home)
	g.say(e, ack(id))
	require.Equal(t, ownID, g.home(id))
	g.out = nil
	g.register(e, element(id, "10.0.1.1"))
	require.Len(t, sent[*enrp.HandleUpdate](g, c), 1, "not suggested again")
}

// In a cluster that suggests, the elements settle evenly, also after one of the
// registrars was away; nothing is lost on the way.
func TestSimSuggestionsSpreadTheElements(t *testing.T) {
	from, to := seeds(t, 4)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		rs, _ := clusterOf(w, core.Config{Profile: core.ProfileFast, SuggestTakeovers: true}, 3, 30)
		even := func() bool {
			for _, n := range w.registrars() {
				for _, k := range n.Space().Owned(n.ID()) {
					for _, o := range w.registrars() {
						if uint32(o.ID())^uint32(k.ID) > uint32(n.ID())^uint32(k.ID) {
							return false
						}
					}
				}
			}
			return true
		}
		ok := func() bool { return even() && w.differences() == "" && w.wrongElements() == "" }
		if _, done := w.until(10*time.Second, ok); !done {
			w.fail("not spread: %s %s", w.differences(), w.wrongElements())
		}
		rs[0].crash(true)
		settled(w)
		rs[0].startRegistrar(core.Config{Profile: core.ProfileFast, SuggestTakeovers: true}, rs...)
		settled(w)
		if _, done := w.until(20*time.Second, ok); !done {
			w.fail("not spread after the return: %s %s", w.differences(), w.wrongElements())
		}
	}
}
