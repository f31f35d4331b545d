package core_test

import (
	"bytes"
	"fmt"
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

// chaos makes messages that are well-formed and make little sense: from a small
// world, so that they meet.
type chaos struct{ *rand.Rand }

func (c chaos) registrar() rserpool.RegistrarID {
	return []rserpool.RegistrarID{0, ownID, 0x900, 0x901, 0x100, 0x666}[c.IntN(6)]
}
func (c chaos) pe() rserpool.PEID           { return rserpool.PEID(c.IntN(6)) }
func (c chaos) handle() rserpool.PoolHandle { return rserpool.PoolHandle(rune('a' + c.IntN(3))) }
func (c chaos) host() string                { return fmt.Sprintf("10.0.%d.%d", c.IntN(2), 1+c.IntN(5)) }
func (c chaos) yes() bool                   { return c.IntN(2) == 0 }

func (c chaos) element() rserpool.PoolElement {
	pe := element(c.pe(), c.host())
	pe.Home = c.registrar()
	pe.Life = []uint32{0, 1, 60, 90_000, 0xffffffff}[c.IntN(5)]
	pe.Policy.Type = []rserpool.PolicyType{rserpool.RoundRobin, rserpool.RoundRobin, rserpool.RoundRobin, rserpool.Random, 0x12345}[c.IntN(5)]
	if c.IntN(8) == 0 {
		pe.User.Protocol = rserpool.ProtoUDP
	}
	if c.yes() {
		t := at(c.host(), uint16(5000+c.IntN(2)))
		pe.ASAP = &t
	}
	return pe
}

func (c chaos) asap() asap.Message {
	switch c.IntN(9) {
	case 0, 1, 2:
		return &asap.Registration{Handle: c.handle(), Element: c.element()}
	case 3:
		return &asap.Deregistration{Handle: c.handle(), PEID: c.pe()}
	case 4:
		return &asap.HandleResolution{Handle: c.handle(), Subscribe: c.yes(), HasItems: c.yes(), Items: c.Uint32()}
	case 5:
		return &asap.EndpointUnreachable{Handle: c.handle(), PEID: c.pe()}
	case 6, 7:
		return &asap.EndpointKeepAliveAck{Handle: c.handle(), PEID: c.pe()}
	default:
		return []asap.Message{
			&asap.RegistrationResponse{Handle: c.handle()}, &asap.EndpointKeepAlive{Handle: c.handle()}, &asap.Cookie{Cookie: []byte{1}},
			&asap.ServerAnnounce{Server: c.registrar()}, &asap.Error{Causes: []rserpool.Cause{{Code: 3}}},
		}[c.IntN(5)]
	}
}

func (c chaos) enrp() enrp.Message {
	from, to := c.registrar(), []rserpool.RegistrarID{0, ownID, c.registrar()}[c.IntN(3)]
	switch c.IntN(12) {
	case 0, 1, 2:
		p := &enrp.Presence{Sender: from, Receiver: to, ReplyRequired: c.yes(), Checksum: uint16(c.Uint32()), HasChecksum: c.yes()}
		if c.IntN(4) > 0 {
			p.Server = &rserpool.ServerInfo{ID: []rserpool.RegistrarID{from, c.registrar()}[c.IntN(8)/7], Transport: at(c.host(), 9901)}
			if c.yes() {
				p.Server.Transport.UDPPort = 0
			}
		}
		return p
	case 3:
		return &enrp.HandleTableRequest{Sender: from, Receiver: to, OwnOnly: c.yes()}
	case 4, 5:
		m := &enrp.HandleTableResponse{Sender: from, Receiver: to, Reject: c.IntN(8) == 0, More: c.yes()}
		for range c.IntN(4) {
			if !m.Reject {
				m.Pools = append(m.Pools, enrp.PoolEntries{Handle: c.handle(), Elements: []rserpool.PoolElement{c.element(), c.element()}})
			}
		}
		return m
	case 6, 7, 8:
		pe := c.element()
		if c.yes() {
			pe.Home = from
		}
		return &enrp.HandleUpdate{Sender: from, Receiver: to, TakeoverSuggested: c.IntN(4) == 0,
			Action: enrp.UpdateAction(c.IntN(3)), Handle: c.handle(), Element: pe}
	case 9:
		if c.yes() {
			return &enrp.ListRequest{Sender: from, Receiver: to}
		}
		return &enrp.ListResponse{Sender: from, Receiver: to, Reject: c.IntN(4) == 0,
			Servers: nil}
	case 10:
		return &enrp.InitTakeover{Sender: from, Receiver: to, Target: c.registrar()}
	default:
		return []enrp.Message{
			&enrp.InitTakeoverAck{Sender: from, Receiver: to, Target: c.registrar()},
			&enrp.TakeoverServer{Sender: from, Receiver: to, Target: c.registrar()},
			&enrp.Error{Sender: from, Receiver: to, Causes: []rserpool.Cause{{Code: 3}}},
			&enrp.ListResponse{Sender: from, Receiver: to, Servers: []rserpool.ServerInfo{{ID: c.registrar(), Transport: at(c.host(), 9901)}}},
		}[c.IntN(4)]
	}
}

// TestSimHostilePartners lets partners send anything in any order while
// associations come and go: the tables stay consistent, nothing grows without
// bound, and time always goes on.
func TestSimHostilePartners(t *testing.T) {
	from, to := seeds(t, 30)
	for seed := from; seed < to; seed++ {
		c := chaos{rand.New(rand.NewPCG(seed, 3))}
		cfg := core.Config{Profile: core.ProfileFast, Limits: core.Limits{Peers: 5, ElementDials: 3, Connections: 30}}
		if c.yes() {
			cfg.Peers = []rserpool.Transport{at("10.0.0.2", 9901), at("10.0.0.3", 9901)}
		}
		g := newRig(t, cfg)
		var conns []core.ConnID
		channel := map[core.ConnID]core.Channel{}
		for step := range 2000 {
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Fatalf("seed %d step %d: %v", seed, step, p)
					}
				}()
				c.step(g, &conns, channel)
			}()
			require.LessOrEqual(t, len(g.r.PeerStatuses()), 5, "seed %d", seed)
			require.LessOrEqual(t, len(g.out), 400, "seed %d step %d", seed, step)
			g.events = nil
		}
		g.r.Snapshot()
	}
}

