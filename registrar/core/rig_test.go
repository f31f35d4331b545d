package core_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

const ownID rserpool.RegistrarID = 0x500

// rig is one registrar whose partners the test plays.
type rig struct {
	t      testing.TB
	r      *core.Registrar
	now    time.Time
	out    []core.Action
	events []core.Event
}

// newRig starts a registrar, with ProfileDefault unless cfg says otherwise.
func newRig(t testing.TB, cfg core.Config) *rig {
	t.Helper()
	g := &rig{t: t, now: time.Unix(1_700_000_000, 0)}
	cfg.Rand = seededReader(1)
	if cfg.ID == 0 {
		cfg.ID = ownID
	}
	cfg.ENRP = rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: rserpool.ENRPPort, UDPPort: 9899}
	r, err := core.New(g.now, cfg)
	require.NoError(t, err)
	g.r = r
	g.drain()
	return g
}

func (g *rig) drain() {
	g.t.Helper()
	require.NoError(g.t, g.r.Check())
	for a, ok := g.r.PollAction(); ok; a, ok = g.r.PollAction() {
		if a.Kind == core.Send {
			m, ok := a.Message.(interface{ Validate() error })
			require.True(g.t, ok)
			require.NoError(g.t, m.Validate())
			require.NotEmpty(g.t, a.Message.AppendTo(nil))
		}
		g.out = append(g.out, a)
	}
	for e, ok := g.r.PollEvent(); ok; e, ok = g.r.PollEvent() {
		g.events = append(g.events, e)
	}
}

// tick lets time go by, timer by timer.
func (g *rig) tick(d time.Duration) {
	end := g.now.Add(d)
	for {
		at, ok := g.r.NextTimeout()
		if !ok || at.After(end) {
			break
		}
		g.now = at
		g.r.HandleTimeout(at)
		g.drain()
	}
	g.now = end
}

func at(ip string, port uint16) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, Addrs: []netip.Addr{netip.MustParseAddr(ip)}, UDPPort: 9899}
}

var local = []netip.Addr{netip.MustParseAddr("10.0.0.1")}

// asap opens an ASAP association from the host.
func (g *rig) asap(ip string) core.ConnID {
	id := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: at(ip, 5000), Local: local})
	g.drain()
	return id
}

// enrp opens an ENRP association from the host.
func (g *rig) enrp(ip string) core.ConnID {
	id := g.r.Accept(g.now, core.Conn{Channel: core.ENRP, Remote: at(ip, rserpool.ENRPPort), Local: local})
	g.drain()
	return id
}

// connect completes the dial that comes next in the output.
func (g *rig) connect() core.ConnID {
	g.t.Helper()
	i := slices.IndexFunc(g.out, func(a core.Action) bool { return a.Kind == core.Dial })
	require.GreaterOrEqual(g.t, i, 0, "a dial in %v", g.out)
	a := g.out[i]
	g.out = slices.Delete(g.out, i, i+1)
	g.r.Connected(g.now, a.Conn, core.Conn{Channel: a.Channel, Remote: a.To, Local: local})
	g.drain()
	return a.Conn
}

// say sends a message as bytes and forgets what was put out before.
func (g *rig) say(id core.ConnID, m core.Message) {
	g.out = nil
	ppid := asap.PPID
	if _, ok := m.(enrp.Message); ok {
		ppid = enrp.PPID
	}
	g.r.Receive(g.now, id, ppid, m.AppendTo(nil))
	g.drain()
}

func (g *rig) lose(id core.ConnID) {
	g.out = nil
	g.r.Lost(g.now, id, "lost")
	g.drain()
}

// sent returns the messages of one type sent on a connection, 0 for any, and takes
// them out of the output.
func sent[M core.Message](g *rig, id core.ConnID) []M {
	var ms []M
	g.out = slices.DeleteFunc(g.out, func(a core.Action) bool {
		m, ok := a.Message.(M)
		if a.Kind != core.Send || !ok || id != 0 && a.Conn != id {
			return false
		}
		ms = append(ms, m)
		return true
	})
	return ms
}

