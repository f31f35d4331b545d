package coresim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// Tries is how many instants one call of Instants makes.
const Tries = 100

// Instants lets things happen to an association at the same instant, in any order and
// without its outputs being drained in between: packets arrive, timers expire, users
// send, read, shut down, abort and turn knobs. It is what a shell that handles calls,
// packets and the clock in turns may do at worst. When the association has ended, the
// next one begins.
func Instants(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 77))
	err := catch(func() {
		var w *World
		var as *End
		for range Tries {
			if as == nil || as.State() == core.Closed {
				w, as = instantPair(r, seed)
			}
			for limit := w.Now.Add(time.Duration(r.IntN(50)) * time.Millisecond); w.Step(limit); {
			}
			instant(r, w)
		}
	})
	if err != nil {
		err = fmt.Errorf("seed %d: %w", seed, err)
	}
	return err
}

// instantPair dials, and mostly waits until that has succeeded.
func instantPair(r *rand.Rand, seed uint64) (*World, *End) {
	w := NewWorld(seed)
	w.late = true
	w.Net.SetDefaultLink(simnet.Link{Delay: time.Duration(r.IntN(10)) * time.Millisecond, Loss: pick(r, 0, 0.1)})
	a := w.Host("a", randomConfig(r, true), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.1.1"))
	b := w.Host("b", randomConfig(r, true), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.1.2"))
	b.Listen = true
	e := a.Dial(b, 5000, 1+r.IntN(2))
	if r.IntN(8) > 0 {
		w.Until(w.Now.Add(5*time.Second), func() bool { return e.State() != core.CookieWait && e.State() != core.CookieEchoed })
	}
	return w, e
}

// instant is one of them.
func instant(r *rand.Rand, w *World) {
	w.Batch = true // nothing is drained before the end
	if next, ok := w.next(); ok && r.IntN(2) == 0 && next.Sub(w.Now) < time.Minute {
		w.Now = next // something is due
	}
	for range 1 + r.IntN(6) {
		h := pick(r, w.hosts...)
		if len(h.Ends) == 0 {
			continue
		}
		e := h.Ends[len(h.Ends)-1]
		now := h.now()
		switch r.IntN(9) {
		case 0, 1:
			for _, p := range w.Net.Deliver(w.Now) {
				if to := w.byAddr[p.To.Addr()]; to != nil {
					to.receive(p.To.Addr(), p.From, p.Data, p.ECN)
				}
			}
		case 2, 3:
			e.HandleTimeout(now)
		case 4:
			_ = e.Send(now, &core.Outgoing{Partial: r.IntN(4) == 0, Lifetime: pick(r, 0, time.Millisecond)}, make([]byte, 1+r.IntN(5000)))
		case 5:
			_, _, _ = e.Receive(now, make([]byte, 1+r.IntN(3000)))
		case 6:
			if r.IntN(8) == 0 {
				_ = e.Shutdown(now)
			}
		case 7:
			if r.IntN(16) == 0 {
				_ = e.Abort(now, nil)
			}
		case 8:
			p := pick(r, e.Paths()...)
			_ = e.SetPrimary(now, p.Remote.Addr())
			_ = e.RequestHeartbeat(now, p.Remote.Addr())
			if r.IntN(8) == 0 && p.Local.IsValid() {
				e.RemoveLocalAddr(now, p.Local)
				e.AddLocalAddr(now, p.Local)
			}
		}
		e.pending = true
	}
	w.Batch = false
	for _, h := range w.hosts {
		h.timeouts()
		for _, e := range h.Ends {
			e.check()
		}
	}
}
