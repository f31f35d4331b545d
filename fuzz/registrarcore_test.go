package fuzz

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// fuzzRegistrar is the identifier of the registrar under test.
const fuzzRegistrar rserpool.RegistrarID = 0x500

// Operations of FuzzRegistrarCore.
const (
	regAccept = iota
	regConnected
	regLost
	regAdvance
	regDrain
	regASAP // with any identifier of the payload protocol: 11 or 12 or another
	regENRP
	regENRPToUs // the receiver's identifier is put right
	regMessage  // well-formed, made of the choices in the bytes

	regHeard       = 13 // by multicast, on either channel
	regReconfigure = 14
)

// registrarSettings are what may change while a registrar runs.
func registrarSettings(pick byte) core.Config {
	c := core.Config{Limits: registrarLimits, ClosedPeers: pick&1 != 0, StrictAddresses: pick&2 != 0, SuggestTakeovers: pick&4 == 0}
	for host := byte(2); host <= 4; host++ {
		if pick>>(host+1)&1 == 0 {
			c.Peers = append(c.Peers, sctpAt(host, rserpool.ENRPPort))
		}
	}
	if pick&0xc0 != 0 {
		ops := []core.Operation{core.OpRegister, core.OpResolve}
		if pick&0x40 != 0 {
			ops = []core.Operation{core.OpPeer}
		}
		from := sctpAt(pick>>3&7, 1).Addrs[0]
		c.Access = core.AccessList{{Operations: ops, From: []netip.Prefix{netip.PrefixFrom(from, from.BitLen())}}}
	}
	return c
}

// formerLife is what the registrar knew before it was started.
func formerLife(now time.Time) *core.Image {
	im := &core.Image{ID: fuzzRegistrar, Taken: now}
	for host := byte(4); host < 8; host++ {
		at := sctpAt(host, 5000)
		im.Elements = append(im.Elements, core.ImageElement{Handle: "a", Expiry: now.Add(time.Minute), Element: rserpool.PoolElement{
			ID: rserpool.PEID(host), Home: fuzzRegistrar, Life: 60, User: sctpAt(host, 80), Policy: rserpool.Policy{Type: rserpool.RoundRobin}, ASAP: &at,
		}})
	}
	return im
}

// registrarLimits are low enough for a fuzzer to reach.
var registrarLimits = core.Limits{
	Elements: 12, Pools: 4, ElementsPerPool: 6, ElementsPerSource: 8, Addresses: 4, Peers: 4, Connections: 8,
	Items: 5, PageElements: 3, PageBytes: 600, Subscriptions: 2, ElementDials: 2, Resolutions: core.Rates{Source: 50}, Reports: core.Rates{Source: 50, Pool: 70},
	Registrations: core.Rates{Source: 40, Pool: 60},
}

// registrarRig drives one registrar.
type registrarRig struct {
	t       *testing.T
	r       *core.Registrar
	now     time.Time
	conns   []core.ConnID
	dialing map[core.ConnID]core.Action
	ended   map[core.ConnID]bool
	enrp    map[core.ConnID]bool // carries ENRP
}

// drain takes all output and holds it to the bounds.
func (g *registrarRig) drain() {
	n := 0
	for a, ok := g.r.PollAction(); ok; a, ok = g.r.PollAction() {
		n++
		require.Less(g.t, n, 2000, "actions do not end")
		switch a.Kind {
		case core.Dial:
			require.NotEmpty(g.t, a.To.Addrs)
			g.conns = append(g.conns, a.Conn)
			g.dialing[a.Conn] = a
			g.enrp[a.Conn] = a.Channel == core.ENRP
		case core.Send:
			require.False(g.t, g.ended[a.Conn], "%v on a connection that has ended", a)
			b := a.Message.AppendTo(nil)
			var err error
			if a.Channel == core.ENRP {
				_, err = enrp.Decode(b)
			} else {
				_, err = asap.Decode(b)
			}
			require.NoError(g.t, err, "%v", a)
		case core.Multicast:
			m, ok := a.For([]netip.Addr{hostB.Addr()}).(interface{ Validate() error })
			require.True(g.t, ok)
			require.NoError(g.t, m.Validate())
		case core.Close, core.Abort:
			g.end(a.Conn)
		}
	}
	for e, ok := g.r.PollEvent(); ok; e, ok = g.r.PollEvent() {
		n++
		require.Less(g.t, n, 4000, "events do not end")
		require.NotEmpty(g.t, e.String())
	}
}

