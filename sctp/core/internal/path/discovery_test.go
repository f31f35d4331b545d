package path

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// searching is a path whose search was begun.
func searching(t *testing.T, remote string, mtu int) *Path {
	c := config()
	c.Discover, c.MTU = true, mtu
	p := New(0, addr(remote), netip.Addr{}, Active, c)
	require.Equal(t, DiscoveryOff, p.Discovery.State)
	p.StartDiscovery()
	return p
}

// probe sends the probe that is due and returns its size.
func (p *Path) probe(t *testing.T, now time.Time) int {
	t.Helper()
	require.True(t, p.Discovery.Due)
	p.ProbeSent(now, 7)
	require.False(t, p.Discovery.Due)
	require.False(t, p.Discovery.At.IsZero(), "PROBE_TIMER")
	return p.Discovery.Probed
}

// lose sends the probe that is due and lets PROBE_TIMER expire.
func (p *Path) lose(t *testing.T) int {
	t.Helper()
	n := p.probe(t, epoch)
	require.Equal(t, epoch.Add(time.Second), p.Discovery.At, "RFC 8899 §5.1.1: not less than a second")
	p.DiscoveryTimer(p.Discovery.At, true)
	return n
}

func TestDiscoveryOfIPv6HasNoSmallerSize(t *testing.T) { // RFC 8899 §5.1.2, RFC 8200 §5
	p := searching(t, "[2001:db8::1]:1", 1500)
	require.Equal(t, 1232, p.Size)
	require.False(t, p.TooBig(epoch, 1228), "below the least MTU of IPv6")
	for range maxProbes {
		require.Equal(t, 1232, p.lose(t))
	}
	require.Equal(t, DiscoveryError, p.Discovery.State)
	require.True(t, p.Discovery.Fragment)
	require.Equal(t, epoch.Add(time.Second+raiseTimer), p.Discovery.At)
	p.Revive()
	require.Equal(t, DiscoveryError, p.Discovery.State, "fragments have not failed yet")
	p.Errors++
	p.Revive() // it was an outage
	p.Errors = 0
	require.Equal(t, DiscoveryBase, p.Discovery.State)
	require.False(t, p.Discovery.Fragment)
	require.Equal(t, 1232, p.probe(t, epoch))
	p.ProbeAcked(epoch)
	require.Equal(t, 1452, p.probe(t, epoch))
	p.ProbeAcked(epoch)
	require.Equal(t, DiscoveryComplete, p.Discovery.State)
	require.Equal(t, 1452, p.Size)
	require.True(t, p.Discovery.At.IsZero())
}

func TestDiscoveryStates(t *testing.T) { // RFC 8899 §5.2, Figure 5
	p := searching(t, "192.0.2.1:1", 1500)
	for range maxProbes {
		require.Equal(t, DiscoveryBase, p.Discovery.State)
		require.Equal(t, 1192, p.lose(t))
	}
	require.Equal(t, DiscoveryError, p.Discovery.State, "BASE: PROBE_COUNT = MAX_PROBES")
	require.Equal(t, 548, p.Size)
	require.Equal(t, 548, p.probe(t, epoch))
	p.ProbeAcked(epoch)
	require.Equal(t, DiscoverySearching, p.Discovery.State, "the error is no longer detected")
	require.Equal(t, 976, p.probe(t, epoch))
	p.ProbeAcked(epoch)
	require.Equal(t, 1192, p.probe(t, epoch), "what failed in BASE")
	p.ProbeAcked(epoch)
	require.Equal(t, 1472, p.probe(t, epoch), "passes now: the maximum")
	require.True(t, p.TooBig(epoch, 1300))
	require.Equal(t, 1300, p.probe(t, epoch), "PLPMTU < PL_PTB_SIZE < PROBED_SIZE")
	require.Equal(t, 1192, p.Size, "§4.6.2: not set by a message")
	p.ProbeAcked(epoch)
	require.Equal(t, 1300, p.Size)
	p.probe(t, epoch)
	require.True(t, p.TooBig(epoch, 1300), "PL_PTB_SIZE = PLPMTU")
	require.Equal(t, DiscoveryComplete, p.Discovery.State)
	require.False(t, p.TooBig(epoch, 1300))
	require.Equal(t, epoch.Add(raiseTimer), p.Discovery.At)

	p.DiscoveryTimer(p.Discovery.At, false)
	require.True(t, p.Discovery.Asleep, "§5.1.1: no data was sent")
	require.True(t, p.Discovery.At.IsZero())
	p.Resume()
	require.Equal(t, DiscoverySearching, p.Discovery.State)
	for range maxProbes {
		p.lose(t)
	}
	require.Equal(t, DiscoveryComplete, p.Discovery.State, "SEARCHING: PROBE_COUNT = MAX_PROBES")
	require.Equal(t, 1300, p.Size)

	require.True(t, p.BlackHole())
	require.Equal(t, DiscoveryBase, p.Discovery.State)
	require.Equal(t, 1192, p.Size)
	require.False(t, p.BlackHole(), "it is being looked into")
	p.StopDiscovery()
	require.Equal(t, DiscoveryOff, p.Discovery.State, "loss of connectivity")
	require.True(t, p.Discovery.At.IsZero())
	require.True(t, p.TooBig(epoch, 600), "heard all the same")
	require.Equal(t, 548, p.Size, "there is no search that would find more")
	require.False(t, p.BlackHole(), "every path carries that")
	p.Resume()
	p.Revive()
	require.Equal(t, DiscoveryOff, p.Discovery.State)
	p.StartDiscovery()
	require.True(t, p.TooBig(epoch, 700))
	require.Equal(t, DiscoveryError, p.Discovery.State, "§4.6.2: PL_PTB_SIZE < BASE_PLPMTU")
	p.probe(t, epoch)
	p.ProbeAcked(epoch)
	require.Equal(t, 700, p.probe(t, epoch))
}

func TestDiscoveryInErrorFallsBackFurther(t *testing.T) { // RFC 8899 §4.3
	p := searching(t, "192.0.2.1:1", 1500)
	for range maxProbes {
		p.lose(t)
	}
	p.probe(t, epoch)
	p.ProbeAcked(epoch)
	p.probe(t, epoch)
	p.ProbeAcked(epoch)
	require.Equal(t, 976, p.Size)
	require.True(t, p.Large(976))
	require.False(t, p.Large(548))
	require.False(t, p.Large(980), "may be fragmented")
	require.True(t, p.BlackHole())
	require.Equal(t, DiscoveryError, p.Discovery.State)
	require.Equal(t, 548, p.Size)
	require.False(t, p.Large(548))
}

func TestProbesLostInAnOutageDoNotCount(t *testing.T) {
	p := searching(t, "192.0.2.1:1", 1500)
	p.probe(t, epoch)
	p.ProbeAcked(epoch)
	p.Errors = 1
	for range 10 {
		require.Equal(t, 1472, p.lose(t))
	}
	p.Errors = 0
	require.Equal(t, 1472, p.lose(t))
	require.Equal(t, DiscoverySearching, p.Discovery.State)
}

func TestDiscoveryOfASmallMaximum(t *testing.T) {
	for _, mtu := range []int{576, 800, 1220} {
		p := searching(t, "192.0.2.1:1", mtu)
		require.Equal(t, mtu-28, p.Size)
		require.Equal(t, mtu-28, p.probe(t, epoch))
		p.ProbeAcked(epoch)
		require.Equal(t, DiscoveryComplete, p.Discovery.State)
	}
	require.Equal(t, "searching", DiscoverySearching.String())
	require.Equal(t, "unknown", DiscoveryState(99).String())
}
