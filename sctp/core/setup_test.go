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

// call opens an association from one port to another, whoever else does the same.
func (h *host) call(to *host, local, peer uint16) *core.Association {
	as, err := core.Dial(h.now(), &h.cfg, core.Endpoint{LocalPort: local, PeerPort: peer, PeerAddrs: []netip.AddrPort{to.addr}}, h.resp)
	require.NoError(h.w.t, err)
	h.assocs = append(h.assocs, as)
	h.drain(as)
	return as
}

// lose drops the packets of the network with these numbers, counted from 0.
func (w *world) lose(numbers ...int) {
	n := -1
	w.net.SetFilter(func(time.Time, simnet.Packet) bool {
		n++
		for _, lost := range numbers {
			if n == lost {
				return false
			}
		}
		return true
	})
}

// agree says whether both ends are established and use each other's tags.
func agree(a, b *host) bool {
	if len(a.assocs) == 0 || len(b.assocs) == 0 {
		return false
	}
	x, y := a.assocs[len(a.assocs)-1], b.assocs[len(b.assocs)-1]
	return x.State() == core.Established && y.State() == core.Established &&
		x.LocalTag() == y.PeerTag() && y.LocalTag() == x.PeerTag()
}

// C11: both ends open at once. However the INITs cross, and whichever two packets are
// lost, one association comes of it (RFC 9260 §5.2.1, §5.2.4 actions B, D).
func TestC11SimultaneousOpenWithLossOfEachPair(t *testing.T) {
	const packets = 12 // more than a run without loss has
	for _, apart := range []time.Duration{0, 3 * time.Millisecond, 6 * time.Millisecond, 12 * time.Millisecond, 16 * time.Millisecond} {
		for i := range packets {
			for j := i; j < packets; j++ {
				w, a, b := two(t, uint64(i*packets+j), nil)
				a.listen = &core.Listening{Config: &a.cfg}
				w.lose(i, j)
				what := fmt.Sprintf("%v apart, packets %d and %d lost", apart, i, j)
				a.call(b, 5000, 5001)
				w.run(apart)
				if len(b.assocs) == 0 {
					b.call(a, 5001, 5000)
				}
				w.until(time.Minute, what, func() bool { return agree(a, b) })
				require.Len(t, a.assocs, 1, what)
				require.Len(t, b.assocs, 1, what)
				require.False(t, a.saw(core.EventRestart) || b.saw(core.EventRestart), what)
				w.net.SetFilter(nil)
				w.transfer(time.Minute, newFlow(a, b, 1, 1, 3), newFlow(b, a, 3, 1, 3))
			}
		}
	}
}

// The same in networks that reorder and double packets.
func TestC11SimultaneousOpenInABadNetwork(t *testing.T) {
	for seed := range uint64(60) {
		w, a, b := two(t, 3000+seed, func(c *core.Config) { c.MaxInitRetransmits = 50; c.RTOMax = 2 * time.Second })
		a.listen = &core.Listening{Config: &a.cfg}
		w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Jitter: 9 * time.Millisecond, Loss: 0.3,
			Reorder: 0.5, ReorderDelay: 1500 * time.Millisecond, Duplicate: 0.3})
		a.call(b, 5000, 5001)
		b.call(a, 5001, 5000)
		w.until(5*time.Minute, "one association", func() bool { return agree(a, b) })
		w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond})
		w.run(5 * time.Second)
		require.True(t, agree(a, b), "what was still on its way changes nothing")
		w.transfer(time.Minute, newFlow(a, b, 1, 1, 3), newFlow(b, a, 3, 1, 3))
	}
}

// Each pair of packets of an ordinary handshake is lost.
func TestHandshakeWithLossOfEachPair(t *testing.T) { // RFC 9260 §5.1.4, §5.1.6
	for i := range 8 {
		for j := i; j < 8; j++ {
			w, a, b := two(t, uint64(i*8+j), nil)
			w.lose(i, j)
			a.dial(b)
			w.until(time.Minute, fmt.Sprintf("packets %d and %d lost", i, j), func() bool { return agree(a, b) })
			require.Len(t, b.assocs, 1)
		}
	}
}

