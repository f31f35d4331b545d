package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// tcp opens a connection over TCP from the host, from the port that its element has.
func (g *rig) tcp(ip string) core.ConnID {
	from := at(ip, 5000)
	from.Protocol = rserpool.ProtoTCP
	id := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: from})
	g.drain()
	return id
}

// RFC 5352 §2.1: "*all* ASAP messages exchanged between an ENRP server and a PE MUST use
// SCTP": who comes over TCP can ask and report, and is no element.
func TestTCPIsForUsers(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))

	u := g.tcp("10.0.1.1")
	g.say(u, &asap.HandleResolution{Handle: pool})
	require.Len(t, one[*asap.HandleResolutionResponse](g, u).Elements, 1)

	for _, el := range []rserpool.PoolElement{element(1, "10.0.1.1"), element(2, "10.0.1.1")} {
		g.say(u, &asap.Registration{Handle: pool, Element: el})
		resp := one[*asap.RegistrationResponse](g, u)
		require.True(t, resp.Reject)
		require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
	}
	g.say(u, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Equal(t, rserpool.CauseSecurity, one[*asap.DeregistrationResponse](g, u).Causes[0].Code)
	require.Equal(t, 1, g.r.Space().OwnedLen(ownID))

	dropped := g.r.Stats().Dropped
	g.say(u, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	require.Equal(t, dropped+1, g.r.Stats().Dropped, "nobody speaks for an element")

	g.lose(c)
	g.tick(core.ProfileDefault.LinkGrace / 2)
	g.say(u, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	require.Empty(t, sent[*asap.EndpointKeepAlive](g, u), "an element is not looked for at the other end of TCP")
	g.lose(u)
}
