package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// pathFailed counts a T3-rtx expiry or an unanswered HEARTBEAT against a path and,
// if counts is true, against the association (RFC 9260 §8.1, §8.2).
func (a *Association) pathFailed(now time.Time, p *path.Path, counts bool) {
	was := p.Unreachable()
	a.judge(now, p, p.Fail())
	a.rotate(p, p.Errors%2 == 0)
	if p.State == path.Unconfirmed && !was && p.Unreachable() {
		a.pathEvent(p) // §5.4, §8.2: it failed before it could be confirmed
	}
	a.switchOver(p)
	if !counts {
		return
	}
	if a.errors++; a.errors > a.cfg.AssociationMaxRetrans {
		// §8.1: the peer is unreachable. An ABORT is worth its packet: if only our
		// direction works, the peer learns of the end.
		a.abort(now, a.unreachable(), nil)
	}
}

// judge gives a path the state that its error counter calls for.
func (a *Association) judge(now time.Time, p *path.Path, s path.State) {
	if s == p.State {
		return
	}
	a.setPathState(p, s)
	if s == path.PotentiallyFailed {
		a.planHeartbeat(now, p) // RFC 7829 §3.2 rule 6: probed at once
	}
}

// switchOver makes the path that carries the data the primary one, for good, once
// the primary has failed too often (RFC 7829 §5).
func (a *Association) switchOver(p *path.Path) {
	if !a.cfg.PrimarySwitchover || p != a.paths.Primary() || p.Errors <= a.cfg.PrimaryMaxRetrans {
		return
	}
	if q := a.paths.Current(); q != p {
		a.makePrimary(q)
	}
}

// makePrimary changes the primary path and tells the user.
func (a *Association) makePrimary(p *path.Path) {
	if p == a.paths.Primary() {
		return
	}
	a.paths.SetPrimary(p.ID)
	a.pathEvent(p)
}

// dataAcked clears a path's error counter after DATA sent there was acknowledged
// (RFC 9260 §8.2). What went to several destinations says nothing about a path that
// failed (RFC 7829 §3.2 rules 9, 10).
func (a *Association) dataAcked(p *path.Path) {
	if p.State == path.Active || p.Proven {
		a.pathAnswered(p)
	}
}

// pathAnswered clears a path's error counter and takes it back into use.
func (a *Association) pathAnswered(p *path.Path) {
	if p.Errors > 0 {
		a.revived(p)
	}
	p.Errors, p.Hinted = 0, false
	if p.State != path.Active {
		a.setPathState(p, path.Active)
	}
}

func (a *Association) setPathState(p *path.Path, s path.State) {
	was := p.State
	p.State = s
	a.connectivity(p)
	if a.cfg.Trace.PathChange != nil {
		a.cfg.Trace.PathChange(p.Remote, s)
	}
	if a.shown(was) != a.shown(s) {
		a.pathEvent(p)
	}
}

// shown is the state as the user sees it (RFC 7829 §3.2 rule 12).
func (a *Association) shown(s path.State) path.State {
	if s == path.PotentiallyFailed && a.cfg.HidePotentiallyFailed {
		return path.Active
	}
	return s
}

// pathEvent tells the user the state of a path.
func (a *Association) pathEvent(p *path.Path) {
	a.ev.push(Event{Kind: EventPathState, Path: p.Remote, PathState: a.shown(p.State), Primary: p == a.paths.Primary()})
}
