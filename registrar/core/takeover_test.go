package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

const victim rserpool.RegistrarID = 0x100

// dying is a rig with a peer that owns an element and has just become suspect, and
// other peers with the given identifiers, which are at 10.0.0.20 and so on.
func dying(t *testing.T, profile core.Profile, others ...rserpool.RegistrarID) (g *rig, dead core.ConnID, peers []core.ConnID) {
	g = newRig(t, core.Config{Profile: profile})
	dead = g.peer(victim, "10.0.0.9")
	g.say(dead, add(owned(victim, 1, "10.0.1.1")))
	for i, id := range others {
		peers = append(peers, g.peer(id, fmt.Sprintf("10.0.0.%d", 20+i)))
	}
	for range 5 { // the others stay alive
		g.tick(profile.MaxTimeLastHeard / 5)
		for i, id := range others {
			g.say(peers[i], g.presence(id, fmt.Sprintf("10.0.0.%d", 20+i), none))
		}
	}
	require.Equal(t, "suspect", g.peerState(victim))
	return g, dead, peers
}

// RFC 5353 §3.5.1 and §3.5.2, all steps.
func TestTakeover(t *testing.T) {
	g, dead, ps := dying(t, core.ProfileDefault, 0x900, 0x901)
	g.out = nil
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	for _, c := range []core.ConnID{ps[0], ps[1], dead} {
		require.Equal(t, victim, one[*enrp.InitTakeover](g, c).Target, "to all peers, the target included")
	}
	require.Equal(t, "takeover", g.peerState(victim))
	g.say(ps[0], &enrp.InitTakeoverAck{Sender: 0x900, Receiver: ownID, Target: victim})
	g.say(ps[0], &enrp.InitTakeoverAck{Sender: 0x900, Receiver: ownID, Target: victim})
	require.Equal(t, victim, g.home(1), "not before all have acknowledged")
	g.say(ps[1], &enrp.InitTakeoverAck{Sender: 0x901, Receiver: ownID, Target: victim})
	require.Equal(t, ownID, g.home(1))
	for _, c := range ps {
		require.Equal(t, victim, one[*enrp.TakeoverServer](g, c).Target)
		require.Equal(t, sumOf(ownID, 1), one[*enrp.Presence](g, c).Checksum, "the new checksum")
	}
	require.Equal(t, "", g.peerState(victim), "removed from the peer list")
	require.Equal(t, 1, g.happened(core.EventTakeover))
	e := g.connect()
	ka := one[*keepAlive](g, e)
	require.True(t, ka.Home)
	require.Equal(t, ownID, ka.Server)
	g.say(e, ack(1))
	g.tick(core.ProfileDefault.KeepAlive * 3 / 2)
	require.False(t, one[*keepAlive](g, e).Home, "it knows by now")
}

func TestTakeoverWithTwoRegistrarsOnly(t *testing.T) {
	g, _, _ := dying(t, core.ProfileDefault)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, ownID, g.home(1), "there is nobody to wait for")
}

func TestPeerWithoutElementsIsNotTakenOver(t *testing.T) {
	g := newRig(t, core.Config{})
	g.peer(victim, "10.0.0.9")
	c := g.peer(0x900, "10.0.0.20")
	g.lose(1)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, "", g.peerState(victim))
	require.Empty(t, sent[*enrp.InitTakeover](g, c))
}

// RFC 5353 §3.5.1: "if it receives an ENRP_PRESENCE from the target server at any
// point in the arbitration process".
func TestTargetIsAliveAfterAll(t *testing.T) {
	g, dead, ps := dying(t, core.ProfileDefault, 0x900)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	g.say(dead, g.presence(victim, "10.0.0.9", sumOf(victim, 1)))
	require.Equal(t, "active", g.peerState(victim))
	require.Equal(t, 1, g.happened(core.EventTakeoverAborted))
	g.say(ps[0], &enrp.InitTakeoverAck{Sender: 0x900, Receiver: ownID, Target: victim})
	require.Equal(t, victim, g.home(1))
}

