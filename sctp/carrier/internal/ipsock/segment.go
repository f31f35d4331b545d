package ipsock

import (
	"errors"
	"net"

	"github.com/rserpool/rserpool/sctp/carrier"
)

const (
	// maxSegments is the number of segments in one write that every Linux kernel
	// with UDP_SEGMENT takes.
	maxSegments = 64
	// maxPayload is the largest payload in bytes of a UDP datagram over IPv4; runs
	// in one write obey it too.
	maxPayload = 65535 - 20 - 8
)

// piece is what one system call sends: a datagram, or a run of them.
type piece struct {
	index   int // of the element in the batch
	data    []byte
	segment int // size of the segments, 0 for one datagram
}

// count returns how many datagrams the piece is.
func (p *piece) count() int {
	d := carrier.Datagram{Data: p.data, SegmentSize: p.segment}
	return d.Count()
}

// cutter cuts a batch into pieces.
type cutter struct {
	ds     []carrier.Datagram
	index  int
	offset int
}

// next returns the next piece, as long as the kernel takes it with gso, else one
// datagram. The batch must not be at its end.
func (c *cutter) next(gso bool) piece {
	d := &c.ds[c.index]
	rest, size := d.Data[c.offset:], d.SegmentSize
	p := piece{index: c.index, data: rest}
	if size > 0 && len(rest) > size {
		n := 1
		if gso {
			n = max(min(maxSegments, maxPayload/size), 1)
		}
		if n*size < len(rest) {
			p.data = rest[:n*size]
		}
		if len(p.data) > size {
			p.segment = size
		}
	}
	c.offset += len(p.data)
	if c.offset == len(d.Data) {
		c.index, c.offset = c.index+1, 0
	}
	return p
}

// tally is the outcome of a write.
type tally struct {
	datagrams, bytes int // taken by the kernel
	reached          int // elements dealt with
	incomplete       int // elements of which something was dropped
	last             int // index of the last of them, plus one
}

// sent notes that the kernel took p.
func (t *tally) sent(p *piece) {
	t.datagrams += p.count()
	t.bytes += len(p.data)
}

// dropped notes that a part of element index was dropped.
func (t *tally) dropped(index int) {
	if t.last != index+1 {
		t.incomplete, t.last = t.incomplete+1, index+1
	}
}

// add takes over the outcome of a write of the elements that follow.
func (t *tally) add(o *tally) {
	t.datagrams += o.datagrams
	t.bytes += o.bytes
	t.reached += o.reached
	t.incomplete += o.incomplete
}

// refused handles a piece of d that the kernel did not take because of err: a run
// is tried again as single datagrams, since the offload may be what is wrong;
// anything else is dropped. If not all of the datagrams are taken either, it was not
// the offload: the last one of a run may be shorter, and pass where the others do
// not. The error is net.ErrClosed or nil.
func (s *Socket) refused(d *carrier.Datagram, p *piece, err error, t *tally) error {
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	if p.segment == 0 || !gsoFailure(err) {
		s.count.drop(p.count(), err)
		t.dropped(p.index)
		return nil
	}
	s.count.gsoFallbacks.Add(1)
	run := *d
	run.Data = p.data
	again, closed := s.writer.write([]carrier.Datagram{run}, false)
	t.datagrams += again.datagrams
	t.bytes += again.bytes
	if again.incomplete > 0 {
		t.dropped(p.index)
	}
	if gsoBroken(err, again.incomplete == 0) {
		s.gso.Store(false)
	}
	return closed
}