func (c chaos) step(g *rig, conns *[]core.ConnID, channel map[core.ConnID]core.Channel) {
	for _, a := range g.out { // dials succeed, fail or hang
		if a.Kind == core.Dial && c.yes() {
			if c.yes() {
				g.r.Connected(g.now, a.Conn, core.Conn{Channel: a.Channel, Remote: a.To, Local: local})
				*conns = append(*conns, a.Conn)
				channel[a.Conn] = a.Channel
			} else {
				g.r.Lost(g.now, a.Conn, "refused")
			}
		}
	}
	g.out = nil
	g.drain()
	switch n := len(*conns); {
	case n < 4 || c.IntN(10) == 0:
		ch, port := core.ASAP, uint16(5000+c.IntN(2))
		if c.yes() {
			ch, port = core.ENRP, 9901
		}
		id := g.r.Accept(g.now, core.Conn{Channel: ch, Remote: at(c.host(), port), Local: local})
		*conns = append(*conns, id)
		channel[id] = ch
	case c.IntN(12) == 0:
		i := c.IntN(n)
		g.r.Lost(g.now, (*conns)[i], "lost")
		*conns = append((*conns)[:i], (*conns)[i+1:]...)
	case c.IntN(6) == 0:
		g.tick(time.Duration(c.IntN(1000)) * time.Millisecond)
	case c.IntN(300) == 0:
		g.now = g.now.Add(time.Minute) // stopped for a while
		g.r.HandleTimeout(g.now)
	case c.IntN(2000) == 0:
		g.r.Drain(g.now)
	default:
		id := (*conns)[c.IntN(n)]
		var m core.Message = c.asap()
		if channel[id] == core.ENRP {
			m = c.enrp()
		}
		b := m.AppendTo(nil)
		if c.IntN(20) == 0 { // what cannot be decoded
			b[c.IntN(len(b))] ^= byte(1 + c.IntN(255))
		}
		g.r.Receive(g.now, id, channel[id].PPID(), b)
	}
	g.drain()
}

