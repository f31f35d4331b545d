package multicast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// system is the Network of the operating system.
type system struct{}

func (system) Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	out := make([]Interface, 0, len(list))
	for i := range list {
		n := &list[i]
		as, err := n.Addrs()
		if err != nil {
			continue // it has just vanished
		}
		ifc := Interface{
			Index: n.Index, Name: n.Name, Up: n.Flags&net.FlagUp != 0,
			Multicast: n.Flags&net.FlagMulticast != 0, Loopback: n.Flags&net.FlagLoopback != 0,
		}
		for _, a := range as {
			if p, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(p.IP); ok {
					ifc.Addrs = append(ifc.Addrs, ip.Unmap())
				}
			}
		}
		out = append(out, ifc)
	}
	return out, nil
}

// family is the network of package net for an address.
func family(a netip.Addr) string {
	if a.Is6() {
		return "udp6"
	}
	return "udp4"
}

// Listen opens the group's port on all addresses: package net lets several programs have
// it if it is given a multicast address.
func (system) Listen(group netip.AddrPort) (Listener, error) {
	c, err := net.ListenPacket(family(group.Addr()), group.String())
	if err != nil {
		return nil, err
	}
	l := &groupSocket{conn: c, group: group}
	// Not all systems say where a datagram was sent and came in. These are not asked
	// for much: what is heard there may have been sent to this port of the host.
	if group.Addr().Is6() {
		l.v6 = ipv6.NewPacketConn(c)
		_ = l.v6.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
		_ = l.v6.SetMulticastLoopback(true) // on Windows it is for who hears
	} else {
		l.v4 = ipv4.NewPacketConn(c)
		_ = l.v4.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
		_ = l.v4.SetMulticastLoopback(true)
	}
	return l, nil
}

// groupSocket is a Listener; one of v4 and v6 is set.
type groupSocket struct {
	conn  net.PacketConn
	v4    *ipv4.PacketConn
	v6    *ipv6.PacketConn
	group netip.AddrPort
}

func (l *groupSocket) Join(on *Interface) error {
	ifc, to := &net.Interface{Index: on.Index, Name: on.Name}, net.UDPAddrFromAddrPort(l.group)
	var err error
	if l.v6 != nil {
		err = l.v6.JoinGroup(ifc, to)
	} else {
		err = l.v4.JoinGroup(ifc, to)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil // it was down for a while, and is still in the group
	}
	return err
}

// Read passes over what was sent to other groups and to the host itself: the socket is
// bound to all addresses, and Linux hands it the groups that other programs are in.
func (l *groupSocket) Read(b []byte) (int, netip.AddrPort, int, error) {
	for {
		n, from, dst, on, err := l.read(b)
		if err != nil {
			return 0, netip.AddrPort{}, 0, err
		}
		if to, ok := netip.AddrFromSlice(dst); ok && to.Unmap() != l.group.Addr() {
			continue
		}
		if u, ok := from.(*net.UDPAddr); ok {
			at := u.AddrPort()
			return n, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), on, nil
		}
	}
}

func (l *groupSocket) read(b []byte) (n int, from net.Addr, dst net.IP, on int, err error) {
	if l.v6 != nil {
		n, cm, from, err := l.v6.ReadFrom(b)
		if cm != nil {
			dst, on = cm.Dst, cm.IfIndex
		}
		return n, from, dst, on, err
	}
	n, cm, from, err := l.v4.ReadFrom(b)
	if cm != nil {
		dst, on = cm.Dst, cm.IfIndex
	}
	return n, from, dst, on, err
}

func (l *groupSocket) Close() error { return l.conn.Close() }

// Sender opens a socket at an address of the interface. If the port is taken it is
// another one.
func (system) Sender(on *Interface, from netip.AddrPort, ttl int) (Sender, error) {
	lc := net.ListenConfig{Control: reuse}
	host := from.Addr().String()
	c, err := lc.ListenPacket(context.Background(), family(from.Addr()), net.JoinHostPort(host, strconv.Itoa(int(from.Port()))))
	if err != nil && from.Port() != 0 {
		c, err = lc.ListenPacket(context.Background(), family(from.Addr()), net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, err
	}
	if u, ok := c.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(1) // nothing is read here
	}
	s := &sendSocket{conn: c, zone: on.Name}
	if err := s.prepare(&net.Interface{Index: on.Index, Name: on.Name}, from.Addr(), ttl); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("multicast: %s: %w", on.Name, err)
	}
	return s, nil
}

type sendSocket struct {
	conn net.PacketConn
	zone string
}

// prepare chooses the interface and lets this host's programs hear what is sent.
func (s *sendSocket) prepare(on *net.Interface, from netip.Addr, ttl int) error {
	if from.Is6() {
		p := ipv6.NewPacketConn(s.conn)
		if err := p.SetMulticastInterface(on); err != nil {
			return err
		}
		_ = p.SetMulticastLoopback(true) // the default nearly everywhere
		return p.SetMulticastHopLimit(ttl)
	}
	p := ipv4.NewPacketConn(s.conn)
	if err := p.SetMulticastInterface(on); err != nil {
		return err
	}
	_ = p.SetMulticastLoopback(true)
	return p.SetMulticastTTL(ttl)
}

// sendTimeout bounds the wait for room in the socket's buffer.
const sendTimeout = 100 * time.Millisecond

func (s *sendSocket) Send(b []byte, group netip.AddrPort) error {
	to := net.UDPAddrFromAddrPort(group)
	if group.Addr().Is6() {
		to.Zone = s.zone
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := s.conn.WriteTo(b, to)
	return err
}

func (s *sendSocket) Close() error { return s.conn.Close() }
