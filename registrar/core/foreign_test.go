package core_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// foreignPeer joins a registrar of another implementation.
func (g *rig) foreignPeer(id rserpool.RegistrarID, ip string) (core.ConnID, *enrp.Presence) {
	c := g.enrp(ip)
	m := g.presence(id, ip, none)
	m.Server.Transport.UDPPort = 0
	g.say(c, m)
	return c, m
}

// wide is an element with so many addresses that rsplib's page cannot hold it.
func wide(id rserpool.PEID, addrs int) rserpool.PoolElement {
	pe := element(id, "10.0.1.1")
	pe.User = at("10.0.1.1", 80)
	for i := range addrs - 1 {
		pe.User.Addrs = append(pe.User.Addrs, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
	}
	return pe
}

// An element that a rsplib peer does not survive is neither announced to it nor
// counted in the checksum that it is told, so that it does not ask for what it is not
// given; our own peers get all.
func TestForeignPeerIsNotToldWhatItDoesNotSurvive(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Addresses: 100}})
	theirs, presence := g.foreignPeer(0x900, "10.0.0.9")
	ours := g.peer(0x901, "10.0.0.8")
	e := g.asap("10.0.1.1")
	presence.ReplyRequired = true
	told := func() uint16 {
		g.say(theirs, presence)
		return one[*enrp.Presence](g, theirs).Checksum
	}
	g.say(e, registration("wide", wide(1, 70)))
	require.Equal(t, enrp.DelPE, one[*enrp.HandleUpdate](g, theirs).Action, "in case that it was smaller before")
	require.Equal(t, enrp.AddPE, one[*enrp.HandleUpdate](g, ours).Action)
	require.Equal(t, none, told())
	require.NotEqual(t, none, g.r.Space().Checksum(ownID))

	g.say(e, registration("wide", wide(1, 3)))
	require.Equal(t, enrp.AddPE, one[*enrp.HandleUpdate](g, theirs).Action)
	require.Equal(t, g.r.Space().Checksum(ownID), told())

	// Grown too large, it is removed from there, by a message that is not too large.
	g.say(e, registration("wide", wide(1, 70)))
	u := one[*enrp.HandleUpdate](g, theirs)
	require.Equal(t, enrp.DelPE, u.Action)
	require.Less(t, len(u.AppendTo(nil)), 200)
	require.Equal(t, enrp.AddPE, one[*enrp.HandleUpdate](g, ours).Action)
	require.Equal(t, none, told())
	el, _ := g.r.Space().Get("wide", 1)
	require.Len(t, el.User.Addrs, 70)
	g.say(theirs, &enrp.HandleTableRequest{Sender: 0x900, Receiver: ownID, OwnOnly: true})
	require.Empty(t, one[*enrp.HandleTableResponse](g, theirs).Pools)
}

// A peer that has not said yet what it is may be rsplib: it asks for tables during its
// start-up, before its first PRESENCE.
func TestPeerThatHasSaidNothingMayBeForeign(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Addresses: 100}})
	e := g.asap("10.0.1.1")
	g.say(e, registration(strings.Repeat("x", 33), element(1, "10.0.1.1")))
	g.say(e, registration("wide", wide(1, 70)))
	g.register(e, element(1, "10.0.1.1"))
	c := g.enrp("10.0.0.9")
	g.say(c, &enrp.HandleTableRequest{Sender: 0x900, Receiver: ownID})
	pools := one[*enrp.HandleTableResponse](g, c).Pools
	require.Len(t, pools, 1)
	require.Equal(t, pool, pools[0].Handle)
	require.Equal(t, uint32(60_000), pools[0].Elements[0].Life)
	g.say(e, registration("wide", wide(2, 70)))
	require.Equal(t, enrp.DelPE, one[*enrp.HandleUpdate](g, c).Action)
	require.False(t, one[*asap.RegistrationResponse](g, e).Reject)
}

// Elements that rsplib refuses would make it refuse the page that they are on.
func TestForeignPeerIsNotToldOfAddressesItRefuses(t *testing.T) {
	scoped := func(ip string) rserpool.PoolElement { return element(1, ip) }
	opaque := element(1, "10.0.1.1")
	opaque.User = rserpool.Transport{Protocol: rserpool.ProtoOpaque, Opaque: []byte("x")}
	dccp := element(1, "10.0.1.1")
	dccp.User.Protocol = rserpool.ProtoDCCP
	for name, c := range map[string]struct {
		from string
		pe   rserpool.PoolElement
		told bool
	}{
		"private":          {"10.0.1.1", scoped("10.0.1.1"), true},
		"global":           {"10.0.1.1", scoped("2001:db8::1"), true},
		"loopback":         {"10.0.1.1", scoped("127.0.0.1"), false},
		"link-local":       {"10.0.1.1", scoped("fe80::1"), false},
		"ASAP on loopback": {"127.0.0.1", scoped("10.0.1.1"), false},
		"opaque transport": {"10.0.1.1", opaque, false},
		"DCCP":             {"10.0.1.1", dccp, false},
		"IPv4 of zeroconf": {"10.0.1.1", scoped("169.254.7.7"), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{})
			theirs, presence := g.foreignPeer(0x900, "10.0.0.9")
			e := g.asap(c.from)
			g.say(e, registration("p", c.pe))
			require.False(t, one[*asap.RegistrationResponse](g, e).Reject)
			adds := 0
			for _, u := range sent[*enrp.HandleUpdate](g, theirs) {
				if u.Action == enrp.AddPE {
					adds++
				}
			}
			require.Equal(t, c.told, adds == 1)
			presence.ReplyRequired = true
			g.say(theirs, presence)
			require.Equal(t, c.told, one[*enrp.Presence](g, theirs).Checksum != none)
			g.say(theirs, &enrp.HandleTableRequest{Sender: 0x900, Receiver: ownID, OwnOnly: true})
			require.Equal(t, c.told, len(one[*enrp.HandleTableResponse](g, theirs).Pools) == 1)
		})
	}
}
