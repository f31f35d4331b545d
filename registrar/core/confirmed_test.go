package core_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// claims opens an association from a host that says it has other addresses, too; shown
// has those that it has shown to have.
func (g *rig) claims(ch core.Channel, port uint16, ips []string, shown *[]netip.Addr) core.ConnID {
	c := core.Conn{Channel: ch, Remote: at(ips[0], port), Local: local, Confirmed: func() []netip.Addr { return *shown }}
	for _, ip := range ips[1:] {
		c.Remote.Addrs = append(c.Remote.Addrs, netip.MustParseAddr(ip))
	}
	id := g.r.Accept(g.now, c)
	g.drain()
	return id
}

// RFC 9260 §5.4: an address counts when the other side has shown to have it.
func TestZ3UnconfirmedAddressDoesNotCount(t *testing.T) {
	g := newRig(t, core.Config{})
	e := g.asap("10.0.1.1")
	g.register(e, element(1, "10.0.1.1"))
	shown := []netip.Addr{netip.MustParseAddr("10.0.6.6"), netip.MustParseAddr("10.0.9.9")} // the last is of no interest
	c := g.claims(core.ASAP, 5000, []string{"10.0.6.6", "10.0.1.1"}, &shown)
	g.say(c, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Equal(t, rserpool.CauseSecurity, one[*asap.DeregistrationResponse](g, c).Causes[0].Code)
	require.Equal(t, ownID, g.home(1))
	shown = nil // as if it had just ended: then the address of the handshake counts
	g.say(c, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Equal(t, ownID, g.home(1))
	shown = []netip.Addr{netip.MustParseAddr("10.0.6.6"), netip.MustParseAddr("10.0.1.1")}
	g.say(c, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Zero(t, g.home(1))
}

// With StrictAddresses (RFC 5352 §2.2.1) an element's addresses are registered when it has
// shown to have them.
func TestStrictAddressesAreConfirmed(t *testing.T) {
	g := newRig(t, core.Config{StrictAddresses: true})
	shown := []netip.Addr{netip.MustParseAddr("10.0.1.1")}
	c := g.claims(core.ASAP, 5000, []string{"10.0.1.1", "10.0.1.2"}, &shown)
	pe := element(1, "10.0.1.1")
	pe.User = at("10.0.1.1", 80)
	pe.User.Addrs = append(pe.User.Addrs, netip.MustParseAddr("10.0.1.2"))
	register := func() []netip.Addr {
		g.say(c, regOf(pool, pe))
		resp := one[*asap.RegistrationResponse](g, c)
		require.False(t, resp.Reject)
		el, _ := g.r.Space().Get(pool, 1)
		require.Equal(t, len(el.User.Addrs) < 2, len(resp.Causes) > 0, "RFC 5352 §2.2.3: it is told what was changed")
		return el.User.Addrs
	}
	require.Equal(t, shown, register())
	shown = pe.User.Addrs
	require.Equal(t, shown, register())
	other := pe
	other.ID, other.User = 2, at("10.0.1.2", 80)
	shown = shown[:1]
	g.say(c, regOf(pool, other))
	require.True(t, one[*asap.RegistrationResponse](g, c).Reject)
}

// In a closed scope, and where identifiers are in use, an address counts when it is shown.
func TestZ5UnconfirmedAddressIsNoPeer(t *testing.T) {
	shown := []netip.Addr{netip.MustParseAddr("10.0.6.6")}
	g := newRig(t, core.Config{ClosedPeers: true, Peers: []rserpool.Transport{at("10.0.0.6", rserpool.ENRPPort)}})
	liar := []string{"10.0.6.6", "10.0.0.6"}
	c := g.claims(core.ENRP, rserpool.ENRPPort, liar, &shown)
	require.True(t, g.did(core.Abort, c))

	g = newRig(t, core.Config{})
	p := g.peer(0x600, "10.0.0.6")
	c = g.claims(core.ENRP, rserpool.ENRPPort, liar, &shown)
	g.say(c, g.presence(0x600, "10.0.0.6", none)) // in the name of the peer
	require.True(t, g.did(core.Abort, c), "the identifier is in use at another address")
	g.say(p, &enrp.ListRequest{Sender: 0x600, Receiver: ownID})
	require.Len(t, sent[*enrp.ListResponse](g, p), 1, "the peer is where it was")
}
