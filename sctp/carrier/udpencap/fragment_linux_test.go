package udpencap_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// Addresses of two hosts with a router between them; its far side has a small MTU.
const (
	narrow             = 1320
	near4, far4        = "10.1.0.1", "10.2.0.1"
	near6, far6        = "fd00:1::1", "fd00:2::1"
	ipv4Head, ipv6Head = 20 + 8, 40 + 8
)

// routed returns both hosts.
func routed(t *testing.T) (near, far *netns.Host) {
	near, far = netns.New(t), netns.New(t)
	router := netns.New(t)
	netns.Link(t, near, router, netns.Wire{A: []string{near4 + "/24", near6 + "/64"}, B: []string{"10.1.0.2/24", "fd00:1::2/64"}})
	netns.Link(t, router, far, netns.Wire{A: []string{"10.2.0.2/24", "fd00:2::2/64"}, B: []string{far4 + "/24", far6 + "/64"}, MTU: narrow})
	router.Forward(t)
	for h, net := range map[*netns.Host]string{near: "1", far: "2"} {
		h.IP(t, "route", "add", "default", "via", "10."+net+".0.2")
		h.IP(t, "-6", "route", "add", "default", "via", "fd00:"+net+"::2")
	}
	return near, far
}

// listenOn is listen on another host.
func listenOn(t *testing.T, h *netns.Host, addr string, cfg *udpencap.Config) *udpencap.Socket {
	t.Helper()
	var s *udpencap.Socket
	require.NoError(t, h.Do(func() (err error) {
		s, err = udpencap.Listen(netip.MustParseAddrPort(addr), cfg)
		return err
	}))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// RFC 6951 §5.6, RFC 9260 §10 ICMP7: packets leave with Don't Fragment; one that is
// too large for a later link comes back as a notice with the MTU of that link, and
// the kernel neither fragments nor refuses the next one because of it, as probes of
// the path MTU need. MayFragment is the exception.
func TestDontFragmentOnARoutedPath(t *testing.T) {
	near, far := routed(t)
	for _, tc := range []struct {
		name, bind, far string
		head            int
	}{
		{"IPv4", near4 + ":0", far4, ipv4Head},
		{"IPv6", "[" + near6 + "]:0", far6, ipv6Head},
		{"dual stack over IPv4", "[::]:0", far4, ipv4Head},
		{"dual stack over IPv6", "[::]:0", far6, ipv6Head},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := listenOn(t, near, tc.bind, nil), listenOn(t, far, "[::]:0", nil)
			require.True(t, a.DontFragment())
			peer := to(tc.far, b)
			notices := make(chan carrier.Notice, 10)
			a.SetNotify(func(n carrier.Notice) {
				n.Quoted = slices.Clone(n.Quoted)
				notices <- n
			})
			go func() { _, _ = a.ReadBatch(make([]carrier.Datagram, 1)) }()
			tooBig := func(data []byte) {
				select {
				case n := <-notices:
					require.Equal(t, carrier.NoticeTooBig, n.Kind)
					require.Equal(t, peer, n.Remote)
					require.Equal(t, narrow, n.MTU)
					require.Equal(t, data[:len(n.Quoted)], n.Quoted)
					require.GreaterOrEqual(t, len(n.Quoted), 12+8, "up to an Initiate Tag")
				case <-time.After(patience):
					require.Fail(t, "no notice")
				}
			}

			fits, large := pattern(1, narrow-tc.head), pattern(2, narrow-tc.head+1)
			for range 2 { // the second one, too, leaves and comes back
				send(t, a, carrier.Datagram{Remote: peer, Data: large})
				tooBig(large)
			}
			send(t, a, carrier.Datagram{Remote: peer, Data: fits})
			requireSame(t, fits, receive(t, b, 1)[0].Data)

			send(t, a, carrier.Datagram{Remote: peer, Data: large, MayFragment: true},
				carrier.Datagram{Remote: peer, Data: pattern(3, 3000), SegmentSize: 1400, MayFragment: true},
				carrier.Datagram{Remote: peer, Data: fits})
			got := receive(t, b, 5)
			requireSame(t, large, got[0].Data)
			require.Len(t, got[1].Data, 1400)
			require.Len(t, got[3].Data, 200)
			requireSame(t, fits, got[4].Data)

			require.Empty(t, notices)
			send(t, a, carrier.Datagram{Remote: peer, Data: large}) // whole again
			tooBig(large)
			require.Zero(t, a.Stats().Dropped)
		})
	}
}

// What is larger than the MTU of the own device is refused at once, as runs too, and
// that does not end segmentation offload.
func TestS4TooLargeForTheDevice(t *testing.T) {
	near, far := netns.New(t), netns.New(t)
	netns.Link(t, near, far, netns.Wire{A: []string{"10.1.0.1/24"}, B: []string{"10.1.0.2/24"}, MTU: narrow})
	a, b := listenOn(t, near, "10.1.0.1:0", nil), listenOn(t, far, "10.1.0.2:0", nil)
	const fits = narrow - ipv4Head
	peer := b.LocalAddrs()[0]
	n, err := a.WriteBatch([]carrier.Datagram{
		{Remote: peer, Data: pattern(1, fits+1)},
		{Remote: peer, Data: pattern(2, 3*(fits+1)+100), SegmentSize: fits + 1}, // only its tail passes
		{Remote: peer, Data: pattern(3, 3*fits), SegmentSize: fits},
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	got := receive(t, b, 4)
	require.Len(t, got[0].Data, 100)
	require.Len(t, got[3].Data, fits)
	require.EqualValues(t, 4, a.Stats().TooBig)
	require.Equal(t, 64, a.MaxSegments())

	// With fragmentation nothing is too large.
	c := listenOn(t, near, "10.1.0.1:0", &udpencap.Config{AllowFragmentation: true})
	require.False(t, c.DontFragment())
	send(t, c, carrier.Datagram{Remote: peer, Data: pattern(1, fits+1)},
		carrier.Datagram{Remote: peer, Data: pattern(2, 3*(fits+1)+100), SegmentSize: fits + 1})
	require.Len(t, receive(t, b, 5)[0].Data, fits+1)
}

// Writers that must not be fragmented and those that may work side by side.
func TestFragmentableAmongOthers(t *testing.T) {
	near, far := netns.New(t), netns.New(t)
	netns.Link(t, near, far, netns.Wire{A: []string{"10.1.0.1/24"}, B: []string{"10.1.0.2/24"}, MTU: narrow})
	a, b := listenOn(t, near, "10.1.0.1:0", nil), listenOn(t, far, "10.1.0.2:0", nil)
	send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: []byte("who is there?")}) // ARP keeps few that wait
	receive(t, b, 1)
	large := carrier.Datagram{Remote: b.LocalAddrs()[0], Data: pattern(1, 2000)}
	const rounds = 200
	var wg sync.WaitGroup
	for _, may := range []bool{true, false} {
		d := large
		d.MayFragment = may
		wg.Go(func() {
			for range rounds {
				if n, err := a.WriteBatch([]carrier.Datagram{d}); err != nil || (n == 1) != may {
					t.Errorf("%d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	receive(t, b, rounds)
	require.EqualValues(t, rounds, a.Stats().TooBig)
}