// RFC 5353 §3.5.1 step 2 and the rule of rsplib.
func TestArbitration(t *testing.T) {
	for _, tc := range []struct {
		rule    core.Arbitration
		foreign bool // there is a peer of another implementation
		other   rserpool.RegistrarID
		wins    bool // this registrar
	}{
		{core.ArbitrationLarger, false, ownID - 1, true},
		{core.ArbitrationLarger, false, ownID + 1, false},
		{core.ArbitrationLarger, true, ownID - 1, true},
		{core.ArbitrationSmaller, false, ownID - 1, false},
		{core.ArbitrationSmaller, false, ownID + 1, true},
		{core.ArbitrationAuto, false, ownID - 1, true},
		{core.ArbitrationAuto, false, ownID + 1, false},
		{core.ArbitrationAuto, true, ownID - 1, false},
		{core.ArbitrationAuto, true, ownID + 1, true},
	} {
		t.Run(fmt.Sprintf("%+v", tc), func(t *testing.T) {
			profile := core.ProfileDefault
			profile.Arbitration = tc.rule
			g, _, ps := dying(t, profile, tc.other)
			if tc.foreign {
				m := g.presence(tc.other, "10.0.0.20", none)
				m.Server.Transport.UDPPort = 0
				g.say(ps[0], m)
			}
			g.tick(profile.MaxTimeNoResponse)
			require.Equal(t, "takeover", g.peerState(victim))
			g.say(ps[0], &enrp.InitTakeover{Sender: tc.other, Receiver: ownID, Target: victim})
			acks := sent[*enrp.InitTakeoverAck](g, ps[0])
			if tc.wins {
				require.Empty(t, acks, "2B: ignore")
				require.Equal(t, "takeover", g.peerState(victim))
				g.say(ps[0], &enrp.InitTakeoverAck{Sender: tc.other, Receiver: ownID, Target: victim})
				require.Equal(t, ownID, g.home(1))
				return
			}
			require.Len(t, acks, 1, "2A: abort and acknowledge")
			require.Equal(t, victim, acks[0].Target)
			require.Equal(t, "inactive", g.peerState(victim))
			g.say(ps[0], &enrp.TakeoverServer{Sender: tc.other, Receiver: ownID, Target: victim})
			require.Equal(t, tc.other, g.home(1))
			require.Equal(t, "", g.peerState(victim))
		})
	}
}

// RFC 5353 §3.5.1 step 3, and what the RFC does not say: the initiator may die too.
func TestTakeoverByAnother(t *testing.T) {
	g, _, ps := dying(t, core.ProfileDefault, 0x900)
	g.say(ps[0], &enrp.InitTakeover{Sender: 0x900, Receiver: ownID, Target: victim})
	require.Equal(t, victim, one[*enrp.InitTakeoverAck](g, ps[0]).Target)
	require.Equal(t, "inactive", g.peerState(victim), "not monitored")
	g.lose(ps[0])
	g.tick(core.ProfileDefault.TakeoverGuard + core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, ownID, g.home(1), "not orphaned")
}

func TestInitTakeoverForUnknownTargetIsAcknowledged(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, &enrp.InitTakeover{Sender: 0x900, Receiver: ownID, Target: 0x777})
	require.Equal(t, rserpool.RegistrarID(0x777), one[*enrp.InitTakeoverAck](g, c).Target)
}

// RFC 5353 §3.5.1 step 1.
func TestTargetOfTakeoverAnnouncesItself(t *testing.T) {
	g := newRig(t, core.Config{})
	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x901, "10.0.0.8")
	g.say(a, &enrp.InitTakeover{Sender: 0x900, Receiver: ownID, Target: ownID})
	one[*enrp.Presence](g, a)
	one[*enrp.Presence](g, b)
	require.Empty(t, sent[*enrp.InitTakeoverAck](g, a))
}