// RFC 5352 §2.2.14, RFC 5353 §3.7, RFC 5354 §3 and §4: what cannot be read is
// reported as its high bits say, and never an error about an error.
func TestUndecodableMessages(t *testing.T) {
	g := newRig(t, core.Config{})
	a := g.asap("10.0.1.1")
	e := g.peer(0x900, "10.0.0.9")
	unknown := func(typ uint16) []byte { return []byte{byte(typ >> 8), byte(typ), 0, 8, 1, 2, 3, 4} }
	reg := (&asap.Deregistration{Handle: pool, PEID: 1}).AppendTo(nil)
	splice := func(tlv []byte) []byte {
		b := bytes.Join([][]byte{reg[:4], tlv, reg[4:]}, nil)
		b[3] = byte(len(b))
		return b
	}
	for _, tc := range []struct {
		name   string
		b      []byte
		report bool // in an error
		answer bool // the request is carried out
	}{
		{"nothing", nil, false, false},
		{"unknown message 00", []byte{0x3f, 0, 0, 4}, false, false},
		{"unknown message 01", []byte{0x7f, 0, 0, 4}, true, false},
		{"unknown parameter 00 stop", splice(unknown(0x00ff)), false, false},
		{"unknown parameter 01 stop, report", splice(unknown(0x40ff)), true, false},
		{"unknown parameter 10 skip", splice(unknown(0x80ff)), false, true},
		{"unknown parameter 11 skip, report", splice(unknown(0xc0ff)), true, true},
	} {
		g.out = nil
		g.r.Receive(g.now, a, asap.PPID, tc.b)
		g.drain()
		require.Equal(t, tc.report, len(sent[*asap.Error](g, a)) == 1, tc.name)
		require.Equal(t, tc.answer, len(sent[*asap.DeregistrationResponse](g, a)) == 1, tc.name)
		require.Empty(t, g.out, tc.name)
	}
	g.r.Receive(g.now, e, enrp.PPID, []byte{0x7f, 0, 0, 4})
	g.drain()
	require.Equal(t, ownID, one[*enrp.Error](g, e).Sender)
	g.r.Receive(g.now, e, enrp.PPID, []byte{0x0a, 0, 0, 12, 0, 0, 9, 0, 0, 0, 5, 0}) // an ERROR without causes
	g.drain()
	require.Empty(t, g.out)
	require.NotZero(t, g.r.Stats().DecodeErrors)
}

// RFC 5355 §2.8. Z8: what is replayed on the element's association does what it did,
// and from another host nothing.
func TestZ8Replay(t *testing.T) {
	g := newRig(t, core.Config{StrictAddresses: true})
	c := g.asap("10.0.1.1")
	for range 5 {
		g.register(c, element(1, "10.0.1.1"))
	}
	_, n := g.r.Space().Len()
	require.Equal(t, 1, n)
	thief := g.asap("10.6.6.6")
	for range 5 {
		g.say(thief, &asap.Deregistration{Handle: pool, PEID: 1})
		require.Equal(t, rserpool.CauseSecurity, one[*asap.DeregistrationResponse](g, thief).Causes[0].Code)
	}
	require.Equal(t, ownID, g.home(1))
	g.say(c, &asap.Deregistration{Handle: pool, PEID: 1})
	require.Zero(t, g.home(1))
	for range 5 { // it has left: an old registration does not bring it back
		g.say(thief, &asap.Registration{Handle: pool, Element: element(1, "10.0.1.1")})
		require.True(t, one[*asap.RegistrationResponse](g, thief).Reject)
		g.say(thief, ack(1))
	}
	require.Zero(t, g.home(1))
}

