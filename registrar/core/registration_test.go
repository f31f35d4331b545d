package core_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.1 rules 1 and 4, RFC 5353 §3.3.1.
func TestRegistrationIsStoredAnnouncedAndAnswered(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	c := g.asap("10.0.1.1")
	g.say(c, &asap.Registration{Handle: pool, Element: element(1, "10.0.1.1")})
	require.Len(t, g.out, 2)
	require.Equal(t, p, g.out[0].Conn, "the peers hear of it before the element does")
	u := one[*enrp.HandleUpdate](g, p)
	require.Equal(t, enrp.AddPE, u.Action)
	require.Equal(t, rserpool.RegistrarID(0x900), u.Receiver)
	require.Equal(t, ownID, u.Element.Home, "the registrar is the home")
	require.NotNil(t, u.Element.ASAP)
	require.Equal(t, at("10.0.1.1", 5000).String(), u.Element.ASAP.String(), "where the registration came from")
	resp := one[*asap.RegistrationResponse](g, c)
	require.Equal(t, &asap.RegistrationResponse{Handle: pool, PEID: 1}, resp)
	require.Equal(t, 1, g.happened(core.EventRegistered))
	require.Equal(t, uint64(1), g.r.Stats().Registrations)

	g.register(c, element(1, "10.0.1.1"))
	require.Equal(t, uint64(1), g.r.Stats().Reregistrations)
	require.Len(t, sent[*enrp.HandleUpdate](g, p), 1, "a re-registration is announced too: it renews the life")
}

// RFC 5352 §3.1 rules 2, 3 and 5, RFC 5354 §3.12.
func TestRegistrationIsRejectedWithItsCause(t *testing.T) {
	long := rserpool.PoolHandle(strings.Repeat("x", 40))
	profile := core.ProfileDefault
	profile.MaxHandle = 32
	udp := element(2, "10.0.1.2")
	udp.User.Protocol = rserpool.ProtoUDP
	use := element(2, "10.0.1.2")
	use.User.Use = rserpool.UseDataControl
	policy := element(2, "10.0.1.2")
	policy.Policy = rserpool.Policy{Type: rserpool.Random}
	for _, tc := range []struct {
		name   string
		handle rserpool.PoolHandle
		pe     rserpool.PoolElement
		code   rserpool.CauseCode
		param  rserpool.ParamType // in the cause; 0 none
	}{
		{"policy differs", pool, policy, rserpool.CauseInconsistentPolicy, rserpool.ParamPolicy},
		{"transport differs", pool, udp, rserpool.CauseInconsistentTransportType, rserpool.ParamTCPTransport},
		{"use differs", pool, use, rserpool.CauseInconsistentDataControlConfig, 0},
		{"identifier 0", pool, element(0, "10.0.1.2"), rserpool.CauseInvalidValues, rserpool.ParamPEIdentifier},
		{"long handle", long, element(2, "10.0.1.2"), rserpool.CauseInvalidValues, rserpool.ParamPoolHandle},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, core.Config{Profile: profile})
			p := g.peer(0x900, "10.0.0.9")
			g.register(g.asap("10.0.1.1"), element(1, "10.0.1.1"))
			c := g.asap("10.0.1.2")
			g.say(c, &asap.Registration{Handle: tc.handle, Element: tc.pe})
			resp := one[*asap.RegistrationResponse](g, c)
			require.True(t, resp.Reject)
			require.Len(t, resp.Causes, 1)
			require.Equal(t, tc.code, resp.Causes[0].Code)
			typ, ok := resp.Causes[0].Param()
			require.Equal(t, tc.param != 0, ok)
			if ok {
				require.Equal(t, tc.param, typ)
			}
			require.Empty(t, sent[*enrp.HandleUpdate](g, p), "§3.1: no message to its peers")
			require.Equal(t, 1, g.happened(core.EventRejected))
		})
	}
}

