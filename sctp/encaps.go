package sctp

import (
	"net/netip"
	"time"
)

// SetUDPPort sets the UDP port that packets to an address of the peer are sent to
// (RFC 6951 §6.1), for a peer whose addresses have different ports that nobody could
// know when the association was dialed. The port in Paths is the one in force: packets
// of the peer that come from another one change it (RFC 6951 §5.4).
//
// The error is ErrNoPath, a *ParameterError for port 0, or why the association ended.
func (a *Association) SetUDPPort(peer netip.Addr, port uint16) error {
	if port == 0 {
		return &ParameterError{Name: "UDP port", Value: 0, Min: 1, Max: lastPort}
	}
	return pathError(peer, a.onPath(func(now time.Time) error {
		a.rekey = true
		return a.core.SetEncapsPort(now, peer, port)
	}))
}