// RFC 5355 §2.8. Z8: updates that a peer has sent before, or that are replayed in its
// name from elsewhere, bring nobody back.
func TestZ8ReplayedUpdates(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.peer(0x900, "10.0.0.9")
	e := g.asap("10.0.1.1")
	g.register(e, element(1, "10.0.1.1"))
	rogue := g.enrp("10.6.6.6")
	for range 3 {
		g.say(rogue, add(owned(0x900, 1, "10.0.1.1")))
		g.say(rogue, del(0x900, owned(0x900, 1, "10.0.1.1")))
		g.say(rogue, &enrp.TakeoverServer{Sender: 0x900, Receiver: ownID, Target: ownID})
	}
	require.Equal(t, ownID, g.home(1))
	g.say(p, del(0x900, owned(0x900, 1, "10.0.1.1")))
	require.Equal(t, ownID, g.home(1), "it is not the peer's any more, or yet")
}

func TestConnectionsAreCapped(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Connections: 3}})
	for range 3 {
		g.asap("10.0.1.1")
	}
	require.False(t, g.did(core.Abort, 0))
	c := g.asap("10.0.1.1")
	require.True(t, g.did(core.Abort, c))
	require.Equal(t, 3, g.r.Snapshot().Connections)
}

func TestConfigIsChecked(t *testing.T) {
	bad := core.ProfileFast
	bad.KeepAlive = 0
	noHandles := core.ProfileFast
	noHandles.MaxHandle = 0
	for _, cfg := range []core.Config{
		{Profile: bad},
		{Profile: noHandles},
		{Peers: []rserpool.Transport{{Protocol: rserpool.ProtoSCTP, Port: 9901}}},
		{Peers: []rserpool.Transport{{Protocol: rserpool.ProtoTCP, Port: 9901, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}},
		{Peers: []rserpool.Transport{at("10.0.0.1", 0)}},
		{Rand: bytes.NewReader(nil)},
	} {
		_, err := core.New(time.Now(), cfg)
		require.Error(t, err)
	}
	r, err := core.New(time.Now(), core.Config{})
	require.NoError(t, err)
	require.NotZero(t, r.ID())
}

// Profiles, units and rules are found by the names they print.
func TestNames(t *testing.T) {
	for _, p := range core.Profiles() {
		q, err := core.ParseProfile(p.Name)
		require.NoError(t, err)
		require.Equal(t, p, q)
		_, err = core.New(time.Now(), core.Config{Profile: p})
		require.NoError(t, err)
	}
	for _, u := range []core.LifeUnit{core.LifeAuto, core.LifeSeconds, core.LifeMilliseconds} {
		v, err := core.ParseLifeUnit(u.String())
		require.NoError(t, err)
		require.Equal(t, u, v)
	}
	for _, a := range []core.Arbitration{core.ArbitrationAuto, core.ArbitrationLarger, core.ArbitrationSmaller} {
		b, err := core.ParseArbitration(a.String())
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
	for _, err := range []error{
		func() error { _, err := core.ParseProfile("slow"); return err }(),
		func() error { _, err := core.ParseLifeUnit("h"); return err }(),
		func() error { _, err := core.ParseArbitration("coin"); return err }(),
	} {
		require.Error(t, err)
	}
	for k := core.EventReady; k <= core.EventDrained; k++ {
		require.NotContains(t, k.String(), "event(")
	}
}

// Two runs with the same inputs do the same.
func TestDeterminism(t *testing.T) {
	run := func() []string {
		w := newWorld(t, 42)
		rs, es := cluster(w, 3, 5)
		for range 10 {
			mishap(w, rs, es)
			w.run(300 * time.Millisecond)
		}
		return w.log
	}
	require.Equal(t, run(), run())
}
