package core_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool/profile"
)

// seeds is how many runs a simulation makes: SIM_SEEDS, or a few. SIM_SEED runs
// one.
func seeds(t *testing.T, few int) (from, to uint64) {
	if s := os.Getenv("SIM_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n, n + 1
	}
	if n, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		few = n
	}
	if testing.Short() {
		few = min(few, 20)
	}
	return 1, uint64(few) + 1
}

// cluster boots registrars that know each other and elements that know them all,
// and waits until they have found each other.
func cluster(w *world, registrars, elements int) (rs, es []*host) {
	return clusterOf(w, core.Config{Profile: w.profile.Registrar}, registrars, elements)
}

// clusterOf is cluster with a configuration of the registrars.
func clusterOf(w *world, cfg core.Config, registrars, elements int) (rs, es []*host) {
	for i := range registrars {
		rs = append(rs, w.addHost(fmt.Sprintf("R%d", i+1)))
	}
	for i := range elements {
		es = append(es, w.addHost(fmt.Sprintf("E%d", i+1)))
	}
	if w.skewed {
		for _, h := range w.hosts {
			h.skew()
		}
	}
	for _, h := range rs {
		w.run(time.Duration(w.rnd.IntN(100)) * time.Millisecond)
		h.startRegistrar(cfg, rs...)
	}
	for i, h := range es {
		h.startElement(fmt.Sprintf("pool%d", i%2), rs...)
	}
	if _, ok := w.until(w.scale(5*time.Second), func() bool { return w.meshed() && w.idle() == "" && w.differences() == "" && w.wrongElements() == "" }); !ok {
		w.fail("not settled after the start: meshed %v, %s, %s", w.meshed(), w.differences(), w.wrongElements())
	}
	return rs, es
}

// settled heals the network and checks the promises: all elements that live and
// were acknowledged are known everywhere, others nowhere, and the handlespaces
// agree within two heartbeat cycles once all registrars have each other again.
// Elements may still find out meanwhile that their home has died; what they do
// then must be dealt with as fast.
func settled(w *world) {
	w.t.Helper()
	w.healAll()
	loss := w.loss
	w.loss = 0
	defer func() { w.loss = loss }()
	if _, ok := w.until(w.scale(15*time.Second), func() bool { return w.meshed() && w.idle() == "" && w.wrongElements() == "" }); !ok {
		w.fail("not settled: meshed %v, %s %s", w.meshed(), w.idle(), w.wrongElements())
	}
	cycles := 2*w.profile.Registrar.Heartbeat*9/8 + 4*w.maxDelay
	agree := func() bool { return w.differences() == "" && w.wrongElements() == "" }
	for range 20 {
		if d, ok := w.until(cycles, agree); !ok {
			w.fail("no agreement within two heartbeats (%v): %s %s", d, w.differences(), w.wrongElements())
		}
		w.run(w.scale(100 * time.Millisecond))
	}
	if _, ok := w.until(w.scale(15*time.Second), func() bool { return w.idle() == "" && agree() }); !ok {
		w.fail("not settled: %s", w.idle())
	}
	w.bury()
}

// mishap does one bad thing to the cluster.
func mishap(w *world, rs, es []*host) {
	pick := func(hs []*host) *host { return hs[w.rnd.IntN(len(hs))] }
	switch w.rnd.IntN(10) {
	case 0, 1: // a registrar dies, unless it is the last
		if h := pick(rs); h.node != nil && len(w.registrars()) > 1 {
			h.crash(w.rnd.IntN(2) == 0)
		}
	case 2, 3: // one comes back
		if h := pick(rs); h.node == nil {
			h.startRegistrar(h.again(), rs...)
		}
	case 4: // an element dies
		if h := pick(es); h.node != nil {
			h.crash(w.rnd.IntN(2) == 0)
		}
	case 5: // one starts
		if h := pick(es); h.node == nil {
			h.startElement(fmt.Sprintf("pool%d", h.idx%2), rs...)
		}
	case 6: // one deregisters
		if h := pick(es); h.node != nil && !h.stopped {
			e := h.node.(*elementNode)
			w.note("%s deregisters", h.name)
			e.leaving = true
			e.Deregister(h.now(), e.key.Handle, e.key.ID)
			h.settle()
		}
	case 7, 8: // the network breaks between two
		a, b := pick(rs), pick(w.hosts)
		if a != b {
			w.note("cut %s %s", a.name, b.name)
			w.cut(a, b)
		}
	case 9:
		w.note("heal")
		w.healAll()
	}
}

