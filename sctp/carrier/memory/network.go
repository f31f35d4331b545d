package memory

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Errors of Listen.
var (
	// ErrInUse is an address and port that another carrier of the network has.
	ErrInUse = errors.New("memory: address in use")
	// ErrInvalid is an address that is none of one host, or no address at all.
	ErrInvalid = errors.New("memory: not the address of a host")
)

// firstPort is where the search for a free port begins (RFC 6335 §6).
const firstPort = 49152

// Network is what its carriers have in common. Its methods may be called by several
// goroutines at once.
type Network struct {
	mu    sync.Mutex
	bound map[netip.AddrPort]*Carrier
	next  int // port to try first
	hook  Hook
	late  flights
	seq   uint64 // of the packet delayed last
	timer *time.Timer
}

// Packet is one datagram under way.
type Packet struct {
	From, To netip.AddrPort
	Data     []byte // to look at, not to change or to keep
	ECN      uint8  // the ECN bits of the IP header
}

// Hook decides about a packet when it is sent: how long it takes, and whether it
// arrives at all. It must not call the network or anything that sends.
type Hook func(Packet) (delay time.Duration, arrives bool)

// New returns a network on which all packets arrive at once.
func New() *Network { return &Network{bound: make(map[netip.AddrPort]*Carrier)} }

// SetHook makes f decide about all packets from now on; nil lets all arrive at once.
// Packets with the same delay arrive in order.
func (n *Network) SetHook(f Hook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = f
}

// Listen binds a carrier to one or more addresses, which makes it one of a multi-homed
// host. Port 0 is any free port, the same for all addresses that have it. Errors:
// ErrInUse, ErrInvalid.
func (n *Network) Listen(addrs ...netip.AddrPort) (*Carrier, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(addrs) == 0 {
		return nil, ErrInvalid
	}
	addrs = slices.Clone(addrs)
	free := n.freePort(addrs)
	for i, a := range addrs {
		ip, port := a.Addr().Unmap(), a.Port()
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			return nil, fmt.Errorf("%w: %v", ErrInvalid, a)
		}
		if port == 0 {
			port = free
		}
		addrs[i] = netip.AddrPortFrom(ip, port)
		if port == 0 || n.bound[addrs[i]] != nil {
			return nil, fmt.Errorf("%w: %v", ErrInUse, addrs[i])
		}
	}
	c := &Carrier{net: n, addrs: addrs}
	c.arrived.L = &c.mu
	for _, a := range addrs {
		n.bound[a] = c
	}
	return c, nil
}

// freePort finds a port that is free on all addresses; 0 if there is none.
func (n *Network) freePort(addrs []netip.AddrPort) uint16 {
	const ports = 1<<16 - firstPort
	for range ports {
		port := uint16(firstPort + n.next%ports)
		n.next++
		if !slices.ContainsFunc(addrs, func(a netip.AddrPort) bool {
			return n.bound[netip.AddrPortFrom(a.Addr().Unmap(), port)] != nil
		}) {
			return port
		}
	}
	return 0
}

// unbind frees the addresses of c.
func (n *Network) unbind(c *Carrier) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range c.addrs {
		delete(n.bound, a)
	}
}

// send puts the datagrams of d, from an address and port, under way. n.mu is held.
func (n *Network) send(from netip.AddrPort, d *carrier.Datagram) {
	to := netip.AddrPortFrom(d.Remote.Addr().Unmap(), d.Remote.Port())
	for data := range d.Segments() {
		p := Packet{From: from, To: to, Data: data, ECN: d.ECN}
		var delay time.Duration
		if n.hook != nil {
			var arrives bool
			if delay, arrives = n.hook(p); !arrives {
				continue
			}
		}
		p.Data = bytes.Clone(data)
		if delay <= 0 {
			n.deliver(&p)
			continue
		}
		n.seq++
		heap.Push(&n.late, &flight{at: time.Now().Add(delay), seq: n.seq, packet: p})
		n.arm()
	}
}

// deliver hands a packet to who is bound to its destination. n.mu is held.
func (n *Network) deliver(p *Packet) {
	if c := n.bound[p.To]; c != nil {
		c.put(p)
	}
}

// arm sets the timer for the next delayed packet. n.mu is held.
func (n *Network) arm() {
	if len(n.late) == 0 {
		return
	}
	wait := time.Until(n.late[0].at)
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.pump)
	} else {
		n.timer.Reset(wait)
	}
}

// pump delivers what is due.
func (n *Network) pump() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for now := time.Now(); len(n.late) > 0 && !n.late[0].at.After(now); {
		n.deliver(&heap.Pop(&n.late).(*flight).packet)
	}
	n.arm()
}

// flight is a packet that arrives later.
type flight struct {
	at     time.Time
	seq    uint64
	packet Packet
}

// flights is a heap, the next one first.
type flights []*flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	if f[i].at.Equal(f[j].at) {
		return f[i].seq < f[j].seq
	}
	return f[i].at.Before(f[j].at)
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(*flight)) }
func (f *flights) Pop() any {
	old := *f
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*f = old[:len(old)-1]
	return last
}
