package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// mentors is the state of the start-up (RFC 5353 §3.2): which peer is asked for
// its list and its handlespace, and which have refused.
type mentors struct {
	current  rserpool.RegistrarID
	listing  bool // the list is asked for, the handlespace not yet
	last     rserpool.RegistrarID
	rejected map[rserpool.RegistrarID]bool
}

// start begins the start-up: all configured peers are dialed, and the first that
// introduces itself becomes the mentor. Without any there is nobody to ask
// (RFC 5353 §3.2.2.1).
func (r *Registrar) start(now time.Time) {
	r.mentors.rejected = make(map[rserpool.RegistrarID]bool)
	r.timers.set(timerKey{kind: timerHeartbeat}, now.Add(r.jitter(r.profile.Heartbeat, 8)))
	r.timers.set(timerKey{kind: timerMentor}, now.Add(r.profile.MentorTimeout))
	for _, t := range r.targets {
		r.dialTarget(now, t)
	}
	r.announceTimeout(now)
	r.tryColdStart(now)
}

// mentorFound considers a peer that has introduced itself during the start-up.
func (r *Registrar) mentorFound(now time.Time, p *peer) {
	if r.mentors.current != 0 || r.mentors.rejected[p.id] {
		return
	}
	r.mentors.current, r.mentors.last, r.mentors.listing = p.id, p.id, true
	r.askList(p)
	r.timers.set(timerKey{kind: timerSync, id: uint64(p.id)}, now.Add(r.profile.MaxTimeNoResponse))
}

// mentorListed asks the mentor for the handlespace, now that its list is there
// (RFC 5353 §3.2.3).
func (r *Registrar) mentorListed(now time.Time, p *peer) {
	r.mentors.listing = false
	r.startFetch(now, p, false)
}

// mentorRejected goes on to another mentor, or to the same one a little later
// (RFC 5353 §3.2.2.2).
func (r *Registrar) mentorRejected(now time.Time, p *peer) {
	r.endSync(p)
	p.listed = false
	r.mentors.rejected[p.id] = true
	r.mentors.current = 0
	if r.tryColdStart(now) {
		return
	}
	r.timers.earlier(timerKey{kind: timerMentorRetry}, now.Add(r.jitter(r.profile.MentorRetry, 4)))
	r.nextMentor(now)
}

// mentorFailed goes on to another mentor after the connection with this one has ended.
// If there is none, it is asked again when it is back.
func (r *Registrar) mentorFailed(now time.Time, p *peer) {
	if r.phase == phaseStarting && r.mentors.current == p.id {
		r.mentors.current = 0
		r.nextMentor(now)
	}
}

// askMentor gives those that have rejected another chance.
func (r *Registrar) askMentor(now time.Time) {
	if r.phase != phaseStarting {
		return
	}
	clear(r.mentors.rejected)
	if r.mentors.current == 0 {
		r.nextMentor(now)
	}
}

// nextMentor asks the next active peer, in the order of identifiers, if there is
// one.
func (r *Registrar) nextMentor(now time.Time) {
	ps := r.sortedPeers()
	for _, wrapped := range []bool{false, true} {
		for _, p := range ps {
			if p.state == peerActive && p.conn != 0 && (p.id > r.mentors.last) != wrapped && !r.mentors.rejected[p.id] {
				r.mentorFound(now, p)
				return
			}
		}
	}
}

// tryColdStart ends the start-up early where nobody has a handlespace to give:
// all configured peers cannot be reached or are starting themselves. Of
// registrars that start together the one with the smallest identifier begins, and
// becomes the mentor of the others.
func (r *Registrar) tryColdStart(now time.Time) bool {
	if r.phase != phaseStarting {
		return true
	}
	reason := "alone"
	for _, t := range r.targets {
		switch {
		case t.self || !t.static:
		case t.peer != 0 && r.mentors.rejected[t.peer] && r.id < t.peer:
			reason = "all peers are starting too"
		case t.failed && t.conn == 0 && !r.connectedTo(t):
			reason = "no peer can be reached"
		default:
			return false
		}
	}
	if r.cfg.Announce && reason != "all peers are starting too" {
		return false // somebody may be heard yet
	}
	r.begin(now, reason)
	return true
}

// connectedTo reports whether there is a connection with whoever is at t, dialed
// from there perhaps.
func (r *Registrar) connectedTo(t *target) bool {
	return slices.ContainsFunc(r.links.enrp, func(c *conn) bool { return c.up && sameEndpoint(c.confirmed(), t.at) })
}

// begin ends the start-up: the registrar offers its services. Its peers are asked
// for their checksums, and elements that they know as this registrar's, from
// before it was restarted with the same identifier, are looked for.
func (r *Registrar) begin(now time.Time, reason string) {
	if r.phase != phaseStarting {
		return
	}
	r.phase = phaseReady
	r.mentors.current = 0
	r.timers.stop(timerKey{kind: timerMentor})
	r.timers.stop(timerKey{kind: timerMentorRetry})
	for _, p := range r.sortedPeers() {
		r.endSync(p)
	}
	r.event(Event{Kind: EventReady, Registrar: r.id, Reason: reason})
	for _, el := range r.space.Owned(r.id) {
		if e := r.entryOf(el.Key()); !e.live() {
			r.adopt(now, e, el)
		}
	}
	r.restore(now)
	r.announcePresence(true)
	r.announceTimeout(now)
}
