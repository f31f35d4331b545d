package core_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// registrarNode is a registrar.
type registrarNode struct {
	*core.Registrar
	h      *host
	events map[core.EventKind]int
}

func enrpAt(h *host) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: rserpool.ENRPPort, Addrs: []netip.Addr{h.addr}, UDPPort: 9899}
}

func asapAt(h *host) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: rserpool.ASAPPort, Addrs: []netip.Addr{h.addr}, UDPPort: 9899}
}

// startRegistrar boots a registrar on h; cfg.ENRP, Rand and Peers are filled in.
func (h *host) startRegistrar(cfg core.Config, peers ...*host) *registrarNode {
	cfg.Rand = seededReader(h.w.rnd.Uint64())
	cfg.ENRP = enrpAt(h)
	cfg.ASAP, cfg.Announce = asapAt(h), h.w.multicast
	for _, p := range peers {
		if !h.w.multicast {
			cfg.Peers = append(cfg.Peers, enrpAt(p))
		}
	}
	r, err := core.New(h.now(), cfg)
	require.NoError(h.w.t, err)
	n := &registrarNode{Registrar: r, h: h, events: map[core.EventKind]int{}}
	h.node, h.lastID = n, r.ID()
	h.w.note("%s starts as %s", h.name, r.ID())
	h.settle()
	return n
}

func (n *registrarNode) conn(ch core.Channel, remote rserpool.Transport) core.Conn {
	return core.Conn{Channel: ch, Remote: remote, Local: []netip.Addr{n.h.addr}}
}

func (n *registrarNode) accept(ch core.Channel, from rserpool.Transport) uint64 {
	if ch == core.ASAP && !n.Ready() {
		return 0 // the shell does not listen yet
	}
	return uint64(n.Accept(n.h.now(), n.conn(ch, from)))
}

func (n *registrarNode) connected(id uint64, to rserpool.Transport) {
	ch := core.ENRP
	if to.Port != rserpool.ENRPPort {
		ch = core.ASAP
	}
	n.Connected(n.h.now(), core.ConnID(id), n.conn(ch, to))
}

func (n *registrarNode) lost(id uint64, why string) { n.Lost(n.h.now(), core.ConnID(id), why) }

func (n *registrarNode) receive(id uint64, ppid uint32, b []byte) {
	n.Receive(n.h.now(), core.ConnID(id), ppid, b)
}

func (n *registrarNode) timeout()                { n.HandleTimeout(n.h.now()) }
func (n *registrarNode) next() (time.Time, bool) { return n.NextTimeout() }

func (n *registrarNode) drain() {
	if w := n.h.w; w.checks > 0 && w.seq%w.checks == 0 {
		if err := n.Check(); err != nil {
			w.fail("%s: %v", n.h.name, err)
		}
	}
	for a, ok := n.PollAction(); ok; a, ok = n.PollAction() {
		switch a.Kind {
		case core.Dial:
			from := enrpAt(n.h)
			if a.Channel == core.ASAP {
				from = asapAt(n.h)
			}
			n.h.dial(uint64(a.Conn), a.Channel, from, a.To, n.h.w.profile.Registrar.Transport.DialTimeout/2)
		case core.Send:
			n.h.trace(uint64(a.Conn), a.Message)
			n.h.send(uint64(a.Conn), a.Message.AppendTo(nil))
		case core.Multicast:
			n.h.multicast(a)
		default:
			n.h.giveUp(uint64(a.Conn), a.Reason)
		}
	}
	for e, ok := n.PollEvent(); ok; e, ok = n.PollEvent() {
		n.h.w.note("%s: %s", n.h.name, e)
		n.events[e.Kind]++
		if e.Kind == core.EventTakeover {
			n.h.w.takeovers[e.Registrar]++
		}
	}
}

// multicast brings an announcement to all hosts that are not cut off, itself included. It
// may get lost on the way to each.
func (h *host) multicast(a core.Action) {
	b := a.For([]netip.Addr{h.addr}).AppendTo(nil)
	from := netip.AddrPortFrom(h.addr, rserpool.ASAPPort)
	for _, to := range h.w.hosts {
		if h.w.rnd.Float64() < h.w.loss {
			continue
		}
		h.w.after(h.w.delay(), func() {
			if h.w.isCut(h, to) {
				return
			}
			to.do(func() {
				switch n := to.node.(type) {
				case *registrarNode:
					n.Heard(to.now(), a.Channel, from, b)
				case *elementNode:
					if a.Channel == core.ASAP {
						n.HandleAnnounce(to.now(), from, b)
					}
				}
			})
		})
	}
}

