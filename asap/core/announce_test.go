package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

var announcer = netip.MustParseAddrPort("10.0.0.50:40000")

func (r *rig) announce(ts ...rserpool.Transport) {
	r.t.Helper()
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x50, Transports: ts})
	require.NoError(r.t, err)
	r.e.HandleAnnounce(r.now, announcer, b)
}

// RFC 5352 §3.6: included transports are used; without one the sender's address
// with the registered port is, and, as rsplib means it, with the sender's port.
func TestAnnounceAddresses(t *testing.T) {
	at := func(ip string, port uint16) rserpool.Transport {
		return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, Addrs: []netip.Addr{netip.MustParseAddr(ip)}}
	}
	withUDP := at("10.0.0.51", 3863)
	withUDP.UDPPort = 9900
	tcp := at("10.0.0.52", 3863)
	tcp.Protocol = rserpool.ProtoTCP
	for _, c := range []struct {
		name string
		in   []rserpool.Transport
		want []rserpool.Transport
	}{
		{"none", nil, []rserpool.Transport{at("10.0.0.50", 40000), at("10.0.0.50", 3863)}},
		{"sctp", []rserpool.Transport{at("10.0.0.51", 9000)}, []rserpool.Transport{at("10.0.0.51", 9000)}},
		{"sctp in UDP", []rserpool.Transport{withUDP}, []rserpool.Transport{withUDP}},
		{"tcp first", []rserpool.Transport{tcp, at("10.0.0.51", 9000)}, []rserpool.Transport{at("10.0.0.51", 9000)}},
		{"Z6: multicast", []rserpool.Transport{at("239.0.0.50", 9000)}, nil},
		{"Z6: unspecified", []rserpool.Transport{at("0.0.0.0", 9000)}, nil},
		{"Z6: port 0", []rserpool.Transport{at("10.0.0.51", 0)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, core.Config{})
			r.announce(c.in...)
			require.Empty(t, r.take(), "nobody needs a registrar")
			r.e.Resolve(r.now, pool, 0)
			var got []rserpool.Transport
			for _, d := range r.dials() {
				got = append(got, d.Registrar)
			}
			require.ElementsMatch(t, c.want, got)
		})
	}
}

// RFC 5352 §3.6: T7-ENRPoutdate deletes an address that is not announced again.
func TestAnnounceOutdated(t *testing.T) {
	r := newRig(t, core.Config{})
	r.announce(reg(1))
	r.advance(4 * time.Second)
	r.announce(reg(1)) // T7 restarts
	r.advance(4 * time.Second)
	r.e.Resolve(r.now, pool, 0)
	require.Len(t, r.dials(), 1)

	r = newRig(t, core.Config{})
	r.announce(reg(1))
	r.advance(5 * time.Second)
	r.e.Resolve(r.now, pool, 0)
	require.Empty(t, r.take())
	_, armed := r.e.NextTimeout()
	require.True(t, armed)
}

// A hunt that has nobody to dial uses an announcement at once.
func TestAnnounceEndsPause(t *testing.T) {
	r := newRig(t, core.Config{})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	r.advance(10 * time.Minute)
	require.Empty(t, r.take())
	r.announce(reg(1))
	require.Len(t, r.dials(), 1)
}

// flood announces n registrars at 10.9.x.y in a flood.
func (r *rig) flood(n int, from func(i int) netip.AddrPort) {
	for i := range n {
		tr := reg(1)
		tr.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})}
		b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x50, Transports: []rserpool.Transport{tr}})
		require.NoError(r.t, err)
		r.e.HandleAnnounce(r.now, from(i), b)
		if i%90 == 89 {
			r.advance(10 * time.Millisecond)
		}
	}
}

func oneSource(int) netip.AddrPort { return announcer }

func anySource(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 8, byte(i >> 8), byte(i)}), 3863)
}

