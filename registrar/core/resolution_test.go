package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// fill registers n elements of a pool with the policy, from one association.
func fill(g *rig, h rserpool.PoolHandle, n int, policy rserpool.Policy) core.ConnID {
	g.t.Helper()
	c := g.asap("10.0.1.1")
	for i := range n {
		pe := element(rserpool.PEID(i+1), "10.0.1.1")
		pe.Policy = policy
		g.say(c, &asap.Registration{Handle: h, Element: pe})
		require.False(g.t, one[*asap.RegistrationResponse](g, c).Reject)
	}
	return c
}

func ids(els []rserpool.PoolElement) string {
	var s []string
	for _, e := range els {
		s = append(s, fmt.Sprint(uint32(e.ID)))
	}
	return strings.Join(s, "")
}

func (g *rig) resolve(c core.ConnID, m *asap.HandleResolution) *asap.HandleResolutionResponse {
	g.t.Helper()
	g.say(c, m)
	return one[*asap.HandleResolutionResponse](g, c)
}

// RFC 5352 §3.3, draft-dreibholz-rserpool-asap-hropt.
func TestResolution(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Items: 4, DefaultItems: 3}})
	fill(g, pool, 5, rserpool.Policy{Type: rserpool.RoundRobin})
	c := g.asap("10.0.2.1")
	for _, want := range []string{"123", "234", "345", "451", "512", "123"} {
		resp := g.resolve(c, &asap.HandleResolution{Handle: pool})
		require.Equal(t, want, ids(resp.Elements))
		require.NotNil(t, resp.Policy, "rsplib wants the policy even for round robin")
		require.Equal(t, rserpool.RoundRobin, resp.Policy.Type)
		for _, e := range resp.Elements {
			require.Nil(t, e.ASAP)
			require.Equal(t, ownID, e.Home)
		}
	}
	for items, want := range map[uint32]int{0: 3, 1: 1, 4: 4, 100: 4, rserpool.ItemsMax: 4} {
		resp := g.resolve(c, &asap.HandleResolution{Handle: pool, HasItems: true, Items: items})
		require.Len(t, resp.Elements, want, "items=%d", items)
	}
	resp := g.resolve(c, &asap.HandleResolution{Handle: "other"})
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}, resp.Causes)
	require.Nil(t, resp.Policy)
	require.Equal(t, uint64(1), g.r.Stats().ResolutionsFailed)
}

// RFC 5352 §2.2.6: a positive response has at least one element.
func TestResolutionOfPoolWithoutCapacityIsNegative(t *testing.T) {
	g := newRig(t, core.Config{})
	fill(g, pool, 2, rserpool.Policy{Type: rserpool.WeightedRandom, Weight: 0})
	resp := g.resolve(g.asap("10.0.2.1"), &asap.HandleResolution{Handle: pool})
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseLackOfResources}}, resp.Causes)
}

func TestResolutionFitsIntoOneMessage(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Items: -1, Addresses: 100}})
	c := g.asap("10.0.1.1")
	pe := element(1, "10.0.1.1")
	pe.User.Protocol = rserpool.ProtoSCTP
	for len(pe.User.Addrs) < 100 {
		pe.User.Addrs = append(pe.User.Addrs, pe.User.Addrs[0])
	}
	for i := range 200 {
		pe.ID = rserpool.PEID(i + 1)
		g.register(c, pe)
	}
	resp := g.resolve(c, &asap.HandleResolution{Handle: pool, HasItems: true, Items: rserpool.ItemsMax})
	require.Greater(t, len(resp.Elements), 50)
	require.Less(t, len(resp.Elements), 200)
}