// RFC 5352 §2.2.1, and what to do where nothing can be connected to.
func TestRegistrationAddresses(t *testing.T) {
	get := func(g *rig) []netip.Addr {
		el, ok := g.r.Space().Get(pool, 1)
		require.True(t, ok)
		return el.User.Addrs
	}
	t.Run("another address is fine behind a NAT", func(t *testing.T) {
		g := newRig(t, core.Config{})
		g.register(g.asap("10.0.1.1"), element(1, "192.0.2.7"))
		require.Equal(t, "192.0.2.7", get(g)[0].String())
	})
	t.Run("but not under strict rules", func(t *testing.T) {
		g := newRig(t, core.Config{StrictAddresses: true})
		c := g.asap("10.0.1.1")
		g.say(c, &asap.Registration{Handle: pool, Element: element(1, "192.0.2.7")})
		resp := one[*asap.RegistrationResponse](g, c)
		require.True(t, resp.Reject)
		require.Equal(t, rserpool.CauseInvalidValues, resp.Causes[0].Code)
		g.register(c, element(1, "10.0.1.1"))
	})
	for _, ip := range []string{"0.0.0.0", "224.0.0.1", "::", "ff02::1"} {
		t.Run(ip+" becomes the association's", func(t *testing.T) {
			g := newRig(t, core.Config{})
			c := g.asap("10.0.1.1")
			g.say(c, &asap.Registration{Handle: pool, Element: element(1, ip)})
			resp := one[*asap.RegistrationResponse](g, c)
			require.False(t, resp.Reject)
			require.Len(t, resp.Causes, 1, "§2.2.3: a warning that it was modified")
			require.Equal(t, "10.0.1.1", get(g)[0].String())
		})
	}
	t.Run("too many are cut", func(t *testing.T) {
		g := newRig(t, core.Config{Limits: core.Limits{Addresses: 3}})
		pe := element(1, "10.0.1.1")
		pe.User.Protocol = rserpool.ProtoSCTP
		for i := range byte(20) {
			pe.User.Addrs = append(pe.User.Addrs, netip.AddrFrom4([4]byte{10, 9, 9, i}))
		}
		g.register(g.asap("10.0.1.1"), pe)
		require.Len(t, get(g), 3)
	})
	t.Run("an SCTP element behind another UDP port", func(t *testing.T) {
		g := newRig(t, core.Config{})
		pe := element(1, "10.0.1.1")
		pe.User.Protocol = rserpool.ProtoSCTP
		remote := at("10.0.1.1", 5000)
		remote.UDPPort = 12345
		c := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: remote, Local: local})
		g.register(c, pe)
		el, _ := g.r.Space().Get(pool, 1)
		require.Equal(t, uint16(12345), el.User.UDPPort)
	})
}

// The ASAP transport is where the registration came from; a port that the element
// names is believed, a host is not.
func TestRegistrationASAPTransport(t *testing.T) {
	g := newRig(t, core.Config{})
	pe := element(1, "10.0.1.1")
	own := at("10.0.1.1", 6000)
	pe.ASAP = &own
	g.register(g.asap("10.0.1.1"), pe)
	el, _ := g.r.Space().Get(pool, 1)
	require.Equal(t, uint16(6000), el.ASAP.Port)

	victim := at("192.0.2.99", 6000)
	pe.ID, pe.ASAP = 2, &victim
	g.register(g.asap("10.0.1.1"), pe)
	el, _ = g.r.Space().Get(pool, 2)
	require.Equal(t, at("10.0.1.1", 5000).String(), el.ASAP.String())
}

// RFC 5352 §3.1 rule 4: "MUST take over ownership of this PE, regardless".
func TestRegistrationTakesOwnershipFromPeer(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	g.say(p, add(owned(0x900, 1, "10.0.1.1")))
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	g.register(g.asap("10.0.1.1"), element(1, "10.0.1.1"))
	require.Equal(t, ownID, g.home(1))
	require.Equal(t, ownID, one[*enrp.HandleUpdate](g, p).Element.Home)
	require.Equal(t, 1, g.happened(core.EventMoved))
}

