package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// pathFailed counts a T3-rtx expiry or an unanswered HEARTBEAT against a path and,
// if counts is true, against the association (RFC 9260 §8.1, §8.2).
func (a *Association) pathFailed(now time.Time, p *path.Path, counts bool) {
	if p.Errors <= a.cfg.PathMaxRetrans {
		p.Errors++
	}
	if p.Errors > a.cfg.PathMaxRetrans && p.State != path.Inactive && p.State != path.Unconfirmed {
		a.setPathState(p, path.Inactive)
	}
	if !counts {
		return
	}
	if a.errors++; a.errors > a.cfg.AssociationMaxRetrans {
		// §8.1: the peer is unreachable. An ABORT is worth its packet: if only our
		// direction works, the peer learns of the end.
		a.abort(now, ErrTimeout, nil)
	}
}

// pathAnswered clears a path's error counter and takes it back into use.
func (a *Association) pathAnswered(p *path.Path) {
	p.Errors = 0
	if p.State != path.Active {
		a.setPathState(p, path.Active)
	}
}

func (a *Association) setPathState(p *path.Path, s path.State) {
	p.State = s
	if a.cfg.Trace.PathChange != nil {
		a.cfg.Trace.PathChange(p.Remote, s)
	}
	a.ev.push(Event{Kind: EventPathState, Path: p.Remote, PathState: s})
}
