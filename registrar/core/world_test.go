package core_test

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// world is a simulated network of registrars and elements, all of them the real
// state machines: messages are encoded, take time, stay in order on one
// association and arrive or do not. Everything is a function of the seed.
type world struct {
	t     testing.TB
	seed  uint64
	rnd   *rand.Rand
	epoch time.Time
	now   time.Time
	queue happenings
	seq   uint64
	hosts []*host
	cuts  map[[2]int]bool
	log   []string
	loud  bool // print the log as it grows
	// maxDelay bounds the one-way delay of a message.
	maxDelay time.Duration
	// deadAfter is how long an association lives on that cannot deliver.
	deadAfter time.Duration
	// takeovers counts the takeovers of each registrar incarnation.
	takeovers map[rserpool.RegistrarID]int
}

type happening struct {
	at  time.Time
	seq uint64
	do  func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}

// node is a program on a host: a registrar or an element.
type node interface {
	// accept announces an association from a transport; 0 refuses it.
	accept(ch core.Channel, from rserpool.Transport) uint64
	connected(id uint64, to rserpool.Transport)
	lost(id uint64, why string)
	receive(id uint64, ppid uint32, b []byte)
	timeout()
	next() (time.Time, bool)
	drain() // hands outputs to the world
}

type host struct {
	w      *world
	idx    int
	name   string
	addr   netip.Addr
	node   node // nil while down
	life   int  // incarnation
	lastID rserpool.RegistrarID
	ends   map[uint64]*end
	wake   time.Time
	// stopped hosts neither receive nor notice that time goes by, as a process
	// that got SIGSTOP; what comes in waits.
	stopped bool
	backlog []func()
}

// pipe is an association. Side 0 has opened it.
type pipe struct {
	ch    core.Channel
	ends  [2]*end
	dead  bool
	last  [2]time.Time // when the last message to a side arrives
	stuck [2][][]byte  // to a side, while the network is cut
}

type end struct {
	host *host
	life int
	pipe *pipe
	side int
	id   uint64
	gone bool // the program there has given it up
}

func newWorld(t testing.TB, seed uint64) *world {
	epoch := time.Unix(1_700_000_000, 0)
	return &world{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), epoch: epoch, now: epoch,
		cuts: map[[2]int]bool{}, maxDelay: 8 * time.Millisecond, deadAfter: 700 * time.Millisecond,
		takeovers: map[rserpool.RegistrarID]int{}, loud: os.Getenv("SIM_LOG") != "",
	}
}

func (w *world) note(format string, args ...any) {
	s := fmt.Sprintf("%8.3f ", w.now.Sub(w.epoch).Seconds()) + fmt.Sprintf(format, args...)
	w.log = append(w.log, s)
	if w.loud {
		fmt.Println(s)
	}
}

// fail ends the test with what is needed to repeat it.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	tail := w.log[max(0, len(w.log)-60):]
	w.t.Fatalf("seed %d at %.3f: %s\n%s", w.seed, w.now.Sub(w.epoch).Seconds(), fmt.Sprintf(format, args...), strings.Join(tail, "\n"))
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, happening{w.now.Add(d), w.seq, do})
}

// run lets everything happen that happens in the given time.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		h := heap.Pop(&w.queue).(happening)
		w.now = h.at
		h.do()
	}
	w.now = end
}

// until runs until ok, at most for the given time, and says how long it took.
func (w *world) until(limit time.Duration, ok func() bool) (time.Duration, bool) {
	start := w.now
	for !ok() {
		if w.now.Sub(start) >= limit {
			return limit, false
		}
		w.run(5 * time.Millisecond)
	}
	return w.now.Sub(start), true
}

func (w *world) delay() time.Duration {
	return time.Millisecond/2 + time.Duration(w.rnd.Int64N(int64(w.maxDelay)))
}

