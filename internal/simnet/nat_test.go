package simnet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

var (
	inside1 = netip.MustParseAddrPort("10.0.0.1:9899")
	inside2 = netip.MustParseAddrPort("10.0.0.2:9899")
	public1 = netip.MustParseAddr("198.51.100.1")
	public2 = netip.MustParseAddr("198.51.100.2")
)

func natted(cfg simnet.NATConfig) (*simnet.Network, *simnet.NAT) {
	n := simnet.New(5)
	cfg.Public = public1
	cfg.Inside = []netip.Addr{inside1.Addr(), inside2.Addr()}
	return n, n.AddNAT(cfg)
}

// one sends a packet at now and returns what arrives within an hour, nil if
// nothing does.
func one(n *simnet.Network, now time.Time, from, to netip.AddrPort) *simnet.Packet {
	n.Send(now, from, carrier.Datagram{Remote: to, Data: []byte("x")})
	got := n.Deliver(now.Add(time.Hour))
	if len(got) == 0 {
		return nil
	}
	return &got[0]
}

func TestNATTranslatesBothWays(t *testing.T) {
	n, nat := natted(simnet.NATConfig{})
	out := one(n, epoch, inside1, portB)
	require.NotNil(t, out)
	require.Equal(t, public1, out.From.Addr())
	require.NotZero(t, out.From.Port())
	require.Equal(t, portB, out.To)
	mapped, ok := nat.Mapping(epoch, inside1, portB)
	require.True(t, ok)
	require.Equal(t, out.From, mapped)

	back := one(n, epoch, portB, out.From)
	require.NotNil(t, back)
	require.Equal(t, inside1, back.To)
	require.Equal(t, portB, back.From)

	// The mapping is stable, and a second inside host has another one.
	require.Equal(t, out.From, one(n, epoch, inside1, portB).From)
	require.NotEqual(t, out.From, one(n, epoch, inside2, portB).From)
}

func TestNATLeavesInsideTrafficAlone(t *testing.T) {
	n, nat := natted(simnet.NATConfig{})
	require.Equal(t, inside1, one(n, epoch, inside1, inside2).From)
	_, ok := nat.Mapping(epoch, inside1, inside2)
	require.False(t, ok)
}

func TestNATFiltersUnknownRemotes(t *testing.T) { // RFC 4787 §5
	n, _ := natted(simnet.NATConfig{})
	require.Nil(t, one(n, epoch, portB, netip.AddrPortFrom(public1, 5000)), "no mapping at all")
	mapped := one(n, epoch, inside1, portB).From
	require.Nil(t, one(n, epoch, portC, mapped))
	require.NotNil(t, one(n, epoch, netip.AddrPortFrom(addrB, 1), mapped), "the filter is by address")
	require.Equal(t, 2, n.Count(simnet.NoMapping))

	n, _ = natted(simnet.NATConfig{Open: true})
	mapped = one(n, epoch, inside1, portB).From
	require.NotNil(t, one(n, epoch, portC, mapped))
}

func TestNATPerRemoteMappings(t *testing.T) { // RFC 4787 §4.1
	n, _ := natted(simnet.NATConfig{})
	require.Equal(t, one(n, epoch, inside1, portB).From, one(n, epoch, inside1, portC).From)

	n, _ = natted(simnet.NATConfig{PerRemote: true})
	toB, toC := one(n, epoch, inside1, portB).From, one(n, epoch, inside1, portC).From
	require.NotEqual(t, toB, toC)
	require.NotNil(t, one(n, epoch, portB, toB))
	require.Nil(t, one(n, epoch, portB, toC))
}

