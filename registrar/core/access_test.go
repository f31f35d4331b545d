package core_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// rules parses an access list.
func rules(t testing.TB, lines ...string) core.AccessList {
	t.Helper()
	var l core.AccessList
	for _, s := range lines {
		r, err := core.ParseAccessRule(s)
		require.NoError(t, err, s)
		require.Equal(t, strings.Join(strings.Fields(s), " "), r.String(), "prints as it was written")
		l = append(l, r)
	}
	return l
}

func TestAccessListFirstMatchDecides(t *testing.T) {
	l := rules(t,
		"deny all from 192.0.2.66/32",
		"allow register,deregister from 192.0.2.0/24,2001:db8::/32 pool web-*,db?",
		"deny register,deregister",
		"allow peer,takeover from 10.0.0.1/32",
		"deny peer",
	)
	for _, c := range []struct {
		op   core.Operation
		from string
		pool rserpool.PoolHandle
		want bool
	}{
		{core.OpRegister, "192.0.2.1", "web-shop", true},
		{core.OpRegister, "192.0.2.1", "web-", true},
		{core.OpRegister, "::ffff:192.0.2.1", "web-a", true},
		{core.OpRegister, "2001:db8::7", "db1", true},
		{core.OpDeregister, "2001:db8::7", "db", false},
		{core.OpRegister, "2001:db8::7", "db12", false},
		{core.OpRegister, "192.0.2.1", "web", false},
		{core.OpRegister, "198.51.100.1", "web-a", false},
		{core.OpRegister, "192.0.2.66", "web-a", false},
		{core.OpResolve, "192.0.2.66", "web-a", false},
		{core.OpResolve, "198.51.100.1", "web-a", true},
		{core.OpReport, "198.51.100.1", "", true},
		{core.OpPeer, "10.0.0.1", "", true},
		{core.OpPeer, "10.0.0.2", "", false},
		{core.OpTakeOver, "10.0.0.2", "", true},
	} {
		require.Equal(t, c.want, l.Allows(c.op, netip.MustParseAddr(c.from), c.pool), "%s of %s from %s", c.op, c.pool, c.from)
	}
	require.True(t, core.AccessList(nil).Allows(core.OpRegister, netip.Addr{}, "p"))
	require.False(t, rules(t, "deny all from 0.0.0.0/0,::/0", "allow all pool *").Allows(core.OpRegister, netip.MustParseAddr("::1"), "p"))
}

func TestAccessPatterns(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"*":     {[]string{"", "a", "\x00\xff"}, nil},
		"a":     {[]string{"a"}, []string{"", "aa", "b"}},
		"a*":    {[]string{"a", "abc", "a/b"}, []string{"ba"}},
		"*a":    {[]string{"a", "aba"}, []string{"ab"}},
		"a*b*c": {[]string{"abc", "aXbYbZc"}, []string{"acb", "ab"}},
		"?":     {[]string{"x", "*"}, []string{"", "xy"}},
		"**?":   {[]string{"x", "xyz"}, []string{""}},
	} {
		l := rules(t, "allow all pool "+pattern, "deny all")
		for _, s := range c.yes {
			require.True(t, l.Allows(core.OpResolve, netip.Addr{}, rserpool.PoolHandle(s)), "%s of %s", s, pattern)
		}
		for _, s := range c.no {
			require.False(t, l.Allows(core.OpResolve, netip.Addr{}, rserpool.PoolHandle(s)), "%s of %s", s, pattern)
		}
	}
	// A pattern made to be slow is not.
	slow := core.AccessList{{Allow: true, Pools: []string{strings.Repeat("*a", 500) + "b"}}, {}}
	require.False(t, slow.Allows(core.OpResolve, netip.Addr{}, rserpool.PoolHandle(strings.Repeat("a", 1024))))
}

func TestAccessRuleForms(t *testing.T) {
	r, err := core.ParseAccessRule(" deny  report  from 10.1.2.3,2001:db8::1,10.9.8.7/8 ")
	require.NoError(t, err)
	require.Equal(t, "deny report from 10.1.2.3/32,2001:db8::1/128,10.0.0.0/8", r.String())
	for _, s := range []string{
		"", "allow", "permit all", "allow everything", "allow register,", "allow register from", "allow register from 10.0.0.1 10.0.0.2",
		"allow register from 10.0.0.300", "allow register to x", "allow register pool a pool b", "allow all from 10.0.0.1 from 10.0.0.2",
		"allow register pool a,", "allow all from ,",
	} {
		_, err := core.ParseAccessRule(s)
		require.Error(t, err, s)
	}
	require.Equal(t, "operation(77)", core.Operation(77).String())
}