// The peer's process dies and begins anew while this end is in any state (RFC 9260
// §5.2.1, §5.2.2, §5.2.4 action A, §9.2). A new association comes of it, and no packet
// of it need arrive at the first try.
func TestRestartInEveryState(t *testing.T) {
	states := map[core.State]func(w *world, a, b *host){
		core.Established:  func(*world, *host, *host) {},
		core.ShutdownSent: func(w *world, _, b *host) { require.NoError(t, b.only().Shutdown(w.now)) },
		core.CookieWait:   nil,
		core.CookieEchoed: nil,
		core.ShutdownPending: func(w *world, _, b *host) {
			require.NoError(t, b.only().Send(w.now, &core.Outgoing{}, []byte("held back")))
			require.NoError(t, b.only().Shutdown(w.now))
		},
		core.ShutdownReceived: func(w *world, a, b *host) {
			require.NoError(t, b.only().Send(w.now, &core.Outgoing{}, []byte("held back")))
			b.drain(b.only())
			b.receive(addrA, packetTo(5000, 5001, b.only().LocalTag(), &wire.Shutdown{CumTSN: b.firstTSN - 1}))
		},
		core.ShutdownAckSent: func(w *world, a, b *host) {
			b.receive(addrA, packetTo(5000, 5001, b.only().LocalTag(), &wire.Shutdown{CumTSN: b.firstTSN - 1}))
		},
	}
	for state, enter := range states {
		for lost := -1; lost < 8; lost++ {
			t.Run(fmt.Sprintf("%v packet %d lost", state, lost), func(t *testing.T) {
				var w *world
				var a, b *host
				if enter != nil {
					w, a, b = connected(t, 6, nil)
					w.lose()
					w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
					enter(w, a, b)
				} else {
					w, a, b = two(t, 6, nil)
					a.listen = &core.Listening{Config: &a.cfg}
					b.call(a, 5001, 5000)
					w.until(time.Second, "state", func() bool { return b.only().State() == state })
					w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
				}
				b.drain(b.only())
				require.Equal(t, state, b.only().State())
				old := b.only()

				// The process dies: associations and cookie keys are gone.
				r, err := core.NewResponder(w.now, newSeeded(99))
				require.NoError(t, err)
				a.assocs, a.resp, a.listen = nil, r, nil
				w.lose(lost)
				a.call(b, 5000, 5001)
				w.until(2*time.Minute, "established anew", func() bool { return agree(a, b) })
				w.net.SetFilter(nil)
				if restarted := old.State() != core.Closed; restarted && enter != nil {
					require.True(t, b.saw(core.EventRestart), "X3: never invisible to the user")
				} else if enter != nil {
					require.Len(t, b.assocs, 2, "the old one ended first")
				}
				w.transfer(time.Minute, newFlow(a, b, 1, 2, 10), newFlow(b, a, 3, 2, 10))
			})
		}
	}
}

// C12 in every state in which it applies: the INIT is refused, the association stays.
func TestC12NewAddressesAreRefusedInEveryState(t *testing.T) { // RFC 9260 §5.2.1, §5.2.2
	added := &wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000,
		Addrs: []netip.Addr{mustAddr("10.0.0.77"), mustAddr("127.0.0.1"), mustAddr("10.0.0.78")}}
	refused := func(t *testing.T, h *host, state core.State) {
		var out []wire.Packet
		h.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
		h.receive(addrA, packetTo(5000, 5001, 0, added))
		require.Equal(t, state, h.only().State())
		require.Len(t, out, 1)
		require.Equal(t, wire.VTag(4242), out[0].VTag)
		causes := causesOf(t, out[0])
		require.Equal(t, wire.CauseRestartNewAddrs, causes[0].Code)
		require.Equal(t, []byte{0, 5, 0, 8, 10, 0, 0, 77, 0, 5, 0, 8, 10, 0, 0, 78}, causes[0].Info, "those that count, and no others")
	}
	t.Run("COOKIE-ECHOED", func(t *testing.T) {
		w, a, b := two(t, 6, nil)
		a.listen = &core.Listening{Config: &a.cfg}
		b.call(a, 5001, 5000)
		w.until(time.Second, "state", func() bool { return b.only().State() == core.CookieEchoed })
		refused(t, b, core.CookieEchoed)
		b.tap = nil
		w.until(10*time.Second, "established", func() bool { return agree(a, b) })
	})
	t.Run("COOKIE-WAIT takes them", func(t *testing.T) {
		_, a, b := two(t, 6, nil)
		b.call(a, 5001, 5000)
		var out []wire.Packet
		b.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
		b.receive(addrA, packetTo(5000, 5001, 0, added))
		require.Equal(t, []wire.ChunkType{wire.TypeInitAck}, chunkTypes(out[0]), "nothing is known of the peer yet")
	})
	t.Run("ESTABLISHED", func(t *testing.T) {
		_, _, b := connected(t, 6, nil)
		refused(t, b, core.Established)
	})
	t.Run("SHUTDOWN-SENT", func(t *testing.T) {
		w, _, b := connected(t, 6, nil)
		require.NoError(t, b.only().Shutdown(w.now))
		b.drain(b.only())
		refused(t, b, core.ShutdownSent)
	})
}

