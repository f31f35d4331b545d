package core_test

import (
	"fmt"
	"testing"
	"time"
)

// some returns part of the hosts, at random, at least one.
func (w *world) some(hs []*host, part int) []*host {
	n := 1 + w.rnd.IntN(max(len(hs)/part, 1))
	var out []*host
	for _, i := range w.rnd.Perm(len(hs))[:n] {
		out = append(out, hs[i])
	}
	return out
}

// disaster does something bad to a large scope.
func disaster(w *world, rs, es []*host) {
	switch w.rnd.IntN(8) {
	case 0: // registrars die, but not all
		for _, h := range w.some(rs, 2) {
			if h.node != nil && len(w.registrars()) > 1 {
				h.crash(w.rnd.IntN(2) == 0)
			}
		}
	case 1: // and come back, some with the identifier they had
		for _, h := range rs {
			if h.node == nil {
				h.startRegistrar(h.again(), rs...)
			}
		}
	case 2: // elements die
		for _, h := range w.some(es, 8) {
			if h.node != nil {
				h.crash(w.rnd.IntN(2) == 0)
			}
		}
	case 3: // start
		for _, h := range es {
			if h.node == nil && w.rnd.IntN(2) == 0 {
				h.startElement(fmt.Sprintf("pool%d", h.idx%20), rs...)
			}
		}
	case 4: // deregister
		for _, h := range w.some(es, 8) {
			if e, ok := h.node.(*elementNode); ok && !h.stopped {
				e.leaving = true
				e.Deregister(h.now(), e.key.Handle, e.key.ID)
				h.settle()
			}
		}
	case 5: // the network falls into two parts
		w.note("the network splits")
		side := map[*host]bool{}
		for _, h := range w.hosts {
			side[h] = w.rnd.IntN(2) == 0
		}
		for _, r := range rs {
			for _, h := range w.hosts {
				if r != h && side[r] != side[h] {
					w.cut(r, h)
				}
			}
		}
	case 6: // programs hang
		for _, h := range append(w.some(rs, 3), w.some(es, 20)...) {
			h.stop()
			w.after(time.Duration(w.rnd.IntN(1500))*time.Millisecond, h.cont)
		}
	case 7:
		w.note("the network is repaired")
		w.healAll()
	}
}

// TestSimScope is the whole of it: up to five registrars and hundreds of elements on a
// network that loses packets, on hosts whose clocks go wrong; registrars and elements
// die, come back and hang, and the network splits. After each time of trouble all
// that was acknowledged and lives is known everywhere, all handlespaces agree, and no
// element that is gone ever comes back.
func TestSimScope(t *testing.T) {
	from, to := seeds(t, 3)
	to = min(to, from+60) // each takes a second
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.skewed, w.checks, w.step = true, 500, 20*time.Millisecond
		w.watch(100 * time.Millisecond)
		rs, es := cluster(w, 3+int(seed%3), 100+w.rnd.IntN(250))
		w.loss = 0.02
		for range 3 {
			for range 2 + w.rnd.IntN(5) {
				disaster(w, rs, es)
				w.run(time.Duration(w.rnd.IntN(1500)) * time.Millisecond)
			}
			settled(w)
		}
	}
}
