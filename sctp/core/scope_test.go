package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, mustAddr(s))
	}
	return out
}

// bound is an address of each scope and family.
var bound = addrs("127.0.0.1", "::1", "169.254.1.1", "fe80::1", "10.0.0.1", "100.64.0.1", "fd00::1", "198.51.100.1", "2001:db8::1")

// What is listed in an INIT depends on the narrowest scope of the addresses that the
// user names (RFC 9260 §5.1.2).
func TestInitListsAddressesOfTheScopeOfThePeer(t *testing.T) {
	private := addrs("10.0.0.1", "100.64.0.1", "fd00::1", "198.51.100.1", "2001:db8::1")
	for name, c := range map[string]struct{ to, told []netip.Addr }{
		"loopback":           {addrs("127.0.0.9"), bound},
		"IPv6 loopback":      {addrs("::1"), bound},
		"link":               {addrs("169.254.7.7"), bound[2:]},
		"private":            {addrs("192.168.3.4"), private},
		"shared":             {addrs("100.127.0.9"), private},
		"unique local":       {addrs("fd12::9"), private},
		"global":             {addrs("203.0.113.9"), addrs("198.51.100.1", "2001:db8::1")},
		"global IPv6":        {addrs("2001:db8:9::9"), addrs("198.51.100.1", "2001:db8::1")},
		"global and private": {addrs("203.0.113.9", "10.9.9.9"), private},
		"mapped":             {addrs("::ffff:203.0.113.9"), addrs("198.51.100.1", "2001:db8::1")},
	} {
		t.Run(name, func(t *testing.T) {
			i := firstInit(t, bound, c.to...)
			require.Equal(t, c.told, i.Addrs)
			require.Equal(t, []wire.ParamType{wire.ParamIPv4, wire.ParamIPv6}, i.SupportedAddrTypes, "§3.3.2.1.5")
		})
	}
}

// firstInit is the INIT of an end with the given addresses to a peer.
func firstInit(t *testing.T, local []netip.Addr, to ...netip.Addr) wire.Init {
	w := newWorld(t, 1)
	a := w.host(netip.AddrPortFrom(local[0], 9899), 1, nil)
	a.move(local...)
	var i wire.Init
	a.tap = func(p wire.Packet) { require.NoError(t, i.Decode(clone(t, p).First())) }
	a.dialAll(to...)
	return i
}

func TestInitOfASingleHomedEndListsNothing(t *testing.T) { // RFC 9260 §5.1.2 A, RFC 6951 §5.7
	require.Empty(t, firstInit(t, addrs("10.0.0.1"), mustAddr("10.0.0.2")).Addrs)
	require.Empty(t, firstInit(t, addrs("10.0.0.1", "127.0.0.1"), mustAddr("10.0.0.2")).Addrs, "one of use")
	require.Empty(t, firstInit(t, addrs("10.0.0.1", "10.1.0.1"), mustAddr("203.0.113.1")).Addrs, "a NAT is in between")
	i := firstInit(t, addrs("10.0.0.1"), mustAddr("10.0.0.2"))
	require.Empty(t, i.SupportedAddrTypes)
}

func TestFamiliesAreAnnounced(t *testing.T) { // RFC 9260 §3.3.2.1.5
	for _, c := range []struct {
		no4, no6 bool
		locals   []netip.Addr
		want     []wire.ParamType
	}{
		{locals: bound, want: []wire.ParamType{wire.ParamIPv4, wire.ParamIPv6}},
		{no6: true, locals: bound, want: []wire.ParamType{wire.ParamIPv4}},
		{no4: true, locals: bound, want: []wire.ParamType{wire.ParamIPv6}},
		{no6: true, want: nil}, // a single-homed end says no more than it must
	} {
		w := newWorld(t, 1)
		a := w.host(addrA, 1, nil)
		as, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 1, PeerPort: 2, PeerAddrs: []netip.AddrPort{addrB},
			LocalAddrs: c.locals, NoIPv4: c.no4, NoIPv6: c.no6}, a.resp)
		require.NoError(t, err)
		tr, ok := as.PollTransmit(w.now, w.buf, 1)
		require.True(t, ok)
		pkt, err := wire.Parse(tr.Data)
		require.NoError(t, err)
		var i wire.Init
		require.NoError(t, i.Decode(pkt.First()))
		require.Equal(t, c.want, i.SupportedAddrTypes)
	}
}