// trace notes a message, with who gets it.
func (h *host) trace(id uint64, m fmt.Stringer) {
	if e := h.ends[id]; e != nil && (h.w.traced || h.w.loud) {
		h.w.note("%s > %s  %s", h.name, e.pipe.ends[1-e.side].host.name, m)
	}
}

// elementNode is a pool element: the ASAP endpoint that poolelement uses.
type elementNode struct {
	*asapcore.Endpoint
	h          *host
	key        handlespace.Key
	registered bool // acknowledged and not deregistered since
	leaving    bool // deregisters, or has
	gone       bool // deregistered
	home       rserpool.RegistrarID
}

const elementPort = 5000

func elementAt(h *host) rserpool.Transport {
	return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: elementPort, Addrs: []netip.Addr{h.addr}, UDPPort: 9899}
}

// startElement boots an element on h that registers in the pool.
func (h *host) startElement(pool string, registrars ...*host) *elementNode {
	cfg := asapcore.Config{Profile: h.w.profile.Endpoint, Rand: seededReader(h.w.rnd.Uint64()), Discover: h.w.multicast}
	for _, r := range registrars {
		if !h.w.multicast {
			cfg.Registrars = append(cfg.Registrars, asapAt(r))
		}
	}
	e, err := asapcore.New(&cfg)
	require.NoError(h.w.t, err)
	n := &elementNode{Endpoint: e, h: h}
	h.node = n
	user := rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: []netip.Addr{h.addr}}
	id, err := e.Register(h.now(), asapcore.Registration{
		Handle: rserpool.PoolHandle(pool), User: user, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	})
	require.NoError(h.w.t, err)
	n.key = handlespace.Key{Handle: rserpool.PoolHandle(pool), ID: id}
	h.w.born[n.key] = true
	h.w.note("%s starts as %s", h.name, n.key)
	h.settle()
	return n
}

func (n *elementNode) accept(_ core.Channel, from rserpool.Transport) uint64 {
	return uint64(n.HandleAccepted(n.h.now(), from, []netip.Addr{n.h.addr}))
}

func (n *elementNode) connected(id uint64, _ rserpool.Transport) {
	n.HandleConnected(n.h.now(), asapcore.LinkID(id), []netip.Addr{n.h.addr})
}

func (n *elementNode) lost(id uint64, why string) {
	n.HandleLost(n.h.now(), asapcore.LinkID(id), fmt.Errorf("%s", why))
}

func (n *elementNode) receive(id uint64, _ uint32, b []byte) {
	n.HandleMessage(n.h.now(), asapcore.LinkID(id), b)
}

func (n *elementNode) timeout()                { n.HandleTimeout(n.h.now()) }
func (n *elementNode) next() (time.Time, bool) { return n.NextTimeout() }

func (n *elementNode) drain() {
	for o, ok := n.PollOutput(); ok; o, ok = n.PollOutput() {
		switch o.Kind {
		case asapcore.OutputDial:
			n.h.dial(uint64(o.Link), core.ASAP, elementAt(n.h), o.Registrar, n.h.w.profile.Endpoint.Transport.DialTimeout*4/5)
		case asapcore.OutputSend:
			n.h.trace(uint64(o.Link), o.Message)
			n.h.send(uint64(o.Link), o.Message.AppendTo(nil))
		case asapcore.OutputClose:
			n.h.giveUp(uint64(o.Link), "closed")
		}
	}
	for e, ok := n.PollEvent(); ok; e, ok = n.PollEvent() {
		n.h.w.note("%s: %s %v %v", n.h.name, e.Kind, e.Server, e.Err)
		switch e.Kind {
		case asapcore.EventRegistered:
			n.registered = true
		case asapcore.EventDeregistered:
			n.registered, n.gone = false, true
		case asapcore.EventHomeLost:
			n.registered = false
		case asapcore.EventHome:
			n.home = e.Server
			n.registered = n.registered || e.Server != 0 && !n.leaving // taken over
		}
	}
}

// seededReader is a source of random bytes for one machine.
type seedReader struct{ *rand.ChaCha8 }

func seededReader(seed uint64) seedReader {
	var s [32]byte
	copy(s[:], strconv.FormatUint(seed, 10))
	return seedReader{rand.NewChaCha8(s)}
}
