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
	var b []byte
	for {
		act, ok := r.core.PollAction()
		if !ok {
			break
		}
		switch act.Kind {
		case core.Dial:
			r.dial(act)
		case core.Send:
			if b, ok = r.send(act, b); !ok {
				r.core.Lost(time.Now(), act.Conn, "send failed")
				r.end(core.Action{Kind: core.Abort, Conn: act.Conn, Reason: "send failed"})
			}
		case core.Close, core.Abort:
			r.end(act)
		case core.Multicast:
			r.channels.send(act)
		}
	}
	for {
		e, ok := r.core.PollEvent()
		if !ok {
			break
		}
		r.event(&e)
	}
	if !r.isReady && r.core.Ready() {
		r.isReady = true
		r.serve()
	}
	r.arm()
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
