package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.5: "if an ENRP server owns a large number of PEs, the implementation should
// pay attention not to flood the network with bursts of ASAP_ENDPOINT_KEEP_ALIVE
// messages", it "MUST distribute" them: with more elements than Limits.KeepAlives is
// enough for each is asked less often, and none is given up for that.
func TestKeepAlivesArePaced(t *testing.T) {
	const elements, perSecond = 60, 10
	g := newRig(t, core.Config{Profile: core.ProfileFast, Limits: core.Limits{KeepAlives: perSecond}})
	c := g.asap("10.0.1.1")
	for i := range elements {
		pe := element(rserpool.PEID(i+1), "10.0.1.1")
		pe.Life = rserpool.LifeInfinite
		g.register(c, pe)
	}
	serve := func(d time.Duration) {
		for end := g.now.Add(d); g.now.Before(end); g.tick(time.Second / 20) {
			for _, ka := range sent[*asap.EndpointKeepAlive](g, c) {
				g.say(c, &asap.EndpointKeepAliveAck{Handle: ka.Handle, PEID: ka.PEID})
			}
		}
	}
	serve(time.Minute / 2) // those that registered first had fewer neighbours
	before := g.r.Stats().KeepAlivesSent
	serve(time.Minute)
	require.InEpsilon(t, perSecond, float64(g.r.Stats().KeepAlivesSent-before)/60, 0.15)
	require.Zero(t, g.r.Stats().KeepAliveTimeouts)
}

// An element has more time to acknowledge a keep-alive while others are heard on its
// association, since messages stay in order there; but not for ever.
func TestKeepAliveAckMayBeBehindOthers(t *testing.T) {
	g := newRig(t, core.Config{Profile: core.ProfileFast})
	c := g.asap("10.0.1.1")
	for i := range 2 {
		pe := element(rserpool.PEID(i+1), "10.0.1.1")
		pe.Life = rserpool.LifeInfinite
		g.register(c, pe)
	}
	p := core.ProfileFast
	start := g.now
	for g.home(1) != 0 {
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 2})
		g.tick(10 * time.Millisecond)
		require.Less(t, g.now.Sub(start), time.Minute)
	}
	require.Greater(t, g.now.Sub(start), p.KeepAlive/2+4*p.KeepAliveTimeout-20*time.Millisecond)
	require.Less(t, g.now.Sub(start), p.KeepAlive*3/2+4*p.KeepAliveTimeout+20*time.Millisecond)
	require.Equal(t, ownID, g.home(2))
}

// Who answers slowly is asked slowly: on one association no more than 16 keep-alives are
// under way. Elements that have gone without a word do not stop that for good.
func TestKeepAlivesWaitForAcks(t *testing.T) {
	const elements = 50
	g := newRig(t, core.Config{Profile: core.ProfileFast})
	c := g.asap("10.0.1.1")
	for i := range elements {
		pe := element(rserpool.PEID(i+1), "10.0.1.1")
		pe.Life = rserpool.LifeInfinite
		g.register(c, pe)
	}
	p := core.ProfileFast
	g.tick(p.KeepAlive * 3 / 2)
	kas := sent[*asap.EndpointKeepAlive](g, c)
	require.Len(t, kas, 16, "all %d were due", elements)
	for _, ka := range kas[:4] {
		g.say(c, &asap.EndpointKeepAliveAck{Handle: ka.Handle, PEID: ka.PEID})
	}
	g.tick(p.KeepAlive / 2)
	require.Len(t, sent[*asap.EndpointKeepAlive](g, c), 4)
	g.tick(5 * p.KeepAliveTimeout) // nobody answers any more
	require.Greater(t, g.r.Stats().KeepAlivesSent, uint64(20))
}
