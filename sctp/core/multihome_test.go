package core_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// homes are the addresses of two hosts in three networks, one of them IPv6.
var homes = [2][]netip.Addr{
	{mustAddr("10.0.0.1"), mustAddr("10.1.0.1"), mustAddr("fd00::1")},
	{mustAddr("10.0.0.2"), mustAddr("10.1.0.2"), mustAddr("fd00::2")},
}

// move gives a host several addresses.
func (h *host) move(addrs ...netip.Addr) {
	for _, a := range addrs {
		h.w.hosts[a] = h
	}
	h.homes = addrs
	if h.listen != nil {
		h.listen = &core.Listening{Config: &h.cfg, LocalAddrs: addrs}
	}
}

// manyHomes makes a dialer and a listener with n and m addresses.
func manyHomes(t testing.TB, seed uint64, n, m int, change func(*core.Config)) (*world, *host, *host) {
	w, a, b := two(t, seed, change)
	a.move(homes[0][:n]...)
	b.move(homes[1][:m]...)
	return w, a, b
}

// dialAll opens an association to the named addresses of a host.
func (h *host) dialAll(addrs ...netip.Addr) *core.Association {
	ep := core.Endpoint{LocalPort: 5000, PeerPort: 5001, LocalAddrs: h.homes}
	for _, a := range addrs {
		ep.PeerAddrs = append(ep.PeerAddrs, netip.AddrPortFrom(a, 9899))
	}
	as, err := core.Dial(h.now(), &h.cfg, ep, h.resp)
	require.NoError(h.w.t, err)
	h.assocs = append(h.assocs, as)
	h.drain(as)
	return as
}

// multihomed is an association whose paths are all verified.
func multihomed(t testing.TB, seed uint64, n, m int, change func(*core.Config)) (*world, *host, *host) {
	w, a, b := manyHomes(t, seed, n, m, change)
	a.dialAll(homes[1][0])
	w.until(30*time.Second, "all paths active", func() bool {
		return a.only().State() == core.Established && len(b.assocs) == 1 && active(a) == m && active(b) == n
	})
	return w, a, b
}

// active counts the active paths of a host.
func active(h *host) int {
	n := 0
	for _, p := range h.only().Paths() {
		if p.State == core.PathActive {
			n++
		}
	}
	return n
}

// to returns what is known of a path.
func (h *host) to(a netip.Addr) core.PathInfo {
	for _, p := range h.only().Paths() {
		if p.Remote.Addr() == a {
			return p
		}
	}
	require.FailNow(h.w.t, "no path", "%v", a)
	return core.PathInfo{}
}

// die takes an address of a host off the network, in both directions.
func (w *world) die(a netip.Addr) { w.net.Partition([]netip.Addr{a}, nil) }

func TestSourcesAreOfTheNetworkOfTheDestination(t *testing.T) { // RFC 9260 §6.4.1
	_, a, b := multihomed(t, 1, 3, 3, nil)
	for i := range homes[0] {
		require.Equal(t, homes[0][i], a.to(homes[1][i]).Local)
		require.Equal(t, homes[1][i], b.to(homes[0][i]).Local)
	}
}

func TestSourcesOfDistantDestinationsDiffer(t *testing.T) { // RFC 9260 §6.4.1
	w, a, b := manyHomes(t, 1, 2, 0, nil)
	b.move(mustAddr("10.200.0.2"), mustAddr("10.201.0.2"), mustAddr("10.202.0.2"), mustAddr("10.203.0.2"))
	b.addr = netip.AddrPortFrom(b.homes[0], 9899)
	a.dialAll(b.homes[0])
	w.run(10 * time.Second)
	count := map[netip.Addr]int{}
	for _, p := range a.only().Paths() {
		count[p.Local]++
	}
	require.Equal(t, map[netip.Addr]int{homes[0][0]: 2, homes[0][1]: 2}, count)
}

// Every single address may die, at either end, and with it the paths to and from it:
// nothing is lost, and nothing once it is back.
func TestNoDataIsLostOverADeadAddress(t *testing.T) { // RFC 9260 §6.4.1, §8.2
	for _, fast := range []bool{false, true} {
		for end := range 2 {
			for i := range 3 {
				t.Run(fmt.Sprintf("fast %v end %d address %d", fast, end, i), func(t *testing.T) {
					w, a, b := multihomed(t, uint64(10*end+i), 3, 3, func(c *core.Config) { c.PotentiallyFailed = fast })
					dead := homes[end][i]
					there, back := newFlow(a, b, 1, 3, 100), newFlow(b, a, 2, 3, 100)
					w.run(time.Second)
					there.pump()
					back.pump()
					w.run(2 * time.Millisecond)
					w.die(dead)
					w.transfer(5*time.Minute, there, back)
					w.run(3 * time.Minute)
					w.net.Heal()
					w.run(2 * time.Minute)
					w.transfer(time.Minute, newFlow(a, b, 3, 3, 100), newFlow(b, a, 4, 3, 100))
					w.run(5 * time.Minute)
					require.Equal(t, 3, active(a))
					require.Equal(t, 3, active(b))
					require.Equal(t, homes[1][0], a.only().PeerAddrs()[0].Addr(), "the primary is the same")
				})
			}
		}
	}
}

