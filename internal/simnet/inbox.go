package simnet

import (
	"net"
	"sync"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// inboxBytes bounds the bytes that wait in a carrier, like a socket's receive
// buffer; each packet counts inboxPacket bytes more.
const (
	inboxBytes  = 4 << 20
	inboxPacket = 64
)

// inboxNotices bounds the ICMP messages that wait.
const inboxNotices = 256

// maxMerged bounds the payload of datagrams merged on receive, as UDP does.
const maxMerged = 1<<16 - 1

// inbox is the receive queue of a carrier. Waiting uses a sync.Cond, which is
// durably blocking in a synctest bubble.
type inbox struct {
	mu     sync.Mutex
	cond   sync.Cond
	packs  []Packet
	bytes  int
	icmp   []*carrier.Notice
	notify func(carrier.Notice)
	merge  bool
	closed bool
}

// put appends p; false if the queue is full or closed.
func (q *inbox) put(p Packet) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.bytes+len(p.Data)+inboxPacket > inboxBytes {
		return false
	}
	q.packs = append(q.packs, p)
	q.bytes += len(p.Data) + inboxPacket
	q.cond.Signal()
	return true
}

// get fills ds with at least one datagram and blocks until there is one.
func (q *inbox) get(ds []carrier.Datagram) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.hand(); len(q.packs) == 0 && !q.closed; q.hand() {
		if len(q.icmp) == 0 {
			q.cond.Wait()
		}
	}
	if q.closed {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(ds) && len(q.packs) > 0 {
		ds[n] = q.take()
		n++
	}
	if len(q.packs) == 0 {
		q.packs = nil // let the array and the taken packets go
	}
	return n, nil
}

// putNotice appends an ICMP message.
func (q *inbox) putNotice(n *carrier.Notice) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.notify != nil && !q.closed && len(q.icmp) < inboxNotices {
		q.icmp = append(q.icmp, n)
		q.cond.Signal()
	}
}

// hand passes on the ICMP messages. It unlocks q meanwhile.
func (q *inbox) hand() {
	notices, f := q.icmp, q.notify
	q.icmp = nil
	if f == nil || len(notices) == 0 {
		return
	}
	q.mu.Unlock()
	defer q.mu.Lock()
	for _, n := range notices {
		f(*n)
	}
}

// take removes the first packet, with those that merge into it.
func (q *inbox) take() carrier.Datagram {
	first := q.packs[0]
	run, total := 1, len(first.Data)
	for q.merge && run < len(q.packs) && run < maxSegments {
		p := &q.packs[run]
		if p.From != first.From || p.To != first.To || p.ECN != first.ECN || len(p.Data) == 0 ||
			len(p.Data) > len(first.Data) || total+len(p.Data) > maxMerged {
			break
		}
		total += len(p.Data)
		run++
		if len(p.Data) < len(first.Data) {
			break // a short one ends a merged datagram
		}
	}
	dg := first.Datagram()
	if run > 1 {
		dg.SegmentSize = len(first.Data)
		dg.Data = make([]byte, 0, total)
		for i := range run {
			dg.Data = append(dg.Data, q.packs[i].Data...)
		}
	}
	q.packs = q.packs[run:]
	q.bytes -= total + run*inboxPacket
	return dg
}

// close drops what waits and wakes the reader.
func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.packs, q.bytes = true, nil, 0
	q.cond.Broadcast()
}
