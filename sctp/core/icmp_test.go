package core_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// quotes collects what a host sends, so that ICMP messages can quote it.
type quotes struct{ sent [][]byte }

func quotesOf(h *host) *quotes {
	q := &quotes{}
	h.tap = func(p wire.Packet) { q.sent = append(q.sent, bytes.Clone(p.Bytes())) }
	return q
}

// last is the newest packet that begins with a chunk of this type.
func (q *quotes) last(t *testing.T, typ wire.ChunkType) []byte {
	t.Helper()
	for i := len(q.sent) - 1; i >= 0; i-- {
		if wire.ChunkType(q.sent[i][wire.HeaderLen]) == typ {
			return q.sent[i]
		}
	}
	require.Fail(t, "not sent", "%v", typ)
	return nil
}

// probe is the newest HEARTBEAT of a path.
func (q *quotes) probe(t *testing.T, id int) []byte {
	t.Helper()
	for i := len(q.sent) - 1; i >= 0; i-- {
		if b := q.sent[i]; wire.ChunkType(b[wire.HeaderLen]) == wire.TypeHeartbeat && int(binary.BigEndian.Uint32(b[28:])) == id {
			return b
		}
	}
	require.Fail(t, "not probed", "path %d", id)
	return nil
}

// icmp gives a host a message about a packet to its peer.
func (h *host) icmp(a *core.Association, kind core.ICMPKind, to netip.AddrPort, quoted []byte) {
	a.HandleICMP(h.now(), core.ICMP{Kind: kind, Remote: to, Quoted: quoted})
	h.drain(a)
}

var allKinds = []core.ICMPKind{core.ICMPUnreachable, core.ICMPPort, core.ICMPProtocol, core.ICMPTooBig}

// nothing is a filter that loses all packets.
func nothing(time.Time, simnet.Packet) bool { return false }

// with is a copy of b with some bytes changed.
func with(b []byte, at int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], v)
	return b
}

// V6: what does not quote ports and tag of the association is ignored, whatever it
// says (RFC 9260 §10 ICMP5, ICMP6; RFC 6951 §5.5).
func TestV6ForgedICMP(t *testing.T) {
	w, a, b := two(t, 1, nil)
	q := quotesOf(a)
	as := a.dial(b)
	w.until(time.Second, "established", func() bool { return as.State() == core.Established })
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("hello")))
	a.drain(as)
	data := q.last(t, wire.TypeData)
	init := q.last(t, wire.TypeInit)
	tagged := with(init, 4, 0, 0, 0, 0)
	stranger := netip.MustParseAddrPort("10.0.0.9:9899")
	for name, m := range map[string]core.ICMP{
		"source port":                 {Remote: addrB, Quoted: with(data, 0, 9)},
		"destination port":            {Remote: addrB, Quoted: with(data, 2, 9)},
		"ports the other way round":   {Remote: addrB, Quoted: with(data, 0, data[2], data[3], data[0], data[1])},
		"tag":                         {Remote: addrB, Quoted: with(data, 7, data[7]^1)},
		"tag of the other direction":  {Remote: addrB, Quoted: with(data, 4, binary.BigEndian.AppendUint32(nil, uint32(as.LocalTag()))...)},
		"tag 0":                       {Remote: addrB, Quoted: with(data, 4, 0, 0, 0, 0)},
		"INIT after the set-up":       {Remote: addrB, Quoted: tagged},
		"another destination address": {Remote: stranger, Quoted: data},
		"empty":                       {Remote: addrB},
	} {
		for _, kind := range allKinds {
			m.Kind, m.MTU = kind, 1000
			ignored, sent := as.Stats().ICMPIgnored, a.sent
			as.HandleICMP(w.now, m)
			a.drain(as)
			require.Equal(t, ignored+1, as.Stats().ICMPIgnored, "%s, %v", name, kind)
			require.Equal(t, sent, a.sent, "%s, %v", name, kind)
		}
	}
	for n := range 8 { // the tag ends with the eighth byte
		for _, kind := range allKinds {
			a.icmp(as, kind, addrB, data[:n])
		}
	}
	require.Zero(t, as.Stats().ICMPIn)
	require.Equal(t, core.Established, as.State())
	require.Equal(t, core.PathActive, as.Paths()[0].State)
	require.NoError(t, as.Verify())
}

