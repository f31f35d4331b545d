package registrar

import (
	"errors"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

const (
	// workers is how many goroutines read all connections without TLS. One at a time is
	// in the state machine.
	workers = 2
	// requestSize holds most requests of elements and users; longer ones may get memory of
	// their own.
	requestSize = 256
	// batchSize and batchBytes bound what is taken from a connection at once.
	batchSize  = 64
	batchBytes = 16 << 10
)

// batch is what a connection had to say, and the memory of a worker.
type batch struct {
	list []sctp.Message
	buf  []byte // of the messages; has room for more
}

// read has the messages of a connection handed to the state machine. A connection with
// TLS needs a goroutine of its own for that.
func (r *Registrar) read(c *conn) {
	if c.link != nil {
		r.tasks.Go(func() { r.readLink(c) })
		return
	}
	_ = r.poller.Add(c.assoc, c) // cannot fail: it was not added before
}

// work hands messages to the state machine, those of one connection as many at once as
// there are: they share a lock, and their answers packets. It never waits for a peer.
func (r *Registrar) work() {
	b := batch{list: make([]sctp.Message, 0, batchSize), buf: make([]byte, 0, batchBytes)}
	for {
		p, err := r.poller.Next(r.ctx)
		if err != nil {
			return
		}
		c := p.Tag.(*conn)
		err = b.fill(p)
		r.handle(c, &b)
		b.reset()
		if err != nil {
			r.lost(c, err)
			r.tasks.Go(func() { _ = c.assoc.Close() }) // ended already, or of no use
		}
		p.Done()
	}
}

// handle is the input of a batch.
func (r *Registrar) handle(c *conn, b *batch) {
	if len(b.list) == 0 {
		return
	}
	begin := time.Now()
	r.input(func(now time.Time) {
		for i := range b.list {
			r.core.Receive(now, c.id, uint32(b.list[i].PPID), b.list[i].Data)
		}
	})
	for took, i := time.Since(begin), 0; i < len(b.list); i++ {
		r.meters[kindOf(c.channel, b.list[i].Data)].observe(took)
	}
}

// fill takes what is there. An error is the end of the connection.
func (b *batch) fill(p *sctp.Polled) error {
	for len(b.list) < batchSize && cap(b.buf)-len(b.buf) > requestSize {
		room := b.buf[len(b.buf):cap(b.buf)]
		m, err := p.ReceiveMessage(room, maxMessage)
		if errors.Is(err, sctp.ErrWouldBlock) {
			return nil // that was all
		}
		if err != nil {
			return err
		}
		if cap(m.Data) == cap(room) { // it did fit
			b.buf = b.buf[:len(b.buf)+len(m.Data)]
		}
		b.list = append(b.list, m)
	}
	return nil
}

// reset forgets the messages.
func (b *batch) reset() {
	clear(b.list)
	b.list, b.buf = b.list[:0], b.buf[:0]
}
