package core_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/rserpool/profile"
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
	// traced puts messages into the log.
	traced bool
	// maxDelay bounds the one-way delay of a message.
	maxDelay time.Duration
	// deadAfter is how long an association lives on that cannot deliver.
	deadAfter time.Duration
	// loss is the part of packets that get lost; SCTP sends them again.
	loss float64
	// multicast says that there are no configured addresses: all are announced.
	multicast bool
	// skewed clusters have clocks that go wrong.
	skewed bool
	// born are all elements that ever started.
	born map[handlespace.Key]bool
	// buried are the elements that were gone when all registrars agreed: none of them
	// may ever come back.
	buried map[handlespace.Key]bool
	// profile has the timers of all programs.
	profile profile.Profile
	// checks is how many inputs go by between two checks of a registrar's tables.
	checks uint64
	// step is how often until looks.
	step time.Duration
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
	image  []byte // of the handlespace, on its disk
	ends   map[uint64]*end
	wake   time.Time
	// The host's clock goes wrong by offset, and runs at rate.
	offset time.Duration
	rate   float64
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
		profile: profile.Fast, checks: 1, step: 5 * time.Millisecond,
		born: map[handlespace.Key]bool{}, buried: map[handlespace.Key]bool{}, takeovers: map[rserpool.RegistrarID]int{}, loud: os.Getenv("SIM_LOG") != "",
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

// scale turns a time that suits the fast profile into one that suits the world's.
func (w *world) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(w.profile.Registrar.Heartbeat) / float64(profile.Fast.Registrar.Heartbeat))
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
		w.run(w.step)
	}
	return w.now.Sub(start), true
}

func (w *world) delay() time.Duration {
	return time.Millisecond/2 + time.Duration(w.rnd.Int64N(int64(w.maxDelay)))
}

// transfer is how long a message of a host takes with retransmissions.
func (w *world) transfer(from *host) time.Duration {
	d := w.delay()
	t := &w.profile.Endpoint.Transport
	if _, ok := from.node.(*registrarNode); ok {
		t = &w.profile.Registrar.Transport
	}
	for rto := t.RTOMin; w.loss > 0 && w.rnd.Float64() < w.loss; rto = min(2*rto, t.RTOMax) {
		d += rto
	}
	return d
}

func (w *world) addHost(name string) *host {
	h := &host{w: w, idx: len(w.hosts), name: name, ends: map[uint64]*end{}, rate: 1}
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
	at := w.now.Add(w.transfer(p.ends[1-to].host))
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

// now is what the host's clock shows.
func (h *host) now() time.Time {
	if h.rate == 1 {
		return h.w.now.Add(h.offset)
	}
	return h.w.epoch.Add(h.offset + time.Duration(float64(h.w.now.Sub(h.w.epoch))*h.rate))
}

// wait is how long it takes until it shows at.
func (h *host) wait(at time.Time) time.Duration {
	d := max(at.Sub(h.now()), 0)
	if h.rate == 1 {
		return d
	}
	return time.Duration(float64(d)/h.rate) + 1
}

// skew makes the host's clock go wrong: by up to an hour, and by up to a part in a
// hundred faster or slower.
func (h *host) skew() {
	h.offset = time.Duration(h.w.rnd.Int64N(int64(2*time.Hour))) - time.Hour
	h.rate = 0.99 + 0.02*h.w.rnd.Float64()
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
	if at, ok := h.node.next(); ok && !at.After(h.now()) && h.w.rnd.IntN(2) == 0 {
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
	arrive := w.transfer(h)
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
		if other == 0 {
			peer.settle()
			w.after(w.delay(), func() { mine.lost("refused") })
			return
		}
		theirs := &end{host: peer, life: peer.life, pipe: p, side: 1, id: other}
		p.ends[1] = theirs
		peer.ends[other] = theirs
		at := w.transfer(peer)
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
	if h.w.loud {
		h.w.note("%s gives up %d: %s", h.name, id, why)
	}
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
	h.w.after(h.wait(at), func() {
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