// tried lets each dial fail at once and returns the addresses in a round of the hunt.
func (r *rig) tried() (at []string) {
	ds := r.dials()
	for len(ds) > 0 {
		at = append(at, ds[0].Registrar.Addrs[0].String())
		r.e.HandleLost(r.now, ds[0].Link, errGone)
		ds = append(ds[1:], r.dials()...)
	}
	return at
}

// Z6, Z12: of many that are announced a few are tried, and the configured ones first, in
// each round, even though they have failed.
func TestZ6AnnounceFlood(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	r.flood(80, anySource)
	r.e.Resolve(r.now, pool, 0)
	for range 2 {
		at := r.tried()
		require.Len(t, at, 2+8)
		require.ElementsMatch(t, []string{"10.0.0.1", "10.0.0.2"}, at[:2])
		for _, ip := range at[2:] {
			require.Contains(t, ip, "10.9.0.")
		}
		r.advance(2 * time.Second) // the pause
	}
}

// Z12: what one host announces does not take the room of others.
func TestZ12OneSourceIsBounded(t *testing.T) {
	r := newRig(t, core.Config{})
	r.flood(80, oneSource)
	r.flood(1, anySource)
	require.Contains(t, r.dropped, "announced address ignored")
	other := reg(77)
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x77, Transports: []rserpool.Transport{other}})
	require.NoError(t, err)
	r.e.HandleAnnounce(r.now, netip.AddrPortFrom(other.Addrs[0], 3863), b)
	r.e.Resolve(r.now, pool, 0)
	seen := r.tried()
	r.advance(2 * time.Second)
	require.Contains(t, append(seen, r.tried()...), "10.0.0.77")
}

// Z12: no more than so many are looked at in a second, and garbage is dropped.
func TestZ12AnnounceRate(t *testing.T) {
	r := newRig(t, core.Config{Discover: true})
	b, err := asap.Marshal(answer(1))
	require.NoError(t, err)
	for _, garbage := range [][]byte{nil, {10}, {10, 0, 0, 2}, make([]byte, 2048), b} {
		r.e.HandleAnnounce(r.now, announcer, garbage)
	}
	require.Equal(t, 5, count(r.dropped, "not an announcement"))
	for range 10_000 {
		r.e.HandleAnnounce(r.now, announcer, nil)
	}
	require.Equal(t, 20, count(r.dropped, "not an announcement"))
	require.Equal(t, 9985, count(r.dropped, "too many announcements"))
	for i := range 10_000 {
		r.e.HandleAnnounce(r.now, anySource(i), nil)
	}
	require.Equal(t, 100, count(r.dropped, "not an announcement"))
	r.announce(reg(1))
	r.advance(time.Second)
	r.announce(reg(1))
	r.e.Resolve(r.now, pool, 0)
	require.Len(t, r.dials(), 1)
}

// Z12: one source that floods does not drown the announcement of a registrar.
func TestZ12OneSourceDoesNotDrownOthers(t *testing.T) {
	r := newRig(t, core.Config{Discover: true})
	for range 10_000 {
		r.e.HandleAnnounce(r.now, announcer, nil)
	}
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: 1, Transports: []rserpool.Transport{reg(1)}})
	require.NoError(t, err)
	r.e.HandleAnnounce(r.now, netip.AddrPortFrom(reg(1).Addrs[0], 3863), b)
	r.e.Resolve(r.now, pool, 0)
	require.Len(t, r.dials(), 1)
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// Z12: a flood while a hunt is under way does not keep it from ending, and the
// configured ones are tried again.
func TestZ12FloodDuringHunt(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1), Discover: true})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	first, dials := 0, 0
	for i := range 600 {
		tr := reg(1)
		tr.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})}
		b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x50, Transports: []rserpool.Transport{tr}})
		require.NoError(t, err)
		r.e.HandleAnnounce(r.now, anySource(i), b)
		for _, ip := range r.tried() {
			dials++
			if ip == "10.0.0.1" {
				first++
			}
		}
		r.advance(100 * time.Millisecond)
	}
	require.Greater(t, first, 10, "in a minute")
	require.Less(t, dials, 700)
}

