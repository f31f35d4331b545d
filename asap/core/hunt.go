package core

import (
	"time"
)

type huntState uint8

const (
	huntIdle    huntState = iota
	huntDialing           // up to three associations are being established
	huntPausing           // everybody was tried in vain
)

// hunt is the search for a home registrar, RFC 5352 §3.6. It runs while there is
// none, and beside an existing one that does not answer.
type hunt struct {
	state    huntState
	t5       time.Duration // T5-Serverhunt now
	deadline time.Time     // T5, or the end of the pause
	order    []*registrar  // still to be tried in this round
	failed   int           // rounds in a row that found nobody
	paused   time.Time     // when the last pause began
	resume   time.Time     // no new round before
	empty    bool          // the last round had nobody to try
	joined   int           // announced ones that were added to this round
	listen   time.Time     // until when there may be somebody who was not heard yet
}

// startHunt begins to look for a registrar unless that is happening already.
func (e *Endpoint) startHunt(now time.Time) {
	if e.hunt.state != huntIdle {
		return
	}
	// Requests that fail and are made again, or a registrar that accepts
	// associations and drops them, must not make this spin.
	if now.Before(e.hunt.resume) {
		e.hunt.state, e.hunt.deadline = huntPausing, e.hunt.resume
		return
	}
	e.startRound(now)
}

// startRound is SH1 and SH2: a new set of registrars is dialed.
func (e *Endpoint) startRound(now time.Time) {
	var skip *registrar
	if h := e.links.home; h != nil {
		skip = h.registrar
	}
	e.hunt.order = e.dir.order(skip, e.rnd)
	e.hunt.empty = len(e.hunt.order) == 0
	e.hunt.state = huntDialing
	e.hunt.deadline = now.Add(e.hunt.t5)
	e.hunt.joined = 0
	if e.cfg.Discover && e.hunt.failed == 0 {
		e.hunt.listen = now.Add(e.profile.Outdate) // every registrar has been heard by then
	}
	e.dialMore(now)
}

// dialMore is SH4: an attempt that failed makes room for the next address. When
// there is none left and nothing under way the round has failed.
func (e *Endpoint) dialMore(now time.Time) {
	h := &e.hunt
	if h.state != huntDialing {
		return
	}
	n := len(e.links.dialing())
	for n < MaxHuntDials && len(h.order) > 0 {
		r := h.order[0]
		h.order = h.order[1:]
		if l := e.links.acceptedFrom(r); l != nil {
			// It has an association with us already, and two endpoints have no more
			// than one (RFC 9260 §1.3).
			e.adopt(now, l, false)
			return
		}
		l := e.links.add(linkDialing, r, r.at)
		l.server = r.id
		e.outputs.push(Output{Kind: OutputDial, Link: l.id, Registrar: r.at})
		n++
	}
	if n == 0 {
		e.roundFailed(now)
	}
}

// huntTimeout handles the end of T5-Serverhunt and of the pause between rounds.
func (e *Endpoint) huntTimeout(now time.Time) {
	switch e.hunt.state {
	case huntPausing:
		e.hunt.state = huntIdle
		e.startRound(now)
	case huntDialing:
		// SH5.1: double T5, at most RETRAN-MAX. SH5.2: stop these attempts and
		// go on with different addresses.
		e.hunt.t5 = min(2*e.hunt.t5, e.profile.RetransMax)
		e.hunt.deadline = now.Add(e.hunt.t5)
		for _, l := range e.links.dialing() {
			l.failed(now)
			e.close(l, true)
		}
		e.dialMore(now)
	default:
		e.hunt.deadline = time.Time{}
	}
}

// roundFailed ends a round in which nobody could be reached.
func (e *Endpoint) roundFailed(now time.Time) {
	e.hunt.state, e.hunt.deadline = huntIdle, time.Time{}
	if e.links.home != nil {
		return // nobody better than the home registrar; its own timers decide
	}
	e.pause(now)
	if !now.Before(e.hunt.listen) {
		e.requestsUnreachable(now)
		e.membersUnreachable()
	}
	if e.needsHome() {
		e.startHunt(now) // after the pause
	}
}

// pause sets the time before which there is no further round: the more failures
// in a row the later.
func (e *Endpoint) pause(now time.Time) {
	e.hunt.failed++
	e.hunt.paused = now
	d := Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(e.hunt.failed, e.rnd)
	e.hunt.resume = now.Add(d)
	if t := e.cfg.Trace; t != nil && t.HuntFailed != nil {
		t.HuntFailed(e.hunt.failed, d)
	}
}

// stopHunt gives up whatever is being dialed.
func (e *Endpoint) stopHunt() {
	for _, l := range e.links.dialing() {
		e.close(l, false)
	}
	e.hunt.state = huntIdle
	e.hunt.deadline = time.Time{}
	e.hunt.order = nil
}

// adopt is SH6, and KA2.4 for a link whose registrar asked for it: l becomes the
// home registrar's link and everything else is given up. byKeepAlive tells the
// two apart.
func (e *Endpoint) adopt(now time.Time, l *link, byKeepAlive bool) {
	old := e.links.home
	e.links.home = l
	l.since = now
	e.stopHunt()
	e.members.homeChanged(byKeepAlive)
	e.hunt.t5 = e.profile.Hunt // SH3
	if l.registrar != nil {
		l.registrar.failed = time.Time{}
	}
	if old != nil && old != l {
		e.close(old, false)
	}
	e.requests.unsent()
	e.cache.unsubscribe()
	e.events.push(Event{Kind: EventHome, Link: l.id, Server: l.server, Registrar: l.at})
}

// homeLost handles the end of the home registrar's association. Attempts to reach
// others that run beside it go on.
func (e *Endpoint) homeLost(now time.Time, err error) {
	l := e.links.home
	e.links.home = nil
	e.requests.unsent()
	e.cache.unsubscribe()
	e.members.homeChanged(false)
	e.events.push(Event{Kind: EventHomeLost, Link: l.id, Server: l.server, Registrar: l.at, Err: err})
	if l.proven && now.Sub(l.since) >= e.profile.Hunt {
		e.hunt.failed, e.hunt.resume = 0, time.Time{}
	} else {
		// It took the association and was of no use, or not for long. If that
		// goes on the pauses must grow.
		e.pause(now)
	}
}

// proved notes that a registrar said something that makes sense.
func (e *Endpoint) proved(l *link) {
	l.proven = true
	if l == e.links.home {
		e.stopHunt() // there was one beside it if it was slow
	}
}

// abandonHome gives up a home registrar that does not answer.
func (e *Endpoint) abandonHome(now time.Time, err error) {
	l := e.links.home
	if l == nil {
		return
	}
	l.failed(now)
	e.close(l, true)
	e.homeLost(now, err)
}

// huntBeside looks for another registrar while the home registrar does not
// answer (RFC 5352 §3.7.2: "in parallel").
func (e *Endpoint) huntBeside(now time.Time) {
	if e.hunt.state == huntIdle {
		e.startRound(now)
	}
}
