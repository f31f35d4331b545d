package registrar

import (
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/registrar/core"
)

// input is the one way into the state machine: under the lock it takes the input,
// carries out what the machine wants, reports what happened and arms the timer.
// After the service has ended it does nothing.
func (r *Registrar) input(f func(now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	stats := r.core.Stats()
	r.rates.tick(now.Sub(r.started), &stats)
	f(now)
	r.settle()
}

// settle drains the outputs. A failed send is a new input, whose outputs follow.
func (r *Registrar) settle() {
	for r.serveIfReady(); r.collect(); r.serveIfReady() {
		for i := range r.todo {
			r.perform(i)
		}
		clear(r.todo) // holds messages
	}
	for {
		e, ok := r.core.PollEvent()
		if !ok {
			break
		}
		r.event(&e)
	}
	r.arm()
}

// serveIfReady serves elements and users once the start-up has ended: before anybody is told, so
// that nobody comes too early.
func (r *Registrar) serveIfReady() {
	if !r.isReady && r.core.Ready() {
		r.isReady = true
		r.serve()
	}
}

// collect takes what the machine wants done by now, and reports whether there is anything.
// Messages for the same connection go into one packet: each but the last is marked as not
// the last one.
func (r *Registrar) collect() bool {
	r.todo = r.todo[:0]
	for act, ok := r.core.PollAction(); ok; act, ok = r.core.PollAction() {
		if c := r.conns[act.Conn]; act.Kind == core.Send && c != nil {
			c.last = len(r.todo)
		}
		r.todo = append(r.todo, act)
	}
	return len(r.todo) > 0
}

// perform does action i of those that were collected.
func (r *Registrar) perform(i int) {
	act := r.todo[i]
	switch act.Kind {
	case core.Dial:
		r.dial(act)
	case core.Send:
		c, ok := r.conns[act.Conn], false
		if r.out, ok = r.send(act, r.out, c != nil && c.last > i); !ok {
			r.core.Lost(time.Now(), act.Conn, "send failed")
			r.end(core.Action{Kind: core.Abort, Conn: act.Conn, Reason: "send failed"})
		}
	case core.Close, core.Abort:
		r.end(act)
	case core.Multicast:
		r.channels.send(act)
	}
}

// arm sets the one timer to the next deadline.
func (r *Registrar) arm() {
	when, ok := r.core.NextTimeout()
	if !ok {
		return
	}
	left := max(time.Until(when), 0)
	if r.timer == nil {
		r.timer = time.AfterFunc(left, func() { r.input(r.core.HandleTimeout) })
		return
	}
	r.timer.Reset(left)
}

// event logs and counts what happened.
func (r *Registrar) event(e *core.Event) {
	r.journal.add(time.Now(), e)
	log := r.log.Debug
	if e.Kind == core.EventIdentifier && r.state != nil {
		r.keepID()
	}
	switch e.Kind {
	case core.EventDrained:
		select {
		case <-r.drained:
		default:
			close(r.drained)
		}
	case core.EventReady, core.EventIdentifier, core.EventPeerUp, core.EventPeerDown, core.EventTakeover, core.EventTakenOver, core.EventReconfigured, core.EventRestoring:
		log = r.log.Info
	case core.EventRefused, core.EventElementUnresponsive, core.EventPeerSuspect:
		log = r.log.Warn
	}
	log(e.Kind.String(), zap.Stringer("what", e))
}
