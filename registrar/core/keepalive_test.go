package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.5: "varying the time between two ASAP_ENDPOINT_KEEP_ALIVE messages to
// the same PE randomly by plus/minus 50 percent".
func TestKeepAliveIntervalIsJittered(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	pe := element(1, "10.0.1.1")
	pe.Life = rserpool.LifeInfinite
	g.register(c, pe)
	last := g.now
	lo, hi := time.Hour, time.Duration(0)
	for range 300 {
		for len(sent[*asap.EndpointKeepAlive](g, c)) == 0 {
			at, ok := g.r.NextTimeout()
			require.True(t, ok)
			g.tick(at.Sub(g.now))
		}
		lo, hi = min(lo, g.now.Sub(last)), max(hi, g.now.Sub(last))
		last = g.now
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	}
	mean := core.ProfileDefault.KeepAlive
	require.GreaterOrEqual(t, lo, mean/2)
	require.LessOrEqual(t, hi, mean*3/2)
	require.Less(t, lo, mean*6/10)
	require.Greater(t, hi, mean*14/10)
	require.Equal(t, ownID, g.home(1))
}

// RFC 5352 §2.2.7 and rsplib's PE identifier.
func TestKeepAliveNamesTheElementOnlyWhereNeeded(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	g.tick(core.ProfileDefault.KeepAlive * 3 / 2)
	ka := one[*asap.EndpointKeepAlive](g, c)
	require.Equal(t, &asap.EndpointKeepAlive{Server: ownID, Handle: pool}, ka)
	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	g.register(c, element(2, "10.0.1.1"))
	g.tick(core.ProfileDefault.KeepAlive * 3 / 2)
	for _, ka := range sent[*asap.EndpointKeepAlive](g, c) {
		require.True(t, ka.HasPEID)
	}
}

// RFC 5352 §3.5: "MUST consider the PE as unreachable and MUST remove the PE".
func TestSilentElementIsRemoved(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	for g.home(1) != 0 {
		require.Less(t, g.now.Sub(time.Unix(1_700_000_000, 0)), core.ProfileDefault.KeepAlive*3/2+core.ProfileDefault.KeepAliveTimeout+time.Second)
		g.tick(50 * time.Millisecond)
	}
	us := sent[*enrp.HandleUpdate](g, p)
	require.Equal(t, enrp.DelPE, us[len(us)-1].Action)
	require.True(t, g.did(core.Abort, c), "so that it registers again if it lives")
	require.Equal(t, 1, g.happened(core.EventElementUnresponsive))
	require.Equal(t, uint64(1), g.r.Stats().KeepAliveTimeouts)
}

// One silent element does not take its neighbours on the association with it.
func TestSilentElementLeavesItsNeighbours(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	g.register(c, element(2, "10.0.1.1"))
	for range 100 {
		g.tick(100 * time.Millisecond)
		g.r.HandleASAP(g.now, c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 2})
		g.drain()
	}
	require.Zero(t, g.home(1))
	require.Equal(t, ownID, g.home(2))
	require.False(t, g.did(core.Abort, c))
}

