package rawip_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
)

// Two hosts on a link.
const (
	a4, b4 = "10.1.0.1", "10.1.0.2"
	a6, b6 = "fd00:1::1", "fd00:1::2"
	mtu    = 1400
)

func TestSockets(t *testing.T) {
	a, b := netns.New(t), netns.New(t)
	netns.Link(t, a, b, netns.Wire{A: []string{a4 + "/24", a6 + "/64"}, B: []string{b4 + "/24", b6 + "/64"}, MTU: mtu})
	t.Run("packets both ways", func(t *testing.T) { packetsBothWays(t, a, b) })
	t.Run("ICMP", func(t *testing.T) { icmp(t, a, b) })
	t.Run("Don't Fragment", func(t *testing.T) { dontFragment(t, a, b) })
	t.Run("ports", func(t *testing.T) { reservePorts(t, a, b) })
}

func listen(t *testing.T, h *netns.Host, addr string, cfg *rawip.Config) *rawip.Socket {
	t.Helper()
	var s *rawip.Socket
	require.NoError(t, h.Do(func() (err error) {
		s, err = rawip.Listen(netip.MustParseAddr(addr), cfg)
		return err
	}))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// to is an address as carriers without ports write it.
func to(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 0) }

func receive(t *testing.T, s *rawip.Socket, want int) []carrier.Datagram {
	t.Helper()
	watchdog := time.AfterFunc(10*time.Second, func() { _ = s.Close() })
	defer watchdog.Stop()
	var got []carrier.Datagram
	for ds := make([]carrier.Datagram, 8); len(got) < want; {
		n, err := s.ReadBatch(ds)
		require.NoError(t, err, "%d of %d came", len(got), want)
		for _, d := range ds[:n] {
			d.Data = bytes.Clone(d.Data)
			got = append(got, d)
		}
	}
	return got
}

func packetsBothWays(t *testing.T, ha, hb *netns.Host) {
	for _, tc := range []struct{ name, bindA, bindB, ipA, ipB string }{
		{"IPv4", a4, b4, a4, b4},
		{"IPv6", a6, b6, a6, b6},
		{"all IPv4 addresses", "0.0.0.0", "0.0.0.0", a4, b4},
		{"all IPv6 addresses", "::", "::", a6, b6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := listen(t, ha, tc.bindA, nil), listen(t, hb, tc.bindB, nil)
			require.Equal(t, []netip.AddrPort{to(tc.bindA)}, a.LocalAddrs())
			require.Zero(t, a.Overhead())
			require.Equal(t, 1, a.MaxSegments())
			require.True(t, a.DontFragment())
			var out []carrier.Datagram
			for i := range 100 {
				out = append(out, carrier.Datagram{Remote: to(tc.ipB), Data: bytes.Repeat([]byte{byte(i)}, 12+i), ECN: uint8(i % 4)})
			}
			n, err := a.WriteBatch(out[:1]) // finds the neighbour
			require.NoError(t, err)
			require.Equal(t, 1, n)
			first := receive(t, b, 1)
			n, err = a.WriteBatch(out[1:])
			require.NoError(t, err)
			require.Equal(t, len(out)-1, n)
			for i, d := range append(first, receive(t, b, len(out)-1)...) {
				require.Equal(t, out[i].Data, d.Data, "no IP header")
				require.Equal(t, out[i].ECN, d.ECN)
				require.Equal(t, to(tc.ipA), d.Remote)
				require.Equal(t, netip.MustParseAddr(tc.ipB), d.Local)
			}
			n, err = b.WriteBatch([]carrier.Datagram{{Local: netip.MustParseAddr(tc.ipB), Remote: to(tc.ipA), Data: []byte("answer")}})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, "answer", string(receive(t, a, 1)[0].Data))
		})
	}
}