func (w *world) addHost(name string) *host {
	h := &host{w: w, idx: len(w.hosts), name: name, ends: map[uint64]*end{}}
	h.addr = netip.AddrFrom4([4]byte{10, 0, byte(len(w.hosts) >> 8), byte(len(w.hosts) + 1)})
	w.hosts = append(w.hosts, h)
	return h
}

func (w *world) hostAt(a netip.Addr) *host {
	for _, h := range w.hosts {
		if h.addr == a {
			return h
		}
	}
	return nil
}

func (w *world) isCut(a, b *host) bool {
	return w.cuts[[2]int{min(a.idx, b.idx), max(a.idx, b.idx)}]
}

// cut breaks the network between two hosts. Associations live on for a while.
func (w *world) cut(a, b *host) {
	w.cuts[[2]int{min(a.idx, b.idx), max(a.idx, b.idx)}] = true
	for _, p := range w.pipesBetween(a, b) {
		w.after(w.deadAfter, func() {
			if w.isCut(a, b) {
				w.breakPipe(p, "timeout", 0)
			}
		})
	}
}

// heal repairs it; what is on the way arrives.
func (w *world) heal(a, b *host) {
	delete(w.cuts, [2]int{min(a.idx, b.idx), max(a.idx, b.idx)})
	for _, p := range w.pipesBetween(a, b) {
		for side, list := range p.stuck {
			p.stuck[side] = nil
			for _, b := range list {
				w.carry(p, side, b)
			}
		}
	}
}

func (w *world) healAll() {
	for _, h := range w.hosts {
		h.cont()
	}
	for i, a := range w.hosts {
		for _, b := range w.hosts[i+1:] {
			if w.isCut(a, b) {
				w.heal(a, b)
			}
		}
	}
}

func (w *world) pipesBetween(a, b *host) []*pipe {
	var ps []*pipe
	ids := make([]uint64, 0, len(a.ends))
	for id := range a.ends {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if e := a.ends[id]; e.pipe.ends[1-e.side] != nil && e.pipe.ends[1-e.side].host == b {
			ps = append(ps, e.pipe)
		}
	}
	return ps
}

// breakPipe ends an association; each side that is still there hears of it after
// the given time.
func (w *world) breakPipe(p *pipe, why string, d time.Duration) {
	if p.dead {
		return
	}
	p.dead = true
	for _, e := range p.ends {
		if e != nil {
			w.after(d, func() { e.lost(why) })
		}
	}
}

func (e *end) lost(why string) {
	h := e.host
	if e.gone || h.life != e.life || h.node == nil {
		return
	}
	h.do(func() {
		if e.gone || h.life != e.life {
			return
		}
		e.gone = true
		delete(h.ends, e.id)
		h.node.lost(e.id, why)
	})
}

// carry brings a message to one side.
func (w *world) carry(p *pipe, to int, b []byte) {
	at := w.now.Add(w.delay())
	if at.Before(p.last[to]) {
		at = p.last[to]
	}
	p.last[to] = at
	w.after(at.Sub(w.now), func() {
		e := p.ends[to]
		switch {
		case p.dead || e.gone || e.host.life != e.life || e.host.node == nil:
		case w.isCut(p.ends[0].host, p.ends[1].host):
			p.stuck[to] = append(p.stuck[to], b)
		default:
			e.host.do(func() {
				if !p.dead && !e.gone && e.host.life == e.life {
					e.host.node.receive(e.id, p.ch.PPID(), b)
				}
			})
		}
	})
}

// do lets the program on a host handle an input, when it runs.
func (h *host) do(input func()) {
	if h.stopped {
		h.backlog = append(h.backlog, input)
		return
	}
	if h.node != nil {
		input()
		h.settle()
	}
}

func (h *host) stop() {
	h.w.note("%s stops", h.name)
	h.stopped = true
}

// cont lets a stopped program run again. Whether it first sees that time has gone
// by or what has come in is a matter of chance.
func (h *host) cont() {
	if !h.stopped {
		return
	}
	h.w.note("%s continues", h.name)
	h.stopped = false
	backlog := h.backlog
	h.backlog = nil
	if h.node == nil {
		return
	}
	if at, ok := h.node.next(); ok && !at.After(h.w.now) && h.w.rnd.IntN(2) == 0 {
		h.node.timeout()
		h.node.drain()
	}
	for _, input := range backlog {
		h.do(input)
	}
	h.wake = time.Time{}
	h.settle()
}

