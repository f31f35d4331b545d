package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/registrar/core"
)

// again is how a registrar starts that has been there before: from its image if it has
// one, else half of the times with a fixed identifier.
func (h *host) again() core.Config {
	cfg := core.Config{Profile: h.w.profile.Registrar}
	switch {
	case h.image != nil:
		im, err := core.DecodeImage(h.image)
		require.NoError(h.w.t, err)
		cfg.ID, cfg.Restore = im.ID, im
		h.w.note("%s comes back with %d elements of %v ago", h.name, len(im.Elements), h.now().Sub(im.Taken))
	case h.w.rnd.IntN(2) == 0:
		cfg.ID = h.lastID
	}
	return cfg
}

// remember has a registrar write an image now and then, as long as it runs.
func (h *host) remember(every time.Duration) {
	if n, ok := h.node.(*registrarNode); ok && !h.stopped {
		h.image = n.Image(h.now()).AppendTo(nil)
	}
	h.w.after(every, func() { h.remember(every) })
}

// TestSimRestart is TestSimCluster with registrars that come back with an image of what
// they knew some time before they crashed: old images bring nothing back that is gone,
// and cost nothing that is there.
func TestSimRestart(t *testing.T) {
	from, to := seeds(t, 16)
	restored := uint64(0)
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("%d registrars", n), func(t *testing.T) {
			for seed := from; seed < to; seed++ {
				w := newWorld(t, seed)
				w.watch(50 * time.Millisecond)
				w.skewed = seed%3 == 0
				rs, es := cluster(w, n, 6)
				for _, h := range rs {
					h.remember(time.Duration(50+w.rnd.IntN(2000)) * time.Millisecond)
				}
				for range 4 {
					for range 1 + w.rnd.IntN(4) {
						if w.rnd.IntN(3) == 0 { // all registrars are gone at once
							for _, h := range rs {
								if h.node != nil {
									h.crash(w.rnd.IntN(2) == 0)
								}
							}
						} else {
							mishap(w, rs, es)
						}
						w.run(time.Duration(w.rnd.IntN(1200)) * time.Millisecond)
					}
					for _, h := range rs {
						if h.node == nil && (len(w.registrars()) == 0 || w.rnd.IntN(2) == 0) {
							h.startRegistrar(h.again(), rs...)
						}
					}
					settled(w)
					for _, r := range w.registrars() {
						restored += r.Stats().Restored
					}
				}
			}
		})
	}
	require.Greater(t, restored, (to-from)/2, "elements that came back by an image")
}

// A lone registrar that crashes without its elements noticing finds them again by itself,
// and of those that have left after the image was taken none is ever shown.
func TestSimRestartFindsElements(t *testing.T) {
	from, to := seeds(t, 6)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.deadAfter = time.Hour // its elements do not notice
		rs, es := cluster(w, 1, 30)
		r := rs[0]
		w.run(time.Duration(w.rnd.IntN(1000)) * time.Millisecond)
		image := r.node.(*registrarNode).Image(r.now()).AppendTo(nil)
		left := map[handlespace.Key]bool{}
		for i, h := range es {
			e := h.node.(*elementNode)
			switch i % 3 {
			case 0:
				left[e.key] = true
				e.leaving = true
				e.Deregister(h.now(), e.key.Handle, e.key.ID)
				h.settle()
			case 1:
				if w.rnd.IntN(2) == 0 {
					left[e.key] = true
					h.crash(false)
				}
			}
		}
		w.run(100 * time.Millisecond)
		r.crash(false)
		w.run(time.Duration(w.rnd.IntN(500)) * time.Millisecond)
		r.image = image
		n := r.startRegistrar(r.again(), rs...)
		_, ok := w.until(time.Second, func() bool {
			for _, h := range es {
				if e, alive := h.node.(*elementNode); alive {
					if _, known := n.Space().Get(e.key.Handle, e.key.ID); known && left[e.key] {
						w.fail("%s is back", e.key)
					} else if !known && !left[e.key] {
						return false
					}
				}
			}
			return true
		})
		if !ok {
			w.fail("elements are missing after a second")
		}
		w.run(5 * time.Second)
		if _, elements := n.Space().Len(); elements != len(es)-len(left) {
			w.fail("%d elements of %d", elements, len(es)-len(left))
		}
		require.Empty(t, n.Image(r.now()).Elements[len(es)-len(left):])
	}
}
