package registrar

import (
	"errors"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

const (
	// requestSize holds most requests of elements and users. Each connection has a buffer
	// of that size for the message that it waits for; longer ones get memory of their own.
	requestSize = 256
	// batchSize and batchBytes bound what is taken from a connection at once.
	batchSize  = 64
	batchBytes = 16 << 10
)

// batch is what a connection had to say.
type batch struct {
	list []sctp.Message
	buf  []byte // of the messages; has room for more
}

// batches are those that nobody uses.
var batches = sync.Pool{New: func() any {
	return &batch{list: make([]sctp.Message, 0, batchSize), buf: make([]byte, 0, batchBytes)}
}}

// read hands the messages of a connection to the state machine, as many at once as there
// are: they share a lock, and their answers packets.
func (r *Registrar) read(c *conn) {
	if c.link != nil {
		r.readLink(c)
		return
	}
	first := make([]byte, requestSize)
	for {
		m, err := c.assoc.ReceiveMessage(r.ctx, first, maxMessage)
		if err == nil {
			b := batches.Get().(*batch)
			err = b.fill(c.assoc, m)
			begin := time.Now()
			r.input(func(now time.Time) {
				for i := range b.list {
					r.core.Receive(now, c.id, uint32(b.list[i].PPID), b.list[i].Data)
				}
			})
			for took, i := time.Since(begin), 0; i < len(b.list); i++ {
				r.meters[kindOf(c.channel, b.list[i].Data)].observe(took)
			}
			b.release()
		}
		if err != nil {
			r.lost(c, err)
			_ = c.assoc.Close() // ended already, or of no use
			return
		}
	}
}

// fill takes what is there beside the first message. An error is the end of the
// connection.
func (b *batch) fill(a *sctp.Association, first sctp.Message) error {
	b.list = append(b.list, first)
	for len(b.list) < batchSize && cap(b.buf)-len(b.buf) > requestSize {
		room := b.buf[len(b.buf):cap(b.buf)]
		m, err := a.TryReceiveMessage(room, maxMessage)
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

// release gives b back.
func (b *batch) release() {
	clear(b.list)
	b.list, b.buf = b.list[:0], b.buf[:0]
	batches.Put(b)
}
