package coresim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/wire"
)

// epoch is when all simulations begin.
var epoch = time.Unix(1_700_000_000, 0)

// failure is what a check that fails panics with.
type failure struct{ error }

// fail ends the run.
func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// must fails if err is not nil.
func must(err error, format string, args ...any) {
	if err != nil {
		fail("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// catch runs f and returns how it failed; a panic of the code under test is a
// failure as well.
func catch(f func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case failure:
			err = v.error
		default:
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	f()
	return nil
}

// seeded is a deterministic io.Reader.
type seeded struct{ *rand.Rand }

func newSeeded(seed, stream uint64) seeded { return seeded{rand.New(rand.NewPCG(seed, stream))} }

func (s seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return len(b), nil
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// World is hosts on a simulated network with one clock.
type World struct {
	Now      time.Time
	Net      *simnet.Network
	Segments int  // packets per Transmit, at most
	Batch    bool // packets that arrive together are taken together

	// Sent, if set, sees every packet that a host sends.
	Sent func(from *Host, to netip.AddrPort, pkt wire.Packet)
	// Trace, if set, gets a line for each packet sent or received and each event.
	Trace io.Writer

	seed   uint64
	hosts  []*Host
	byAddr map[netip.Addr]*Host

	notices []notice // ICMP messages under way
	buf     []byte

	carry  func(*Host, carrier.Datagram) // what takes packets instead of Net
	late   bool                          // inputs come before the events of earlier ones are seen
	rarely bool                          // associations check themselves now and then only
	still  int                           // steps since time last moved
}

// NewWorld returns a world without hosts. All randomness derives from seed.
func NewWorld(seed uint64) *World {
	return &World{Now: epoch, Net: simnet.New(seed), Segments: 1, seed: seed, byAddr: map[netip.Addr]*Host{}, buf: make([]byte, 0, 1<<16)}
}

// maxStill is how many steps may pass without that time does: packets may well
// cross a network without delay for a while, but not for ever.
const maxStill = 100_000

// next is when something happens.
func (w *World) next() (time.Time, bool) {
	next, ok := w.Net.Next()
	for _, h := range w.hosts {
		for _, e := range h.Ends {
			if !e.armed.IsZero() && (!ok || e.armed.Before(next)) {
				next, ok = e.armed, true
			}
		}
	}
	return next, ok
}

// Step moves the clock to the next thing that happens and lets it happen; false if
// nothing does before the limit, which is the time then.
func (w *World) Step(limit time.Time) bool {
	next, ok := w.next()
	if !ok || next.After(limit) {
		w.Now = limit
		return false
	}
	w.still++
	if next.After(w.Now) {
		w.Now, w.still = next, 0
	}
	if w.still > maxStill {
		fail("time stands still")
	}
	for _, p := range w.Net.Deliver(w.Now) {
		if h := w.byAddr[p.To.Addr()]; h != nil && p.To.Port() == h.port {
			h.receive(p.To.Addr(), p.From, p.Data, p.ECN)
		}
	}
	w.notify()
	for _, h := range w.hosts {
		h.timeouts()
	}
	for _, h := range w.hosts {
		for _, e := range h.Ends {
			e.check()
		}
	}
	return true
}

// Until steps until the condition holds; false if it does not before the limit.
func (w *World) Until(limit time.Time, cond func() bool) bool {
	for !cond() {
		if !w.Step(limit) {
			return cond()
		}
	}
	return true
}
