package sctp_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// eachHome opens a stack with a carrier for each of several addresses.
func (w *world) eachHome(cfg sctp.StackConfig, ips ...netip.Addr) *sctp.Stack {
	w.t.Helper()
	h := w.net.Host(ips...)
	for _, ip := range ips {
		c, err := h.Carrier(port(ip))
		require.NoError(w.t, err)
		cfg.Carriers = append(cfg.Carriers, c)
	}
	s, err := sctp.NewStack(&cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
	return s
}

// An address that is taken away in mid-transfer costs no message and no timeout.
func TestRemoveLocalAddr(t *testing.T) { // RFC 9260 §6.4.1
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		one, two := w.eachHome(sctp.StackConfig{}, left...), w.eachHome(sctp.StackConfig{}, right...)
		l, err := two.Listen(&sctp.Addr{Port: 1}, nil)
		require.NoError(t, err)
		c, err := one.Dial(t.Context(), &sctp.Addr{IPs: right[:1], Port: 1}, nil)
		require.NoError(t, err)
		s, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.Equal(t, 3, activePaths(c))

		for range 20 {
			require.NoError(t, c.Send(t.Context(), text("on its way")))
		}
		require.NoError(t, one.RemoveLocalAddr(left[0]))
		w.net.Partition(left[:1], nil)
		start := time.Now()
		for range 20 {
			receive(t, s)
		}
		require.Less(t, time.Since(start), time.Second)
		require.ErrorIs(t, one.RemoveLocalAddr(left[0]), sctp.ErrNotLocal)
		require.Len(t, one.LocalAddrs(), 2)
		require.Equal(t, left[1:], c.LocalAddr().(*sctp.Addr).IPs)
		require.NoError(t, one.RemoveLocalAddr(left[2]))
		require.Equal(t, 2, activePaths(c), "no IPv6 address is left")
		require.ErrorIs(t, one.RemoveLocalAddr(left[1]), sctp.ErrLastAddr)

		// New associations do not tell it any more. Back again, they do.
		second, err := one.Dial(t.Context(), &sctp.Addr{IPs: right[:1], Port: 1}, nil)
		require.NoError(t, err)
		s2, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.Equal(t, left[1:2], s2.RemoteAddr().(*sctp.Addr).IPs)
		require.NoError(t, second.Close())
		w.net.Heal()
		for _, ip := range []netip.Addr{left[0], left[2]} {
			carrier, err := w.net.Host(ip).Carrier(port(ip))
			require.NoError(t, err)
			require.NoError(t, one.AddCarrier(carrier))
			require.NoError(t, one.AddLocalAddr(ip), "it is there")
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, 3, activePaths(c), "the association has its old addresses back")
		require.NoError(t, c.Send(t.Context(), text("still here")))
		receive(t, s)
		_, err = one.Dial(t.Context(), &sctp.Addr{IPs: right[:1], Port: 1}, nil)
		require.NoError(t, err)
		s3, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.Len(t, s3.RemoteAddr().(*sctp.Addr).IPs, 3)
	})
}

// A listener tells the addresses that there are when the INIT comes, and goes on
// listening on new ones.
func TestListenersFollowTheAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		one, two := w.eachHome(sctp.StackConfig{}, left...), w.eachHome(sctp.StackConfig{}, right[:2]...)
		l, err := two.Listen(&sctp.Addr{Port: 1}, nil)
		require.NoError(t, err)
		some, err := two.Listen(&sctp.Addr{IPs: right[:2], Port: 2}, nil)
		require.NoError(t, err)
		dial := func(to netip.Addr, p uint16) []netip.Addr {
			a, err := one.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{to}, Port: p}, nil)
			require.NoError(t, err)
			defer a.Close()
			ips := a.RemoteAddr().(*sctp.Addr).IPs
			slices.SortFunc(ips, netip.Addr.Compare)
			return ips
		}
		require.Equal(t, right[:2], dial(right[0], 1))
		c, err := w.net.Host(right[2]).Carrier(port(right[2]))
		require.NoError(t, err)
		require.NoError(t, two.AddCarrier(c))
		require.Equal(t, right, dial(right[0], 1))
		require.Equal(t, right, dial(right[2], 1))
		require.Equal(t, right[:2], dial(right[0], 2), "this one was told which to use")
		require.NoError(t, two.RemoveLocalAddr(right[0]))
		require.Equal(t, right[1:], dial(right[1], 1))
		require.Equal(t, right[1:2], dial(right[1], 2))
		require.NoError(t, l.Close())
		require.NoError(t, some.Close())
	})
}

// hostAddrs is the addresses of a host that change.
type hostAddrs struct {
	mu   sync.Mutex
	have []netip.Addr
	fail error
}

func (h *hostAddrs) set(have []netip.Addr, fail error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.have, h.fail = have, fail
}

// look returns addresses that are not unicast as well.
func (h *hostAddrs) look() ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(slices.Clone(h.have), netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1")), h.fail
}

