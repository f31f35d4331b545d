package sctp_test

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/wire"
)

// twoHomed is a peer with two addresses whose packets are written by hand.
type twoHomed struct {
	t    *testing.T
	c    *simnet.Carrier
	in   chan homed
	x, y netip.Addr
}

// homed is a packet and the address that it arrived at.
type homed struct {
	at  netip.Addr
	pkt wire.Packet
}

func (w *world) twoHomed() *twoHomed {
	h := &twoHomed{t: w.t, in: make(chan homed, 1000), x: netip.MustParseAddr("192.0.2.10"), y: netip.MustParseAddr("192.0.2.11")}
	c, err := w.net.Host(h.x, h.y).Carrier(netip.AddrPortFrom(h.x, sctp.DefaultUDPPort), netip.AddrPortFrom(h.y, sctp.DefaultUDPPort))
	require.NoError(w.t, err)
	h.c = c
	w.t.Cleanup(func() { _ = c.Close() })
	go func() {
		ds := make([]carrier.Datagram, 64)
		for {
			n, err := c.ReadBatch(ds)
			if err != nil {
				return
			}
			for _, d := range ds[:n] {
				for b := range d.Segments() {
					if p, err := wire.Parse(bytes.Clone(b)); err == nil {
						h.in <- homed{d.Local, p}
					}
				}
			}
		}
	}()
	return h
}

func (h *twoHomed) send(from netip.Addr, hdr wire.Header, c interface{ AppendTo([]byte) []byte }) {
	h.t.Helper()
	b := c.AppendTo(hdr.AppendTo(nil))
	wire.SetChecksum(b)
	_, err := h.c.WriteBatch([]carrier.Datagram{{Local: from, Remote: netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort), Data: b}})
	require.NoError(h.t, err)
}

// next is the next packet with a chunk of a type.
func (h *twoHomed) next(typ wire.ChunkType) homed {
	h.t.Helper()
	for {
		select {
		case p := <-h.in:
			if p.pkt.First().Type() == typ {
				return p
			}
		case <-time.After(time.Minute):
			require.FailNow(h.t, "no "+typ.String())
		}
	}
}

func (h *twoHomed) init(tag wire.VTag) *wire.Init {
	return &wire.Init{InitiateTag: tag, ARwnd: 1 << 16, OutStreams: 10, InStreams: 10, InitialTSN: 100, Addrs: []netip.Addr{h.x, h.y}}
}

func TestCookieEchoFromAnotherAddressOfThePeer(t *testing.T) { // RFC 9260 §5.2.4
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		h := w.twoHomed()
		hdr := wire.Header{SrcPort: 7, DstPort: testPort}
		answer := func(from netip.Addr, tag wire.VTag) (wire.VTag, *wire.CookieEcho) {
			h.send(from, wire.Header{SrcPort: 7, DstPort: testPort}, h.init(tag))
			var ack wire.Init
			require.NoError(t, ack.Decode(h.next(wire.TypeInitAck).pkt.First()))
			return ack.InitiateTag, &wire.CookieEcho{Cookie: bytes.Clone(ack.Cookie)}
		}
		lateTag, late := answer(h.y, 0x77)
		tag, cookie := answer(h.x, 0x78)
		hdr.VTag = tag
		h.send(h.x, hdr, cookie)
		h.next(wire.TypeCookieAck)
		require.Equal(t, 1, w.server.Stats().Associations)
		hdr.VTag = lateTag
		h.send(h.y, hdr, late)
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, 1, w.server.Stats().Associations, "a peer has one association")
		require.Equal(t, sctp.PathActive, w.server.Associations()[0].Paths[0].State)
	})
}

func TestX1ClaimedAddressDoesNotKeepItsOwnerAway(t *testing.T) { // RFC 5062 §3.1
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		h := w.twoHomed()
		// x opens an association and claims an address that is another's.
		claimed := netip.MustParseAddr("192.0.2.50")
		i := h.init(0x78)
		i.Addrs = []netip.Addr{h.x, claimed}
		h.send(h.x, wire.Header{SrcPort: 7, DstPort: testPort}, i)
		var ack wire.Init
		require.NoError(t, ack.Decode(h.next(wire.TypeInitAck).pkt.First()))
		h.send(h.x, wire.Header{SrcPort: 7, DstPort: testPort, VTag: ack.InitiateTag}, &wire.CookieEcho{Cookie: ack.Cookie})
		h.next(wire.TypeCookieAck)
		// y calls from the same port and lists the same address: what is
		// claimed only is in nobody's way.
		i = h.init(0x79)
		i.Addrs = []netip.Addr{h.y, claimed}
		h.send(h.y, wire.Header{SrcPort: 7, DstPort: testPort}, i)
		require.NoError(t, ack.Decode(h.next(wire.TypeInitAck).pkt.First()))
		h.send(h.y, wire.Header{SrcPort: 7, DstPort: testPort, VTag: ack.InitiateTag}, &wire.CookieEcho{Cookie: ack.Cookie})
		h.next(wire.TypeCookieAck)
		require.Equal(t, 2, w.server.Stats().Associations)
	})
}