// RFC 5355 §2.13: refused requests do not count, so that who slows down is served.
func TestResolutionRateIsLimited(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Resolutions: core.Rates{Source: 5}}})
	fill(g, pool, 1, rserpool.Policy{Type: rserpool.RoundRobin})
	c, other := g.asap("10.0.2.1"), g.asap("10.0.2.2")
	served := func(id core.ConnID) int {
		n := 0
		for range 20 {
			if len(g.resolve(id, &asap.HandleResolution{Handle: pool}).Causes) == 0 {
				n++
			}
		}
		return n
	}
	require.Equal(t, 5, served(c))
	require.Equal(t, 5, served(other))
	g.tick(400 * time.Millisecond)
	require.Equal(t, 2, served(c))
	require.Equal(t, uint64(48), g.r.Stats().RateLimited)
}

// RFC 5352 §2.2.5, §2.2.6: the S and A bits.
func TestSubscription(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Subscriptions: 2}})
	c := fill(g, pool, 1, rserpool.Policy{Type: rserpool.RoundRobin})
	u := g.asap("10.0.2.1")
	require.False(t, g.resolve(u, &asap.HandleResolution{Handle: "other", Subscribe: true}).AcceptUpdate, "only if the pool exists")
	require.True(t, g.resolve(u, &asap.HandleResolution{Handle: pool, Subscribe: true}).AcceptUpdate)
	require.False(t, g.resolve(u, &asap.HandleResolution{Handle: pool}).AcceptUpdate)

	g.register(c, element(2, "10.0.1.1"))
	g.register(c, element(3, "10.0.1.1"))
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, u))
	g.tick(core.ProfileDefault.NotifyDelay)
	resp := one[*asap.HandleResolutionResponse](g, u)
	require.True(t, resp.AcceptUpdate)
	require.Equal(t, "123", ids(resp.Elements), "changes in close order are one message")

	g.register(c, element(3, "10.0.1.1"))
	g.tick(core.ProfileDefault.NotifyDelay)
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, u), "a mere refresh is no change")

	for id := range rserpool.PEID(3) {
		g.say(c, &asap.Deregistration{Handle: pool, PEID: id + 1})
	}
	g.tick(core.ProfileDefault.NotifyDelay)
	resp = one[*asap.HandleResolutionResponse](g, u)
	require.Equal(t, rserpool.CauseUnknownPoolHandle, resp.Causes[0].Code)
	g.register(c, element(1, "10.0.1.1"))
	g.tick(core.ProfileDefault.NotifyDelay)
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, u), "§2.2.5: no updates when the pool is created again")

	require.True(t, g.resolve(u, &asap.HandleResolution{Handle: pool, Subscribe: true}).AcceptUpdate)
	g.lose(u)
	g.register(c, element(9, "10.0.1.1"))
	g.tick(core.ProfileDefault.NotifyDelay)
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, 0), "for the lifetime of the association")
}

func TestSubscriptionsOfOneConnectionAreCapped(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Subscriptions: 2}})
	u := g.asap("10.0.2.1")
	var accepted []bool
	for _, h := range []rserpool.PoolHandle{"a", "b", "c"} {
		fill(g, h, 1, rserpool.Policy{Type: rserpool.RoundRobin})
		accepted = append(accepted, g.resolve(u, &asap.HandleResolution{Handle: h, Subscribe: true}).AcceptUpdate)
	}
	require.True(t, slices.Equal([]bool{true, true, false}, accepted), accepted)
}

// A subscriber of a pool that does not go into one message hears of those elements that
// the policy selects, not always of the same.
func TestSubscriptionOfLargePool(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Items: 3}})
	c := fill(g, pool, 5, rserpool.Policy{Type: rserpool.RoundRobin})
	u := g.asap("10.0.2.1")
	require.True(t, g.resolve(u, &asap.HandleResolution{Handle: pool, Subscribe: true}).AcceptUpdate)
	var got []string
	for i := range 3 {
		g.register(c, element(rserpool.PEID(i+6), "10.0.1.1"))
		g.tick(core.ProfileDefault.NotifyDelay)
		got = append(got, ids(one[*asap.HandleResolutionResponse](g, u).Elements))
	}
	require.Equal(t, []string{"234", "345", "451"}, got)
}
