package core_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5355 §2.1, §2.2. Z1, Z2: registrations and deregistrations come no faster than
// the rate, whatever the number of associations; who slows down is served.
func TestZ2RegistrationRateIsLimited(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Registrations: core.Rates{Source: 5}}})
	flood := func(ip string, first int) (accepted int) {
		for i := first; i < first+40; i++ {
			g.say(g.asap(ip), &asap.Registration{Handle: rserpool.PoolHandle(fmt.Sprint("p", i)), Element: element(rserpool.PEID(i+1), ip)})
			for _, resp := range sent[*asap.RegistrationResponse](g, 0) {
				if !resp.Reject {
					accepted++
				} else {
					require.Equal(t, rserpool.CauseLackOfResources, resp.Causes[0].Code)
				}
			}
		}
		return accepted
	}
	require.Equal(t, 5, flood("10.0.1.1", 0))
	require.Equal(t, 5, flood("10.0.1.2", 100), "another source")
	_, n := g.r.Space().Len()
	require.Equal(t, 5+5, n)
	require.Zero(t, g.happened(core.EventRejected), "a flood of refusals is none of events")
	g.tick(600 * time.Millisecond)
	c := g.asap("10.0.1.1")
	for i := range 3 {
		g.say(c, &asap.Deregistration{Handle: rserpool.PoolHandle(fmt.Sprint("p", i)), PEID: rserpool.PEID(i + 1)})
		require.Empty(t, one[*asap.DeregistrationResponse](g, c).Causes)
	}
	g.say(c, &asap.Deregistration{Handle: "p4", PEID: 5})
	require.Equal(t, rserpool.CauseLackOfResources, one[*asap.DeregistrationResponse](g, c).Causes[0].Code)
}

// One pool's share of the registrar's time is bounded too, by whomever it is asked
// for.
func TestRatesPerPool(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{
		Registrations: core.Rates{Pool: 3}, Resolutions: core.Rates{Pool: 3}, Reports: core.Rates{Pool: 3},
	}})
	accepted, resolved := 0, 0
	for i := range 9 {
		ip := fmt.Sprintf("10.0.1.%d", i+1)
		c := g.asap(ip)
		g.say(c, &asap.Registration{Handle: pool, Element: element(rserpool.PEID(i+1), ip)})
		if !one[*asap.RegistrationResponse](g, c).Reject {
			accepted++
		}
		if len(g.resolve(c, &asap.HandleResolution{Handle: pool}).Causes) == 0 {
			resolved++
		}
		g.say(c, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	}
	require.Equal(t, 3, accepted)
	require.Equal(t, 3, resolved)
	require.EqualValues(t, 3, g.r.Stats().Reports)
	require.EqualValues(t, 18, g.r.Stats().RateLimited)
	c := g.asap("10.0.2.1")
	require.Equal(t, rserpool.CauseUnknownPoolHandle, g.resolve(c, &asap.HandleResolution{Handle: "other"}).Causes[0].Code, "other pools have their own")
}

// An IPv6 host has 2⁶⁴ addresses, and is one source. Z13: it is one reporter.
func TestZ13SourceIsANetworkOfIPv6(t *testing.T) {
	for bits, want := range map[int]rserpool.RegistrarID{0: ownID, 64: ownID, 128: 0} {
		g := newRig(t, core.Config{Limits: core.Limits{SourceBits: bits}})
		c := g.asap("10.0.1.1")
		g.register(c, element(1, "10.0.1.1"))
		for i := range 2 * core.ProfileDefault.MaxBadReports {
			g.say(g.asap(fmt.Sprintf("2001:db8::%x", i+1)), &asap.EndpointUnreachable{Handle: pool, PEID: 1})
			g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
		}
		require.Equal(t, want, g.home(1), "%d bits", bits)
	}
}

// The memory for rates is bounded: a flood from very many sources shares one bucket,
// and those who were there before keep theirs.
func TestRatesOfManySourcesAreBounded(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Resolutions: core.Rates{Source: 2}, Connections: -1}})
	fill(g, pool, 1, rserpool.Policy{Type: rserpool.RoundRobin})
	old := g.asap("10.0.2.1")
	ok := func(c core.ConnID) bool { return len(g.resolve(c, &asap.HandleResolution{Handle: pool}).Causes) == 0 }
	require.True(t, ok(old))
	served := 0
	for i := range 9000 {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		c := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: at(ip.String(), 5000), Local: local})
		g.r.HandleASAP(g.now, c, &asap.HandleResolution{Handle: pool})
		for a, more := g.r.PollAction(); more; a, more = g.r.PollAction() {
			if m, is := a.Message.(*asap.HandleResolutionResponse); is && len(m.Causes) == 0 {
				served++
			}
		}
		g.r.Lost(g.now, c, "")
	}
	require.Equal(t, 8191+2, served, "two for all those that there is no room for")
	require.True(t, ok(old))
	require.False(t, ok(old))
	g.tick(3 * time.Second)
	require.True(t, ok(g.asap("10.3.0.1")), "room again when the flood is over")
}

// RFC 5355 §2.1. Z1: associations are bounded for each source, and those of users do
// not keep registrars out.
func TestZ1ConnectionsAreCappedPerSource(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Connections: 8, Peers: 2}})
	open := func(ip string) (n int) {
		for range 20 {
			if c := g.asap(ip); !g.did(core.Abort, c) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 6, open("10.0.1.1"), "three quarters")
	require.Equal(t, 2, open("10.0.1.2"))
	require.Equal(t, 0, open("10.0.1.3"))
	g.peer(0x900, "10.0.0.9")
	for range 20 {
		g.enrp("10.0.0.8")
	}
	require.Equal(t, 8+1+6, g.r.Snapshot().Connections, "room for registrars is bounded as well")
	g.lose(1)
	require.False(t, g.did(core.Abort, g.asap("10.0.1.3")))
}