// An INIT ACK goes only to addresses that the user named, as long as nothing else is
// known of the peer, and that the INIT lists (RFC 9260 §5.2.1 rules 1, 2).
func TestInitFromAnAddressThatWasNotNamed(t *testing.T) {
	w, a, b := two(t, 6, nil)
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	as := a.dial(b)
	third := netip.MustParseAddrPort("10.0.0.3:9899")
	init := func(listed ...netip.Addr) []byte {
		return packetTo(5001, 5000, 0, &wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000, Addrs: listed})
	}
	var to []netip.AddrPort
	w.net.Observe(func(e simnet.Event) {
		if e.Kind == simnet.Sent {
			to = append(to, e.Packet.To)
		}
	})
	a.receive(third, init())
	a.receive(third, init(third.Addr(), mustAddr("10.0.0.4")))
	// Neither to one that only a stale INIT ACK has listed.
	ack := &wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true, Addrs: []netip.Addr{third.Addr()}}
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), ack))
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 1)}))
	require.Equal(t, core.CookieWait, as.State())
	to = nil
	a.receive(third, init())
	require.Empty(t, to)
	a.receive(third, init(addrB.Addr()))
	a.receive(addrB, init())
	require.Equal(t, []netip.AddrPort{addrB, addrB}, to)
}

// Each end calls an address of the other, and the INITs arrive from others.
func TestC11SimultaneousOpenFromOtherAddresses(t *testing.T) { // RFC 9260 §5.1.2 D, §5.2.1
	for i := -1; i < 10; i++ {
		w, a, b := manyHomes(t, uint64(i+1), 2, 2, nil)
		a.listen = &core.Listening{Config: &a.cfg, LocalAddrs: a.homes}
		w.lose(i)
		a.dialAll(b.homes[0]) // from the first address to the first
		as, err := core.Dial(w.now, &b.cfg, core.Endpoint{LocalPort: 5001, PeerPort: 5000, LocalAddrs: b.homes,
			PeerAddrs: []netip.AddrPort{netip.AddrPortFrom(a.homes[1], 9899)}}, b.resp)
		require.NoError(t, err)
		b.assocs = append(b.assocs, as)
		b.drain(as)
		w.until(time.Minute, fmt.Sprint("packet lost: ", i), func() bool { return agree(a, b) })
		w.net.SetFilter(nil)
		w.run(30 * time.Second)
		require.Len(t, a.assocs, 1)
		require.Len(t, b.assocs, 1)
		require.Equal(t, 2, active(a))
		require.Equal(t, 2, active(b))
		w.transfer(time.Minute, newFlow(a, b, 1, 2, 10), newFlow(b, a, 3, 2, 10))
	}
}

