package sctp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func newDemux() *demux {
	d := &demux{}
	d.init(1000)
	return d
}

// known enters an association with the given tag and paths.
func known(t *testing.T, d *demux, tag wire.VTag, peers ...netip.AddrPort) *Association {
	t.Helper()
	a := &Association{ourPort: 1, peerPort: 2}
	require.True(t, d.enter(a, tag, peers, peers))
	return a
}

func TestDemuxTagComesFirst(t *testing.T) {
	d := newDemux()
	a := known(t, d, 100, ap("192.0.2.1:9899"))
	b := known(t, d, 200, ap("192.0.2.2:9899"))
	h := func(tag wire.VTag) *wire.Header { return &wire.Header{SrcPort: 2, DstPort: 1, VTag: tag} }
	require.Same(t, a, d.lookup(h(100), ap("192.0.2.1:9899")))
	require.Same(t, a, d.lookup(h(100), ap("203.0.113.9:1")), "RFC 6951 §5.4: the tag counts, not the address")
	require.Same(t, a, d.lookup(h(100), ap("192.0.2.2:9899")))
	// An unknown tag, or none: the tuple decides (INIT, T bit).
	require.Same(t, a, d.lookup(h(0), ap("192.0.2.1:9899")))
	require.Same(t, b, d.lookup(h(12345), ap("192.0.2.2:9899")))
	require.Nil(t, d.lookup(h(0), ap("192.0.2.1:9900")), "another UDP port is another peer")
	require.Nil(t, d.lookup(h(12345), ap("203.0.113.9:1")))
	// The tag of another port pair is not ours.
	require.Nil(t, d.lookup(&wire.Header{SrcPort: 3, DstPort: 1, VTag: 100}, ap("203.0.113.9:1")))
	require.Nil(t, d.lookup(&wire.Header{SrcPort: 2, DstPort: 9, VTag: 100}, ap("192.0.2.1:9899")))
}

// X1: a peer cannot take the addresses of another association (RFC 5062 §2).
func TestX1AddressesCannotBeTaken(t *testing.T) {
	d := newDemux()
	victim := ap("192.0.2.1:9899")
	a := known(t, d, 100, victim)
	b := known(t, d, 200, ap("192.0.2.66:9899"), victim)
	h := &wire.Header{SrcPort: 2, DstPort: 1}
	require.Same(t, a, d.lookup(h, victim))
	both := []netip.AddrPort{victim, ap("192.0.2.66:9899")}
	d.rekey(b, 201, both, both)
	require.Same(t, a, d.lookup(h, victim))
	d.remove(b)
	require.Same(t, a, d.lookup(h, victim))
	d.remove(a)
	require.Nil(t, d.lookup(h, victim))
	require.Empty(t, d.byTag)
	require.Empty(t, d.byTuple)
	require.Empty(t, d.ports)
}

func TestDemuxEnterRefuses(t *testing.T) {
	d := newDemux()
	known(t, d, 100, ap("192.0.2.1:9899"))
	try := func(tag wire.VTag, peer string) bool {
		return d.enter(&Association{ourPort: 1, peerPort: 2}, tag, []netip.AddrPort{ap(peer)}, nil)
	}
	require.False(t, try(100, "192.0.2.2:9899"), "the tag is taken")
	require.False(t, try(101, "192.0.2.1:9899"), "the peer is known")
	d.max = 1
	require.False(t, try(101, "192.0.2.2:9899"), "full")
	d.max = 2
	require.True(t, try(101, "192.0.2.2:9899"))
	d.close()
	d.max = 3
	require.False(t, try(102, "192.0.2.3:9899"), "closed")
}

// After a restart the association has another tag (RFC 9260 §5.2.4 action A).
func TestDemuxRekey(t *testing.T) {
	d := newDemux()
	old, now := ap("192.0.2.1:9899"), ap("192.0.2.1:4444")
	a := known(t, d, 100, old)
	d.rekey(a, 101, []netip.AddrPort{now}, []netip.AddrPort{now})
	h := func(tag wire.VTag) *wire.Header { return &wire.Header{SrcPort: 2, DstPort: 1, VTag: tag} }
	require.Nil(t, d.lookup(h(100), old))
	require.Same(t, a, d.lookup(h(101), old))
	require.Same(t, a, d.lookup(h(0), now))
	require.Equal(t, 1, d.size())
	d.remove(a)
	require.Zero(t, d.size())
	require.Empty(t, d.byTuple)
}

