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
// Port 0 turns the encapsulation off, where the stack has a carrier for that.
//
// The error is a *PathError, a *ParameterError for a port that no carrier of the stack can
// send to, or why the association ended.
func (a *Association) SetUDPPort(peer netip.Addr, port uint16) error {
	if least, most := a.stack.udpPorts(); port < least || port > most {
		return &ParameterError{Name: "UDP port", Value: int(port), Min: int(least), Max: int(most)}
	}
	return pathError(peer, a.onPath(func(now time.Time) error {
		a.rekey = true
		return a.core.SetEncapsPort(now, peer, port)
	}))
}

// udpPorts are the UDP ports that the stack can send to, 0 meaning without UDP.
func (s *Stack) udpPorts() (least, most uint16) {
	least, most = 1, lastPort
	if s.direct() {
		least = 0
	}
	if !s.encapsulates() {
		most = 0
	}
	return least, most
}
