//go:build interop

package interop

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// The carriers here stand between our stack and its sockets, so that what they do
// needs no help of a kernel, follows from a seed, and works with every peer.

// An impairment is what a bad network does to packets, in both directions.
type impairment struct {
	seed    uint64
	loss    float64       // share of packets
	late    float64       // share of packets that come later than others, by delay
	mark    float64       // share of ECN-capable packets that are marked
	delay   time.Duration // of those
	latency time.Duration // of all, in order
	only    netip.Prefix  // the network that is bad; the zero Prefix: all
}

// impaired puts carriers behind a bad network.
func impaired(cs []carrier.Carrier, im impairment) []carrier.Carrier {
	out := make([]carrier.Carrier, len(cs))
	for i, c := range cs {
		b := &badCarrier{Carrier: c, im: im, rng: rand.New(rand.NewPCG(im.seed, uint64(i))),
			in: make(chan carrier.Datagram, 1024), closed: make(chan struct{})}
		b.inbound = b.wire(func(d carrier.Datagram) {
			select {
			case b.in <- d:
			case <-b.closed:
			}
		})
		b.outbound = b.wire(func(d carrier.Datagram) { _, _ = c.WriteBatch([]carrier.Datagram{d}) })
		out[i] = b
	}
	return out
}

// badCarrier loses packets, marks some, and lets some come late.
type badCarrier struct {
	carrier.Carrier
	im impairment

	mu  sync.Mutex
	rng *rand.Rand

	inbound, outbound chan<- delayed
	start             sync.Once
	in                chan carrier.Datagram
	closed            chan struct{}
	once              sync.Once

	nIn, nLost, nLate, nMarked atomic.Int64 // nIn: packets that have reached the socket
}

// delayed is a packet on its way.
type delayed struct {
	carrier.Datagram
	due time.Time
}

// wire is one direction: packets come out in the order in which they went in, each
// when it is due.
func (c *badCarrier) wire(deliver func(carrier.Datagram)) chan<- delayed {
	w := make(chan delayed, 1<<16)
	go func() {
		for {
			select {
			case d := <-w:
				time.Sleep(time.Until(d.due))
				deliver(d.Datagram)
			case <-c.closed:
				return
			}
		}
	}()
	return w
}

// A fate is what happens to a packet.
type fate struct{ lost, late, marked bool }

func (c *badCarrier) fate(d *carrier.Datagram) (f fate) {
	if c.im.only.IsValid() && !c.im.only.Contains(d.Remote.Addr()) {
		return f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// All numbers are always drawn, so that the fates depend on the count alone.
	f = fate{c.rng.Float64() < c.im.loss, c.rng.Float64() < c.im.late, c.rng.Float64() < c.im.mark && d.ECN != 0}
	switch {
	case f.lost:
		c.nLost.Add(1)
	case f.late:
		c.nLate.Add(1)
	}
	if f.marked {
		c.nMarked.Add(1)
	}
	return f
}

// carry puts the single packets of d that are not lost on a wire.
func (c *badCarrier) carry(d *carrier.Datagram, w chan<- delayed) {
	for p := range d.Segments() {
		f := c.fate(d)
		if f.lost {
			continue
		}
		one := delayed{*d, time.Now().Add(c.im.latency)}
		one.Data, one.SegmentSize = append([]byte(nil), p...), 0
		if f.marked {
			one.ECN = 3 // congestion experienced
		}
		if f.late {
			time.AfterFunc(c.im.delay, func() { w <- one })
		} else {
			w <- one
		}
	}
}

// MaxSegments leaves the packets single.
func (c *badCarrier) MaxSegments() int { return 1 }

// WriteBatch sends what is not lost.
func (c *badCarrier) WriteBatch(ds []carrier.Datagram) (int, error) {
	for i := range ds {
		c.carry(&ds[i], c.outbound)
	}
	return len(ds), nil
}

// ReadBatch returns what is not lost, one packet at a time.
func (c *badCarrier) ReadBatch(ds []carrier.Datagram) (int, error) {
	c.start.Do(func() { go c.receive(len(ds)) })
	select {
	case ds[0] = <-c.in:
		return 1, nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *badCarrier) receive(batch int) {
	ds := make([]carrier.Datagram, batch)
	for {
		n, err := c.Carrier.ReadBatch(ds)
		if err != nil {
			return
		}
		for i := range ds[:n] {
			c.nIn.Add(int64(ds[i].Count()))
			c.carry(&ds[i], c.inbound)
		}
	}
}

// Close closes the socket; what is under way is lost.
func (c *badCarrier) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Carrier.Close()
}

// A power switches carriers off at once: nothing leaves any more, not even the
// ABORT of an association that is closed. That is how a host dies.
type power struct{ off atomic.Bool }

// on puts carriers behind the switch.
func (p *power) on(cs []carrier.Carrier) []carrier.Carrier {
	out := make([]carrier.Carrier, len(cs))
	for i, c := range cs {
		out[i] = &switched{c, p}
	}
	return out
}

type switched struct {
	carrier.Carrier
	power *power
}

// WriteBatch drops everything while the power is off.
func (c *switched) WriteBatch(ds []carrier.Datagram) (int, error) {
	if c.power.off.Load() {
		return len(ds), nil
	}
	return c.Carrier.WriteBatch(ds)
}

// edited lets a function change the packets that leave, to say what our stack would
// not say.
func edited(cs []carrier.Carrier, edit func(packet []byte) []byte) []carrier.Carrier {
	out := make([]carrier.Carrier, len(cs))
	for i, c := range cs {
		out[i] = &editor{c, edit}
	}
	return out
}

type editor struct {
	carrier.Carrier
	edit func(packet []byte) []byte
}

// MaxSegments leaves the packets single.
func (c *editor) MaxSegments() int { return 1 }

// WriteBatch sends what the function makes of each packet, with a new checksum.
func (c *editor) WriteBatch(ds []carrier.Datagram) (int, error) {
	for i := range ds {
		d := ds[i]
		d.Data = c.edit(append([]byte(nil), d.Data...))
		binary.LittleEndian.PutUint32(d.Data[8:], 0)
		binary.LittleEndian.PutUint32(d.Data[8:], crc32.Checksum(d.Data, crc32.MakeTable(crc32.Castagnoli)))
		_, _ = c.Carrier.WriteBatch([]carrier.Datagram{d})
	}
	return len(ds), nil
}