func TestEphemeralPorts(t *testing.T) { // RFC 6056, RFC 6335 §6
	d := newDemux()
	d.init(1 << 20)
	peer := []netip.AddrPort{ap("192.0.2.1:9899")}
	seen := make(map[uint16]bool)
	jumps := 0
	var last uint16
	for range lastPort - firstDynamicPort + 1 {
		a := &Association{peerPort: 2}
		require.NoError(t, d.reserve(a, peer))
		require.GreaterOrEqual(t, a.ourPort, uint16(firstDynamicPort))
		require.False(t, seen[a.ourPort])
		seen[a.ourPort] = true
		if len(seen) < 100 && a.ourPort != last+1 {
			jumps++
		}
		last = a.ourPort
	}
	require.Greater(t, jumps, 90, "ports are not guessable")
	a := &Association{peerPort: 2}
	require.NoError(t, d.reserve(a, peer), "beyond the dynamic range when it is used up")
	require.Less(t, a.ourPort, uint16(firstDynamicPort))
	b := &Association{peerPort: 2}
	require.NoError(t, d.reserve(b, []netip.AddrPort{ap("192.0.2.2:9899")}))
	require.GreaterOrEqual(t, b.ourPort, uint16(firstDynamicPort), "another peer can share a port")
}

func TestReserveHoldsTheTuple(t *testing.T) {
	d := newDemux()
	peer := []netip.AddrPort{ap("192.0.2.1:9899"), ap("192.0.2.2:9899")}
	a := &Association{ourPort: 1, peerPort: 2}
	require.NoError(t, d.reserve(a, peer))
	require.ErrorIs(t, d.reserve(&Association{ourPort: 1, peerPort: 2}, peer[1:]), ErrAssociationExists)
	require.Equal(t, 1, d.size())
	ok, err := d.activate(a, 7)
	require.NoError(t, err)
	require.True(t, ok)
	b := &Association{ourPort: 3, peerPort: 2}
	require.NoError(t, d.reserve(b, peer))
	ok, err = d.activate(b, 7)
	require.NoError(t, err)
	require.False(t, ok, "the tag is taken: draw another")
	d.close()
	_, err = d.activate(b, 8)
	require.ErrorIs(t, err, net.ErrClosed)
	d.remove(b)
	d.remove(a)
	require.Zero(t, d.size())
	require.Empty(t, d.byTuple)
	require.Empty(t, d.ports)
}

func TestListenerOfAnAddress(t *testing.T) {
	d := newDemux()
	ip := netip.MustParseAddr("192.0.2.1")
	l := &Listener{port: 5, ips: []netip.Addr{ip}}
	require.NoError(t, d.listen(l))
	require.Same(t, l, d.listener(5, ip))
	require.Same(t, l, d.listener(5, netip.Addr{}), "unknown destination")
	require.Nil(t, d.listener(5, netip.MustParseAddr("192.0.2.2")))
	require.Nil(t, d.listener(6, ip))
	require.ErrorIs(t, d.listen(&Listener{port: 5}), ErrPortInUse)
	d.unlisten(&Listener{port: 5})
	require.Same(t, l, d.listener(5, ip), "only the listener itself can leave")
	d.unlisten(l)
	require.Nil(t, d.listener(5, ip))
}

func TestCloseIfEmpty(t *testing.T) {
	d := newDemux()
	l := &Listener{port: 5}
	require.NoError(t, d.listen(l))
	require.False(t, d.closeIfEmpty())
	a := known(t, d, 1, ap("192.0.2.1:1"))
	d.unlisten(l)
	require.False(t, d.closeIfEmpty())
	d.remove(a)
	require.True(t, d.closeIfEmpty())
	require.True(t, d.isClosed())
	require.ErrorIs(t, d.listen(l), net.ErrClosed)
}

func TestBucket(t *testing.T) {
	now := time.Unix(0, 0)
	b := bucket{rate: 10}
	count := func() (n int) {
		for b.take(now) {
			n++
		}
		return n
	}
	require.Equal(t, 10, count(), "one second's worth to begin with")
	now = now.Add(500 * time.Millisecond)
	require.Equal(t, 5, count())
	now = now.Add(time.Hour)
	require.Equal(t, 10, count(), "no more than that is saved")
	now = now.Add(-time.Hour)
	require.Zero(t, count(), "a clock that steps back gives nothing")

	none, all := bucket{rate: -1}, bucket{}
	require.False(t, none.take(now))
	for range 10000 {
		require.True(t, all.take(now))
	}
}

func TestSourceAddressOfAPath(t *testing.T) {
	ip := netip.MustParseAddr
	s := &Stack{}
	s.wired.Store(&wiring{ips: []netip.Addr{ip("10.1.0.1"), ip("10.2.0.1"), ip("2001:db8:1::1"), ip("127.0.0.1")}})
	for to, want := range map[string]netip.Addr{
		"10.1.9.9": ip("10.1.0.1"), "10.2.9.9": ip("10.2.0.1"), "2001:db8:2::1": ip("2001:db8:1::1"),
		"127.0.0.5": ip("127.0.0.1"), "::1": {},
	} {
		require.Equal(t, want, s.source(ip(to)), to)
	}
}
