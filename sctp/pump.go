package sctp

import (
	"context"
	"runtime"
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
// takes the role back as soon as anything else arrives, when another call would
// like to have it, or when nobody read for a while: then the application is busy, or
// the line idle.
//
// Associations that follow each other are as good as one: when the one ends, the next
// call of any takes its place, and Accept of the listener that let it in may do so
// before. So who opens and closes associations one after the other, or serves them
// that way, reads by itself, too.
const (
	lendAfter  = 16               // batches in a row
	maxLend    = lendAfter << 10  // after vain attempts
	standbyFor = time.Millisecond // between two looks after the borrower
	maxDrive   = 32               // batches that do not wake the borrower

	// A look wakes a thread, which costs the question that it meets its place among the
	// fast ones. So looks get rarer while the borrower reads at least that often.
	maxStandby = 8 * standbyFor
	busyLook   = 4 // batches in standbyFor

	// A goroutine that only goes from one system call to the next is never seen to be
	// rescheduled. After 10 ms the monitor of the Go runtime takes its processor away, and
	// looks every 20 µs for a while whether it can do so again. It does not if the goroutine
	// yields by itself.
	yieldAfter = 8 * time.Millisecond
)

// pump is the role of reading a carrier.
type pump struct {
	on      bool // the carrier can be interrupted
	mu      sync.Mutex
	away    bool         // its owner stands by
	free    bool         // away, and nobody reads
	lent    *Association // who may borrow the role; nil: nobody, or anyone
	poller  *Poller      // of lent: its calls may as well
	anyone  bool         // the one it was lent to has ended
	wanted  bool         // a call began to wait that could not borrow it
	recall  bool         // the owner wants it back
	resume  chan struct{}
	batches atomic.Uint64   // read by borrowers
	done    <-chan struct{} // ends the context of the call that borrowed last
	newDone bool            // it was another one before
	rare    bool            // the next look is later than standbyFor
	most    int             // that need may become

	// Of the borrower.
	now, yielded time.Time
	delivering   atomic.Bool

	// Of the owner.
	last   *Association // whom the latest batches were for
	ended  bool         // it has ended since
	streak int
	need   int
	timer  *time.Timer
}

func (p *pump) init(c carrier.Carrier) {
	_, p.on = c.(carrier.Interrupter)
	p.resume = make(chan struct{}, 1)
	p.need, p.most = lendAfter, maxLend
}

// lend decides after a batch whether to stand by.
func (p *pump) lend(r *reader) bool {
	switch {
	case !p.on:
		return false
	case r.mixed:
		p.last, p.streak = nil, 0
		return false
	case r.only == nil:
		return false // a packet that may open an association
	case r.only != p.last && !p.ended:
		p.streak = 0
	}
	p.last, p.ended = r.only, r.ended
	if r.roused {
		p.streak++
	}
	return r.roused && p.streak >= p.need
}

// offer lends the role to a, unless the call that was woken waits again already: it
// would not learn of it.
func (p *pump) offer(a *Association, waits uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.pollerOf()
	if q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
	}
	if a.waited() != waits {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away, p.free, p.wanted, p.recall = true, true, false, false
	p.lent, p.poller, p.anyone = a, q, false
	if a.done {
		p.lent, p.poller, p.anyone = nil, nil, true
	}
	return true
}

// orphan is told of the end of an association.
func (p *pump) orphan(a *Association) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent == a {
		p.lent, p.poller, p.anyone = nil, nil, true
	}
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
	seen, useful, period := p.batches.Load(), false, standbyFor
	var done <-chan struct{}
	for {
		ended := false
		select {
		case <-p.resume:
			p.timer.Stop()
			p.returned(useful)
			return
		case <-p.timer.C:
		case <-done:
			ended = true
		}
		if n := p.batches.Load(); n != seen && !ended {
			period, done = p.rest(period, n-seen)
			seen, useful = n, true
			continue
		}
		p.mu.Lock()
		if p.free {
			p.home()
			p.mu.Unlock()
			p.timer.Stop()
			p.returned(false)
			return
		}
		p.recall = true
		p.mu.Unlock()
		l.Carrier.(carrier.Interrupter).Interrupt()
		<-p.resume
		p.timer.Stop()
		p.returned(useful)
		return
	}
}