// ackTo is the INIT ACK to an INIT of a stranger that arrives at the address at.
func ackTo(t *testing.T, from, at string, i *wire.Init) wire.Init {
	w := newWorld(t, 1)
	b := w.host(netip.AddrPortFrom(bound[0], 9899), 1, nil)
	b.listen = &core.Listening{Config: &b.cfg}
	b.move(bound...)
	var out wire.Init
	b.tap = func(p wire.Packet) { require.NoError(t, out.Decode(clone(t, p).First())) }
	i.InitiateTag, i.ARwnd, i.OutStreams, i.InStreams = 7, 65536, 1, 1
	b.receiveAt(mustAddr(at), netip.AddrPortFrom(mustAddr(from), 9899), packetTo(5000, 5001, 0, i))
	require.True(t, out.HasCookie)
	return out
}

func TestInitAckListsAddressesOfTheScopeOfThePeer(t *testing.T) { // RFC 9260 §5.1.2
	require.Equal(t, addrs("198.51.100.1", "2001:db8::1"), ackTo(t, "203.0.113.5", "198.51.100.1", &wire.Init{}).Addrs)
	require.Equal(t, bound[4:], ackTo(t, "10.7.7.7", "198.51.100.1", &wire.Init{}).Addrs)
	require.Equal(t, bound, ackTo(t, "127.0.0.1", "127.0.0.1", &wire.Init{}).Addrs)
}

func TestSupportedAddressTypesAreHeeded(t *testing.T) { // RFC 9260 §5.1.2, §3.3.2.1.5
	four, six := wire.ParamIPv4, wire.ParamIPv6
	both := addrs("198.51.100.1", "2001:db8::1")
	for name, c := range map[string]struct {
		from, at string
		i        wire.Init
		told     []netip.Addr
	}{
		"says nothing":       {"203.0.113.5", "198.51.100.1", wire.Init{}, both},
		"both":               {"203.0.113.5", "198.51.100.1", wire.Init{SupportedAddrTypes: []wire.ParamType{four, six}}, both},
		"IPv4 only":          {"203.0.113.5", "198.51.100.1", wire.Init{SupportedAddrTypes: []wire.ParamType{four}}, nil},
		"IPv6 only":          {"2001:db8:5::5", "2001:db8::1", wire.Init{SupportedAddrTypes: []wire.ParamType{six}}, nil},
		"but sent over IPv6": {"2001:db8:5::5", "2001:db8::1", wire.Init{SupportedAddrTypes: []wire.ParamType{four}}, both},
		"but lists IPv6": {"203.0.113.5", "198.51.100.1",
			wire.Init{SupportedAddrTypes: []wire.ParamType{four}, Addrs: addrs("203.0.113.5", "2001:db8:5::5")}, both},
		"names only": {"203.0.113.5", "198.51.100.1", wire.Init{SupportedAddrTypes: []wire.ParamType{wire.ParamHostName}}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.told, ackTo(t, c.from, c.at, &c.i).Addrs) })
	}
}

func TestListedAddressesOfALesserScopeAreIgnored(t *testing.T) { // RFC 9260 §5.1.2, P14
	all := addrs("127.0.0.2", "::1", "169.254.1.2", "fe80::2", "10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7")
	for from, want := range map[string][]string{
		"203.0.113.5":    {"203.0.113.7", "2001:db8:7::7"},
		"2001:db8:5::5":  {"203.0.113.7", "2001:db8:7::7"},
		"10.0.0.5":       {"10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7"},
		"169.254.1.5":    {"169.254.1.2", "fe80::2", "10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7"},
		"fe80::5%eth0":   {"169.254.1.2", "fe80::2%eth0", "10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7"},
		"127.0.0.5":      {"127.0.0.2", "::1", "169.254.1.2", "fe80::2", "10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7"},
		"100.100.100.10": {"10.0.0.2", "fd00::2", "203.0.113.7", "2001:db8:7::7"},
	} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t, 1)
			b := w.host(netip.AddrPortFrom(bound[0], 9899), 1, nil)
			b.listen = &core.Listening{Config: &b.cfg}
			b.move(bound...)
			var ack wire.Init
			b.tap = func(p wire.Packet) {
				if p.First().Type() == wire.TypeInitAck {
					require.NoError(t, ack.Decode(clone(t, p).First()))
				}
			}
			src, at := netip.AddrPortFrom(mustAddr(from), 9899), mustAddr("10.0.0.1")
			i := &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1, Addrs: all}
			b.receiveAt(at, src, packetTo(5000, 5001, 0, i))
			b.receiveAt(at, src, packetTo(5000, 5001, ack.InitiateTag, &wire.CookieEcho{Cookie: ack.Cookie}))
			got := []string{}
			for _, p := range b.only().Paths()[1:] {
				require.Equal(t, core.PathUnconfirmed, p.State)
				got = append(got, p.Remote.Addr().String())
			}
			require.Equal(t, want, got)
		})
	}
}