// V6: in COOKIE-WAIT the Initiate Tag of the quoted INIT must be ours (ICMP6).
func TestV6ForgedICMPDuringSetup(t *testing.T) {
	w, a, b := two(t, 2, nil)
	b.listen = nil
	w.net.SetFilter(nothing)
	q := quotesOf(a)
	as := a.dial(b)
	init := q.last(t, wire.TypeInit)
	const initiateTag = wire.HeaderLen + wire.ChunkHeaderLen
	for name, quote := range map[string][]byte{
		"Initiate Tag":        with(init, initiateTag+3, init[initiateTag+3]^1),
		"no INIT":             with(init, wire.HeaderLen, byte(wire.TypeInitAck)),
		"too short":           init[:initiateTag+3],
		"header only":         init[:wire.HeaderLen],
		"tag is not 0":        with(init, 4, init[initiateTag:initiateTag+4]...),
		"ports of the answer": with(init, 0, init[2], init[3], init[0], init[1]),
	} {
		a.icmp(as, core.ICMPProtocol, addrB, quote)
		require.Equal(t, core.CookieWait, as.State(), name)
	}
	require.Zero(t, as.Stats().ICMPIn)
	a.icmp(as, core.ICMPProtocol, addrB, init[:initiateTag+4])
	require.Equal(t, core.Closed, as.State(), "ICMP8: as an ABORT in COOKIE-WAIT")
	require.ErrorIs(t, as.Err(), core.ErrProtocolUnreachable)
}

// RFC 9260 §10 ICMP8: a protocol unreachable is an ABORT with the T bit. Eight bytes
// are enough of a quote, and nothing is sent in return.
func TestProtocolUnreachableIsAnAbort(t *testing.T) {
	w, a, b := connected(t, 3, nil)
	q := quotesOf(a)
	as := a.only()
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("hello")))
	a.drain(as)
	sent := a.sent
	a.icmp(as, core.ICMPProtocol, addrB, q.last(t, wire.TypeData)[:8])
	require.ErrorIs(t, as.Err(), core.ErrProtocolUnreachable)
	require.Equal(t, sent, a.sent)
	require.True(t, a.saw(core.EventClosed))
	a.icmp(as, core.ICMPProtocol, addrB, q.last(t, wire.TypeData))
	require.Equal(t, uint64(1), as.Stats().ICMPIn, "after the end nothing counts")
	require.Equal(t, core.Established, b.only().State())
}

// RFC 9260 §10 ICMP3: without encapsulation SCTP has no port unreachable.
func TestPortUnreachableWithoutEncapsulation(t *testing.T) {
	w, a, _ := connected(t, 4, func(c *core.Config) { c.EncapOverhead = 0 })
	q := quotesOf(a)
	as := a.only()
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("hello")))
	a.drain(as)
	sent := a.sent
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeData))
	require.Equal(t, sent, a.sent)
	require.Equal(t, core.Established, as.State())
}