// RFC 5352 §2.2.2: "de-registration is NOT allowed by proxy".
func TestZ3DeregistrationByAnotherHostIsRefused(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	other := g.asap("10.0.6.6")
	g.say(other, &asap.Deregistration{Handle: pool, PEID: 1})
	resp := one[*asap.DeregistrationResponse](g, other)
	require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
	require.Equal(t, ownID, g.home(1))
	require.Empty(t, sent[*enrp.HandleUpdate](g, p), "§3.2: MUST NOT inform its peers")

	g.say(other, &asap.Deregistration{Handle: pool, PEID: 99})
	require.Empty(t, one[*asap.DeregistrationResponse](g, other).Causes, "§3.2: unknown counts as deregistered")

	again := g.asap("10.0.1.1") // same host, new association
	g.say(again, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Empty(t, one[*asap.DeregistrationResponse](g, again).Causes)
	require.Equal(t, enrp.DelPE, one[*enrp.HandleUpdate](g, p).Action)
	require.Zero(t, g.home(1))
}

// Peers believe a removal only from the home, so who deregisters an element for
// another registrar becomes its home first.
func TestDeregistrationAtAnotherRegistrar(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	g.say(p, add(owned(0x900, 1, "10.0.1.1")))
	c := g.asap("10.0.1.1")
	g.say(c, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Empty(t, one[*asap.DeregistrationResponse](g, c).Causes)
	us := sent[*enrp.HandleUpdate](g, p)
	require.Len(t, us, 2)
	require.Equal(t, []enrp.UpdateAction{enrp.AddPE, enrp.DelPE}, []enrp.UpdateAction{us[0].Action, us[1].Action})
	require.Equal(t, ownID, us[0].Element.Home)
	require.Equal(t, ownID, us[1].Element.Home)
}

// RFC 5354 §3.12.5. Z3: who holds an identifier keeps it.
func TestZ3RegistrationUnderForeignIdentifierIsRefused(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.asap("10.0.1.1")
	g.register(c, element(1, "10.0.1.1"))
	thief := g.asap("10.0.6.6")
	steal := func() *asap.RegistrationResponse {
		g.say(thief, &asap.Registration{Handle: pool, Element: element(1, "10.0.6.6")})
		return one[*asap.RegistrationResponse](g, thief)
	}
	require.Equal(t, rserpool.CauseNonUniquePEIdentifier, steal().Causes[0].Code)
	g.say(thief, &asap.Registration{Handle: pool, Element: element(1, "10.0.6.6")})
	require.Empty(t, sent[*asap.EndpointKeepAlive](g, c), "one keep-alive at a time, however often it is tried")

	g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
	steal()
	g.tick(core.ProfileDefault.KeepAliveTimeout)
	require.Zero(t, g.home(1), "the holder is asked, and does not answer")
	require.False(t, steal().Reject, "then the identifier is free")
}

// The same for an element of a peer: as long as the peer is alive.
func TestRegistrationUnderIdentifierOfPeersElement(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	g.say(p, add(owned(0x900, 1, "10.0.1.1")))
	c := g.asap("10.0.6.6")
	g.say(c, &asap.Registration{Handle: pool, Element: element(1, "10.0.6.6")})
	require.Equal(t, rserpool.CauseNonUniquePEIdentifier, one[*asap.RegistrationResponse](g, c).Causes[0].Code)
	g.lose(p)
	g.register(c, element(1, "10.0.6.6"))
}

func TestZ4PermitRefusesWithSecurityCause(t *testing.T) {
	g := newRig(t, core.Config{Permit: func(h rserpool.PoolHandle, from []netip.Addr) bool {
		return h != "secret" || from[0].String() == "10.0.1.1"
	}})
	c := g.asap("10.0.6.6")
	g.say(c, &asap.Registration{Handle: "secret", Element: element(1, "10.0.6.6")})
	resp := one[*asap.RegistrationResponse](g, c)
	require.True(t, resp.Reject)
	require.Equal(t, rserpool.CauseSecurity, resp.Causes[0].Code)
	c = g.asap("10.0.1.1")
	g.say(c, &asap.Registration{Handle: "secret", Element: element(1, "10.0.1.1")})
	require.False(t, one[*asap.RegistrationResponse](g, c).Reject)
}

// RFC 5355 §2.1. Z1, Z2: caps per source, per pool and in all.
func TestZ1RegistrationFloodIsCapped(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits core.Limits
		hosts  int // that the elements come from
	}{
		{"per source", core.Limits{ElementsPerSource: 10}, 1},
		{"per pool", core.Limits{ElementsPerPool: 10}, 200},
		{"in all", core.Limits{Elements: 10}, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, core.Config{Limits: tc.limits})
			accepted := 0
			for i := range 200 {
				ip := netip.AddrFrom4([4]byte{10, 1, 0, byte(i % tc.hosts)}).String()
				c := g.asap(ip)
				g.say(c, &asap.Registration{Handle: pool, Element: element(rserpool.PEID(i+1), ip)})
				resp := one[*asap.RegistrationResponse](g, c)
				if !resp.Reject {
					accepted++
				} else {
					require.Equal(t, rserpool.CauseLackOfResources, resp.Causes[0].Code)
				}
			}
			require.Equal(t, 10, accepted)
			_, n := g.r.Space().Len()
			require.Equal(t, 10, n)
		})
	}
}