// The INIT travels over one family and lists addresses of the other, and the reverse.
func TestFamiliesMix(t *testing.T) { // RFC 9260 §5.1.2
	for _, first := range []int{0, 2} {
		w, a, b := manyHomes(t, 3, 3, 3, nil)
		a.dialAll(homes[1][first])
		w.until(20*time.Second, "all paths active", func() bool { return len(b.assocs) == 1 && active(a) == 3 && active(b) == 3 })
		w.die(homes[1][first])
		w.transfer(2*time.Minute, newFlow(a, b, 1, 2, 20), newFlow(b, a, 2, 2, 20))
	}
}

// An end of one family uses all it can and does not complain about the rest.
func TestOneFamilyIsEnough(t *testing.T) { // RFC 9260 §5.1.2
	w, a, b := manyHomes(t, 3, 2, 3, nil)
	a.dialAll(homes[1][0])
	w.until(20*time.Second, "paths active", func() bool { return len(b.assocs) == 1 && active(a) == 2 && active(b) == 2 })
	require.Len(t, a.only().Paths(), 2)
	w.run(time.Minute)
	require.False(t, a.saw(core.EventRemoteError))
	require.False(t, b.saw(core.EventRemoteError))
}

// A peer with several addresses may answer from another one than was called, if it
// lists that one.
func TestInitAckFromAnotherAddress(t *testing.T) { // RFC 9260 §5.1.2 C, D
	w, a, b := two(t, 1, nil)
	as := a.dial(b)
	second := netip.MustParseAddrPort("10.0.5.2:9899")
	ack := &wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true}
	a.receive(second, packetTo(5001, 5000, as.LocalTag(), ack))
	require.Equal(t, core.CookieWait, as.State(), "it does not say who it is")
	ack.Addrs = addrs("10.0.5.2", "10.0.0.9")
	a.receive(second, packetTo(5001, 5000, as.LocalTag(), ack))
	require.Equal(t, core.CookieWait, as.State(), "it is not who was called")
	ack.Addrs = []netip.Addr{second.Addr(), addrB.Addr()}
	a.receive(second, packetTo(5001, 5000, as.LocalTag()+1, ack))
	require.Equal(t, core.CookieWait, as.State(), "the tag is wrong")
	a.receive(second, packetTo(5001, 5000, as.LocalTag(), ack))
	require.Equal(t, core.CookieEchoed, as.State())
	require.Equal(t, []netip.AddrPort{addrB, second}, as.PeerAddrs(), "the source is one of its addresses; what was called is verified")
	require.Equal(t, core.PathActive, as.Paths()[0].State)
	require.Equal(t, core.PathUnconfirmed, as.Paths()[1].State)
	_ = w
}

// A wildcard end that named two families of its peer can use the one only in which the
// peer knows it.
func TestPathsWithoutASourceAreForgotten(t *testing.T) {
	w, a, b := two(t, 1, nil)
	as, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001,
		PeerAddrs: []netip.AddrPort{netip.MustParseAddrPort("[fd00::2]:9899"), b.addr}}, a.resp)
	require.NoError(t, err)
	a.assocs = append(a.assocs, as)
	a.drain(as)
	w.until(10*time.Second, "established", func() bool { return as.State() == core.Established })
	require.Equal(t, []netip.AddrPort{b.addr}, as.PeerAddrs())
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 20), newFlow(b, a, 2, 2, 20))
}

// A host may call one of its own addresses from loopback: an odd pair, but it works.
func TestLoopbackCallsAnAddressOfItsHost(t *testing.T) {
	w, a, b := two(t, 1, nil)
	lo := mustAddr("127.0.0.1")
	a.move(lo)
	b.listen = &core.Listening{Config: &b.cfg}
	a.addr = netip.AddrPortFrom(lo, 9899)
	a.dialAll(addrB.Addr())
	w.until(10*time.Second, "established", func() bool { return agree(a, b) })
	require.Equal(t, lo, a.only().Paths()[0].Local)
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 20), newFlow(b, a, 2, 2, 20))
}

// The addresses of a listener may change between INIT ACK and COOKIE ECHO. The peer
// then knows what the INIT ACK said, which nobody remembers.
func TestAddressesChangeDuringTheHandshake(t *testing.T) {
	w, a, b := manyHomes(t, 3, 1, 2, nil)
	b.tap = func(p wire.Packet) {
		if p.First().Type() == wire.TypeInitAck {
			b.move(homes[1]...)
		}
	}
	a.dialAll(homes[1][0])
	w.run(5 * time.Second)
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 20), newFlow(b, a, 2, 2, 20))
	require.Equal(t, homes[1][:1], b.only().LocalAddrs(), "that of the handshake is sure")
}