// RFC 9260 §10: a host without SCTP says so, and routers what does not fit.
func icmp(t *testing.T, ha, hb *netns.Host) {
	hb.Forward(t) // no limit of its ICMP messages
	for _, tc := range []struct{ name, bind, far string }{{"IPv4", a4, b4}, {"IPv6", a6, b6}, {"any", "0.0.0.0", b4}} {
		t.Run(tc.name, func(t *testing.T) {
			a := listen(t, ha, tc.bind, nil)
			notices := make(chan carrier.Notice, 10)
			a.SetNotify(func(n carrier.Notice) {
				n.Quoted = slices.Clone(n.Quoted)
				notices <- n
			})
			go func() { _, _ = a.ReadBatch(make([]carrier.Datagram, 1)) }()
			packet := []byte("an SCTP packet, or so")
			_, err := a.WriteBatch([]carrier.Datagram{{Remote: to(tc.far), Data: packet}})
			require.NoError(t, err)
			select {
			case n := <-notices:
				require.Equal(t, carrier.NoticeProtocol, n.Kind)
				require.Equal(t, to(tc.far), n.Remote)
				require.Equal(t, packet, n.Quoted)
			case <-time.After(10 * time.Second):
				require.Fail(t, "no notice")
			}
		})
	}
}

func dontFragment(t *testing.T, ha, hb *netns.Host) {
	for _, tc := range []struct {
		ipA, ipB string
		fits     int
	}{{a4, b4, mtu - 20}, {a6, b6, mtu - 40}} {
		a, b := listen(t, ha, tc.ipA, nil), listen(t, hb, tc.ipB, nil)
		n, err := a.WriteBatch([]carrier.Datagram{
			{Remote: to(tc.ipB), Data: make([]byte, tc.fits)},
			{Remote: to(tc.ipB), Data: make([]byte, tc.fits+1)},
			{Remote: to(tc.ipB), Data: make([]byte, 3*tc.fits), MayFragment: true},
		})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		got := receive(t, b, 2)
		require.Len(t, got[0].Data, tc.fits)
		require.Len(t, got[1].Data, 3*tc.fits)

		c := listen(t, ha, tc.ipA, &rawip.Config{AllowFragmentation: true})
		require.False(t, c.DontFragment())
		_, err = c.WriteBatch([]carrier.Datagram{{Remote: to(tc.ipB), Data: make([]byte, tc.fits+1)}})
		require.NoError(t, err)
		require.Len(t, receive(t, b, 1)[0].Data, tc.fits+1)
	}
}

func TestListenAll(t *testing.T) {
	h := netns.New(t)
	open := func(addrs ...netip.Addr) (socks []*rawip.Socket, err error) {
		err = h.Do(func() (err error) {
			socks, err = rawip.ListenAll(addrs, &rawip.Config{RecvBuffer: 20000, SendBuffer: 30000})
			return err
		})
		return socks, err
	}
	socks, err := open()
	require.NoError(t, err)
	require.Equal(t, to("0.0.0.0"), socks[0].LocalAddrs()[0])
	recv, send := socks[0].Buffers()
	require.Equal(t, 20000, recv)
	require.Equal(t, 30000, send)
	for _, s := range socks {
		require.NoError(t, s.Close())
		_, err := s.ReadBatch(make([]carrier.Datagram, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	}
	_, err = open(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"))
	require.ErrorContains(t, err, "rawip: ")
	_, err = open(netip.Addr{})
	require.ErrorContains(t, err, "invalid address")
}

func TestInterrupt(t *testing.T) {
	s := listen(t, netns.New(t), "127.0.0.1", nil)
	s.Interrupt()
	n, err := s.ReadBatch(make([]carrier.Datagram, 1))
	require.NoError(t, err)
	require.Zero(t, n)
}

// Ports are reserved once on each host, until their socket is closed.
func reservePorts(t *testing.T, a, b *netns.Host) {
	one, two, other := listen(t, a, a4, nil), listen(t, a, a6, nil), listen(t, b, b4, nil)
	reserve := func(h *netns.Host, s *rawip.Socket, first uint16) (ok bool) {
		require.NoError(t, h.Do(func() error {
			ok = s.ReservePorts(first, first+9)
			return nil
		}))
		return ok
	}
	require.True(t, reserve(a, one, 50000))
	require.True(t, reserve(a, two, 50010))
	require.False(t, reserve(a, two, 50000))
	require.False(t, reserve(a, one, 50010))
	require.True(t, reserve(b, other, 50000), "another host")
	require.NoError(t, one.Close())
	require.True(t, reserve(a, two, 50000))
	require.False(t, reserve(a, one, 50020), "closed")
	require.True(t, reserve(a, two, 50020))
}