// one is the only message of the type on the connection.
func one[M core.Message](g *rig, id core.ConnID) M {
	g.t.Helper()
	ms := sent[M](g, id)
	require.Len(g.t, ms, 1, "messages of this type in %v", g.out)
	return ms[0]
}

func (g *rig) did(kind core.ActionKind, id core.ConnID) bool {
	return slices.ContainsFunc(g.out, func(a core.Action) bool { return a.Kind == kind && (id == 0 || a.Conn == id) })
}

// happened counts events of a kind and forgets all events.
func (g *rig) happened(kind core.EventKind) int {
	n := 0
	for _, e := range g.events {
		if e.Kind == kind {
			n++
		}
	}
	g.events = nil
	return n
}

// element is a valid element of a round robin pool, on TCP port 80 of the host.
func element(id rserpool.PEID, ip string) rserpool.PoolElement {
	return rserpool.PoolElement{
		ID: id, Life: 60, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: []netip.Addr{netip.MustParseAddr(ip)}},
	}
}

const pool rserpool.PoolHandle = "pool"

// register registers an element and checks that it is accepted.
func (g *rig) register(id core.ConnID, pe rserpool.PoolElement) {
	g.t.Helper()
	g.say(id, &asap.Registration{Handle: pool, Element: pe})
	resp := one[*asap.RegistrationResponse](g, id)
	require.False(g.t, resp.Reject, "%v", resp)
}

// home is the home of an element in the pool, 0 if it is not there.
func (g *rig) home(id rserpool.PEID) rserpool.RegistrarID {
	el, _ := g.r.Space().Get(pool, id)
	return el.Home
}

// presence is what a peer at the host says of itself.
func (g *rig) presence(id rserpool.RegistrarID, ip string, sum uint16) *enrp.Presence {
	return &enrp.Presence{
		Sender: id, Receiver: ownID, Checksum: sum, HasChecksum: true,
		Server: &rserpool.ServerInfo{ID: id, Transport: at(ip, rserpool.ENRPPort)},
	}
}

const none uint16 = 0xffff // checksum of no elements

// peer joins a registrar that has no elements.
func (g *rig) peer(id rserpool.RegistrarID, ip string) core.ConnID {
	g.t.Helper()
	c := g.enrp(ip)
	g.say(c, g.presence(id, ip, none))
	require.Equal(g.t, "active", g.peerState(id))
	if reqs := sent[*enrp.ListRequest](g, c); len(reqs) > 0 {
		g.say(c, &enrp.ListResponse{Sender: id, Receiver: ownID})
	}
	g.out = nil
	return c
}

func (g *rig) peerState(id rserpool.RegistrarID) string {
	for _, p := range g.r.PeerStatuses() {
		if p.ID == id {
			return p.State
		}
	}
	return ""
}

// owned is an element of a peer.
func owned(home rserpool.RegistrarID, id rserpool.PEID, ip string) rserpool.PoolElement {
	pe := element(id, ip)
	pe.Home = home
	asapAt := at(ip, 5000)
	pe.ASAP = &asapAt
	return pe
}

// add is a peer's announcement of an element.
func add(pe rserpool.PoolElement) *enrp.HandleUpdate {
	return &enrp.HandleUpdate{Sender: pe.Home, Receiver: ownID, Action: enrp.AddPE, Handle: pool, Element: pe}
}

func del(from rserpool.RegistrarID, pe rserpool.PoolElement) *enrp.HandleUpdate {
	return &enrp.HandleUpdate{Sender: from, Receiver: ownID, Action: enrp.DelPE, Handle: pool, Element: pe}
}

type keepAlive = asap.EndpointKeepAlive

func ack(id rserpool.PEID) *asap.EndpointKeepAliveAck {
	return &asap.EndpointKeepAliveAck{Handle: pool, PEID: id}
}

func regOf(h rserpool.PoolHandle, pe rserpool.PoolElement) *asap.Registration {
	return &asap.Registration{Handle: h, Element: pe}
}

func rid(id uint32) rserpool.RegistrarID { return rserpool.RegistrarID(id) }
