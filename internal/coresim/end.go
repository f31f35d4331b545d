package coresim

import (
	"fmt"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// End is one end of an association with what a shell around it knows.
type End struct {
	*core.Association
	Closed   int // times that its end was reported
	Restarts int // of its peer, reported

	host     *Host
	armed    time.Time // when its timer fires, on the network's clock; zero: never
	pending  bool      // had input since it was drained last
	touched  bool      // was drained since it was checked last
	open     map[wire.StreamID]*partMessage
	readable map[wire.StreamID]bool
	order    []wire.StreamID // readable, in the order of the events
	back     []core.Undelivered
	writable bool // reported since it was last looked at
	up       int  // times that COMMUNICATION UP was reported

	checks int
	second time.Time // storms are looked for in the second from here on
	fires  int       // of the timer in it
}

// drain is the caller's part of the contract in core's package comment.
func (e *End) drain() {
	h := e.host
	for i := 0; ; i++ {
		if i > 100_000 {
			fail("%v: PollTransmit does not end", e)
		}
		t, ok := e.PollTransmit(h.now(), h.w.buf, h.w.Segments)
		if !ok {
			break
		}
		if len(t.Data) == 0 {
			fail("%v: an empty packet", e)
		}
		h.transmit(t)
	}
	for i := 0; ; i++ {
		v, ok := e.PollEvent()
		if !ok {
			break
		}
		if i > 100_000 {
			fail("%v: PollEvent does not end", e)
		}
		e.event(v)
	}
	e.armed = time.Time{}
	if when, ok := e.NextTimeout(); ok {
		e.armed = h.w.Now.Add(max(when.Sub(h.now()), 0))
	}
	e.pending, e.touched = false, true
}

// event notes what the user was told.
func (e *End) event(v core.Event) {
	if w := e.host.w; w.Trace != nil {
		fmt.Fprintf(w.Trace, "%12v %s! %v %+v\n", w.Now.Sub(epoch), e.host.name, v.Kind, v)
	}
	switch v.Kind {
	case core.EventEstablished:
		e.up++
	case core.EventClosed:
		e.Closed++
		if v.Err != e.Err() {
			fail("%v: the event says %v", e, v.Err)
		}
	case core.EventRestart:
		e.Restarts++
		e.forget()
	case core.EventUndelivered:
		for u, ok := e.TakeUndelivered(); ok; u, ok = e.TakeUndelivered() {
			e.back = append(e.back, u)
		}
	case core.EventWritable:
		e.writable = true
	case core.EventAllAcked:
		if e.Buffered() != 0 && e.State() == core.Established && !e.host.w.late {
			fail("%v: all is acknowledged, %d bytes are in the send buffer", e, e.Buffered())
		}
	case core.EventReadable:
		if !e.readable[v.Stream] {
			e.readable[v.Stream] = true
			e.order = append(e.order, v.Stream)
		}
	}
}

// forget gives up messages of which a peer that restarted will not send the rest.
func (e *End) forget() {
	for id, p := range e.open {
		if info, _, ok := e.NextStreamMessage(id); !ok || info.TSN != p.info.TSN || info.PPID != p.info.PPID {
			delete(e.open, id)
		}
	}
}

// maxFires is how often the timer of an association may fire in a second. The
// shortest RTO of the simulations is 20 ms, and there are a few paths with two
// timers each.
const maxFires = 1000

// fired counts the timer and looks for storms.
func (e *End) fired() {
	if now := e.host.w.Now; now.Sub(e.second) >= time.Second {
		e.second, e.fires = now, 0
	}
	if e.fires++; e.fires > maxFires {
		when, _ := e.NextTimeout()
		fail("%v: the timer fires all the time; now it is due in %v", e, when.Sub(e.host.now()))
	}
}

// String tells what an engineer wants to know of an end that fails.
func (e *End) String() string {
	when := "never"
	if !e.armed.IsZero() {
		when = e.armed.Sub(e.host.w.Now).String()
	}
	s := fmt.Sprintf("%s at %v: %v err=%v buffered=%d held=%d timer=%s %+v", e.host.name, e.host.w.Now.Sub(epoch), e.State(), e.Err(),
		e.Buffered(), e.Held(), when, e.Stats())
	for _, p := range e.Paths() {
		s += fmt.Sprintf("\n    %+v", p)
	}
	return s
}
