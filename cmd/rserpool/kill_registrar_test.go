//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asapload"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// fleets is how many associations with each registrar the elements share; as many
// elements are in each pool.
const fleets = 10

// inFlight is how many elements of a fleet register at once.
const inFlight = 8

// muster registers elements and notes what becomes of them.
type muster struct {
	t      *testing.T
	fleets []*asapload.Fleet
	pools  int

	mu       sync.Mutex
	victim   uint16 // UDP port of the registrar that dies
	acked    int
	next     []int       // of each fleet: the next element to launch
	at       [][]state   // of each fleet and element
	known    []time.Time // of each pool: when all its first elements were acknowledged
	struck   time.Time
	rehomed  figures
	affected int
	rejected []error
	enough   chan struct{} // closed when so many are acknowledged that it is time
	third    int
	all      chan struct{} // closed when all are
}

// state is what an element knows about its registration.
type state struct {
	acked bool
	home  uint16 // UDP port of the registrar that acknowledged it last
	hit   bool   // its home died and it has no other yet
}

func handleOf(pool int) rserpool.PoolHandle {
	return rserpool.PoolHandle(fmt.Sprintf("pool %04d", pool))
}
func idOf(fleet int) rserpool.PEID { return rserpool.PEID(fleet + 1) }

// startMuster makes the elements; go lets them register.
func startMuster(s *scope, elements int) *muster {
	m := &muster{t: s.t, pools: elements / fleets, third: elements / 3,
		enough: make(chan struct{}), all: make(chan struct{}), next: make([]int, fleets), known: make([]time.Time, elements/fleets)}
	for i := range fleets {
		var regs []core.Registration
		for p := range m.pools {
			regs = append(regs, core.Registration{Handle: handleOf(p), ID: idOf(i), Policy: rserpool.Policy{Type: rserpool.RoundRobin},
				User: rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i), byte(p >> 8), byte(p)})}}})
		}
		m.at = append(m.at, make([]state, m.pools))
		f, err := asapload.Start(&asapload.Config{Registrars: s.asap, Profile: core.ProfileFast, Stack: s.stack(), Elements: regs,
			OnEvent: func(el int, now time.Time, ev core.Event) { m.event(i, el, now, ev) }})
		require.NoError(s.t, err)
		s.t.Cleanup(f.Close)
		m.fleets = append(m.fleets, f)
	}
	return m
}

func (m *muster) run() {
	for i, f := range m.fleets {
		go func() {
			for range inFlight {
				m.launch(i, f)
			}
		}()
	}
}

// launch lets the next element of a fleet register.
func (m *muster) launch(i int, f *asapload.Fleet) {
	m.mu.Lock()
	el := m.next[i]
	m.next[i]++
	m.mu.Unlock()
	if el < m.pools {
		_ = f.Launch(el) // the fleet is closed: the test has ended
	}
}

// event runs under the lock of a fleet.
func (m *muster) event(fleet, el int, now time.Time, ev core.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := &m.at[fleet][el]
	switch ev.Kind {
	case core.EventRegisterFailed:
		m.rejected = append(m.rejected, ev.Err)
	case core.EventRegistered:
		st.home = ev.Registrar.UDPPort
		if st.hit && st.home != m.victim {
			st.hit = false
			m.rehomed = append(m.rehomed, now.Sub(m.struck))
		}
		if st.acked {
			return
		}
		st.acked = true
		m.acked++
		if m.known[el].IsZero() {
			m.known[el] = now
		}
		if m.acked == m.third {
			close(m.enough)
		}
		if m.acked == m.pools*fleets {
			close(m.all)
		}
		go m.launch(fleet, m.fleets[fleet])
	}
}

// choose picks the registrar with the most elements, one of those at asap, to die: a
// certain one may have none.
func (m *muster) choose(asap []rserpool.Transport) (victim int, others []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	homes := map[uint16]int{}
	for i := range m.at {
		for _, st := range m.at[i] {
			homes[st.home]++
		}
	}
	for i := range asap {
		if homes[asap[i].UDPPort] > homes[asap[victim].UDPPort] {
			victim = i
		}
	}
	for i := range asap {
		if i != victim {
			others = append(others, i)
		}
	}
	m.victim = asap[victim].UDPPort
	return victim, others
}

// strike notes who is hit and what was acknowledged.
func (m *muster) strike(at time.Time) (acked map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.struck = at
	acked = map[string]bool{}
	for i := range m.at {
		for el := range m.at[i] {
			st := &m.at[i][el]
			if st.acked {
				acked[string(handleOf(el))+"/"+idOf(i).String()] = true
				if st.home == m.victim {
					st.hit = true
					m.affected++
				}
			}
		}
	}
	return acked
}

