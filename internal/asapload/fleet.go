package asapload

import (
	"container/heap"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config describes a fleet.
type Config struct {
	// Registrars are the ASAP endpoints that elements know.
	Registrars []rserpool.Transport
	// Profile holds the timers.
	Profile core.Profile
	// Stack carries the associations; it stays the caller's.
	Stack *sctp.Stack
	// Elements are to be registered, each in a pool of its own: messages on a shared
	// association are told apart by the pool.
	Elements []core.Registration
	// OnEvent is called with the number of an element and what happened to it, under
	// the lock of the fleet. It must not block. A registrar that has taken over an
	// element, which need not register again then, makes core.EventRegistered too.
	OnEvent func(element int, now time.Time, ev core.Event)
}

// Fleet is a set of pool elements that share associations.
type Fleet struct {
	cfg      *Config
	sctp     *sctp.Config
	listener *sctp.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu      sync.Mutex
	members []*member
	pools   map[rserpool.PoolHandle]*member
	trunks  map[netip.AddrPort]*trunk // by UDP address of the registrar
	due     schedule
	timer   *time.Timer
	todo    []func(now time.Time) // inputs that outputs have caused
	closed  bool
	moved   bool // a keep-alive that changes the home is being handled
	out     []byte
}

// member is one element.
type member struct {
	no    int
	core  *core.Endpoint
	links map[core.LinkID]*trunk
	at    time.Time // next timeout, zero for none
	place int       // in the schedule, -1 if it is not there
}

// trunk is an association with a registrar, which all members may use.
type trunk struct {
	key   netip.AddrPort
	from  rserpool.Transport
	assoc *sctp.Association // nil while it is being dialed
	local []netip.Addr
	users map[*member]core.LinkID
	gone  bool
}

// Start opens the ASAP port of the fleet. Elements begin to register with Launch.
func Start(cfg *Config) (*Fleet, error) {
	f := &Fleet{cfg: cfg, sctp: asaplink.SCTPConfig(cfg.Profile.Transport, &sctp.Config{RecvBuffer: 4 << 20, SendBuffer: 8 << 20, Linger: time.Second}),
		pools: make(map[rserpool.PoolHandle]*member), trunks: make(map[netip.AddrPort]*trunk)}
	l, err := cfg.Stack.Listen(&sctp.Addr{}, f.sctp)
	if err != nil {
		return nil, err
	}
	f.listener = l
	f.sctp.LocalPort = l.Addr().(*sctp.Addr).Port
	for i, reg := range cfg.Elements {
		e, err := core.New(&core.Config{Profile: cfg.Profile, Registrars: cfg.Registrars})
		if err == nil && f.pools[reg.Handle] != nil {
			err = fmt.Errorf("asapload: two elements in %s", reg.Handle)
		}
		if err != nil {
			_ = l.Close() // cannot fail
			return nil, err
		}
		m := &member{no: i, core: e, links: make(map[core.LinkID]*trunk), place: -1}
		f.members = append(f.members, m)
		f.pools[reg.Handle] = m
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.accept)
	return f, nil
}

// Launch lets one element register.
func (f *Fleet) Launch(element int) error {
	err := net.ErrClosed
	f.input(func(now time.Time) {
		m := f.members[element]
		_, err = m.core.Register(now, f.cfg.Elements[element])
		f.drain(m)
	})
	return err
}

// Close ends the fleet at once, as a crash would: nothing is deregistered.
func (f *Fleet) Close() {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.mu.Unlock()
	f.cancel()
	_ = f.listener.Close() // cannot fail
	f.wg.Wait()
}

// input takes the lock, handles an input and all that it leads to.
func (f *Fleet) input(do func(now time.Time)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	now := time.Now()
	do(now)
	for len(f.todo) > 0 {
		next := f.todo
		f.todo = nil
		for _, do := range next {
			do(now)
		}
	}
	if len(f.due) > 0 {
		left := max(f.due[0].at.Sub(now), 0)
		if f.timer == nil {
			f.timer = time.AfterFunc(left, func() { f.input(f.timeouts) })
		} else {
			f.timer.Reset(left)
		}
	}
}

func (f *Fleet) timeouts(now time.Time) {
	for len(f.due) > 0 && !f.due[0].at.After(now) {
		m := f.due[0]
		m.core.HandleTimeout(now)
		f.drain(m)
		if len(f.due) > 0 && f.due[0] == m && !m.at.After(now) {
			return // due again at once; others have their turn first
		}
	}
}

// drain does what an element wants done. The caller holds f.mu.
func (f *Fleet) drain(m *member) {
	for o, ok := m.core.PollOutput(); ok; o, ok = m.core.PollOutput() {
		switch o.Kind {
		case core.OutputDial:
			f.dial(m, o)
		case core.OutputSend:
			f.send(m, o)
		case core.OutputClose:
			f.leave(m, o.Link)
		}
	}
	now := time.Now()
	for ev, ok := m.core.PollEvent(); ok; ev, ok = m.core.PollEvent() {
		if f.cfg.OnEvent == nil {
			continue
		}
		f.cfg.OnEvent(m.no, now, ev)
		if f.moved && ev.Kind == core.EventHome {
			ev.Kind = core.EventRegistered
			f.cfg.OnEvent(m.no, now, ev)
		}
	}
	at, ok := m.core.NextTimeout()
	switch {
	case !ok && m.place >= 0:
		heap.Remove(&f.due, m.place)
	case ok && m.place >= 0:
		m.at = at
		heap.Fix(&f.due, m.place)
	case ok:
		m.at = at
		heap.Push(&f.due, m)
	}
}

func (f *Fleet) send(m *member, o core.Output) {
	t := m.links[o.Link]
	if t == nil || t.assoc == nil {
		return
	}
	f.out = o.Message.AppendTo(f.out[:0])
	err := t.assoc.TrySend(&sctp.Message{PPID: sctp.PPID(asap.PPID), Data: f.out})
	if err != nil {
		f.todo = append(f.todo, func(time.Time) { f.lost(t, err) })
	}
}

// leave takes an element off an association, which is closed when nobody uses it.
func (f *Fleet) leave(m *member, id core.LinkID) {
	t := m.links[id]
	delete(m.links, id)
	if t != nil && t.users[m] == id {
		delete(t.users, m)
	}
}

// schedule is a heap of elements by their next timeout.
type schedule []*member

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

func (s *schedule) Push(x any) {
	m := x.(*member)
	m.place = len(*s)
	*s = append(*s, m)
}

func (s *schedule) Pop() any {
	old := *s
	m := old[len(old)-1]
	*s = old[:len(old)-1]
	m.place = -1
	return m
}
