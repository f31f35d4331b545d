package multicast

import "net/netip"

// Network is the interfaces of a host and the sockets on them. There are two: the
// operating system's, and that of package multicasttest.
type Network interface {
	// Interfaces lists the interfaces there are now.
	Interfaces() ([]Interface, error)
	// Listen opens a socket for what comes to a group.
	Listen(group netip.AddrPort) (Listener, error)
	// Sender opens a socket that sends on one interface.
	Sender(on *Interface, from netip.AddrPort, ttl int) (Sender, error)
}

// Interface is a network interface.
type Interface struct {
	Index                   int
	Name                    string
	Addrs                   []netip.Addr // without zones
	Up, Multicast, Loopback bool
}

// has reports whether the interface has an address of the family.
func (i *Interface) has(v6 bool) bool {
	for _, a := range i.Addrs {
		if a.Is6() == v6 {
			return true
		}
	}
	return false
}

// Listener hears a group on the interfaces where it has joined it.
type Listener interface {
	Join(on *Interface) error
	// Read waits for a datagram that was sent to the group. on is the index of the
	// interface where it came in, 0 if the system does not say.
	Read(b []byte) (n int, from netip.AddrPort, on int, err error)
	Close() error
}

// Sender sends on one interface.
type Sender interface {
	Send(b []byte, group netip.AddrPort) error
	Close() error
}