// V6: a message with the right quote makes the path be probed, and has no other
// effect as long as the probe is answered.
func TestV6UnreachableIsVerified(t *testing.T) {
	for _, kind := range []core.ICMPKind{core.ICMPPort, core.ICMPUnreachable} {
		t.Run(kind.String(), func(t *testing.T) {
			w, a, b := connected(t, 5, nil)
			q := quotesOf(a)
			as := a.only()
			f := newFlow(a, b, 5, 1, 20)
			f.pump()
			data := q.last(t, wire.TypeData)
			for range 10_000 {
				a.icmp(as, kind, addrB, data)
			}
			require.Equal(t, uint64(1), as.Stats().HeartbeatsOut, "one probe, whatever the flood")
			hb := q.last(t, wire.TypeHeartbeat)
			a.icmp(as, kind, addrB, with(hb, len(hb)-12, 1, 2, 3, 4, 5, 6, 7, 8))
			a.icmp(as, kind, addrB, hb[:31]) // not all of the nonce and the path
			require.Equal(t, core.PathActive, as.Paths()[0].State)
			w.run(2 * time.Second)
			require.Zero(t, as.Paths()[0].Errors)
			a.icmp(as, kind, addrB, hb)
			require.Equal(t, core.PathActive, as.Paths()[0].State, "the nonce counts once")
			w.transfer(time.Minute, f)
		})
	}
}

// RFC 6951 §5.5: of several addresses each gets its INIT at once when the one before
// refuses it, and none of them twice.
func TestRefusedINITGoesToTheNextAddress(t *testing.T) {
	w, a, b := two(t, 8, nil)
	second, third := netip.MustParseAddrPort("10.0.0.3:9899"), netip.MustParseAddrPort("10.0.0.4:9899")
	w.net.SetFilter(nothing)
	q := quotesOf(a)
	as, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: []netip.AddrPort{second, third, addrB}}, a.resp)
	require.NoError(t, err)
	a.assocs = append(a.assocs, as)
	a.drain(as)
	for i, at := range []netip.AddrPort{second, third} {
		for range 3 {
			a.icmp(as, core.ICMPPort, at, q.last(t, wire.TypeInit))
		}
		require.Len(t, q.sent, i+2)
	}
	w.net.SetFilter(nil)
	a.icmp(as, core.ICMPUnreachable, addrB, q.last(t, wire.TypeInit))
	w.until(5*time.Second, "established", func() bool { return as.State() == core.Established })
	require.Len(t, b.assocs, 1)

	as, err = core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5002, PeerPort: 5001, PeerAddrs: []netip.AddrPort{second, third}}, a.resp)
	require.NoError(t, err)
	a.drain(as)
	a.icmp(as, core.ICMPPort, third, q.last(t, wire.TypeInit))
	require.Equal(t, core.CookieWait, as.State())
	a.icmp(as, core.ICMPPort, second, q.last(t, wire.TypeInit))
	require.ErrorIs(t, as.Err(), core.ErrPortUnreachable)
}

// RFC 6951 §5.5, RFC 9260 §10 ICMP8, ICMP9: a message that quotes the probe itself
// is believed: the path is inactive, and if it was the last the peer's port is
// closed.
func TestVerifiedUnreachable(t *testing.T) {
	w, a, _ := connected(t, 6, nil)
	q := quotesOf(a)
	as := a.only()
	w.net.SetFilter(nothing)
	w.run(20 * time.Second) // HB.interval: the first HEARTBEAT needs no hint
	a.icmp(as, core.ICMPUnreachable, addrB, q.last(t, wire.TypeHeartbeat))
	require.Equal(t, core.PathInactive, as.Paths()[0].State)
	require.Equal(t, core.Established, as.State(), "a host that is unreachable may come back")
	w.run(40 * time.Second)
	require.Equal(t, core.PathInactive, as.Paths()[0].State)
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeHeartbeat))
	require.ErrorIs(t, as.Err(), core.ErrPortUnreachable)
}

