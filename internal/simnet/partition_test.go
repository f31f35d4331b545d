package simnet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// reaches says whether a packet sent now gets through.
func reaches(n *simnet.Network, from, to netip.AddrPort) bool {
	n.Send(epoch, from, carrier.Datagram{Remote: to, Data: []byte("x")})
	return len(n.Deliver(epoch.Add(time.Hour))) == 1
}

func TestPartitionStopsBothDirectionsBetweenTheSets(t *testing.T) {
	n := simnet.New(1)
	n.Partition([]netip.Addr{addrA}, []netip.Addr{addrB})
	require.False(t, reaches(n, portA, portB))
	require.False(t, reaches(n, portB, portA))
	require.True(t, reaches(n, portA, portC))
	require.True(t, reaches(n, portC, portB))
	require.Equal(t, 2, n.Count(simnet.Cut))
	n.Heal()
	require.True(t, reaches(n, portA, portB))
	require.True(t, reaches(n, portB, portA))
}

func TestPartitionFromNilIsolates(t *testing.T) {
	n := simnet.New(1)
	n.Partition([]netip.Addr{addrA, addrB}, nil)
	require.True(t, reaches(n, portA, portB), "the isolated ones still reach each other")
	require.False(t, reaches(n, portA, portC))
	require.False(t, reaches(n, portC, portB))
}

func TestPartitionOneWay(t *testing.T) {
	n := simnet.New(1)
	n.PartitionOneWay([]netip.Addr{addrA}, []netip.Addr{addrB})
	require.False(t, reaches(n, portA, portB))
	require.True(t, reaches(n, portB, portA))
}

func TestPathDownAndUp(t *testing.T) {
	n := simnet.New(1)
	n.SetDown(addrA, addrB, true)
	require.False(t, reaches(n, portA, portB))
	require.False(t, reaches(n, portB, portA))
	n.Heal()
	require.False(t, reaches(n, portA, portB), "Heal ends partitions only")
	n.SetDownOneWay(addrA, addrB, false)
	require.True(t, reaches(n, portA, portB))
	require.False(t, reaches(n, portB, portA))
	n.SetDown(addrA, addrB, false)
	require.True(t, reaches(n, portB, portA))
}

func TestDownPathKeepsItsLinkSettings(t *testing.T) {
	n := simnet.New(1)
	n.SetDefaultLink(simnet.Link{Delay: time.Millisecond})
	n.SetDown(addrA, addrB, true)
	require.Equal(t, time.Millisecond, n.Link(addrA, addrB).Delay)
	n.SetDown(addrA, addrB, false)
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte("x")})
	when, ok := n.Next()
	require.True(t, ok)
	require.Equal(t, epoch.Add(time.Millisecond), when)
}

func TestPacketsInFlightAreLostWhenThePathGoesDown(t *testing.T) {
	n := simnet.New(1)
	n.SetLink(addrA, addrB, simnet.Link{Delay: time.Second})
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte("x")})
	n.SetDown(addrA, addrB, true)
	require.Empty(t, n.Deliver(epoch.Add(time.Second)))
	require.Equal(t, 1, n.Count(simnet.Cut))

	n.SetDown(addrA, addrB, false)
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte("x")})
	n.Partition([]netip.Addr{addrA}, nil)
	require.Empty(t, n.Deliver(epoch.Add(time.Second)))
	require.Equal(t, 2, n.Count(simnet.Cut))
}
