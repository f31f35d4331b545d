package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
)

// drain is the end of a registrar that is shut down in order.
type drain struct{ done bool }

// Drain hands the owned elements over to the peers, before the registrar is
// stopped. Each element is suggested to one of them, by turns, with the T flag of
// draft-dreibholz-rserpool-enrp-takeover; a peer that takes it announces itself as
// its home. EventDrained follows when no element is left, or none of the rest has been
// taken for MAX-TIME-NO-RESPONSE: those are found by the usual takeover.
// Registrations are refused from now on.
func (r *Registrar) Drain(now time.Time) {
	if r.phase == phaseDraining {
		return
	}
	r.phase = phaseDraining
	r.timers.set(timerKey{kind: timerDrain}, now.Add(r.profile.MaxTimeNoResponse))
	var heirs []*peer
	for _, p := range r.sortedPeers() {
		if p.state == peerActive && p.conn != 0 && !p.foreign {
			heirs = append(heirs, p)
		}
	}
	if len(heirs) == 0 {
		r.drained()
		return
	}
	for i, el := range r.space.Owned(r.id) {
		r.sendUpdate(heirs[i%len(heirs)], enrp.AddPE, el, true)
	}
	r.checkDrained(now)
}

// checkDrained is called when an element has gone.
func (r *Registrar) checkDrained(now time.Time) {
	switch {
	case r.phase != phaseDraining || r.drain.done:
	case r.space.OwnedLen(r.id) == 0:
		r.drained()
	default:
		r.timers.set(timerKey{kind: timerDrain}, now.Add(r.profile.MaxTimeNoResponse))
	}
}

func (r *Registrar) drained() {
	if r.drain.done {
		return
	}
	r.drain.done = true
	r.timers.stop(timerKey{kind: timerDrain})
	r.event(Event{Kind: EventDrained, Count: r.space.OwnedLen(r.id)})
}