func TestNATMappingExpiresWithoutOutboundTraffic(t *testing.T) { // RFC 4787 §4.3
	n, nat := natted(simnet.NATConfig{Idle: 30 * time.Second})
	mapped := one(n, epoch, inside1, portB).From
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	require.NotNil(t, one(n, at(0), portB, mapped))

	// Outbound traffic keeps it.
	require.Equal(t, mapped, one(n, at(29), inside1, portB).From)
	_, ok := nat.Mapping(at(58), inside1, portB)
	require.True(t, ok)
	// Silence ends it; a new one has another port.
	_, ok = nat.Mapping(at(59), inside1, portB)
	require.False(t, ok)
	require.Nil(t, one(n, at(59), portB, mapped))
	require.NotEqual(t, mapped, one(n, at(60), inside1, portB).From)
}

func TestNATRebindChangesThePortAndLosesWhatIsInFlight(t *testing.T) {
	n, nat := natted(simnet.NATConfig{})
	n.SetDefaultLink(simnet.Link{Delay: time.Second})
	before := one(n, epoch, inside1, portB).From
	n.Send(epoch, portB, carrier.Datagram{Remote: before, Data: []byte("late")})
	nat.Rebind()
	require.Empty(t, n.Deliver(epoch.Add(time.Hour)))
	after := one(n, epoch, inside1, portB).From
	require.Equal(t, public1, after.Addr())
	require.NotEqual(t, before, after)
	require.Nil(t, one(n, epoch, portB, before))
	require.NotNil(t, one(n, epoch, portB, after))
}

func TestNATChangesItsPublicAddress(t *testing.T) {
	n, nat := natted(simnet.NATConfig{})
	before := one(n, epoch, inside1, portB).From
	nat.SetPublic(public2)
	require.Nil(t, one(n, epoch, portB, before))
	after := one(n, epoch, inside1, portB).From
	require.Equal(t, public2, after.Addr())
	require.Equal(t, inside1, one(n, epoch, portB, after).To)
}

func TestNATUsesTheLinkOfTheInsideAddress(t *testing.T) {
	n, _ := natted(simnet.NATConfig{})
	n.SetLink(inside1.Addr(), addrB, simnet.Link{Delay: 7 * time.Millisecond})
	n.Send(epoch, inside1, carrier.Datagram{Remote: portB, Data: []byte("x")})
	when, _ := n.Next()
	require.Equal(t, epoch.Add(7*time.Millisecond), when)
	mapped := n.Deliver(when)[0].From

	n.Send(epoch, portB, carrier.Datagram{Remote: mapped, Data: []byte("x")})
	when, _ = n.Next()
	require.Equal(t, epoch.Add(7*time.Millisecond), when)
	n.SetDown(inside1.Addr(), addrB, true)
	require.Empty(t, n.Deliver(when))
}

func TestNATHairpinBetweenTwoNATs(t *testing.T) {
	n, _ := natted(simnet.NATConfig{Open: true})
	other := netip.MustParseAddrPort("10.1.0.1:9899")
	nat2 := n.AddNAT(simnet.NATConfig{Public: public2, Inside: []netip.Addr{other.Addr()}, Open: true})
	one(n, epoch, other, portB)
	target, ok := nat2.Mapping(epoch, other, portB)
	require.True(t, ok)
	p := one(n, epoch, inside1, target)
	require.NotNil(t, p)
	require.Equal(t, public1, p.From.Addr(), "translated by the sender's NAT")
	require.Equal(t, other, p.To, "and by the receiver's")
}

func TestNATRunsOutOfPorts(t *testing.T) {
	const ports = 50
	n, _ := natted(simnet.NATConfig{PerRemote: true, Idle: time.Minute, Ports: ports})
	for i := range ports {
		n.Send(epoch, inside1, carrier.Datagram{Remote: netip.AddrPortFrom(addrC, uint16(1+i)), Data: []byte("x")})
	}
	require.Len(t, n.Deliver(epoch), ports)
	require.Nil(t, one(n, epoch, inside1, portB))
	require.Equal(t, 1, n.Count(simnet.NoMapping))
	require.NotNil(t, one(n, epoch.Add(time.Hour), inside1, portB), "idle ports are free again")
}