// A host with one address and a peer with two: when the address it talks to dies, its
// answers have to find the other one by themselves.
func TestAnswersLeaveFromAnAddressThatWorks(t *testing.T) { // RFC 9260 §6.4
	w, a, b := multihomed(t, 3, 1, 2, func(c *core.Config) { c.PotentiallyFailed = true })
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 50))
	require.Equal(t, homes[1][0], b.to(homes[0][0]).Local)
	w.die(homes[1][0])
	start := w.now
	w.transfer(time.Minute, newFlow(a, b, 2, 2, 50)) // b only receives
	require.Less(t, w.now.Sub(start), 4*time.Second)
	require.Equal(t, homes[1][1], b.to(homes[0][0]).Local)
	w.transfer(time.Minute, newFlow(b, a, 3, 2, 50))
	require.NotZero(t, b.only().Stats().SourceChanges)
}

// The end with two addresses is the only one to send: no packet of the peer tells it
// what is wrong.
func TestTimeoutsTryAnotherSource(t *testing.T) { // RFC 9260 §6.4.1
	w, a, b := multihomed(t, 3, 1, 2, nil)
	w.die(homes[1][0])
	start := w.now
	w.transfer(time.Minute, newFlow(b, a, 2, 2, 50))
	require.Less(t, w.now.Sub(start), 8*time.Second)
	require.Equal(t, homes[1][1], b.to(homes[0][0]).Local)
}

// In networks that have no way into each other a timeout must not lead to a source
// from which nothing can arrive.
func TestTimeoutsKeepToSeparateNetworks(t *testing.T) {
	w, a, b := manyHomes(t, 4, 2, 2, nil)
	w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool {
		return p.From.Addr().As4()[1] == p.To.Addr().As4()[1]
	})
	a.dialAll(homes[1][0])
	w.until(30*time.Second, "all paths active", func() bool { return len(b.assocs) == 1 && active(a) == 2 && active(b) == 2 })
	f := newFlow(a, b, 1, 1, 30)
	f.pump()
	w.net.SetDefaultLink(simnet.Link{Loss: 1})
	f.pump()
	w.run(1500 * time.Millisecond) // one timeout
	require.Equal(t, homes[0][0], a.to(homes[1][0]).Local)
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond})
	w.transfer(time.Minute, f)
}

func TestSourceChangeBeginsCongestionControlAnew(t *testing.T) { // RFC 9260 §7.2.5.2
	w, a, b := multihomed(t, 5, 2, 1, nil)
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 300))
	p := a.to(homes[1][0])
	require.Greater(t, p.Cwnd, 10000)
	a.only().RemoveLocalAddr(w.now, p.Local)
	p = a.to(homes[1][0])
	require.Equal(t, homes[0][1], p.Local)
	require.Equal(t, 4404, p.Cwnd)
}

func TestVanishedAddressFailsOverAtOnce(t *testing.T) { // RFC 9260 §6.4.1
	w, a, b := multihomed(t, 6, 3, 3, nil)
	f := newFlow(a, b, 1, 3, 100)
	f.pump()
	w.run(2 * time.Millisecond)
	gone := homes[0][0]
	w.die(gone)
	a.only().RemoveLocalAddr(w.now, gone)
	a.drain(a.only())
	start := w.now
	sent := 0
	w.net.Observe(func(e simnet.Event) {
		if e.Kind == simnet.Sent && e.Packet.From.Addr() == gone {
			sent++
		}
	})
	w.transfer(time.Minute, f)
	require.Less(t, w.now.Sub(start), time.Second, "no timer had to expire")
	require.Zero(t, sent, "nothing leaves from an address that is gone")
	require.Equal(t, core.PathActive, a.to(homes[1][0]).State, "the other source of the family serves")
	require.Equal(t, homes[0][1], a.to(homes[1][0]).Local)

	// The only IPv6 address: no source is left for the IPv6 path.
	a.only().RemoveLocalAddr(w.now, homes[0][2])
	w.die(homes[0][2])
	a.drain(a.only())
	require.Equal(t, core.PathInactive, a.to(homes[1][2]).State)
	w.transfer(time.Minute, newFlow(a, b, 2, 3, 100))

	// They come back. A foreign address changes nothing.
	w.net.Heal()
	a.only().AddLocalAddr(w.now, mustAddr("10.9.9.9"))
	a.only().RemoveLocalAddr(w.now, mustAddr("10.9.9.9"))
	a.only().AddLocalAddr(w.now, homes[0][2])
	a.drain(a.only())
	w.run(5 * time.Second)
	require.Equal(t, core.PathActive, a.to(homes[1][2]).State)
	require.Equal(t, homes[0][2], a.to(homes[1][2]).Local)
	w.transfer(time.Minute, newFlow(a, b, 3, 3, 100), newFlow(b, a, 4, 3, 100))
}

