package memory

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Carrier is the connection of a host to a Network.
type Carrier struct {
	net   *Network
	addrs []netip.AddrPort

	mu      sync.Mutex // taken after that of the network
	arrived sync.Cond
	queue   []Packet
	bytes   int
	closed  bool
}

var _ carrier.Carrier = (*Carrier)(nil)

// Limits of a carrier: what waits to be read, like the receive buffer of a socket, with
// an overhead for each packet; and the segments of a Datagram.
const (
	maxQueued   = 4 << 20
	perPacket   = 64
	maxSegments = 64
)

// ReadBatch implements carrier.Carrier.
func (c *Carrier) ReadBatch(ds []carrier.Datagram) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed && len(ds) > 0 {
		c.arrived.Wait()
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	n := min(len(ds), len(c.queue))
	for i, p := range c.queue[:n] {
		ds[i] = carrier.Datagram{Local: p.To.Addr(), Remote: p.From, Data: p.Data, ECN: p.ECN}
		c.bytes -= len(p.Data) + perPacket
	}
	c.queue = slices.Delete(c.queue, 0, n)
	return n, nil
}

// WriteBatch implements carrier.Carrier. What has no way to its destination gets lost.
func (c *Carrier) WriteBatch(ds []carrier.Datagram) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	n := 0
	for i := range ds {
		if from, ok := c.source(&ds[i]); ok {
			c.net.send(from, &ds[i])
			n++
		}
	}
	return n, nil
}

// source is where d is sent from: the address that it names, or the first that has
// the family of its destination.
func (c *Carrier) source(d *carrier.Datagram) (netip.AddrPort, bool) {
	local, remote := d.Local.Unmap(), d.Remote.Addr().Unmap()
	for _, a := range c.addrs {
		if a.Addr() == local || !local.IsValid() && a.Addr().Is4() == remote.Is4() {
			return a, true
		}
	}
	return netip.AddrPort{}, false
}

// put queues a packet, or drops it if there is no room.
func (c *Carrier) put(p *Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size := len(p.Data) + perPacket; !c.closed && c.bytes+size <= maxQueued {
		c.queue = append(c.queue, *p)
		c.bytes += size
		c.arrived.Signal()
	}
}

// MaxSegments implements carrier.Carrier: 64.
func (c *Carrier) MaxSegments() int { return maxSegments }

// LocalAddrs implements carrier.Carrier.
func (c *Carrier) LocalAddrs() []netip.AddrPort { return slices.Clone(c.addrs) }

// Overhead implements carrier.Carrier: 8 bytes, as in UDP.
func (c *Carrier) Overhead() int { return 8 }

func (c *Carrier) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Close implements carrier.Carrier. The addresses are free again.
func (c *Carrier) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed, c.queue = true, nil
	c.arrived.Broadcast()
	c.mu.Unlock()
	if first {
		c.net.unbind(c)
	}
	return nil
}
