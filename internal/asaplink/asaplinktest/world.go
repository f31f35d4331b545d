package asaplinktest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// Delay is the one-way delay of the simulated network.
const Delay = 2 * time.Millisecond

// World is a simulated network of hosts.
type World struct {
	T   *testing.T
	Net *simnet.Network
}

// NewWorld returns a network without loss.
func NewWorld(t *testing.T) *World {
	w := &World{T: t, Net: simnet.New(1)}
	w.Net.SetDefaultLink(simnet.Link{Delay: Delay})
	return w
}

// hosts is how many there may be.
const hosts = 100

// IP is the address of host n, less than 100.
func IP(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// Stack opens a stack on host n, on the default UDP port; with more numbers the host
// has their addresses, too. The test closes it at its end.
func (w *World) Stack(n int, more ...int) *sctp.Stack {
	w.T.Helper()
	var ips []netip.Addr
	var bind []netip.AddrPort
	for _, n := range append([]int{n}, more...) {
		ips = append(ips, IP(n))
		bind = append(bind, netip.AddrPortFrom(IP(n), sctp.DefaultUDPPort))
	}
	c, err := w.Net.Host(ips...).Carrier(bind...)
	require.NoError(w.T, err)
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{c}})
	require.NoError(w.T, err)
	w.T.Cleanup(func() { require.NoError(w.T, s.Close()) })
	return s
}

// Cut takes host n off the network: what it sends and what is sent to it is lost,
// without a sign of it, as with a host that lost its power.
func (w *World) Cut(n int) { w.setDown(n, true) }

// Mend brings host n back.
func (w *World) Mend(n int) { w.setDown(n, false) }

func (w *World) setDown(n int, down bool) {
	for other := range hosts {
		if other != n {
			w.Net.SetDown(IP(n), IP(other), down)
		}
	}
}

// Transport is an SCTP transport on host n.
func Transport(n int, port uint16) rserpool.Transport {
	return rserpool.Transport{
		Protocol: rserpool.ProtoSCTP, Port: port, Use: rserpool.UseDataControl, Addrs: []netip.Addr{IP(n)},
	}
}
