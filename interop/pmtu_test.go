//go:build interop

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// The network carries smaller packets all of a sudden, in mid-transfer: our
// interface, a router on the way that says so by ICMP, or a cable that swallows what
// is too large. The transfer goes on, in packets that fit (RFC 9260 §7.3, RFC 8899).
func TestPathMTUShrinks(t *testing.T) {
	t.Parallel()
	const mtu = 1300
	for _, c := range []struct {
		name   string
		below  layer
		before func(t *testing.T, n, router node, k machine) // in place from the start
		shrink func(t *testing.T, n, router node, k machine)
	}{
		{"our interface", udp, nil, func(t *testing.T, n, _ node, _ machine) {
			n.must(t, "ip", "link", "set", "eth0", "mtu", "1300")
			t.Cleanup(func() { n.must(t, "ip", "link", "set", "eth0", "mtu", "1500") })
		}},
		{"a router", udp, detour, router1300},
		{"a router", rawIP, detour, router1300},
		{"a black hole", udp, nil, blackHole},
		{"a black hole", rawIP, nil, blackHole},
	} {
		t.Run(c.name+" "+string(c.below), func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n, router := newKernel(t), newNode(t), newNode(t)
				ctx := within(t, 2*time.Minute)
				if c.before != nil {
					c.before(t, n, router, k)
				}
				k.speak(t, c.below)
				overhead := map[layer]int{udp: 28, rawIP: 20}[c.below]
				x := sized(8000)
				x.rate = 1000
				if c.name == "our interface" {
					x.send = 0 // its packets would be too large to come in
				}
				cfg := sctp.Config{RTOInitial: 500 * time.Millisecond, RTOMin: 200 * time.Millisecond, RTOMax: time.Second}
				a, p := x.meet(ctx, t, role, stackOn(t, n.layer(t, c.below, n.addr())), &cfg, k, []string{n.addr()}, []string{k.addr()})
				e := x.begin(ctx, a)
				require.Eventually(t, func() bool { return a.Stats().MessagesOut >= 2000 }, 20*time.Second, 10*time.Millisecond)
				require.Equal(t, 1500-overhead, a.Paths()[0].PacketSize, "the discovery found what Ethernet carries")
				c.shrink(t, n, router, k)
				e.wait(t)
				size := a.Paths()[0].PacketSize
				silence := gap(t, x.finish(ctx, t, role, a, p))
				t.Logf("packets of %d bytes at the end; the peer received nothing for %.2f s; %+v", size, silence.Seconds(), a.Stats())
				require.LessOrEqual(t, size, mtu-overhead)
				require.Greater(t, size, mtu-overhead-200, "packets became smaller than needed")
				require.Less(t, silence, 5*time.Second)
			})
		})
	}
}

// detour leads our packets through a router.
func detour(t *testing.T, n, router node, k machine) {
	router.must(t, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
	n.must(t, "ip", "route", "add", k.addr(), "via", router.addr())
	t.Cleanup(func() { n.must(t, "ip", "route", "del", k.addr()) })
}

// router1300 narrows the way behind the router.
func router1300(t *testing.T, _, router node, k machine) {
	router.must(t, "ip", "route", "add", k.addr(), "dev", "eth0", "mtu", "lock", "1300")
	t.Cleanup(func() { router.must(t, "ip", "route", "del", k.addr()) })
}

// blackHole makes the switch drop what is too large for the peer's cable.
func blackHole(t *testing.T, _, _ node, k machine) {
	rig(t, "ns", "ip", "link", "set", cable(k.n, "a"), "mtu", "1300")
	t.Cleanup(func() { rig(t, "ns", "ip", "link", "set", cable(k.n, "a"), "mtu", "1500") })
}
