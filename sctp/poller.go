package sctp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// A Poller receives the messages of many associations in a few goroutines, for servers
// whose associations are idle most of the time: a goroutine that waits in Receive takes
// more memory than all else of an idle association.
//
//	var p sctp.Poller
//	… p.Add(a, client)              // for each association that was accepted
//	for {                           // in each of a handful of goroutines
//		r, err := p.Next(ctx)
//		if err != nil {
//			return err
//		}
//		for range 64 {              // then others have their turn
//			m, err := r.ReceiveMessage(buf, limit)
//			if err != nil {
//				break               // ErrWouldBlock, or the end
//			}
//			handle(r.Tag, m)
//		}
//		r.Done()
//	}
//
// Next hands each association to one caller at a time, so that its messages are handled
// in their order, and in the order in which associations got something to read. What
// nobody fetches stays in the receive buffer of its association, whose peer has to stop
// when that is full; others are not affected. A caller that blocks between Next and Done
// delays all that wait for its goroutine.
//
// The zero Poller is ready for use. It must not be copied. Its methods may be called by
// several goroutines at once. It needs no end: Next ends with its context.
type Poller struct {
	mu          sync.Mutex // taken after Association.mu
	first, last *Polled    // associations with something to read, the longest waiting first
	idle        gate       // Next
	waiters     waiterPool
	waits       atomic.Uint64 // calls of Next that had to wait; guarded by mu for writing
	via         *link         // where the latest news came in
}

// Polled is an association of a Poller. Between Next and Done it belongs to who called
// Next.
type Polled struct {
	// Tag is what was given to Poller.Add.
	Tag any

	poller *Poller
	assoc  *Association
	next   *Polled // in the line of the Poller, guarded by its mu

	// Guarded by assoc.mu.
	begun *Message // the part of a message that is there; the rest of it is still to come
	busy  bool     // in line or taken: news need not be told
	ended bool     // an error that is final was returned

	taken bool // Next returned it
}

// ErrPolled is Poller.Add of an association that has been added to one before.
var ErrPolled = errors.New("sctp: the association has a Poller already")

// Add has the messages of a received through the Poller from now on. It must not be
// received from in another way any more. Next returns it when there is something to
// read, which includes the end of the association, by whichever side, and its Close: its
// last turn ends with the error that a call of Association.ReceiveMessage would have
// got. The association stays the caller's to close. tag is for the caller. The
// error is ErrPolled if this is not the first Poller of a.
func (p *Poller) Add(a *Association, tag any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.polled != nil {
		return ErrPolled
	}
	a.polled = &Polled{Tag: tag, poller: p, assoc: a}
	if t := a.streams; t != nil && len(t.open) == 0 && !t.accept.waiting() {
		a.streams = nil // what came in so far was announced for AcceptStream
	}
	if a.polled.ready() {
		a.polled.tell()
	}
	return nil
}

// Next waits for an association with something to receive. The caller has it alone until
// it calls Done. The error is that of ctx; an association that waits beats a context that
// has ended.
func (p *Poller) Next(ctx context.Context) (*Polled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ended error
	for p.first == nil {
		if ended != nil {
			return nil, ended
		}
		ended = p.wait(ctx)
	}
	r := p.first
	if p.first, r.next = r.next, nil; p.first == nil {
		p.last = nil
	} else {
		p.idle.wakeOne()
	}
	r.taken = true
	return r, nil
}

// push puts r at the end of the line, and reports whether that lets a call go. The
// caller holds r.assoc.mu.
func (p *Poller) push(r *Polled) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.via = r.assoc.via
	if p.last == nil {
		p.first = r
	} else {
		p.last.next = r
	}
	p.last = r
	waiting := p.idle.waiting()
	p.idle.wakeOne()
	return waiting
}

// wait is gate.wait for a call of a Poller, which may read the carrier meanwhile, as that of
// an association does. The caller holds mu. Who waited last is woken first: its memory
// is warm.
func (p *Poller) wait(ctx context.Context) error {
	p.waits.Add(1)
	if p.via == nil || !p.via.pump.borrowFor(ctx, p) {
		return p.idle.wait(ctx, &p.mu, &p.waiters, true)
	}
	return p.via.lead(ctx, &p.idle, &p.mu, nil, true)
}

// borrowFor is borrow for a call of a Poller.
func (p *pump) borrowFor(ctx context.Context, q *Poller) bool {
	if !p.on {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.free && (p.anyone || p.poller == q):
		p.follow(ctx)
		p.free = false
		return true
	case p.free: // another's, who does not use it
		p.home()
		p.resume <- struct{}{}
	case p.poller != q: // else another call of q has it
		p.wanted = p.away
	}
	return false
}

// pollerOf is the Poller of a, nil if it has none. The caller holds a.mu.
func (a *Association) pollerOf() *Poller {
	if a.polled == nil {
		return nil
	}
	return a.polled.poller
}

// waited counts the calls that had to wait for a, or for any association of its Poller.
// The caller holds a.mu.
func (a *Association) waited() uint64 {
	if q := a.pollerOf(); q != nil {
		return a.waits + q.waits.Load()
	}
	return a.waits
}

// tell puts r in line. The caller holds assoc.mu.
func (r *Polled) tell() {
	if !r.busy {
		r.busy = true
		if r.poller.push(r) {
			r.assoc.roused = true
		}
	}
}

// tellPoller is what lets calls go that wait to receive, for a Poller. The caller holds
// a.mu.
func (a *Association) tellPoller() {
	if a.polled != nil {
		a.polled.tell()
	}
}

// Association returns the association.
func (r *Polled) Association() *Association { return r.assoc }

// Done gives the association back: it is in line again if there is more to read, else
// when something comes. After an error other than ErrWouldBlock and *MessageSizeError
// that was its last turn, unless a restart of the peer took a part of a message away.
func (r *Polled) Done() {
	a := r.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.taken {
		return
	}
	r.taken = false
	if r.ended {
		r.begun = nil
		return // and stays busy
	}
	if r.busy = false; r.ready() {
		r.tell()
	}
}

// ready says whether ReceiveMessage had something to return. The caller holds assoc.mu.
func (r *Polled) ready() bool {
	a := r.assoc
	if a.closed || a.core == nil {
		return true
	}
	if r.begun != nil {
		_, _, more := a.core.NextStreamMessage(r.begun.Stream)
		return more || a.drained(a.tornStream(r.begun.Stream)) != nil
	}
	return a.core.Readable() || a.drained(a.core.Torn()) != nil
}