// A registrar that is announced during a hunt joins it, beside the configured ones that do
// not answer.
func TestAnnouncedJoinsHunt(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2), Discover: true})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	require.Len(t, r.dials(), 2)
	r.announce(reg(9))
	d := r.one(core.OutputDial)
	require.Equal(t, reg(9), d.Registrar)
	r.announce(reg(9))
	require.Empty(t, r.take(), "once")
	r.connect(d.Link)
	var closed, asked int
	for _, o := range r.take() {
		switch o.Kind {
		case core.OutputClose:
			closed++
		case core.OutputSend:
			require.Equal(t, d.Link, o.Link)
			asked++
		}
	}
	require.Equal(t, []int{2, 1}, []int{closed, asked}, "the first that is up wins")
}

// During a hunt an announced registrar that fails is not tried again at once however often it
// is announced, and of many that are announced and fail a few are tried (Z12).
func TestZ12JoiningIsBounded(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1), Discover: true})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	require.Len(t, r.dials(), 1, "which is not answered")
	r.announce(reg(9))
	require.Equal(t, []string{"10.0.0.9"}, r.tried())
	r.announce(reg(9))
	require.Empty(t, r.take())
	r.advance(time.Second)
	r.announce(reg(9))
	require.Equal(t, []string{"10.0.0.9"}, r.tried())
	dials := 0
	for i := range 50 {
		tr := reg(1)
		tr.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 9, 0, byte(i)})}
		b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x50, Transports: []rserpool.Transport{tr}})
		require.NoError(t, err)
		r.e.HandleAnnounce(r.now, anySource(i), b)
		dials += len(r.tried())
	}
	require.Equal(t, 8-2, dials)
}

// Of three that are dialed at once, one is an announced one.
func TestStaticAndAnnouncedInParallel(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(5), Discover: true})
	r.announce(reg(9))
	r.e.Resolve(r.now, pool, 0)
	ds := r.dials()
	require.Len(t, ds, 3)
	require.Equal(t, reg(9), ds[2].Registrar)
}

// RFC 5352 §3.6: who knows no registrar waits for announcements as long as one is
// valid.
func TestDiscoverWaits(t *testing.T) {
	r := newRig(t, core.Config{Discover: true})
	r.e.Resolve(r.now, pool, 0)
	r.advance(4900 * time.Millisecond)
	require.Empty(t, r.takeEvents())
	r.announce(reg(1))
	d := r.one(core.OutputDial)
	r.connect(d.Link)
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(r.take(), d.Link))

	r = newRig(t, core.Config{Discover: true})
	r.e.Resolve(r.now, pool, 0)
	r.advance(15 * time.Second)
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.ErrorIs(t, evs[0].Resolution.Err, core.ErrNoRegistrar)
}

// A registrar that was dialed in vain is tried again when it is announced again, for
// instance after it was restarted, but not too often.
func TestAnnouncedAgain(t *testing.T) {
	r := newRig(t, core.Config{Discover: true})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	r.announce(reg(1))
	d := r.one(core.OutputDial)
	r.e.HandleLost(r.now, d.Link, errGone)
	r.announce(reg(1))
	require.Empty(t, r.take())
	r.advance(time.Second)
	r.take()
	r.announce(reg(1))
	require.Len(t, r.dials(), 1)
}

// Z6: addresses of this host count only if they come from this host.
func TestZ6AnnouncedLoopback(t *testing.T) {
	lo := reg(1)
	lo.Addrs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: 1, Transports: []rserpool.Transport{lo}})
	require.NoError(t, err)
	for from, want := range map[string]int{"10.0.0.50:3863": 0, "127.0.0.1:3863": 1} {
		r := newRig(t, core.Config{})
		r.e.HandleAnnounce(r.now, netip.MustParseAddrPort(from), b)
		r.e.Resolve(r.now, pool, 0)
		require.Len(t, r.dials(), want, from)
	}
}