func TestErrorsTellWhatWasTried(t *testing.T) { // RFC 9260 §5.1.4, §8.1, §9.2
	lost := func(as *core.Association) *core.UnreachableError {
		var e *core.UnreachableError
		require.ErrorAs(t, as.Err(), &e)
		require.ErrorIs(t, as.Err(), core.ErrTimeout)
		return e
	}
	silent := func(time.Time, simnet.Packet) bool { return false }
	t.Run("INIT", func(t *testing.T) {
		w, a, b := manyHomes(t, 1, 1, 2, func(c *core.Config) { c.MaxInitRetransmits = 4 })
		w.net.SetFilter(silent)
		as := a.dialAll(b.homes...)
		w.run(time.Hour)
		e := lost(as)
		require.Equal(t, core.UnreachableError{Chunk: wire.TypeInit, Sent: 5, Addrs: []netip.AddrPort{addrB, netip.MustParseAddrPort("10.1.0.2:9899")}}, *e)
		require.EqualError(t, e, "sctp: peer unreachable: no answer to 5 × INIT to 10.0.0.2:9899, 10.1.0.2:9899")
		require.Equal(t, 5, a.sent)
	})
	t.Run("COOKIE ECHO", func(t *testing.T) {
		w, a, b := two(t, 1, func(c *core.Config) { c.MaxInitRetransmits = 2 })
		as := a.dial(b)
		w.until(time.Second, "state", func() bool { return as.State() == core.CookieEchoed })
		w.net.SetFilter(silent)
		w.run(time.Hour)
		e := lost(as)
		require.Equal(t, wire.TypeCookieEcho, e.Chunk)
		require.Equal(t, 3, e.Sent)
	})
	t.Run("stale", func(t *testing.T) {
		w, a, b := two(t, 1, nil)
		w.net.SetFilter(silent)
		as := a.dial(b)
		ack := &wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true}
		for range 4 {
			a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), ack))
			a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 1)}))
		}
		e := lost(as)
		require.True(t, e.Stale)
		require.EqualError(t, e, "sctp: peer unreachable: it called 4 cookies stale")
	})
	t.Run("DATA", func(t *testing.T) {
		w, a, b := multihomed(t, 1, 1, 2, func(c *core.Config) { c.AssociationMaxRetrans = 3 })
		w.net.SetFilter(silent)
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, []byte("x")))
		a.drain(a.only())
		w.run(time.Hour)
		e := lost(a.only())
		require.Equal(t, wire.TypeData, e.Chunk)
		require.Equal(t, 4, e.Sent)
		require.Len(t, e.Addrs, 2)
		_ = b
	})
	t.Run("SHUTDOWN", func(t *testing.T) {
		w, a, _ := multihomed(t, 1, 1, 2, func(c *core.Config) { c.AssociationMaxRetrans = 3 })
		w.net.SetFilter(silent)
		require.NoError(t, a.only().Shutdown(w.now))
		a.drain(a.only())
		w.run(time.Hour)
		e := lost(a.only())
		require.Equal(t, wire.TypeShutdown, e.Chunk)
		require.Equal(t, 4, e.Sent)
		require.Len(t, e.Addrs, 2, "§9.2: not only to one that may be dead")
	})
	t.Run("SHUTDOWN ACK", func(t *testing.T) {
		w, a, b := multihomed(t, 1, 1, 2, func(c *core.Config) { c.AssociationMaxRetrans = 3 })
		require.NoError(t, b.only().Shutdown(w.now))
		b.drain(b.only())
		w.until(time.Second, "state", func() bool { return a.only().State() == core.ShutdownAckSent })
		w.net.SetFilter(silent)
		w.run(time.Hour)
		e := lost(a.only())
		require.Equal(t, wire.TypeShutdownAck, e.Chunk)
		require.Len(t, e.Addrs, 2)
	})
}

// The INIT finds its way whichever address of either end is dead, and the COOKIE ECHO
// whichever dies in between (RFC 9260 §5.1).
func TestHandshakeAroundDeadAddresses(t *testing.T) {
	for end := range 2 {
		for i := range 2 {
			for _, late := range []bool{false, true} {
				w, a, b := manyHomes(t, uint64(2*end+i), 2, 2, nil)
				dead := homes[end][i]
				if !late {
					w.die(dead)
				}
				as := a.dialAll(b.homes...)
				if late {
					w.until(time.Second, "state", func() bool { return as.State() == core.CookieEchoed })
					w.die(dead)
				}
				w.until(10*time.Second, fmt.Sprintf("%v is dead, late %v", dead, late), func() bool { return agree(a, b) })
				w.transfer(2*time.Minute, newFlow(a, b, 1, 2, 10), newFlow(b, a, 3, 2, 10))
			}
		}
	}
}

// A dialer that named one address of two, which dies after the INIT ACK.
func TestCookieEchoToAnAddressOfTheInitAck(t *testing.T) { // RFC 9260 §5.1, §5.4
	w, a, b := manyHomes(t, 1, 2, 2, nil)
	as := a.dialAll(b.homes[0])
	w.until(time.Second, "state", func() bool { return as.State() == core.CookieEchoed })
	w.die(b.homes[0])
	w.until(10*time.Second, "established", func() bool { return agree(a, b) })
	require.Equal(t, core.PathActive, a.to(b.homes[1]).State, "by the HEARTBEAT that went along")
	w.transfer(2*time.Minute, newFlow(a, b, 1, 2, 10), newFlow(b, a, 3, 2, 10))
}