// A stack that is bound to all addresses tells them all if it should, and looks for new
// ones from time to time.
func TestAllAddrs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		host := &hostAddrs{have: right[:2]}
		c, err := w.net.Host(right...).Carrier(netip.AddrPortFrom(netip.IPv6Unspecified(), sctp.DefaultUDPPort))
		require.NoError(t, err)
		cfg := &sctp.StackConfig{Carriers: []carrier.Carrier{c}, AllAddrs: true, AddrInterval: 10 * time.Second,
			HostAddrs: host.look}
		two, err := sctp.NewStack(cfg)
		require.NoError(t, err)
		l, err := two.Listen(&sctp.Addr{Port: 1}, nil)
		require.NoError(t, err)
		one := w.eachHome(sctp.StackConfig{}, left...)
		dial := func() (a, b *sctp.Association) {
			a, err := one.Dial(t.Context(), &sctp.Addr{IPs: right[:1], Port: 1}, nil)
			require.NoError(t, err)
			b, err = l.AcceptSCTP(t.Context())
			require.NoError(t, err)
			return a, b
		}
		a, b := dial()
		require.Len(t, a.Paths(), 2)
		time.Sleep(5 * time.Second)
		require.Equal(t, 2, activePaths(a))
		for _, p := range b.Paths()[:2] {
			require.Contains(t, right[:2], p.Local, "and each path has a source of its own")
		}

		host.set(right, nil) // an address appears
		time.Sleep(11 * time.Second)
		a2, _ := dial()
		require.Len(t, a2.Paths(), 3)
		host.set(right[:1], nil) // two vanish
		w.net.Partition(right[1:], nil)
		time.Sleep(11 * time.Second)
		require.NoError(t, b.Send(t.Context(), text("from the one that is left")))
		receive(t, a)
		a3, _ := dial()
		require.Len(t, a3.Paths(), 1)
		added, removed, err := two.RefreshLocalAddrs()
		require.NoError(t, err)
		require.Empty(t, append(added, removed...))
		host.set(right, nil)
		added, removed, err = two.RefreshLocalAddrs()
		require.NoError(t, err)
		require.Equal(t, right[1:], added)
		require.Empty(t, removed)
		fail := errors.New("no idea")
		host.set(right, fail)
		_, _, err = two.RefreshLocalAddrs()
		require.ErrorIs(t, err, fail)
		time.Sleep(30 * time.Second) // it is logged
		require.NoError(t, two.Close())
		time.Sleep(time.Minute)
		_, err = sctp.NewStack(&sctp.StackConfig{Carriers: cfg.Carriers, AllAddrs: true, HostAddrs: cfg.HostAddrs})
		require.ErrorIs(t, err, fail)
	})
}

// Sockets on loopback: bound to another address, and let go.
func TestLoopbackAddressesComeAndGo(t *testing.T) {
	first, second := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.3")
	for _, n := range []int{1, 3} {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{first}, Sockets: n})
		require.NoError(t, err)
		l, err := s.Listen(&sctp.Addr{Port: 1}, nil)
		require.NoError(t, err)
		go serveEcho(l)
		echoed := func(to netip.Addr) *sctp.Association {
			a, err := sctp.Dial(t.Context(), (&sctp.Addr{IPs: []netip.Addr{to}, Port: 1, UDPPort: s.UDPPort()}).String(), nil)
			require.NoError(t, err)
			require.NoError(t, a.Send(t.Context(), text("hello")))
			require.Equal(t, "hello", string(receive(t, a).Data))
			return a
		}
		a := echoed(first)
		require.NoError(t, s.AddLocalAddr(second))
		require.NoError(t, s.AddLocalAddr(netip.AddrFrom16(second.As16())), "an IPv4-mapped address is the same")
		require.Len(t, s.LocalAddrs(), 2)
		b := echoed(second)
		require.Len(t, b.Paths(), 2, "both are told")
		require.Eventually(t, func() bool {
			return !slices.ContainsFunc(b.Paths(), func(p sctp.PathInfo) bool { return p.State != sctp.PathActive })
		}, 10*time.Second, time.Millisecond, "with no other path verified, the loss of this one would end the association")
		require.NoError(t, s.RemoveLocalAddr(second))
		require.Len(t, s.LocalAddrs(), 1)
		free, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(second, s.UDPPort())))
		require.NoError(t, err, "the socket is closed")
		require.NoError(t, free.Close())
		require.NoError(t, b.Send(t.Context(), text("by the other one")))
		require.Equal(t, "by the other one", string(receive(t, b).Data))
		require.Error(t, s.AddLocalAddr(netip.MustParseAddr("203.0.113.77")), "not an address of this host")
		added, removed, err := s.RefreshLocalAddrs()
		require.NoError(t, err)
		require.Empty(t, append(added, removed...))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.AddLocalAddr(second), net.ErrClosed)
		require.ErrorIs(t, s.RemoveLocalAddr(first), net.ErrClosed)
	}
}