// A peer that is heard well is asked before its takeover is acknowledged, unless
// the profile goes by the letter of RFC 5353 §3.5.1.
func TestTakeoverOfPeerThatIsHeardWell(t *testing.T) {
	setup := func(t *testing.T, profile core.Profile) (g *rig, alive, initiator core.ConnID) {
		g = newRig(t, core.Config{Profile: profile})
		alive, initiator = g.peer(victim, "10.0.0.9"), g.peer(0x900, "10.0.0.8")
		g.say(alive, add(owned(victim, 1, "10.0.1.1")))
		g.say(initiator, &enrp.InitTakeover{Sender: 0x900, Receiver: ownID, Target: victim})
		return g, alive, initiator
	}
	t.Run("by the letter", func(t *testing.T) {
		profile := core.ProfileDefault
		profile.HoldTakeoverAck = false
		g, _, i := setup(t, profile)
		one[*enrp.InitTakeoverAck](g, i)
	})
	t.Run("it answers", func(t *testing.T) {
		g, a, i := setup(t, core.ProfileDefault)
		require.True(t, one[*enrp.Presence](g, a).ReplyRequired)
		require.Empty(t, sent[*enrp.InitTakeoverAck](g, i))
		g.say(a, g.presence(victim, "10.0.0.9", sumOf(victim, 1)))
		g.tick(core.ProfileDefault.MaxTimeNoResponse)
		require.Empty(t, sent[*enrp.InitTakeoverAck](g, i))
		require.Equal(t, "active", g.peerState(victim))
		g.say(i, &enrp.TakeoverServer{Sender: 0x900, Receiver: ownID, Target: victim})
		require.Equal(t, victim, g.home(1))
	})
	t.Run("it does not", func(t *testing.T) {
		g, _, i := setup(t, core.ProfileDefault)
		g.out = nil
		g.tick(core.ProfileDefault.MaxTimeNoResponse)
		require.Equal(t, victim, one[*enrp.InitTakeoverAck](g, i).Target)
		require.Equal(t, "inactive", g.peerState(victim))
	})
}

// Peers of this implementation that do not agree have a reason; others that never
// answer are probers and must not block the takeover for ever.
func TestTakeoverWithoutAgreement(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		g, _, ps := dying(t, core.ProfileDefault, 0x900)
		m := g.presence(0x900, "10.0.0.20", none)
		if foreign {
			m.Server.Transport.UDPPort = 0
		}
		g.say(ps[0], m)
		g.out = nil
		inits := 0
		for range 13 {
			g.tick(core.ProfileDefault.MaxTimeNoResponse / 3)
			inits += len(sent[*enrp.InitTakeover](g, ps[0]))
			g.say(ps[0], m)
		}
		require.GreaterOrEqual(t, inits, 3)
		require.Equal(t, foreign, g.home(1) == ownID)
	}
}

// A peer that dies while its acknowledgement is awaited is not waited for.
func TestTwoRegistrarsDieAtOnce(t *testing.T) {
	g, _, ps := dying(t, core.ProfileDefault, 0x900)
	g.lose(ps[0])
	g.tick(2 * core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, ownID, g.home(1))
}

// rsplib believes TAKEOVER_SERVER from anybody about anybody.
func TestZ5TakeoverServerIsNotBelievedBlindly(t *testing.T) {
	g := newRig(t, core.Config{})
	a, rogue := g.peer(0x900, "10.0.0.9"), g.peer(0x666, "10.6.6.6")
	g.say(a, add(owned(0x900, 1, "10.0.1.1")))
	e := g.asap("10.0.1.2")
	g.register(e, element(2, "10.0.1.2"))
	for _, target := range []rserpool.RegistrarID{0x900, ownID, 0x666} {
		before := g.r.Stats().Refused
		g.say(rogue, &enrp.TakeoverServer{Sender: 0x666, Receiver: ownID, Target: target})
		require.Greater(t, g.r.Stats().Refused, before)
	}
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	require.Equal(t, ownID, g.home(2))
}

// An element that the dead registrar left and that cannot be reached is given up,
// but not before it has had the time to notice.
func TestAdoptionGivesUp(t *testing.T) {
	g, _, _ := dying(t, core.ProfileDefault)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, ownID, g.home(1))
	start := g.now
	dials := 0
	for g.home(1) != 0 {
		for _, a := range g.out {
			if a.Kind == core.Dial && a.Channel == core.ASAP {
				dials++
				g.r.Lost(g.now, a.Conn, "refused")
			}
		}
		g.out = nil
		g.drain()
		g.tick(50 * time.Millisecond)
		require.LessOrEqual(t, g.now.Sub(start), core.ProfileDefault.AdoptTimeout+time.Second)
	}
	require.GreaterOrEqual(t, g.now.Sub(start), core.ProfileDefault.AdoptTimeout)
	require.Greater(t, dials, 3)
}