// dial opens an association. What nobody answers is lost after the timeout.
func (h *host) dial(id uint64, ch core.Channel, from, to rserpool.Transport, timeout time.Duration) {
	w := h.w
	p := &pipe{ch: ch}
	mine := &end{host: h, life: h.life, pipe: p, side: 0, id: id}
	p.ends[0] = mine
	h.ends[id] = mine
	peer := w.hostAt(to.Addrs[0])
	arrive := w.delay()
	w.after(arrive, func() {
		if p.dead || mine.gone {
			return
		}
		if peer == nil || peer.node == nil || peer.stopped || w.isCut(h, peer) {
			w.after(timeout-arrive, func() {
				if p.ends[1] == nil {
					mine.lost("no answer")
				}
			})
			return
		}
		other := peer.node.accept(ch, from)
		peer.settle()
		if other == 0 {
			w.after(w.delay(), func() { mine.lost("refused") })
			return
		}
		theirs := &end{host: peer, life: peer.life, pipe: p, side: 1, id: other}
		p.ends[1] = theirs
		peer.ends[other] = theirs
		at := w.delay()
		p.last[0] = w.now.Add(at)
		w.after(at, func() {
			if mine.gone || h.life != mine.life || h.node == nil {
				w.breakPipe(p, "aborted", w.delay())
				return
			}
			h.do(func() {
				if !mine.gone && h.life == mine.life {
					h.node.connected(id, to)
				}
			})
		})
		peer.settle()
	})
}

func (h *host) send(id uint64, b []byte) {
	e := h.ends[id]
	if e == nil || e.gone {
		h.w.fail("%s sends on association %d, which is gone", h.name, id)
	}
	if e.pipe.ends[1] == nil {
		h.w.fail("%s sends on association %d, which is not up", h.name, id)
	}
	require.NotEmpty(h.w.t, b, "a message that cannot be expressed")
	h.w.carry(e.pipe, 1-e.side, b)
}

// giveUp closes or aborts an association: the other side hears of it behind what
// was sent before.
func (h *host) giveUp(id uint64, why string) {
	e := h.ends[id]
	if e == nil {
		return
	}
	e.gone = true
	delete(h.ends, id)
	p := e.pipe
	o := p.ends[1-e.side]
	if o == nil {
		return
	}
	at := h.w.now.Add(h.w.delay())
	if at.Before(p.last[1-e.side]) {
		at = p.last[1-e.side]
	}
	h.w.after(at.Sub(h.w.now), func() {
		if h.w.isCut(h, o.host) {
			h.w.after(h.w.deadAfter, func() { p.dead = true; o.lost(why) })
			return
		}
		p.dead = true
		o.lost(why)
	})
}

// settle drains what a node wants done and sets its alarm.
func (h *host) settle() {
	if h.node == nil {
		return
	}
	h.node.drain()
	at, ok := h.node.next()
	if !ok || at.Equal(h.wake) {
		return
	}
	h.wake = at
	life := h.life
	h.w.after(max(at.Sub(h.w.now), 0), func() {
		if h.life != life || h.node == nil || !h.wake.Equal(at) {
			return
		}
		h.do(func() {
			h.wake = time.Time{}
			h.node.timeout()
		})
	})
}

// crash ends a host's program. If its system lives on the other sides hear of it,
// else their associations time out.
func (h *host) crash(loud bool) {
	h.w.note("%s crashes, loud=%v", h.name, loud)
	h.node = nil
	h.stopped, h.backlog = false, nil
	h.life++
	h.wake = time.Time{}
	ids := make([]uint64, 0, len(h.ends))
	for id := range h.ends {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		d := h.w.deadAfter
		if loud {
			d = h.w.delay()
		}
		h.w.breakPipe(h.ends[id].pipe, "reset", d)
	}
	clear(h.ends)
}

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
	for _, p := range peers {
		cfg.Peers = append(cfg.Peers, enrpAt(p))
	}
	r, err := core.New(h.w.now, cfg)
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
	return uint64(n.Accept(n.h.w.now, n.conn(ch, from)))
}