// RFC 6951 §5.5 while a second address waits for its verification: the association ends
// when that has been refused as well, or does not answer, and goes on if it does.
func TestVerifiedUnreachableWaitsForUnconfirmedPaths(t *testing.T) {
	for _, second := range []string{"answers", "refuses", "is silent"} {
		t.Run(second, func(t *testing.T) {
			w, a, _ := manyHomes(t, 7, 2, 2, nil)
			q := quotesOf(a)
			w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool { return p.To.Addr() != homes[1][1] })
			a.dialAll(homes[1][0])
			as := a.only()
			w.until(time.Second, "established", func() bool { return as.State() == core.Established })
			other := as.Paths()[1].Remote
			require.Equal(t, core.PathUnconfirmed, as.Paths()[1].State)
			w.net.SetFilter(nothing)
			require.NoError(t, as.RequestHeartbeat(w.now, addrB.Addr()))
			a.drain(as)
			a.icmp(as, core.ICMPPort, addrB, q.probe(t, 0))
			require.Equal(t, core.PathInactive, as.Paths()[0].State)
			require.Equal(t, core.Established, as.State(), "the other address may be good")
			probe := q.probe(t, 1)
			switch second {
			case "answers":
				w.net.SetFilter(nil)
				w.run(time.Minute)
				require.Equal(t, core.Established, as.State())
				require.Equal(t, core.PathActive, as.Paths()[1].State)
				return
			case "refuses":
				a.icmp(as, core.ICMPPort, other, probe)
			case "is silent":
				w.run(5 * time.Second)
				require.NoError(t, as.RequestHeartbeat(w.now, addrB.Addr()))
				a.drain(as)
				a.icmp(as, core.ICMPPort, addrB, q.probe(t, 0))
			}
			require.ErrorIs(t, as.Err(), core.ErrPortUnreachable)
		})
	}
}

// RFC 6951 §5.5 with hosts that send few ICMP messages: what T3-rtx sends after such a
// message begins with a probe, so the next one is believed.
func TestVerifiedUnreachableByRetransmission(t *testing.T) {
	w, a, _ := connected(t, 9, func(c *core.Config) { c.StrictRecovery = true })
	q := quotesOf(a)
	as := a.only()
	w.net.SetFilter(nothing)
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("hello")))
	a.drain(as)
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeData)) // and none for its probe
	first, sent := q.last(t, wire.TypeHeartbeat), len(q.sent)
	w.until(2*time.Second, "retransmitted", func() bool { return as.Stats().Retransmitted > 0 })
	require.Len(t, q.sent, sent+1, "probe and DATA are one packet")
	again := q.last(t, wire.TypeHeartbeat)
	require.NotEqual(t, first, again)
	a.icmp(as, core.ICMPPort, addrB, first)
	require.Equal(t, core.Established, as.State(), "a nonce of the past")
	a.icmp(as, core.ICMPPort, addrB, again)
	require.ErrorIs(t, as.Err(), core.ErrPortUnreachable)
}

// A path that answers needs no probes at T3-rtx any more.
func TestHintIsForgottenWhenThePeerAnswers(t *testing.T) {
	w, a, b := connected(t, 10, nil)
	q := quotesOf(a)
	as := a.only()
	f := newFlow(a, b, 10, 1, 20)
	f.pump()
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeData))
	w.transfer(time.Minute, f)
	w.net.SetFilter(nothing)
	before := as.Stats().HeartbeatsOut
	require.NoError(t, as.Send(w.now, &core.Outgoing{}, []byte("hello")))
	a.drain(as)
	w.until(5*time.Second, "retransmitted", func() bool { return as.Stats().Retransmitted > 0 })
	require.Equal(t, before, as.Stats().HeartbeatsOut)
}

// RFC 6951 §5.5 for one address of several: the association goes on with the others.
func TestVerifiedUnreachableLeavesTheOtherPaths(t *testing.T) {
	w, a, b := multihomed(t, 7, 2, 2, nil)
	q := quotesOf(a)
	as := a.only()
	f := newFlow(a, b, 7, 1, 20)
	f.pump()
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeData))
	a.icmp(as, core.ICMPPort, addrB, q.last(t, wire.TypeHeartbeat))
	require.Equal(t, core.PathInactive, as.Paths()[0].State)
	require.Equal(t, core.Established, as.State())
	w.transfer(time.Minute, f)
}