// Nor is it when the association that was opened for it breaks.
func TestAdoptionSurvivesLostAssociation(t *testing.T) {
	g, _, _ := dying(t, core.ProfileDefault)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	g.lose(g.connect())
	g.tick(core.ProfileDefault.LinkGrace + time.Second)
	require.Equal(t, ownID, g.home(1))
	g.tick(core.ProfileDefault.AdoptTimeout)
	require.Zero(t, g.home(1))
}

// An element that its home announced without an ASAP transport cannot be asked.
func TestAdoptionOfElementThatCannotBeReached(t *testing.T) {
	g := newRig(t, core.Config{})
	dead := g.peer(victim, "10.0.0.9")
	pe := owned(victim, 1, "10.0.1.1")
	pe.ASAP = nil
	g.say(dead, add(pe))
	g.tick(core.ProfileDefault.MaxTimeLastHeard + core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, ownID, g.home(1))
	g.tick(core.ProfileDefault.AdoptTimeout)
	require.Zero(t, g.home(1))
}

// A registrar that was cut off comes back with the elements that were taken from
// it: it is told before it is asked.
func TestReturningPeerIsToldWhatWasTaken(t *testing.T) {
	g, _, _ := dying(t, core.ProfileDefault)
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	e := g.connect()
	g.say(e, ack(1))
	back := g.enrp("10.0.0.9")
	g.say(back, g.presence(victim, "10.0.0.9", sumOf(victim, 1)))
	u := one[*enrp.HandleUpdate](g, back)
	require.Equal(t, enrp.AddPE, u.Action)
	require.Equal(t, ownID, u.Element.Home)
	require.Equal(t, ownID, g.home(1))
}

// The promise of the fast profile: less than a second, for an element and for a
// registrar, however they die.
func TestSimFastProfileDetectsInASecond(t *testing.T) {
	from, to := seeds(t, 30)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.deadAfter = time.Minute
		rs, es := cluster(w, 2+int(seed%2), 4)
		w.run(time.Duration(w.rnd.IntN(500)) * time.Millisecond)
		dead := es[w.rnd.IntN(len(es))]
		key := dead.node.(*elementNode).key
		dead.crash(false)
		if d, ok := w.until(time.Second, func() bool {
			for _, n := range w.registrars() {
				if n.table()[key] != 0 {
					return false
				}
			}
			return true
		}); !ok {
			w.fail("a dead element is still there after %v", d)
		}
		for _, h := range rs {
			n, ok := h.node.(*registrarNode)
			if !ok || n.Space().OwnedLen(n.ID()) == 0 || len(w.registrars()) == 1 {
				continue
			}
			h.crash(false)
			if d, ok := w.until(time.Second, func() bool {
				for _, o := range w.registrars() {
					if o.Space().OwnedLen(n.ID()) > 0 {
						return false
					}
				}
				return true
			}); !ok {
				w.fail("a dead registrar still has elements after %v", d)
			}
		}
	}
}

// Thousands of elements are adopted in time, no more than a few at once.
func TestTakeoverOfManyElements(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{ElementDials: 16}})
	dead := g.peer(victim, "10.0.0.9")
	const n = 3000
	for i := range n {
		g.r.HandleENRP(g.now, dead, add(owned(victim, rserpool.PEID(i+1), fmt.Sprintf("10.1.%d.%d", i/200, 1+i%200))))
	}
	g.drain()
	g.out = nil
	g.tick(core.ProfileDefault.MaxTimeLastHeard + core.ProfileDefault.MaxTimeNoResponse)
	require.Equal(t, n, g.r.Space().OwnedLen(ownID))
	adopted := 0
	for rounds := 0; adopted < n; rounds++ {
		require.Less(t, rounds, n)
		var dials []core.Action
		for _, a := range g.out {
			if a.Kind == core.Dial && a.Channel == core.ASAP {
				dials = append(dials, a)
			}
		}
		g.out = nil
		require.LessOrEqual(t, len(dials), 16)
		for _, a := range dials {
			g.r.Connected(g.now, a.Conn, core.Conn{Channel: core.ASAP, Remote: a.To, Local: local})
			for b, ok := g.r.PollAction(); ok; b, ok = g.r.PollAction() {
				if m, ok := b.Message.(*keepAlive); ok && b.Conn == a.Conn {
					require.True(t, m.Home)
					adopted++
				}
				g.out = append(g.out, b)
			}
		}
	}
	require.NoError(t, g.r.Check())
}
