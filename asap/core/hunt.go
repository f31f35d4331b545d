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
}

// startHunt begins to look for a registrar unless that is happening already.
func (e *Endpoint) startHunt(now time.Time) {
	if e.hunt.state != huntIdle {
		return
	}
	// A registrar that accepts associations and drops them again must not make
	// this spin.
	if e.hunt.failed > 0 {
		e.pauseHunt(now)
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
	e.hunt.state = huntDialing
	e.hunt.deadline = now.Add(e.hunt.t5)
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
		e.startRound(now)
	case huntDialing:
		// SH5.1: double T5, at most RETRAN-MAX. SH5.2: stop these attempts and
		// go on with different addresses.
		e.hunt.t5 = min(2*e.hunt.t5, e.profile.RetransMax)
		e.hunt.deadline = now.Add(e.hunt.t5)
		for _, l := range e.links.dialing() {
			l.registrar.failed = now
			e.close(l, true)
		}
		e.dialMore(now)
	default:
		e.hunt.deadline = time.Time{}
	}
}

// roundFailed ends a round in which nobody could be reached.
func (e *Endpoint) roundFailed(now time.Time) {
	if e.links.home != nil {
		// There was nobody better than the home registrar; its own timers decide.
		e.stopHunt()
		return
	}
	e.hunt.failed++
	e.requestsUnreachable(now)
	e.memberUnreachable(now)
	if !e.needsHome() {
		e.stopHunt()
		return
	}
	e.pauseHunt(now)
}

func (e *Endpoint) pauseHunt(now time.Time) {
	pause := Backoff{Min: e.profile.RetryMin, Max: e.profile.RetransMax}.Pause(e.hunt.failed, e.rnd)
	e.hunt.state = huntPausing
	e.hunt.deadline = now.Add(pause)
	if t := e.cfg.Trace; t != nil && t.HuntRound != nil {
		t.HuntRound(e.hunt.failed, pause)
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
// home registrar's link and everything else is given up.
func (e *Endpoint) adopt(now time.Time, l *link) {
	old := e.links.home
	e.links.home = l
	e.stopHunt()
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

// homeLost handles the end of the home registrar's association.
func (e *Endpoint) homeLost(now time.Time, err error) {
	l := e.links.home
	e.links.home = nil
	if l.proven {
		e.hunt.failed = 0
	} else {
		e.hunt.failed++
	}
	// Attempts that run beside an unresponsive home registrar go on.
	e.requests.unsent()
	e.cache.unsubscribe()
	e.memberHomeLost(now)
	e.events.push(Event{Kind: EventHomeLost, Link: l.id, Server: l.server, Registrar: l.at, Err: err})
}

// abandonHome gives up a home registrar that does not answer.
func (e *Endpoint) abandonHome(now time.Time, err error) {
	l := e.links.home
	if l == nil {
		return
	}
	if l.registrar != nil {
		l.registrar.failed = now
	}
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