// RFC 5352 leaves open what becomes of an element whose association ends.
func TestLostAssociationGivesTheElementAChance(t *testing.T) {
	setup := func(t *testing.T) (*rig, core.ConnID, core.ConnID) {
		g := newRig(t, core.Config{})
		p := g.peer(0x900, "10.0.0.9")
		c := g.asap("10.0.1.1")
		g.register(c, element(1, "10.0.1.1"))
		g.lose(c)
		require.True(t, g.did(core.Dial, 0), "it is looked for at its ASAP endpoint")
		require.Equal(t, ownID, g.home(1))
		return g, p, c
	}
	t.Run("nobody there", func(t *testing.T) {
		g, p, _ := setup(t)
		g.tick(core.ProfileDefault.LinkGrace)
		require.Zero(t, g.home(1))
		require.Equal(t, enrp.DelPE, one[*enrp.HandleUpdate](g, p).Action)
	})
	t.Run("it answers", func(t *testing.T) {
		g, _, _ := setup(t)
		c := g.connect()
		ka := one[*asap.EndpointKeepAlive](g, c)
		require.False(t, ka.Home)
		g.say(c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
		g.tick(core.ProfileDefault.KeepAlive / 4)
		require.Equal(t, ownID, g.home(1))
	})
	t.Run("it does not answer", func(t *testing.T) {
		g, _, _ := setup(t)
		c := g.connect()
		g.tick(core.ProfileDefault.KeepAliveTimeout)
		require.Zero(t, g.home(1))
		require.True(t, g.did(core.Abort, c))
	})
	t.Run("it registers again", func(t *testing.T) {
		g, _, _ := setup(t)
		c := g.asap("10.0.1.1")
		g.register(c, element(1, "10.0.1.1"))
		g.tick(core.ProfileDefault.KeepAlive / 4)
		require.Equal(t, ownID, g.home(1))
	})
	t.Run("it has moved to a peer", func(t *testing.T) {
		g, p, _ := setup(t)
		g.say(p, add(owned(0x900, 1, "10.0.1.1")))
		g.tick(core.ProfileDefault.LinkGrace)
		require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
		for _, u := range sent[*enrp.HandleUpdate](g, p) {
			require.NotEqual(t, enrp.DelPE, u.Action)
		}
	})
}

// RFC 5352 §3.2: the home tells the element that its life has ended.
func TestRegistrationLifeEnds(t *testing.T) {
	for _, tc := range []struct {
		unit core.LifeUnit
		life uint32
		ends time.Duration // 0 never
	}{
		{core.LifeSeconds, 60, time.Minute},
		{core.LifeMilliseconds, 60_000, time.Minute},
		{core.LifeAuto, 60, time.Minute},
		{core.LifeAuto, 90_000, 0}, // may be rsplib's 90 s: keep-alives decide
		{core.LifeSeconds, rserpool.LifeInfinite, 0},
		{core.LifeMilliseconds, 0x80000000, 0}, // negative
	} {
		profile := core.ProfileDefault
		profile.LifeUnit = tc.unit
		g := newRig(t, core.Config{Profile: profile})
		p := g.peer(0x900, "10.0.0.9")
		c := g.asap("10.0.1.1")
		pe := element(1, "10.0.1.1")
		pe.Life = tc.life
		g.register(c, pe)
		start, end := g.now, tc.ends
		if end == 0 {
			end = 2 * time.Minute
		}
		for g.home(1) != 0 && g.now.Sub(start) < end {
			g.tick(100 * time.Millisecond)
			if len(sent[*asap.EndpointKeepAlive](g, c)) > 0 {
				g.r.HandleASAP(g.now, c, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 1})
			}
			g.r.HandleENRP(g.now, p, g.presence(0x900, "10.0.0.9", none))
		}
		g.drain()
		if tc.ends == 0 {
			require.Equal(t, ownID, g.home(1), "%s %d", tc.unit, tc.life)
			continue
		}
		require.Zero(t, g.home(1), "%s %d", tc.unit, tc.life)
		require.InDelta(t, tc.ends.Seconds(), g.now.Sub(start).Seconds(), 0.2)
		require.Empty(t, one[*asap.DeregistrationResponse](g, c).Causes)
		us := sent[*enrp.HandleUpdate](g, p)
		require.Equal(t, enrp.DelPE, us[len(us)-1].Action)
	}
}

