// Package multicasttest is multicast inside the process, for tests: hosts whose
// interfaces of one name are on one wire.
package multicasttest

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/rserpool/rserpool/internal/multicast"
)

// Network is hosts and wires.
type Network struct {
	mu    sync.Mutex
	hosts []*Host
}

// Host is a multicast.Network.
type Host struct {
	net       *Network
	ifs       []multicast.Interface
	listeners []*listener
}

// Host adds a host with interfaces that are up.
func (n *Network) Host(ifs ...multicast.Interface) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{net: n, ifs: ifs}
	n.hosts = append(n.hosts, h)
	return h
}

// Ethernet is an interface that is up, with number index of the host.
func Ethernet(index int, name string, addrs ...string) multicast.Interface {
	i := multicast.Interface{Index: index, Name: name, Up: true, Multicast: true}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, netip.MustParseAddr(a))
	}
	return i
}

// Set replaces the interfaces. Membership on those that are gone ends.
func (h *Host) Set(ifs ...multicast.Interface) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.ifs = ifs
	for _, l := range h.listeners {
		for index := range l.joined {
			if !slices.ContainsFunc(ifs, func(i multicast.Interface) bool { return i.Index == index }) {
				delete(l.joined, index)
			}
		}
	}
}

// Interfaces implements multicast.Network.
func (h *Host) Interfaces() ([]multicast.Interface, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return slices.Clone(h.ifs), nil
}

// Listen implements multicast.Network.
func (h *Host) Listen(group netip.AddrPort) (multicast.Listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	l := &listener{host: h, group: group, joined: map[int]bool{}, queue: make(chan datagram, 256), closed: make(chan struct{})}
	h.listeners = append(h.listeners, l)
	return l, nil
}

// Sender implements multicast.Network.
func (h *Host) Sender(on *multicast.Interface, from netip.AddrPort, _ int) (multicast.Sender, error) {
	if from.Port() == 0 {
		from = netip.AddrPortFrom(from.Addr(), 50_000)
	}
	return &sender{h, *on, from}, nil
}

type datagram struct {
	from netip.AddrPort
	on   int
	data []byte
}

type listener struct {
	host   *Host
	group  netip.AddrPort
	joined map[int]bool // by the index of the interface
	queue  chan datagram
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Join(on *multicast.Interface) error {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	l.joined[on.Index] = true
	return nil
}

func (l *listener) Read(b []byte) (int, netip.AddrPort, int, error) {
	select {
	case d := <-l.queue:
		return copy(b, d.data), d.from, d.on, nil
	case <-l.closed:
		return 0, netip.AddrPort{}, 0, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.host.net.mu.Lock()
		defer l.host.net.mu.Unlock()
		l.host.listeners = slices.DeleteFunc(l.host.listeners, func(o *listener) bool { return o == l })
	})
	return nil
}

type sender struct {
	host *Host
	on   multicast.Interface
	from netip.AddrPort
}

// Send brings the datagram to everybody on the wire who is in the group.
func (s *sender) Send(b []byte, group netip.AddrPort) error {
	n := s.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.ContainsFunc(s.host.ifs, func(i multicast.Interface) bool { return i.Index == s.on.Index }) {
		return net.ErrClosed // the interface is gone
	}
	for _, h := range n.hosts {
		for _, l := range h.listeners {
			i := slices.IndexFunc(h.ifs, func(i multicast.Interface) bool { return i.Name == s.on.Name && l.joined[i.Index] })
			if l.group != group || i < 0 {
				continue
			}
			select {
			case l.queue <- datagram{s.from, h.ifs[i].Index, slices.Clone(b)}:
			default: // lost
			}
		}
	}
	return nil
}

func (s *sender) Close() error { return nil }
