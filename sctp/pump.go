package sctp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// A call that waits for its association can as well read the carrier itself. Where
// one association has it for its own and its messages come one at a time, as
// questions and answers do, that saves each message two switches between
// goroutines, and on a busy machine the awakening of a second processor, which
// cost more than all of the protocol.
//
// The goroutine of the carrier (Stack.read) lends its role: after a number of
// batches in a row that all woke a call of the same association it stands by.
// The next call of that association that has to wait takes the role, handles
// what comes in, and gives it up when it has what it waits for. The goroutine
// takes the role back as soon as anything else arrives, or when nobody read for a
// while: then the application is busy, or the line idle.
const (
	lendAfter  = 16               // batches in a row
	maxLend    = lendAfter << 10  // after vain attempts
	standbyFor = time.Millisecond // between two looks after the borrower
	maxDrive   = 32               // batches that do not wake the borrower
)

// pump is the role of reading a carrier.
type pump struct {
	on      bool // the carrier can be interrupted
	mu      sync.Mutex
	free    bool         // lent, and nobody reads
	lent    *Association // who may borrow the role; nil: it is not lent
	recall  bool         // the owner wants it back
	resume  chan struct{}
	batches atomic.Uint64 // read by borrowers

	// Of the owner.
	last   *Association // whom the latest batches were for
	streak int
	need   int
	timer  *time.Timer
}

func (p *pump) init(c carrier.Carrier) {
	_, p.on = c.(carrier.Interrupter)
	p.resume = make(chan struct{}, 1)
	p.need = lendAfter
}

// lend decides after a batch whether to stand by.
func (p *pump) lend(only *Association, roused bool) bool {
	if !p.on || only == nil || only != p.last {
		p.last, p.streak = only, 0
		return false
	}
	if roused {
		p.streak++
	}
	return roused && p.streak >= p.need
}

// offer lends the role to a, unless the call that was woken waits again already: it
// would not learn of it.
func (p *pump) offer(a *Association, waits uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waits != waits {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent, p.free, p.recall = a, true, false
	return true
}

// standby lends the role to a and returns when its owner has it back.
func (l *link) standby(a *Association) {
	p := &l.pump
	if !p.offer(a, l.reader.waits) {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(standbyFor)
	} else {
		p.timer.Reset(standbyFor)
	}
	seen, useful := p.batches.Load(), false
	for {
		select {
		case <-p.resume:
			p.timer.Stop()
			p.returned(useful)
			return
		case <-p.timer.C:
		}
		if n := p.batches.Load(); n != seen {
			seen = n
			p.timer.Reset(standbyFor)
			useful = true
			continue
		}
		p.mu.Lock()
		if p.free {
			p.lent, p.free = nil, false
			p.mu.Unlock()
			p.returned(false)
			return
		}
		p.recall = true
		p.mu.Unlock()
		l.Carrier.(carrier.Interrupter).Interrupt()
		<-p.resume
		p.returned(useful)
		return
	}
}

// returned sets how long the next streak has to be: longer if lending was in vain.
func (p *pump) returned(useful bool) {
	p.streak = 0
	if useful {
		p.need = lendAfter
	} else {
		p.need = min(2*p.need, maxLend)
	}
}

// borrow takes the role for a, if it is lent to it and free.
func (p *pump) borrow(a *Association) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.free || p.lent != a {
		return false
	}
	p.free = false
	return true
}

// giveBack ends the turn of a borrower; home returns the role to its owner.
func (p *pump) giveBack(home bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if home || p.recall {
		p.lent, p.recall = nil, false
		p.resume <- struct{}{}
		return
	}
	p.free = true
}

// wait is gate.wait for a call of an association that may read the carrier
// meanwhile. The caller holds a.mu.
func (a *Association) wait(ctx context.Context, g *gate, front bool) error {
	a.waits++
	l := a.via
	if l == nil || !l.pump.on || !l.pump.borrow(a) {
		return g.wait(ctx, &a.mu, &a.stack.waiters, front)
	}
	w := a.stack.waiters.get()
	g.add(w, front)
	a.mu.Unlock()
	woken := l.drive(a, w)
	a.mu.Lock()
	if !woken {
		return g.await(ctx, w, &a.mu, &a.stack.waiters)
	}
	a.stack.waiters.put(w)
	return nil
}

// drive reads the carrier for the blocked call w of a, and reports whether w was
// woken. If not, the call has to wait in the common way: the role went back because
// of what came in or because it took too long, since nobody tells a borrower of the
// end of its context.
func (l *link) drive(a *Association, w *waiter) bool {
	p, r := &l.pump, l.reader
	for range maxDrive {
		n, err := l.ReadBatch(r.batch[:])
		p.batches.Add(1)
		if err != nil || n == 0 {
			break // the owner will see the same error, or has called
		}
		r.deliver(time.Now(), r.batch[:n])
		select {
		case <-w.wake:
			p.giveBack(r.only != a)
			return true
		default:
		}
		if r.only != a {
			break
		}
	}
	p.giveBack(true)
	return false
}
