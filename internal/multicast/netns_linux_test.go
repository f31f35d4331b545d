package multicast_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/internal/netns"
)

// hostNetwork is the system's network on a host.
type hostNetwork struct{ h *netns.Host }

func (n hostNetwork) Interfaces() (ifs []multicast.Interface, err error) {
	err = n.h.Do(func() (err error) { ifs, err = multicast.System.Interfaces(); return err })
	return ifs, err
}

func (n hostNetwork) Listen(group netip.AddrPort) (l multicast.Listener, err error) {
	err = n.h.Do(func() (err error) { l, err = multicast.System.Listen(group); return err })
	return l, err
}

func (n hostNetwork) Sender(on *multicast.Interface, from netip.AddrPort, ttl int) (s multicast.Sender, err error) {
	err = n.h.Do(func() (err error) { s, err = multicast.System.Sender(on, from, ttl); return err })
	return s, err
}

// Two hosts with both families: each hears the other on the addresses of the wire between
// them, itself included, in IPv4 and IPv6.
func TestBothFamiliesBetweenHosts(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t), netns.New(t)
	netns.Link(t, a, b, netns.Wire{A: []string{"10.7.0.1/24", "fd00:7::1/64"}, B: []string{"10.7.0.2/24", "fd00:7::2/64"}})
	var heardA, heardB ears
	ca := open(t, multicast.Config{Network: hostNetwork{a}, Groups: both, Receive: heardA.hear, Send: true, SourcePort: 3863, TTL: 1})
	cb := open(t, multicast.Config{Network: hostNetwork{b}, Groups: both, Receive: heardB.hear, Send: true, SourcePort: 3863})
	for i, c := range []*multicast.Conn{ca, cb} {
		for _, host := range []string{"10.7.0.%d", "fd00:7::%d"} {
			addr := netip.MustParseAddr(fmt.Sprintf(host, i+1))
			want := fmt.Sprintf("%v from %v", addr, netip.AddrPortFrom(addr, 3863))
			for _, e := range []*ears{&heardA, &heardB} {
				e.eventually(t, want, func() { c.Send(addresses); time.Sleep(10 * time.Millisecond) })
			}
		}
	}
	require.Zero(t, ca.Stats().SendErrors+ca.Stats().JoinErrors)
}

// An interface that vanishes is not missed, and one that comes is used, by IPv4 and IPv6.
func TestRealInterfacesComeAndGo(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t), netns.New(t)
	heard, n := ears{}, hostNetwork{b}
	listener := open(t, multicast.Config{Network: n, Groups: both, Receive: heard.hear})
	for round := range 2 {
		name := netns.Link(t, a, b, netns.Wire{A: []string{"10.7.0.1/24", "fd00:7::1/64"}, B: []string{"10.7.0.2/24", "fd00:7::2/64"}})
		c := open(t, multicast.Config{Network: hostNetwork{a}, Groups: both, Send: true})
		for _, from := range []string{"10.7.0.1", "fd00:7::1"} {
			heard.eventually(t, from, func() { c.Send(addresses); time.Sleep(20 * time.Millisecond) })
		}
		if round == 0 {
			// Down and up again, it is still in the group.
			b.IP(t, "link", "set", name, "down")
			time.Sleep(1200 * time.Millisecond)
			b.IP(t, "link", "set", name, "up")
			heard.take()
			heard.eventually(t, "10.7.0.1", func() { c.Send(addresses); time.Sleep(20 * time.Millisecond) })
			a.IP(t, "link", "del", name)
		}
	}
	require.Zero(t, listener.Stats().JoinErrors)
}