// some returns a pool with an element that was acknowledged a moment ago, at random.
func (m *muster) some() (rserpool.PoolHandle, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := rand.IntN(m.pools)
	return handleOf(p), !m.known[p].IsZero() && time.Since(m.known[p]) > 100*time.Millisecond
}

// resolvers ask for pools without a pause until stop is called.
type resolvers struct {
	wg       sync.WaitGroup
	cancel   context.CancelFunc
	mu       sync.Mutex
	took     figures
	failed   []error
	outdated int
}

func startResolvers(s *scope, m *muster, n int) *resolvers {
	ctx, cancel := context.WithCancel(s.ctx)
	r := &resolvers{cancel: cancel}
	for range n {
		pu, err := pooluser.New(&pooluser.Config{Registrars: s.names, Profile: core.ProfileFast, StaleCache: -1, Listen: "127.0.0.1@0"})
		require.NoError(s.t, err)
		r.wg.Go(func() {
			defer pu.Close()
			for ctx.Err() == nil {
				h, ok := m.some()
				if !ok {
					time.Sleep(time.Millisecond)
					continue
				}
				r.ask(ctx, pu, h)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return r
}

func (r *resolvers) ask(ctx context.Context, pu *pooluser.PoolUser, h rserpool.PoolHandle) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	start := time.Now()
	p, err := pu.ResolvePool(limited, h)
	for small() && (errors.Is(err, core.ErrTimeout) || errors.Is(err, core.ErrNoRegistrar)) && limited.Err() == nil {
		p, err = pu.ResolvePool(limited, h) // for want of a processor, maybe
	}
	took := time.Since(start)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ctx.Err() != nil: // the test is over
	case err != nil:
		r.failed = append(r.failed, err)
	case len(p.Elements) == 0:
		r.failed = append(r.failed, errors.New("no elements"))
	default:
		if p.Outdated {
			r.outdated++
		}
		r.took = append(r.took, took)
	}
}

func (r *resolvers) stop() {
	r.cancel()
	r.wg.Wait()
}

// One of three registrars is killed, or stops, while elements register: none that was
// acknowledged is lost, users go on resolving all the time, and the elements of the dead
// one have another home in less than two seconds.
func TestKillRegistrar(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(how(sig), func(t *testing.T) { killRegistrar(t, sig) })
	}
}

func killRegistrar(t *testing.T, sig syscall.Signal) {
	s := startScope(t, 3)
	few := 600
	if raceDetector {
		few = 200
	}
	n := killSize(few) / fleets * fleets
	m := startMuster(s, n)
	users := startResolvers(s, m, 4)
	defer users.stop()
	began := time.Now()
	m.run()
	s.wait(m.enough, "a third of the registrations")
	victim, others := m.choose(s.asap)
	at := s.strike(s.regs[victim], sig)
	acked := m.strike(at)
	// Before the elements themselves have noticed: what the others know by then is what
	// the dead one had told them.
	time.Sleep(20 * time.Millisecond)
	missing := 0
	for _, i := range others {
		table := s.table(i)
		for k := range acked {
			if table[k] == "" {
				missing++
			}
		}
	}
	s.wait(m.all, "all registrations")
	took := time.Since(began)
	s.agree(n, others, time.Minute)
	time.Sleep(time.Until(at.Add(1500 * time.Millisecond)))
	if sig == syscall.SIGSTOP {
		// It comes back and believes that it is the home of elements that have others
		// now.
		require.NoError(t, syscall.Kill(s.regs[victim].pid(), syscall.SIGCONT))
		t.Log("agree again after", s.agree(n, []int{0, 1, 2}, time.Minute))
	}
	users.stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	t.Log(lines(
		fmt.Sprintf("%d registrations in %v, %d of %d acknowledged ones hit; unknown to others at once: %d; refused: %d; resolutions: %d, failed: %d, from the cache: %d",
			n, took.Round(time.Millisecond), m.affected, len(acked), missing, len(m.rejected), len(users.took), len(users.failed), users.outdated),
		"| what | count | p50 | p99 | longest |", "|---|---|---|---|---|",
		m.rehomed.row("registrar "+how(sig)+": elements at another home"), users.took.row("registrar "+how(sig)+": resolutions"),
	))
	require.Empty(t, users.failed, "resolutions failed")
	require.Len(t, m.rehomed, m.affected, "elements without a new home")
	require.Positive(t, m.affected)
	require.Less(t, m.rehomed.at(1), patient(2*time.Second))
}

func (s *scope) wait(ch <-chan struct{}, what string) {
	s.t.Helper()
	select {
	case <-ch:
	case <-s.ctx.Done():
		require.NoError(s.t, context.Cause(s.ctx))
	case <-time.After(time.Minute):
		require.Fail(s.t, "timeout", "waiting for %s", what)
	}
}