func (g *registrarRig) end(id core.ConnID) {
	delete(g.dialing, id)
	g.ended[id] = true
}

// limits: nothing that came in made the registrar hold more than it may.
func (g *registrarRig) limits() {
	s := g.r.Snapshot()
	require.LessOrEqual(g.t, s.Connections, registrarLimits.Connections+5*registrarLimits.Peers+registrarLimits.ElementDials+1)
	require.LessOrEqual(g.t, len(s.Peers), registrarLimits.Peers)
	require.LessOrEqual(g.t, len(s.Pools), registrarLimits.Pools)
	all := 0
	for _, p := range s.Pools {
		require.LessOrEqual(g.t, len(p.Elements), registrarLimits.ElementsPerPool)
		require.NotEmpty(g.t, p.Elements, "a pool without elements")
		all += len(p.Elements)
	}
	require.LessOrEqual(g.t, all, registrarLimits.Elements)
	require.LessOrEqual(g.t, s.Owned, all)
}

// advance lets time pass, with every timeout at its time. Dials are refused if
// told so.
func (g *registrarRig) advance(d time.Duration, refuse bool) {
	end := g.now.Add(d)
	same := 0
	for i := 0; ; i++ {
		require.Less(g.t, i, 50_000, "timers spin")
		at, ok := g.r.NextTimeout()
		if !ok || at.After(end) {
			break
		}
		if same++; at.After(g.now) {
			g.now, same = at, 0
		}
		require.Less(g.t, same, 50, "timers that do not go off")
		g.r.HandleTimeout(g.now)
		g.drain()
		for refuse && len(g.dialing) > 0 {
			for id := range g.dialing {
				g.end(id)
				g.r.Lost(g.now, id, "refused")
			}
			g.drain()
		}
	}
	g.now = end
}

func (g *registrarRig) pick(b byte) core.ConnID {
	if len(g.conns) == 0 {
		return core.ConnID(b)
	}
	return g.conns[max(0, len(g.conns)-1-int(b)%16)]
}

func (g *registrarRig) do(s step) {
	id := g.pick(s.pick)
	local := []netip.Addr{hostB.Addr()}
	switch s.op % 16 {
	case regAccept:
		c := core.Conn{Channel: core.ASAP, Remote: sctpAt(s.pick>>1&15, 5000), Local: local}
		if s.pick&1 != 0 {
			c.Channel, c.Remote.Port = core.ENRP, rserpool.ENRPPort
		}
		id := g.r.Accept(g.now, c)
		g.conns = append(g.conns, id)
		g.enrp[id] = c.Channel == core.ENRP
	case regConnected:
		if a, ok := g.dialing[id]; ok {
			delete(g.dialing, id)
			g.r.Connected(g.now, id, core.Conn{Channel: a.Channel, Remote: a.To, Local: local})
		}
	case regLost:
		g.end(id)
		g.r.Lost(g.now, id, "lost")
	case regAdvance:
		g.advance(time.Duration(s.pick)*10*time.Millisecond, false)
	case regDrain:
		if s.pick == 0xdd {
			g.r.Drain(g.now)
		}
	case regENRP:
		g.r.Receive(g.now, id, enrp.PPID, s.body)
	case regENRPToUs:
		b := append([]byte(nil), s.body...)
		if len(b) >= 12 {
			binary.BigEndian.PutUint32(b[8:], uint32(fuzzRegistrar))
		}
		g.r.Receive(g.now, id, enrp.PPID, b)
	case regMessage, regMessage + 1, regMessage + 2, regMessage + 3:
		c := &chooser{s.body}
		if g.enrp[id] {
			g.r.HandleENRP(g.now, id, c.enrp())
		} else {
			g.r.HandleASAP(g.now, id, c.asap())
		}
	case regReconfigure:
		require.NoError(g.t, g.r.Reconfigure(g.now, registrarSettings(s.pick)))
	case regHeard:
		ch := core.ASAP
		if s.pick&1 != 0 {
			ch = core.ENRP
		}
		g.r.Heard(g.now, ch, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, s.pick >> 1 & 15}), 3863), s.body)
	case 15:
		g.r.Receive(g.now, id, uint32(s.pick), s.body)
	default:
		g.r.Receive(g.now, id, asap.PPID, s.body)
	}
	g.drain()
	g.limits()
}

