package sctp

import (
	"context"
	"errors"
	"sync"
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
		ended = p.idle.wait(ctx, &p.mu, &p.waiters, false)
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

// push puts r at the end of the line.
func (p *Poller) push(r *Polled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.first = r
	} else {
		p.last.next = r
	}
	p.last = r
	p.idle.wakeOne()
}

// tell puts r in line. The caller holds assoc.mu.
func (r *Polled) tell() {
	if !r.busy {
		r.busy = true
		r.poller.push(r)
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