func (n *registrarNode) connected(id uint64, to rserpool.Transport) {
	ch := core.ENRP
	if to.Port != rserpool.ENRPPort {
		ch = core.ASAP
	}
	n.Connected(n.h.w.now, core.ConnID(id), n.conn(ch, to))
}

func (n *registrarNode) lost(id uint64, why string) { n.Lost(n.h.w.now, core.ConnID(id), why) }

func (n *registrarNode) receive(id uint64, ppid uint32, b []byte) {
	n.Receive(n.h.w.now, core.ConnID(id), ppid, b)
}

func (n *registrarNode) timeout()                { n.HandleTimeout(n.h.w.now) }
func (n *registrarNode) next() (time.Time, bool) { return n.NextTimeout() }

func (n *registrarNode) drain() {
	if err := n.Check(); err != nil {
		n.h.w.fail("%s: %v", n.h.name, err)
	}
	for a, ok := n.PollAction(); ok; a, ok = n.PollAction() {
		switch a.Kind {
		case core.Dial:
			from := enrpAt(n.h)
			if a.Channel == core.ASAP {
				from = asapAt(n.h)
			}
			n.h.dial(uint64(a.Conn), a.Channel, from, a.To, 500*time.Millisecond)
		case core.Send:
			if n.h.w.loud {
				n.h.w.note("%s %s", n.h.name, a)
			}
			n.h.send(uint64(a.Conn), a.Message.AppendTo(nil))
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
	cfg := asapcore.Config{Profile: asapcore.ProfileFast, Rand: seededReader(h.w.rnd.Uint64())}
	for _, r := range registrars {
		cfg.Registrars = append(cfg.Registrars, asapAt(r))
	}
	e, err := asapcore.New(&cfg)
	require.NoError(h.w.t, err)
	n := &elementNode{Endpoint: e, h: h}
	h.node = n
	user := rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: []netip.Addr{h.addr}}
	id, err := e.Register(h.w.now, asapcore.Registration{
		Handle: rserpool.PoolHandle(pool), User: user, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	})
	require.NoError(h.w.t, err)
	n.key = handlespace.Key{Handle: rserpool.PoolHandle(pool), ID: id}
	h.w.note("%s starts as %s", h.name, n.key)
	h.settle()
	return n
}

func (n *elementNode) accept(_ core.Channel, from rserpool.Transport) uint64 {
	return uint64(n.HandleAccepted(n.h.w.now, from, []netip.Addr{n.h.addr}))
}

func (n *elementNode) connected(id uint64, _ rserpool.Transport) {
	n.HandleConnected(n.h.w.now, asapcore.LinkID(id), []netip.Addr{n.h.addr})
}

func (n *elementNode) lost(id uint64, why string) {
	n.HandleLost(n.h.w.now, asapcore.LinkID(id), fmt.Errorf("%s", why))
}

func (n *elementNode) receive(id uint64, _ uint32, b []byte) {
	n.HandleMessage(n.h.w.now, asapcore.LinkID(id), b)
}

func (n *elementNode) timeout()                { n.HandleTimeout(n.h.w.now) }
func (n *elementNode) next() (time.Time, bool) { return n.NextTimeout() }

func (n *elementNode) drain() {
	for o, ok := n.PollOutput(); ok; o, ok = n.PollOutput() {
		switch o.Kind {
		case asapcore.OutputDial:
			n.h.dial(uint64(o.Link), core.ASAP, elementAt(n.h), o.Registrar, 400*time.Millisecond)
		case asapcore.OutputSend:
			if n.h.w.loud {
				n.h.w.note("%s %s", n.h.name, o)
			}
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

// registrars returns the registrars that run.
func (w *world) registrars() []*registrarNode {
	var rs []*registrarNode
	for _, h := range w.hosts {
		if n, ok := h.node.(*registrarNode); ok {
			rs = append(rs, n)
		}
	}
	return rs
}

func (w *world) elements() []*elementNode {
	var es []*elementNode
	for _, h := range w.hosts {
		if n, ok := h.node.(*elementNode); ok {
			es = append(es, n)
		}
	}
	return es
}

// table is a registrar's handlespace: the home of each element.
func (n *registrarNode) table() map[handlespace.Key]rserpool.RegistrarID {
	m := map[handlespace.Key]rserpool.RegistrarID{}
	for _, id := range n.Space().Owners() {
		for _, el := range n.Space().Owned(id) {
			m[el.Key()] = id
		}
	}
	return m
}

// meshed reports whether all registrars are ready and have each other as peers,
// and nobody else: those that died are noticed and taken over.
func (w *world) meshed() bool {
	rs := w.registrars()
	for _, n := range rs {
		if !n.Ready() {
			return false
		}
		active := map[rserpool.RegistrarID]bool{}
		for _, p := range n.PeerStatuses() {
			active[p.ID] = p.State == "active" && p.Connected
		}
		if len(active) != len(rs)-1 {
			return false
		}
		for _, o := range rs {
			if o != n && !active[o.ID()] {
				return false
			}
		}
	}
	return true
}

// differences says how the handlespaces differ, "" if they agree: same elements,
// same homes, homes that run, and equal checksums.
func (w *world) differences() string {
	rs := w.registrars()
	ids := map[rserpool.RegistrarID]bool{}
	for _, n := range rs {
		ids[n.ID()] = true
	}
	for _, n := range rs {
		for k, home := range n.table() {
			if !ids[home] {
				return fmt.Sprintf("%s has %s at home %s, which does not run", n.h.name, k, home)
			}
		}
	}
	for _, n := range rs[min(1, len(rs)):] {
		a, b := rs[0].table(), n.table()
		for k, home := range a {
			if b[k] != home {
				return fmt.Sprintf("%s has %s at home %s, %s at %s", rs[0].h.name, k, home, n.h.name, b[k])
			}
		}
		if len(a) != len(b) {
			return fmt.Sprintf("%s has %d elements, %s %d", rs[0].h.name, len(a), n.h.name, len(b))
		}
		for id := range ids {
			if x, y := rs[0].Space().Checksum(id), n.Space().Checksum(id); x != y {
				return fmt.Sprintf("checksum of %s is %04x at %s, %04x at %s", id, x, rs[0].h.name, y, n.h.name)
			}
		}
	}
	return ""
}

// idle says which element is still about to register or deregister, "" if none.
func (w *world) idle() string {
	for _, e := range w.elements() {
		switch {
		case e.leaving && !e.gone:
			return fmt.Sprintf("%s has no answer to its deregistration", e.key)
		case !e.leaving && !e.registered:
			return fmt.Sprintf("%s is not registered", e.key)
		}
	}
	return ""
}

// wrongElements says which element is missing though it is registered, or is there
// in spite of being gone.
func (w *world) wrongElements() string {
	registered, perhaps := map[handlespace.Key]bool{}, map[handlespace.Key]bool{}
	for _, e := range w.elements() {
		registered[e.key] = e.registered && !e.leaving
		perhaps[e.key] = !e.gone
	}
	for _, n := range w.registrars() {
		table := n.table()
		for _, k := range slices.SortedFunc(maps.Keys(registered), handlespace.Key.Compare) {
			if registered[k] && table[k] == 0 {
				return fmt.Sprintf("%s has lost %s", n.h.name, k)
			}
		}
		for _, k := range slices.SortedFunc(maps.Keys(table), handlespace.Key.Compare) {
			if !perhaps[k] {
				return fmt.Sprintf("%s still has %s", n.h.name, k)
			}
		}
	}
	return ""
}
