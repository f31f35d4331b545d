package rawip

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// ReservePorts implements carrier.PortReserver among all programs in the network
// namespace of the caller. It is true as well where the system cannot tell.
//
// Raw sockets have no ports that the kernel could give away. An abstract Unix socket has
// what such a reservation needs: its name is taken once in a network namespace, by
// anybody, and is free again when the process ends, however it does.
func (s *Socket) ReservePorts(first, last uint16) bool {
	name := &net.UnixAddr{Net: "unixgram", Name: fmt.Sprintf("@sctp-ports/%d-%d", first, last)}
	hold, err := net.ListenUnixgram("unixgram", name)
	if err != nil {
		return !errors.Is(err, syscall.EADDRINUSE)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = hold.Close()
		return false
	}
	s.holds = append(s.holds, hold)
	return true
}

// release gives the reserved ports back.
func (s *Socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, h := range s.holds {
		_ = h.Close()
	}
	s.holds = nil
}