// An acknowledgement counts only from the element.
func TestKeepAliveAckFromAnotherHostDoesNotCount(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	other := g.asap("10.0.6.6")
	for g.home(1) != 0 && g.now.Sub(time.Unix(1_700_000_000, 0)) < time.Minute {
		g.tick(100 * time.Millisecond)
		g.say(other, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	}
	require.Zero(t, g.home(1))
}

// A process that was stopped must not take its own silence for that of others.
func TestStalledRegistrarDoesNotBlameTheElements(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	p := g.peer(0x900, "10.0.0.9")
	g.register(c, element(1, "10.0.1.1"))
	g.tick(core.ProfileDefault.KeepAlive * 3 / 2)
	require.Len(t, sent[*asap.EndpointKeepAlive](g, c), 1)
	g.now = g.now.Add(time.Minute)
	g.r.HandleTimeout(g.now)
	g.drain()
	require.Equal(t, ownID, g.home(1), "its answer may be waiting to be read")
	require.NotEqual(t, "", g.peerState(0x900))
	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	g.say(p, g.presence(0x900, "10.0.0.9", none))
	g.tick(time.Second)
	require.Equal(t, ownID, g.home(1))
	require.Equal(t, uint64(1), g.r.Stats().Stalls)
}

// RFC 5352 §3.5: "MUST immediately send a point-to-point ASAP_ENDPOINT_KEEP_ALIVE".
func TestReportIsVerifiedByKeepAlive(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	u := g.asap("10.0.2.1")
	g.say(u, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	ka := one[*asap.EndpointKeepAlive](g, c)
	require.False(t, ka.Home, "the H flag SHOULD be 0")
	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	require.Equal(t, ownID, g.home(1), "MUST retain the PE")
	g.say(u, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	g.tick(core.ProfileDefault.KeepAliveTimeout)
	require.Zero(t, g.home(1), "MUST remove the PE")
}

// RFC 5352 §3.5 MAX-BAD-PE-REPORT, RFC 5355 §2.13: a flood by one user only ever
// causes keep-alives, one at a time; many distinct hosts remove the element.
func TestZ13ReportFlood(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	for range 1000 { // one host, many associations
		g.say(g.asap("10.0.2.1"), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
		require.LessOrEqual(t, len(sent[*asap.EndpointKeepAlive](g, c)), 1)
	}
	require.LessOrEqual(t, g.r.Stats().KeepAlivesSent, uint64(1))
	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	require.Equal(t, ownID, g.home(1))

	limit := core.ProfileDefault.MaxBadReports
	for i := range limit - 1 { // with the one above: the threshold itself
		g.say(g.asap(fmt.Sprintf("10.0.3.%d", i+1)), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	}
	require.Equal(t, ownID, g.home(1), "not more than MAX-BAD-PE-REPORT")
	g.say(g.asap("10.0.4.1"), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	require.Equal(t, ownID, g.home(1), "verified before it is removed")
	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	require.Zero(t, g.home(1), "the counter exceeds the threshold")
}

func TestReportsGoOutOfDate(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	pe := element(1, "10.0.1.1")
	pe.Life = rserpool.LifeInfinite
	g.register(c, pe)
	for i := range 20 {
		g.say(g.asap(fmt.Sprintf("10.0.3.%d", i+1)), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
		for range 30 {
			g.tick(core.ProfileDefault.ReportWindow / 80)
			g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
		}
	}
	require.Equal(t, ownID, g.home(1))
}

func TestReportRateIsLimited(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Reports: core.Rates{Source: 2}}})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	u := g.asap("10.0.2.1")
	for range 10 {
		g.say(u, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	}
	require.Equal(t, uint64(2), g.r.Stats().Reports)
	require.Equal(t, uint64(8), g.r.Stats().RateLimited)
}

// A report of an element of a peer: it is asked over an association of its own.
func TestReportOfPeersElement(t *testing.T) {
	setup := func(t *testing.T) (*rig, core.ConnID) {
		g := newRig(t, core.Config{})
		p := g.peer(0x900, "10.0.0.9")
		g.say(p, add(owned(0x900, 1, "10.0.1.1")))
		g.say(g.asap("10.0.2.1"), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
		require.True(t, g.did(core.Dial, 0))
		return g, p
	}
	t.Run("alive", func(t *testing.T) {
		g, _ := setup(t)
		c := g.connect()
		require.False(t, one[*asap.EndpointKeepAlive](g, c).Home)
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
		require.True(t, g.did(core.Close, c), "it was only for this")
		require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
		g.say(g.asap("10.0.2.1"), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
		require.False(t, g.did(core.Dial, 0), "not again at once")
	})
	for name, end := range map[string]func(g *rig, c core.ConnID){
		"silent":     func(g *rig, c core.ConnID) { g.connect(); g.tick(core.ProfileDefault.KeepAliveTimeout) },
		"no answer":  func(g *rig, c core.ConnID) { g.tick(core.ProfileDefault.LinkGrace) },
		"ends early": func(g *rig, c core.ConnID) { g.lose(g.connect()) },
	} {
		t.Run(name, func(t *testing.T) {
			g, p := setup(t)
			end(g, 0)
			require.Zero(t, g.home(1), "not offered any more")
			require.Empty(t, sent[*enrp.HandleUpdate](g, p), "but it is for its home to say that it is gone")
		})
	}
}

// Reports of elements that cannot be dialed soon must not remove them unasked.
func TestZ13ReportsBeyondTheDialLimitDoNotRemove(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{ElementDials: 2}})
	p := g.peer(0x900, "10.0.0.9")
	u := g.asap("10.0.2.1")
	for i := range 10 {
		g.say(p, add(owned(0x900, rserpool.PEID(i+1), fmt.Sprintf("10.0.1.%d", i+1))))
	}
	g.out = nil
	dials := 0
	for i := range 10 {
		g.say(u, &asap.EndpointUnreachable{Handle: pool, PEID: rserpool.PEID(i + 1)})
		if g.did(core.Dial, 0) {
			dials++
		}
	}
	require.Equal(t, 2, dials)
	g.tick(core.ProfileDefault.LinkGrace)
	_, n := g.r.Space().Len()
	require.Equal(t, 8, n)
}
