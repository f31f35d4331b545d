package ipsock

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// writeBatch is how many messages one sendmmsg takes at most.
const writeBatch = 64

// useBatches makes the socket read and write with recvmmsg and sendmmsg.
func (s *Socket) useBatches() error {
	d, err := detach(s.conn)
	if err != nil {
		return err
	}
	s.raw, s.detached = d, d
	detached := d.of(s.conn)
	var conn messageWriter = ipv6.NewPacketConn(detached)
	if s.is4() {
		conn = ipv4.NewPacketConn(detached)
	}
	s.reader, s.writer = newBatchReader(s), &batchWriter{s: s, conn: conn}
	return nil
}

// messageWriter is an ipv4.PacketConn or an ipv6.PacketConn.
type messageWriter interface {
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// batchWriter sends many pieces per system call.
type batchWriter struct {
	s    *Socket
	conn messageWriter
}

// outbox is the memory for one sendmmsg. All pointers between its parts are set
// once, so that filling it allocates nothing.
type outbox struct {
	messages [writeBatch]ipv4.Message
	pieces   [writeBatch]piece
	buffers  [writeBatch][1][]byte
	addrs    [writeBatch]net.UDPAddr
	ips      [writeBatch][16]byte
	controls [writeBatch][controlSpace]byte
}

var outboxes = sync.Pool{New: func() any {
	b := new(outbox)
	for i := range b.messages {
		b.messages[i].Buffers = b.buffers[i][:]
		b.messages[i].Addr = &b.addrs[i]
	}
	return b
}}

// write implements writer. Several callers work in parallel, each with its own
// outbox.
func (w *batchWriter) write(ds []carrier.Datagram, gso bool) (tally, error) {
	var t tally
	b := outboxes.Get().(*outbox)
	defer outboxes.Put(b)
	for c := (cutter{ds: ds}); c.index < len(ds); {
		n := b.fill(w.s, &c, gso && w.s.gso.Load())
		err := w.flush(ds, b, n, &t)
		clear(b.buffers[:n]) // do not keep what belongs to the caller
		clear(b.pieces[:n])
		if err != nil {
			return t, err
		}
	}
	t.reached = len(ds)
	return t, nil
}

// fill takes pieces from c until the outbox is full.
func (b *outbox) fill(s *Socket, c *cutter, gso bool) int {
	n := 0
	for n < len(b.messages) && c.index < len(c.ds) {
		p := c.next(gso)
		d := &c.ds[p.index]
		b.pieces[n] = p
		b.buffers[n][0] = p.data
		b.setAddr(n, d)
		b.messages[n].OOB = s.appendControl(b.controls[n][:0], d, p.segment)
		n++
	}
	return n
}

// setAddr sets the destination of message i.
func (b *outbox) setAddr(i int, d *carrier.Datagram) {
	a, ip := &b.addrs[i], d.Remote.Addr().Unmap()
	a.Port, a.Zone = int(d.Remote.Port()), ip.Zone()
	switch {
	case ip.Is4():
		four := ip.As4()
		a.IP = append(b.ips[i][:0], four[:]...)
	case ip.Is6():
		sixteen := ip.As16()
		a.IP = append(b.ips[i][:0], sixteen[:]...)
	default:
		a.IP = nil // refused by the kernel
	}
}

// flush sends the first n messages. The error is net.ErrClosed or nil.
func (w *batchWriter) flush(ds []carrier.Datagram, b *outbox, n int, t *tally) error {
	pending := icmpTries
	for done := 0; done < n; {
		k, err := w.conn.WriteBatch(b.messages[done:n], syscall.MSG_DONTWAIT)
		if err == nil && k > 0 {
			for i := range k {
				t.sent(&b.pieces[done+i])
			}
			if done += k; done < n {
				// Something stopped sendmmsg. It comes up again with the next
				// call unless it was an ICMP message, which it has used up.
				w.s.noticed.Store(true)
			}
			pending = icmpTries
			continue
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pending > 0 && w.s.fromICMP(err) {
			pending--
			continue
		}
		// The error concerns the first of the remaining messages.
		p := &b.pieces[done]
		t.reached = p.index
		if err := w.s.refused(&ds[p.index], p, err, t); err != nil {
			return err
		}
		done, pending = done+1, icmpTries
	}
	return nil
}

// icmpTries is how often a message is tried again because the error may be about an
// earlier one, of which an ICMP message told.
const icmpTries = 2