// A peer that restarts is told the addresses that there are now.
func TestVanishedAddressIsNotToldToARestartedPeer(t *testing.T) { // RFC 9260 §5.2.2
	w, a, b := multihomed(t, 6, 3, 3, nil)
	b.only().RemoveLocalAddr(w.now, homes[1][1])
	b.drain(b.only())
	var told []netip.Addr
	b.tap = func(p wire.Packet) {
		var i wire.Init
		if p.First().Type() == wire.TypeInitAck && i.Decode(p.First()) == nil {
			told = append([]netip.Addr(nil), i.Addrs...)
		}
	}
	a.assocs = nil
	a.dialAll(homes[1][0])
	w.until(10*time.Second, "established", func() bool { return agree(a, b) })
	require.Equal(t, []netip.Addr{homes[1][0], homes[1][2]}, told)
	require.Equal(t, told, b.only().LocalAddrs())
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 20), newFlow(b, a, 2, 2, 20))
}

// All addresses gone: the association waits for one to come back, as long as its
// counters allow.
func TestAllAddressesVanishAndOneComesBack(t *testing.T) {
	w, a, b := multihomed(t, 7, 2, 2, func(c *core.Config) { c.RTOMax = 2 * time.Second })
	w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool { return false })
	for _, l := range homes[0][:2] {
		a.only().RemoveLocalAddr(w.now, l)
	}
	a.drain(a.only())
	require.Zero(t, active(a))
	f := newFlow(a, b, 1, 2, 10)
	f.pump()
	w.run(5 * time.Second)
	require.Equal(t, core.Established, a.only().State())
	w.net.SetFilter(nil)
	a.only().AddLocalAddr(w.now, homes[0][1])
	a.drain(a.only())
	w.transfer(time.Minute, f)
	require.Equal(t, 2, active(a), "both destinations by way of the address that is there")
}

func TestSetPrimary(t *testing.T) { // RFC 9260 §11.1.6
	w, a, b := multihomed(t, 8, 2, 2, nil)
	as := a.only()
	require.ErrorIs(t, as.SetPrimary(w.now, mustAddr("10.9.9.9")), core.ErrNoPath)
	a.events = nil
	require.NoError(t, as.SetPrimary(w.now, homes[1][1]))
	require.NoError(t, as.SetPrimary(w.now, homes[1][1]), "twice is one change")
	a.drain(as)
	require.Len(t, a.events, 1)
	require.True(t, a.events[0].Primary)
	require.Equal(t, homes[1][1], a.events[0].Path.Addr())
	require.Equal(t, homes[1][1], as.PeerAddrs()[0].Addr())
	var data []netip.Addr
	w.net.Observe(func(e simnet.Event) {
		if pkt, err := wire.Parse(e.Packet.Data); err == nil && pkt.First().Type() == wire.TypeData {
			data = append(data, e.Packet.To.Addr())
		}
	})
	w.transfer(time.Minute, newFlow(a, b, 1, 1, 3))
	for _, to := range data {
		require.Equal(t, homes[1][1], to)
	}
}

// H4: a primary that comes and goes with each RTO loses no data and stays the primary.
func TestH4FlappingPath(t *testing.T) {
	for _, fast := range []bool{false, true} {
		w, a, b := multihomed(t, 9, 2, 2, func(c *core.Config) {
			c.PotentiallyFailed, c.RTOMax, c.HeartbeatInterval = fast, 2*time.Second, time.Second
		})
		there, back := newFlow(a, b, 1, 2, 400), newFlow(b, a, 2, 2, 400)
		for i := range 60 {
			down := i%2 == 0
			w.net.SetDown(homes[0][0], homes[1][0], down)
			for range 10 {
				there.count, back.count = 7*(i+1), 7*(i+1)
				there.pump()
				back.pump()
				w.run(100 * time.Millisecond)
			}
		}
		w.net.SetDown(homes[0][0], homes[1][0], false)
		w.transfer(2*time.Minute, there, back)
		require.Equal(t, homes[1][0], a.only().PeerAddrs()[0].Addr())
		w.run(time.Minute)
		require.Equal(t, 2, active(a))
		require.Equal(t, 2, active(b))
	}
}
