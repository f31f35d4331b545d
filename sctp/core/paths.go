package core

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// PathSettings is what may differ between the paths of an association and may be
// changed while it lives (RFC 9260 §11.1.9, §11.1.12, RFC 7829 §7.2). All values
// count as they are: there are no defaults for zero.
type PathSettings struct {
	// MaxRetrans is Path.Max.Retrans, 0 to 16,777,216.
	MaxRetrans int
	// PotentiallyFailed lets data leave the path when more than PFMaxRetrans (0 to
	// 16,777,216) retransmissions in a row had no answer, and come back with the first
	// answer to a probe (SCTP-PF, RFC 7829). False: when the path is inactive.
	PotentiallyFailed bool
	PFMaxRetrans      int
	// DisableHeartbeat stops probes of the path while it is idle. One that is not
	// verified yet is probed nonetheless.
	DisableHeartbeat bool
	// HeartbeatInterval is HB.interval, 0 to 24 hours.
	HeartbeatInterval time.Duration
}

func (s *PathSettings) check() error {
	return firstError(
		inRange("Path.Max.Retrans", s.MaxRetrans, 0, maxRetrans),
		inRange("PotentiallyFailed.Max.Retrans", s.PFMaxRetrans, 0, maxRetrans),
		inRange("HB.interval", s.HeartbeatInterval, 0, maxTimeout),
	)
}

// find returns the path to an address of the peer, which may be IPv4-mapped.
func (a *Association) find(addr netip.Addr) (*path.Path, error) {
	if a.state == Closed {
		return nil, a.endError()
	}
	if p := a.paths.Find(addr.Unmap()); p != nil {
		return p, nil
	}
	return nil, ErrNoPath
}

// SetPrimary makes the path to an address of the peer the primary one (RFC 9260
// §11.1.6): the one that new data takes while it is active. One that is not verified
// or not active is used as soon as it answers. Errors: ErrNoPath, ErrNotConnected,
// or why the association ended.
func (a *Association) SetPrimary(now time.Time, addr netip.Addr) error {
	p, err := a.find(addr)
	switch {
	case err != nil:
		return err
	case a.state.setup():
		return ErrNotConnected // the handshake looks for a path that works
	}
	a.read(now)
	a.makePrimary(p)
	return nil
}

// RequestHeartbeat probes the path to an address of the peer now, also if its
// heartbeat is disabled (RFC 9260 §11.1.10). An event tells if that changes its
// state; without an answer within an RTO the error counter of the path goes up. A
// probe that is under way already serves. Errors: ErrNoPath, ErrNotConnected,
// ErrShuttingDown, or why the association ended.
func (a *Association) RequestHeartbeat(now time.Time, addr netip.Addr) error {
	p, err := a.find(addr)
	switch {
	case err != nil:
		return err
	case a.state.setup():
		return ErrNotConnected
	case a.state == ShutdownSent || a.state == ShutdownAckSent: // §8.3
		return ErrShuttingDown
	}
	now = a.read(now)
	if p.Heartbeat.Expires.IsZero() {
		a.sendHeartbeat(now, p)
		a.planHeartbeat(now, p)
	}
	return nil
}

// PathSettings returns the settings of the path to an address of the peer, for the
// zero address those of paths to come. Errors: ErrNoPath, or why the association
// ended.
func (a *Association) PathSettings(addr netip.Addr) (PathSettings, error) {
	s := a.cfg.path().Settings
	if addr.IsValid() {
		p, err := a.find(addr)
		if err != nil {
			return PathSettings{}, err
		}
		s = p.Settings
	}
	return PathSettings{
		MaxRetrans: s.MaxRetrans, PotentiallyFailed: s.PF, PFMaxRetrans: s.PFMaxRetrans,
		DisableHeartbeat: s.HeartbeatOff, HeartbeatInterval: s.HeartbeatInterval,
	}, nil
}

// SetPathSettings changes the settings of the path to an address of the peer, for
// the zero address those of all paths, now and to come. Thresholds are applied to the
// errors counted so far. Errors: ErrNoPath, a *ParameterError, or why the association
// ended.
func (a *Association) SetPathSettings(now time.Time, addr netip.Addr, s PathSettings) error {
	if err := s.check(); err != nil {
		return err
	}
	if addr.IsValid() {
		p, err := a.find(addr)
		if err == nil {
			a.set(a.read(now), p, &s)
		}
		return err
	}
	if a.state == Closed {
		return a.endError()
	}
	now = a.read(now)
	c := a.own()
	c.PathMaxRetrans, c.PotentiallyFailed, c.PFMaxRetrans = s.MaxRetrans, s.PotentiallyFailed, s.PFMaxRetrans
	c.DisableHeartbeat, c.HeartbeatInterval = s.DisableHeartbeat, s.HeartbeatInterval
	c.PrimaryMaxRetrans = max(c.PrimaryMaxRetrans, c.leastSwitchover())
	for _, p := range a.paths.All {
		a.set(now, p, &s)
	}
	return nil
}

// set changes the settings of one path.
func (a *Association) set(now time.Time, p *path.Path, s *PathSettings) {
	was := p.Settings
	p.Settings = path.Settings{
		MaxRetrans: s.MaxRetrans, PF: s.PotentiallyFailed, PFMaxRetrans: s.PFMaxRetrans,
		HeartbeatOff: s.DisableHeartbeat, HeartbeatInterval: s.HeartbeatInterval,
	}
	beats := !a.state.setup() && a.state != ShutdownSent && a.state != ShutdownAckSent
	if beats && (was.HeartbeatOff != s.DisableHeartbeat || was.HeartbeatInterval != s.HeartbeatInterval) {
		a.planHeartbeat(now, p)
	}
	if p.State == path.PotentiallyFailed && (!s.PotentiallyFailed || p.Errors <= s.PFMaxRetrans) {
		a.setPathState(p, path.Active)
	}
	a.judge(now, p, p.Judge())
	a.switchOver(p)
}
