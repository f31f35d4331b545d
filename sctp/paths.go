package sctp

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// PathSettings is what may differ between the paths of an association and may be
// changed while it lives: the thresholds of failure detection and the heartbeat.
type PathSettings = core.PathSettings

// Parameters is the protocol parameters of an association that may be changed while
// it lives, other than PathSettings.
type Parameters = core.Parameters

// ParameterError says that the value of a parameter is outside of its bounds.
type ParameterError = core.ParameterError

// ErrNoPath is a call about an address that is not one of the peer's.
var ErrNoPath = core.ErrNoPath

// SetPrimary makes the path to an address of the peer the primary one (RFC 9260
// §11.1.6), which new data takes while it is active. Other paths carry data only
// while it is not, or, with Config.PrimarySwitchover, from when it has failed. A
// PathChange with Primary tells that the primary has changed, whoever changed it.
//
// The error is a *PathError, or why the association ended.
func (a *Association) SetPrimary(peer netip.Addr) error {
	return pathError(peer, a.onPath(func(now time.Time) error { return a.core.SetPrimary(now, peer) }))
}

// RequestHeartbeat probes an address of the peer now, also if its heartbeat is
// disabled (RFC 9260 §11.1.10). It does not wait for the answer: a PathChange tells
// if that changes the state of the path, and Paths the new round-trip time.
//
// The error is a *PathError, ErrShutdown when a shutdown is nearly complete, or why the
// association ended.
func (a *Association) RequestHeartbeat(peer netip.Addr) error {
	return pathError(peer, a.onPath(func(now time.Time) error { return a.core.RequestHeartbeat(now, peer) }))
}

// PathSettings returns the settings of the path to an address of the peer; for the
// zero Addr, those of addresses that the peer may yet add. The error is a *PathError, or
// why the association ended.
func (a *Association) PathSettings(peer netip.Addr) (PathSettings, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writeError(); err != nil {
		return PathSettings{}, err
	}
	s, err := a.core.PathSettings(peer)
	return s, pathError(peer, err)
}

// SetPathSettings changes the settings of the path to an address of the peer (RFC
// 9260 §11.1.9, §11.1.12); for the zero Addr, those of all paths. It takes effect at
// once: a path that has more errors than a new threshold allows is given up.
//
//	s, err := a.PathSettings(peer)
//	s.HeartbeatInterval = 5 * time.Second
//	err = a.SetPathSettings(peer, s)
//
// The error is a *PathError, a *ParameterError, or why the association ended.
func (a *Association) SetPathSettings(peer netip.Addr, s PathSettings) error {
	return pathError(peer, a.onPath(func(now time.Time) error { return a.core.SetPathSettings(now, peer, s) }))
}

// Parameters returns the protocol parameters in force, the zero Parameters if the
// association has ended.
func (a *Association) Parameters() Parameters {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return Parameters{}
	}
	return a.core.Parameters()
}

// SetParameters changes protocol parameters of a living association (RFC 9260
// §11.1.13). Running timers keep the times they were started with. The error is a
// *ParameterError, with nothing changed, or why the association ended.
func (a *Association) SetParameters(p Parameters) error {
	return a.onPath(func(now time.Time) error { return a.core.SetParameters(now, p) })
}

// onPath runs an operation of the machine and the turn that follows it.
func (a *Association) onPath(do func(now time.Time) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writeError(); err != nil {
		return err
	}
	now := time.Now()
	switch err := do(now); err {
	case nil:
		a.turn(now)
		return nil
	case core.ErrShuttingDown:
		return ErrShutdown
	default:
		return err
	}
}

// pathError is the error of an operation on the path to an address, with the address.
func pathError(peer netip.Addr, err error) error {
	if err == core.ErrNoPath {
		return &PathError{Path: peer}
	}
	return err
}