// TestSimCluster lets seeded mishaps happen to clusters of two and three
// registrars.
func TestSimCluster(t *testing.T) {
	from, to := seeds(t, 80)
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d registrars", n), func(t *testing.T) {
			for seed := from; seed < to; seed++ {
				w := newWorld(t, seed)
				rs, es := cluster(w, n, 5)
				for range 3 {
					for range 1 + w.rnd.IntN(4) {
						mishap(w, rs, es)
						w.run(time.Duration(w.rnd.IntN(1200)) * time.Millisecond)
					}
					settled(w)
				}
			}
		})
	}
}

// TestSimStorm is TestSimCluster with a slow network and mishaps in such close
// order that one hits before the last is dealt with, programs that are stopped
// for a while included.
func TestSimStorm(t *testing.T) {
	from, to := seeds(t, 50)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.deadAfter = time.Duration(200+w.rnd.IntN(2000)) * time.Millisecond
		rs, es := cluster(w, 2+int(seed%3), 6)
		for range 2 {
			w.maxDelay = time.Duration(5+w.rnd.IntN(80)) * time.Millisecond
			for range 4 + w.rnd.IntN(12) {
				if w.rnd.IntN(5) == 0 {
					h := w.hosts[w.rnd.IntN(len(w.hosts))]
					h.stop()
					w.after(time.Duration(w.rnd.IntN(1500))*time.Millisecond, h.cont)
				} else {
					mishap(w, rs, es)
				}
				w.run(time.Duration(w.rnd.IntN(300)) * time.Millisecond)
			}
			w.maxDelay = 8 * time.Millisecond
			settled(w)
		}
	}
}

// TestSimTakeoverHasOneWinner lets registrars die, one after the other, in a network
// that works, with some loss and clocks that go wrong in half of the runs: each is taken
// over by exactly one of the others, whatever the order in which they notice (RFC 5353
// §3.5.1).
func TestSimTakeoverHasOneWinner(t *testing.T) {
	from, to := seeds(t, 40)
	total := 0
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.deadAfter = 5 * time.Second // elements do not notice by themselves
		if seed%2 == 0 {
			w.loss, w.skewed = 0.02, true
		}
		rs, _ := cluster(w, 2+int(seed%4), 6)
		for len(w.registrars()) > 1 {
			h := rs[w.rnd.IntN(len(rs))]
			n, ok := h.node.(*registrarNode)
			if !ok {
				continue
			}
			w.run(time.Duration(w.rnd.IntN(600)) * time.Millisecond)
			h.crash(w.rnd.IntN(4) == 0)
			settled(w)
			// None is fine if the elements have found a new home by themselves.
			if w.takeovers[n.ID()] > 1 {
				w.fail("%s was taken over %d times", n.ID(), w.takeovers[n.ID()])
			}
			total += w.takeovers[n.ID()]
		}
	}
	require.Greater(t, total, int(to-from)/2, "takeovers")
}

// TestSimProfiles is TestSimCluster with the timers of the other profiles.
func TestSimProfiles(t *testing.T) {
	from, to := seeds(t, 12)
	for _, p := range []profile.Profile{profile.Default, profile.Rsplib, profile.RFC} {
		t.Run(p.Name, func(t *testing.T) {
			for seed := from; seed < min(to, from+200); seed++ {
				w := newWorld(t, seed)
				w.profile = p
				w.step, w.deadAfter = w.scale(w.step), w.scale(w.deadAfter)
				rs, es := cluster(w, 2+int(seed%3), 5)
				for range 3 {
					for range 1 + w.rnd.IntN(4) {
						mishap(w, rs, es)
						w.run(w.scale(time.Duration(w.rnd.IntN(1200)) * time.Millisecond))
					}
					settled(w)
				}
			}
		})
	}
}
