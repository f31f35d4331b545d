package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Takeover suggestion (draft-dreibholz-rserpool-enrp-takeover): a HANDLE_UPDATE with
// the T flag suggests that the receiver becomes the element's home. Registrars that
// were unreliable for a while would otherwise never get their part of the elements
// back.

// preferredHome is the registrar that rates highest as the home of an element: the one
// whose identifier, combined with the element's by exclusive or, is the largest
// number. That spreads the elements over the registrars, is the same at all of them,
// and moves few of them when one comes or goes. rsplib goes by it too.
func (r *Registrar) preferredHome(id rserpool.PEID) rserpool.RegistrarID {
	best := r.id
	for _, p := range r.peers {
		if p.state == peerActive && p.conn != 0 && uint32(p.id)^uint32(id) > uint32(best)^uint32(id) {
			best = p.id
		}
	}
	return best
}

// suggestHome suggests an element that has registered here to the registrar that rates
// higher, unless that one was not able to reach it before.
func (r *Registrar) suggestHome(e *entry, el handlespace.Element) {
	e.suggested = 0
	if !r.cfg.SuggestTakeovers || e.unmoved || r.phase != phaseReady {
		return
	}
	if p := r.peers[r.preferredHome(e.key.ID)]; p != nil {
		e.suggested = p.id
		r.sendUpdate(p, enrp.AddPE, el, true)
	}
}

// takeSuggested asks an element whose home suggests it to take this registrar as its
// home. It becomes that by the element's answer, so that one that cannot be reached
// from here stays where it is.
func (r *Registrar) takeSuggested(now time.Time, k handlespace.Key) {
	el, ok := r.lookup(k)
	if !ok || r.phase != phaseReady || el.ASAP == nil {
		return
	}
	e := r.entryOf(k)
	e.assert, e.asking, e.pause, e.until = true, false, 0, time.Time{}
	if e.conn != 0 {
		r.sendKeepAlive(now, e)
		return
	}
	r.await(now, e)
	r.reach(now, e)
}
