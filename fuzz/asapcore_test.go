package fuzz

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// step is one step of a program that a fuzzer writes: an operation, a choice among
// what there is, and bytes.
type step struct {
	op, pick byte
	body     []byte
}

// program takes the steps out of the input: operation, choice, 16-bit length, bytes.
func program(in []byte, most int) []step {
	var ss []step
	for len(in) >= 4 && len(ss) < most {
		n := min(int(binary.BigEndian.Uint16(in[2:])), len(in)-4)
		ss = append(ss, step{in[0], in[1], in[4 : 4+n]})
		in = in[4+n:]
	}
	return ss
}

// appendStep writes what program reads.
func appendStep(b []byte, op, pick byte, body []byte) []byte {
	b = append(b, op, pick)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

const fuzzPool = rserpool.PoolHandle("EchoPool")

func sctpAt(host byte, port uint16) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, UDPPort: 9899, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, host})}}
}

// Operations of FuzzASAPCore.
const (
	asapConnected = iota
	asapLost
	asapAccepted
	asapAnnounce
	asapAdvance
	asapRegister
	asapDeregister
	asapResolve
	asapReport
	asapMessage // and all above
)

// asapRig drives one ASAP endpoint.
type asapRig struct {
	t       *testing.T
	e       *core.Endpoint
	now     time.Time
	links   []core.LinkID        // all that were ever heard of
	dialing map[core.LinkID]bool // asked for, not answered
	open    map[core.LinkID]bool
}

// drain takes all output and holds it to the bounds.
func (g *asapRig) drain() {
	n := 0
	for o, ok := g.e.PollOutput(); ok; o, ok = g.e.PollOutput() {
		n++
		require.Less(g.t, n, 600, "output does not end")
		switch o.Kind {
		case core.OutputDial:
			g.links = append(g.links, o.Link)
			g.dialing[o.Link] = true
			require.NotEmpty(g.t, o.Registrar.Addrs)
		case core.OutputSend:
			require.True(g.t, g.open[o.Link], "%v on a link that is not open", o)
			b, err := asap.Marshal(o.Message)
			require.NoError(g.t, err)
			_, err = asap.Decode(b)
			require.NoError(g.t, err, "%v", o.Message)
		case core.OutputClose:
			delete(g.dialing, o.Link)
			delete(g.open, o.Link)
		}
	}
	require.LessOrEqual(g.t, len(g.dialing), core.MaxHuntDials, "RFC 5352 §3.6 SH1")
	require.LessOrEqual(g.t, len(g.open), core.MaxHuntDials+17)
	for _, ok := g.e.PollEvent(); ok; _, ok = g.e.PollEvent() {
		n++
		require.Less(g.t, n, 2000, "events do not end")
	}
}

// advance lets time pass, with every timeout at its time.
func (g *asapRig) advance(d time.Duration) {
	end := g.now.Add(d)
	for i := 0; ; i++ {
		require.Less(g.t, i, 20_000, "timers spin")
		at, ok := g.e.NextTimeout()
		if !ok || at.After(end) {
			break
		}
		if at.After(g.now) {
			g.now = at
		}
		g.e.HandleTimeout(g.now)
		g.drain()
	}
	g.now = end
}

func (g *asapRig) pick(b byte) core.LinkID {
	if len(g.links) == 0 {
		return core.LinkID(b)
	}
	return g.links[max(0, len(g.links)-1-int(b)%8)]
}

func (g *asapRig) do(s step) {
	h := fuzzPool
	if s.pick > 200 && len(s.body) > 0 {
		h = rserpool.PoolHandle(s.body[:min(len(s.body), 40)])
	}
	link := g.pick(s.pick)
	switch s.op % 16 {
	case asapConnected:
		if g.dialing[link] {
			delete(g.dialing, link)
			g.open[link] = true
		}
		g.e.HandleConnected(g.now, link, []netip.Addr{hostA.Addr()})
	case asapLost:
		delete(g.dialing, link)
		delete(g.open, link)
		g.e.HandleLost(g.now, link, errors.New("lost"))
	case asapAccepted:
		id := g.e.HandleAccepted(g.now, sctpAt(s.pick, 3863), nil)
		g.links = append(g.links, id)
		g.open[id] = true
	case asapAnnounce:
		g.e.HandleAnnounce(g.now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, s.pick}), 3863), s.body)
	case asapAdvance:
		g.advance(time.Duration(s.pick) * 20 * time.Millisecond)
	case asapRegister:
		_, _ = g.e.Register(g.now, core.Registration{
			Handle: h, ID: rserpool.PEID(s.pick), User: sctpAt(9, 7777),
			Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		})
	case asapDeregister:
		g.e.Deregister(g.now, h, rserpool.PEID(s.pick))
	case asapResolve:
		g.e.Resolve(g.now, h, time.Duration(s.pick)*time.Second-time.Second)
	case asapReport:
		g.e.ReportUnreachable(g.now, h, rserpool.PEID(s.pick))
	default:
		g.e.HandleMessage(g.now, link, s.body)
	}
	g.drain()
}

// FuzzASAPCore: the ASAP endpoint of an element and a user, with what happens to it
// in any order: associations that come up and end, registrars that send anything,
// announcements by anybody, requests of the application, time. What it sends is
// well-formed and goes out on links that are open, links and dials are few, timers
// do not spin, and without any registrar it comes to rest at a slow pace.
func FuzzASAPCore(f *testing.F) {
	hello := appendStep(nil, asapRegister, 7, nil)
	hello = appendStep(hello, asapConnected, 2, nil)
	for _, b := range rserpoolSeeds(f, "asap") {
		if len(b) < 500 {
			p := appendStep(append([]byte(nil), hello...), asapMessage, 2, b)
			p = appendStep(p, asapResolve, 0, nil)
			f.Add(appendStep(p, asapAnnounce, 1, b))
		}
	}
	f.Add(appendStep(appendStep(appendStep(appendStep(append([]byte(nil), hello...), asapAccepted, 3, nil), asapLost, 2, nil), asapAdvance, 255, nil), asapReport, 1, nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		cfg := &core.Config{
			Profile: core.ProfileFast, Rand: pcg{rand.New(rand.NewPCG(5, 7))}, Subscribe: true,
			Registrars: []rserpool.Transport{sctpAt(1, 3863), sctpAt(2, 3863), sctpAt(3, 3863), sctpAt(4, 3863)},
		}
		e, err := core.New(cfg)
		require.NoError(t, err)
		g := &asapRig{
			t: t, e: e, now: time.Unix(1_700_000_000, 0),
			dialing: map[core.LinkID]bool{}, open: map[core.LinkID]bool{},
		}
		for _, s := range program(in, 64) {
			g.do(s)
		}
		for _, id := range g.links {
			delete(g.dialing, id)
			delete(g.open, id)
			g.e.HandleLost(g.now, id, errors.New("lost"))
			g.drain()
		}
		dials := len(g.links)
		g.advance(10 * time.Second)
		require.Less(t, len(g.links)-dials, 200, "hunting without a pause")
	})
}
