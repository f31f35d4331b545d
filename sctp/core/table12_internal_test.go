package core

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// The whole of Table 12 (RFC 9260 §5.2.4): every combination of tags that match, do
// not match or are not there, in every state, with fresh and with stale cookies. The
// cookies are sealed with the key of the end under test, as if it had made them.

const (
	tableLocal, tablePeer = 5001, 5000
	tablePeerTag          = 0x50000001
)

var (
	tableIn  = Inbound{Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddrPort("192.0.2.9:9899")}
	tableNow = time.Unix(1_700_000_000, 0)
)

type tableChunk interface{ AppendTo([]byte) []byte }

func tablePacket(tag wire.VTag, c tableChunk) wire.Packet {
	b := c.AppendTo(wire.Header{SrcPort: tablePeer, DstPort: tableLocal, VTag: tag}.AppendTo(nil))
	wire.SetChecksum(b)
	p, err := wire.Parse(b)
	if err != nil {
		panic(err)
	}
	return p
}

// tableEnd is an association in a state.
func tableEnd(t *testing.T, s State) *Association {
	cfg := DefaultConfig()
	cfg.Rand = testRand{rand.New(rand.NewPCG(1, uint64(s)))}
	r, err := NewResponder(tableNow, cfg.Rand)
	require.NoError(t, err)
	a, err := Dial(tableNow, &cfg, Endpoint{LocalPort: tableLocal, PeerPort: tablePeer, PeerAddrs: []netip.AddrPort{tableIn.Remote}}, r)
	require.NoError(t, err)
	take := func(c tableChunk) { a.HandlePacket(tableNow, tableIn, tablePacket(a.LocalTag(), c)) }
	if s > CookieWait {
		take(&wire.Init{Ack: true, InitiateTag: tablePeerTag, ARwnd: 65536, OutStreams: 1, InStreams: 1, InitialTSN: 100, Cookie: []byte("c"), HasCookie: true})
	}
	if s > CookieEchoed {
		take(&wire.CookieAck{})
	}
	if s == ShutdownPending || s == ShutdownReceived {
		require.NoError(t, a.Send(tableNow, &Outgoing{}, []byte("held back")))
		tableDrain(t, a)
	}
	if s == ShutdownPending || s == ShutdownSent {
		require.NoError(t, a.Shutdown(tableNow))
	}
	if s == ShutdownReceived || s == ShutdownAckSent {
		take(&wire.Shutdown{CumTSN: a.id.localInitTSN - 1})
	}
	require.Equal(t, s, a.State())
	tableDrain(t, a)
	return a
}

// tableDrain is what an association sends, and its events.
func tableDrain(t *testing.T, a *Association) (sent []string, events []EventKind) {
	buf := make([]byte, 0, 2048)
	for {
		tr, ok := a.PollTransmit(tableNow, buf, 1)
		if !ok {
			break
		}
		pkt, err := wire.Parse(tr.Data)
		require.NoError(t, err)
		for c := range pkt.Chunks() {
			sent = append(sent, c.Type().String())
		}
	}
	for {
		e, ok := a.PollEvent()
		if !ok {
			return sent, events
		}
		events = append(events, e.Kind)
	}
}

// match is how a tag of the cookie compares with that of the association.
type match byte

const (
	same  match = 'M'
	other match = 'X'
	none  match = '0' // of a tie-tag: not in the cookie
)

func (m match) of(tag uint32) uint32 {
	switch m {
	case same:
		return tag
	case other:
		return tag ^ 0x5a5a5a5a
	}
	return 0
}

// action is what Table 12 says.
func action(local, peer, tieLocal, tiePeer match) byte {
	switch {
	case local == same && peer == same:
		return 'D'
	case local == same:
		return 'B'
	case peer == other && tieLocal == same && tiePeer == same:
		return 'A'
	case peer == same && tieLocal == none && tiePeer == none:
		return 'C'
	}
	return '-'
}

