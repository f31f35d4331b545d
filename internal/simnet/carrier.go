package simnet

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// maxSegments is the number of segments that a written datagram may hold unless
// SetOffload says otherwise; Linux allows as many.
const maxSegments = 64

// Carrier is a carrier.Carrier on a simulated network. Time is that of the time
// package, so it belongs into a testing/synctest bubble.
type Carrier struct {
	net      *Network
	local    []netip.AddrPort // as asked for, with the port found
	bound    []netip.AddrPort // unspecified addresses expanded
	queue    inbox
	segments atomic.Int32
	closing  sync.Once
	closed   atomic.Bool
}

var (
	_ carrier.Carrier    = (*Carrier)(nil)
	_ carrier.Notifier   = (*Carrier)(nil)
	_ carrier.Fragmenter = (*Carrier)(nil)
)

func newCarrier(n *Network) *Carrier {
	c := &Carrier{net: n}
	c.queue.cond.L = &c.queue.mu
	c.segments.Store(maxSegments)
	return c
}

// SetOffload sets what MaxSegments returns (at least 1) and whether ReadBatch
// merges consecutive packets of the same size and addresses into one Datagram, as
// generic receive offload does. A new Carrier has 64 segments and does not merge.
func (c *Carrier) SetOffload(segments int, merge bool) {
	c.segments.Store(int32(max(segments, 1)))
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.queue.merge = merge
}

// ReadBatch implements carrier.Carrier.
func (c *Carrier) ReadBatch(ds []carrier.Datagram) (int, error) { return c.queue.get(ds) }

// WriteBatch implements carrier.Carrier. A datagram whose Local is not an address
// of the carrier, or to whose destination none of them fits, is dropped and
// counted as NoRoute.
func (c *Carrier) WriteBatch(ds []carrier.Datagram) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	now, sent := time.Now(), 0
	for i := range ds {
		from, ok := c.source(&ds[i])
		if !ok {
			c.net.note(now, NoRoute, &Packet{From: from, To: ds[i].Remote, Data: ds[i].Data, ECN: ds[i].ECN})
			continue
		}
		c.net.send(now, from, &ds[i])
		sent++
	}
	c.net.pump(now)
	return sent, nil
}

// source chooses the source address of dg: the first bound one that fits.
func (c *Carrier) source(dg *carrier.Datagram) (netip.AddrPort, bool) {
	for _, a := range c.bound {
		if a.Addr() == dg.Local || !dg.Local.IsValid() && a.Addr().Is4() == dg.Remote.Addr().Is4() {
			return a, true
		}
	}
	return netip.AddrPortFrom(dg.Local, 0), false
}

// MaxSegments implements carrier.Carrier.
func (c *Carrier) MaxSegments() int { return int(c.segments.Load()) }

// LocalAddrs implements carrier.Carrier.
func (c *Carrier) LocalAddrs() []netip.AddrPort { return slices.Clone(c.local) }

// Overhead implements carrier.Carrier: 8 bytes of UDP header.
func (c *Carrier) Overhead() int { return udpHeaderLen }

// DontFragment implements carrier.Fragmenter: true, see Link.MTU.
func (c *Carrier) DontFragment() bool { return true }

// SetNotify implements carrier.Notifier; see Network.SetICMP.
func (c *Carrier) SetNotify(f func(carrier.Notice)) {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.queue.notify = f
}

// Close implements carrier.Carrier.
func (c *Carrier) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		c.net.unbind(c)
		c.queue.close()
	})
	return nil
}