// 10,000 elements in 1,000 pools, each on an association of its own, take the registrar
// less than 30 MiB, and when they are gone nothing.
func TestMemoryOfTenThousandElements(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{ElementsPerSource: -1}})
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	quiet := func() {
		for _, more := g.r.PollAction(); more; _, more = g.r.PollAction() {
		}
		for _, more := g.r.PollEvent(); more; _, more = g.r.PollEvent() {
		}
	}
	before := heap()
	var conns []core.ConnID
	for i := range 10_000 {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		c := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: at(ip.String(), 5000), Local: local})
		m := regOf(rserpool.PoolHandle(fmt.Sprintf("pool %d", i%1000)), element(rserpool.PEID(i+1), ip.String()))
		g.r.Receive(g.now, c, asap.PPID, m.AppendTo(nil))
		conns = append(conns, c)
		quiet()
	}
	pools, elements := g.r.Space().Len()
	require.Equal(t, []int{1_000, 10_000}, []int{pools, elements})
	all := heap() - before
	t.Logf("%d bytes for each", all/10_000)
	require.Less(t, all, int64(30<<20))
	for i, c := range conns {
		g.r.HandleASAP(g.now, c, &asap.Deregistration{Handle: rserpool.PoolHandle(fmt.Sprintf("pool %d", i%1000)), PEID: rserpool.PEID(i + 1)})
		g.r.Lost(g.now, c, "")
		quiet()
	}
	require.NoError(t, g.r.Check())
	_, elements = g.r.Space().Len()
	require.Zero(t, elements)
	require.Less(t, heap()-before, int64(6<<20), "room that maps keep")
	runtime.KeepAlive(g)
}