func TestC6Table12InEveryState(t *testing.T) {
	tested := map[byte]int{}
	for s := CookieWait; s <= ShutdownAckSent; s++ {
		for _, local := range []match{same, other} {
			for _, peer := range []match{same, other} {
				if s == CookieWait && peer == same {
					continue // the peer's tag is not known yet
				}
				for _, tieLocal := range []match{same, other, none} {
					for _, tiePeer := range []match{same, other, none} {
						for _, stale := range []bool{false, true} {
							act := action(local, peer, tieLocal, tiePeer)
							name := fmt.Sprintf("%v %c%c%c%c stale %v", s, local, peer, tieLocal, tiePeer, stale)
							t.Run(name, func(t *testing.T) { table12(t, s, local, peer, tieLocal, tiePeer, stale, act) })
							tested[act]++
						}
					}
				}
			}
		}
	}
	require.Len(t, tested, 5)
}

func table12(t *testing.T, s State, local, peer, tieLocal, tiePeer match, stale bool, act byte) {
	a := tableEnd(t, s)
	ownTag, peerTag, timers := a.LocalTag(), a.PeerTag(), a.timers
	if peerTag == 0 {
		peerTag = tablePeerTag // the other end knows it
	}
	c := &cookie{
		created: tableNow, life: time.Minute, localPort: tableLocal, peerPort: tablePeer,
		localTag: wire.VTag(local.of(uint32(ownTag))), peerTag: wire.VTag(peer.of(uint32(peerTag))),
		localTSN: a.id.localInitTSN, peerTSN: 500, peerRwnd: 65536, outStreams: 1, inStreams: 1,
		tieLocal: tieLocal.of(a.id.tieLocal), tiePeer: tiePeer.of(a.id.tiePeer),
		local: tableIn.Local, peers: []netip.AddrPort{tableIn.Remote},
	}
	now := tableNow
	if stale {
		c.created = c.created.Add(-2 * time.Minute)
	}
	b := a.resp.keys.sealRaw(c.appendTo(nil))
	a.HandlePacket(now, tableIn, tablePacket(c.localTag, &wire.CookieEcho{Cookie: b}))
	sent, events := tableDrain(t, a)

	unchanged := func() {
		require.Equal(t, s, a.State())
		require.Equal(t, ownTag, a.LocalTag())
		require.Equal(t, timers, a.timers, "timers run on")
		require.Empty(t, events)
	}
	switch {
	case stale && act != 'D': // step 3: both tags match, or it is stale
		require.Equal(t, []string{"ERROR"}, sent)
		unchanged()
	case act == 'A' && s == ShutdownAckSent:
		require.Equal(t, []string{"SHUTDOWN-ACK", "ERROR"}, sent)
		unchanged()
	case act == 'A':
		require.Equal(t, []string{"COOKIE-ACK"}, sent)
		require.Equal(t, Established, a.State())
		require.Equal(t, c.localTag, a.LocalTag())
		require.Equal(t, c.peerTag, a.PeerTag())
		require.Contains(t, events, EventRestart)
	case act == 'B':
		require.Equal(t, "COOKIE-ACK", sent[0])
		require.Equal(t, ownTag, a.LocalTag())
		require.Equal(t, c.peerTag, a.PeerTag(), "the peer's tag is updated")
		if s == CookieWait || s == CookieEchoed {
			require.Equal(t, Established, a.State())
			require.Equal(t, []EventKind{EventEstablished}, events)
			require.False(t, a.timers.running(timerT1Init) || a.timers.running(timerT1Cookie))
		} else {
			require.Equal(t, s, a.State())
			require.Empty(t, events)
		}
	case act == 'D':
		require.Equal(t, "COOKIE-ACK", sent[0])
		require.Equal(t, peerTag, a.PeerTag())
		if s == CookieEchoed {
			require.Equal(t, Established, a.State())
			require.Equal(t, []EventKind{EventEstablished}, events)
		} else {
			require.Equal(t, s, a.State())
			require.Empty(t, events)
		}
	default: // C, and what the table does not show
		require.Empty(t, sent)
		unchanged()
	}
}