// rest sets the time of the next look, after a period with n batches, and returns what
// tells its owner meanwhile that the call that reads has to end. It looks often while
// each call has a context of its own.
func (p *pump) rest(period time.Duration, n uint64) (time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newDone || n < uint64(busyLook*period/standbyFor) {
		period = standbyFor
	} else {
		period = min(2*period, maxStandby)
	}
	p.newDone, p.rare = false, period > standbyFor
	p.timer.Reset(period)
	return period, p.done
}

// follow is told of the context of the call that borrows. The caller holds mu.
func (p *pump) follow(ctx context.Context) {
	var done <-chan struct{}
	if ctx != nil {
		done = ctx.Done()
	}
	if p.done == done {
		return
	}
	p.done, p.newDone = done, true
	if p.rare {
		p.rare = false
		p.timer.Reset(standbyFor)
	}
}

// home gives the role back to its owner. The caller holds mu.
func (p *pump) home() {
	p.away, p.free, p.lent, p.poller, p.anyone, p.recall = false, false, nil, nil, false, false
	p.done, p.newDone, p.rare = nil, false, false
}

// returned sets how long the next streak has to be: longer if lending was in vain.
func (p *pump) returned(useful bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streak = 0
	if useful {
		p.need = lendAfter
	} else {
		p.need = min(2*p.need, p.most)
	}
}

// borrow takes the role for a call of a, or of the listener l, if it is lent to that and
// free. If it is not, its owner gets it back, so that nobody waits for packets that
// nobody reads.
func (p *pump) borrow(ctx context.Context, a *Association, l *Listener) bool {
	if !p.on {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	may := p.anyone || p.lent != nil && (p.lent == a || l != nil && p.lent.listener == l)
	switch {
	case !p.free:
		p.wanted = p.away
		return false
	case !may:
		p.home()
		p.resume <- struct{}{}
		return false
	}
	p.follow(ctx)
	p.lent, p.anyone, p.free = a, a == nil, false
	return true
}

// giveBack ends the turn of a borrower; back returns the role to its owner.
func (p *pump) giveBack(back bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if back || p.recall || p.wanted {
		p.home()
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
	if l == nil {
		l = a.stack.onlyLink() // nothing has come in yet
	}
	if l == nil || !l.pump.borrow(ctx, a, nil) {
		return g.wait(ctx, &a.mu, &a.stack.waiters, front)
	}
	return l.lead(ctx, g, &a.mu, a, front)
}

// wait is that for a call of a listener, which holds l.mu.
func (l *Listener) wait(ctx context.Context) error {
	k := l.stack.onlyLink()
	if k == nil || !k.pump.borrow(ctx, nil, l) {
		return l.ready.wait(ctx, &l.mu, &l.stack.waiters, false)
	}
	return k.lead(ctx, &l.ready, &l.mu, nil, true) // it is the cheapest to wake
}

// lead is gate.wait for a call that has borrowed the role.
func (l *link) lead(ctx context.Context, g *gate, mu sync.Locker, a *Association, front bool) error {
	waiters := &l.reader.stack.waiters
	w := waiters.get()
	g.add(w, front)
	w.reads = l
	mu.Unlock()
	woken := l.drive(a, w)
	mu.Lock()
	w.reads = nil
	if !woken {
		return g.await(ctx, w, mu, waiters)
	}
	waiters.put(w)
	return nil
}

// drive reads the carrier for the blocked call w, of a or, if that is nil, of a
// listener, and reports whether w was woken. If not, the call has to wait in the common
// way: the role went back because of what came in or because it took too long, since
// nobody tells a borrower of the end of its context.
func (l *link) drive(a *Association, w *waiter) bool {
	p, r := &l.pump, l.reader
	for range maxDrive {
		if p.now.Sub(p.yielded) >= yieldAfter {
			p.yielded = p.now
			runtime.Gosched()
		}
		n, err := l.ReadBatch(r.batch[:])
		p.batches.Add(1)
		if err != nil || n == 0 {
			break // the owner will see the same error, or somebody has called
		}
		p.now = time.Now()
		p.delivering.Store(true)
		r.deliver(p.now, r.batch[:n])
		p.delivering.Store(false)
		others := r.mixed || a != nil && r.only != a
		select {
		case <-w.wake:
			p.giveBack(others)
			return true
		default:
		}
		if others || a == nil && r.roused {
			break
		}
	}
	p.giveBack(true)
	return false
}

// rouse makes the call that reads look whether it was woken. What wakes it is mostly
// what it has read, and it looks after that anyway.
func (l *link) rouse() {
	if !l.pump.delivering.Load() {
		l.Carrier.(carrier.Interrupter).Interrupt()
	}
}