// FuzzRegistrarCore: a registrar with associations of elements, users and peers
// that come, go and send anything in any order, announcements by anybody, and with time. What it sends is
// well-formed, nothing exceeds the limits, timers do not spin, and what nobody
// answers for is gone in the end.
func FuzzRegistrarCore(f *testing.F) {
	for _, b := range rserpoolSeeds(f, "asap") {
		if len(b) < 500 {
			p := appendStep(appendStep(nil, regAccept, 2, nil), regASAP, 0, b)
			f.Add(appendStep(appendStep(p, regConnected, 0, nil), regAdvance, 200, nil))
		}
	}
	for _, b := range rserpoolSeeds(f, "enrp") {
		if len(b) < 700 {
			p := appendStep(appendStep(nil, regAccept, 3, nil), regENRPToUs, 0, b)
			p = appendStep(appendStep(p, regAccept, 5, nil), regENRP, 0, b)
			f.Add(appendStep(p, regAdvance, 200, nil))
			p = appendStep(appendStep(nil, regHeard, 3, b), regConnected, 0, nil)
			f.Add(appendStep(appendStep(p, regENRPToUs, 0, b), regAdvance, 200, nil))
		}
	}
	f.Add(appendStep(appendStep(appendStep(nil, regAccept, 3, nil), regLost, 0, nil), regDrain, 0xdd, nil))
	for seed := range uint64(12) { // a few random stories to begin with
		rnd := rand.New(rand.NewPCG(seed, 7))
		p := appendStep(appendStep(nil, regAccept, 3, nil), regAccept, 6, nil)
		for range 44 {
			body := make([]byte, 12)
			for i := range body {
				body[i] = byte(rnd.Uint32())
			}
			op := []byte{regMessage, regMessage, regMessage, regMessage, regMessage, regConnected, regAccept, regAdvance}[rnd.IntN(8)]
			p = appendStep(p, op, byte(rnd.IntN(64)), body)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		g := &registrarRig{t: t, now: time.Unix(1_700_000_000, 0), dialing: map[core.ConnID]core.Action{}, ended: map[core.ConnID]bool{}, enrp: map[core.ConnID]bool{}}
		r, err := core.New(g.now, core.Config{
			ID: fuzzRegistrar, Rand: pcg{rand.New(rand.NewPCG(6, 7))}, Profile: core.ProfileFast, SuggestTakeovers: true, Announce: true,
			Peers: []rserpool.Transport{sctpAt(2, rserpool.ENRPPort), sctpAt(3, rserpool.ENRPPort)},
			ENRP:  rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: rserpool.ENRPPort, UDPPort: 9899}, Limits: registrarLimits,
			Restore: formerLife(g.now),
		})
		require.NoError(t, err)
		g.r = r
		g.drain()
		for _, s := range program(in, 48) {
			g.do(s)
		}
		_, err = core.DecodeImage(r.Image(g.now).AppendTo(nil))
		require.NoError(t, err)
		// Everybody leaves.
		for _, id := range g.conns {
			if !g.ended[id] {
				g.end(id)
				g.r.Lost(g.now, id, "lost")
				g.drain()
			}
		}
		g.advance(30*time.Second, true)
		s := g.r.Snapshot()
		require.Zero(t, s.Connections)
		require.Zero(t, s.Owned, "elements that nobody answers for")
		g.limits()
	})
}
