package sctp

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// reservations is what the programs of a host have reserved.
type reservations map[[2]uint16]bool

func (r reservations) ReservePorts(first, last uint16) bool {
	taken := r[[2]uint16{first, last}]
	r[[2]uint16{first, last}] = true
	return !taken
}

// sharing is the table of one of the programs.
func sharing(r carrier.PortReserver) *demux {
	d := newDemux()
	d.init(1 << 20)
	d.share(r)
	return d
}

// dialed reserves n associations with the same peer and returns their ports.
func dialed(t *testing.T, d *demux, n int) map[uint16]*Association {
	t.Helper()
	ports := make(map[uint16]*Association)
	for range n {
		a := &Association{peerPort: 2}
		require.NoError(t, d.reserve(a, []netip.AddrPort{ap("192.0.2.1:0")}))
		require.Nil(t, ports[a.ourPort])
		ports[a.ourPort] = a
	}
	return ports
}

// Programs that share an address never draw the same ephemeral port, and do not answer
// for each other's, be it years after.
func TestEphemeralPortsOfASharedAddress(t *testing.T) {
	host := reservations{}
	one, two := sharing(host), sharing(host)
	require.Len(t, host, 2)
	mine, theirs := dialed(t, one, 3000), dialed(t, two, 3000)
	for port, a := range mine {
		require.Nil(t, theirs[port])
		require.True(t, one.ours(port))
		require.False(t, two.ours(port))
		require.GreaterOrEqual(t, port, uint16(firstDynamicPort))
		one.remove(a)
	}
	for port := range dialed(t, two, 3000) {
		require.False(t, one.ours(port))
		require.Nil(t, mine[port], "ports stay whose they were")
	}
	require.Less(t, len(host), dynamicPorts/blockPorts, "not more than is needed")
}

// When everything is reserved by others, or nothing can be, a port is drawn all the same.
func TestEphemeralPortsWhenAllAreReserved(t *testing.T) {
	host := reservations{}
	first := sharing(host)
	require.Len(t, dialed(t, first, dynamicPorts), dynamicPorts)
	require.Len(t, host, dynamicPorts/blockPorts)
	require.Less(t, portOf(dialed(t, first, 1)), uint16(firstDynamicPort))
	require.NotZero(t, portOf(dialed(t, sharing(host), 1)))
	require.NotZero(t, portOf(dialed(t, sharing(nil), 1)))
}

func portOf(ports map[uint16]*Association) uint16 {
	for port := range ports {
		return port
	}
	return 0
}