// RFC 5355 §2.2, §2.4. Z4: who may not register is told so, and leaves no trace.
func TestZ4AccessListRefusesRegistration(t *testing.T) {
	g := newRig(t, core.Config{Access: rules(t, "allow register from 10.0.1.0/24 pool pool", "deny register,deregister from 10.0.6.0/24")})
	p := g.peer(0x900, "10.0.0.9")
	good, bad := g.asap("10.0.1.1"), g.asap("10.0.6.6")
	g.register(good, element(1, "10.0.1.1"))
	before := g.r.Snapshot()
	for id := range rserpool.PEID(20) {
		g.say(bad, &asap.Registration{Handle: pool, Element: element(id+1, "10.0.6.6")})
		resp := one[*asap.RegistrationResponse](g, bad)
		require.True(t, resp.Reject)
		require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
		require.Empty(t, sent[*enrp.HandleUpdate](g, p), "the peers do not hear of it")
		require.Empty(t, sent[*asap.EndpointKeepAlive](g, good), "nor does the holder")
	}
	after := g.r.Snapshot()
	require.Equal(t, before.Pools, after.Pools)
	require.Equal(t, uint64(20), after.Stats.Denied)
	g.say(bad, &asap.Deregistration{Handle: "none", PEID: 1})
	require.Equal(t, rserpool.CauseSecurity, one[*asap.DeregistrationResponse](g, bad).Causes[0].Code)
}

func TestAccessListRefusesUsers(t *testing.T) {
	g := newRig(t, core.Config{Access: rules(t, "deny resolve,report from 10.0.6.0/24 pool po*")})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	bad := g.asap("10.0.6.6")
	resp := g.resolve(bad, &asap.HandleResolution{Handle: pool, Subscribe: true})
	require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
	require.Empty(t, resp.Elements)
	g.say(bad, &asap.EndpointUnreachable{Handle: pool, PEID: 1})
	require.Empty(t, sent[*asap.EndpointKeepAlive](g, c))
	require.Empty(t, g.resolve(g.asap("10.0.7.7"), &asap.HandleResolution{Handle: pool}).Causes)
	g.register(c, element(2, "10.0.1.1"))
	g.tick(core.ProfileDefault.NotifyDelay)
	require.Empty(t, sent[*asap.HandleResolutionResponse](g, bad), "nor updates")
}

// RFC 5355 §2.5. Z5: by the access list, nobody else becomes a peer, and not every
// peer may take over others.
func TestZ5AccessListRefusesRegistrars(t *testing.T) {
	g := newRig(t, core.Config{Access: rules(t,
		"allow peer from 10.0.0.0/24", "deny peer", "allow takeover from 10.0.0.8/32", "deny takeover")})
	rogue := g.enrp("10.6.6.6")
	require.True(t, g.did(core.Abort, rogue))
	g.say(rogue, g.presence(0x666, "10.6.6.6", none))
	require.Empty(t, g.r.PeerStatuses())

	a, b := g.peer(0x900, "10.0.0.9"), g.peer(0x800, "10.0.0.8")
	c := g.peer(0x700, "10.0.0.7")
	g.say(c, add(owned(0x700, 1, "10.0.1.1")))
	g.say(a, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Servers: []rserpool.ServerInfo{{ID: 0x666, Transport: at("10.6.6.6", 9901)}}})
	require.False(t, g.did(core.Dial, 0), "nor is one dialed that a peer names")
	g.lose(c)
	g.say(a, &enrp.InitTakeover{Sender: 0x900, Receiver: ownID, Target: 0x700})
	require.Empty(t, sent[*enrp.InitTakeoverAck](g, a))
	g.say(a, &enrp.TakeoverServer{Sender: 0x900, Receiver: ownID, Target: 0x700})
	require.Equal(t, rserpool.RegistrarID(0x700), g.home(1))
	g.say(b, &enrp.InitTakeover{Sender: 0x800, Receiver: ownID, Target: 0x700})
	require.Len(t, sent[*enrp.InitTakeoverAck](g, b), 1)
	g.say(b, &enrp.TakeoverServer{Sender: 0x800, Receiver: ownID, Target: 0x700})
	require.Equal(t, rserpool.RegistrarID(0x800), g.home(1))
}
