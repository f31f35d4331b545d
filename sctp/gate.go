package sctp

import (
	"context"
	"sync"
)

// A gate is where calls wait for a condition of an object: data to read, room
// to write, a state. It is part of the object and guarded by its lock. Unlike
// sync.Cond it lets a context end the wait; and it allocates nothing per wait.
//
// Waiters stand in line. The one that is woken looks at its condition again; if
// it finds more than it needs it wakes the next (wakeOne), so that a thousand
// blocked writers do not all run for the room of one message.
type gate struct {
	first, last *waiter
}

// waiter is one blocked call.
type waiter struct {
	wake       chan struct{} // capacity 1
	prev, next *waiter
	queued     bool
	reads      *link // waits in the carrier, see pump
}

// waiterPool recycles waiters. It belongs to one Stack and not to the package,
// because the channels of a testing/synctest bubble must not leave it.
type waiterPool struct{ pool sync.Pool }

func (p *waiterPool) get() *waiter {
	if w, ok := p.pool.Get().(*waiter); ok {
		return w
	}
	return &waiter{wake: make(chan struct{}, 1)}
}

func (p *waiterPool) put(w *waiter) { p.pool.Put(w) }

// wait lets go of mu until somebody wakes the caller or ctx ends. The caller
// holds mu before and after, and looks at its condition again afterwards; an
// error is that of ctx. front puts the caller at the head of the line: it was
// woken before and has not got what it waits for.
func (g *gate) wait(ctx context.Context, mu sync.Locker, p *waiterPool, front bool) error {
	w := p.get()
	g.add(w, front)
	return g.await(ctx, w, mu, p)
}

// await waits for w, which stands in line.
func (g *gate) await(ctx context.Context, w *waiter, mu sync.Locker, p *waiterPool) error {
	mu.Unlock()
	var err error
	var done <-chan struct{}
	if ctx != nil { // nil is as good as context.Background: no reason to panic
		done = ctx.Done()
	}
	if done == nil {
		<-w.wake
	} else {
		select {
		case <-w.wake:
		case <-done:
			err = ctx.Err()
		}
	}
	mu.Lock()
	if err != nil && !g.remove(w) {
		// Somebody woke us in the same moment. That call was meant for one of
		// the line, so the next one gets it.
		<-w.wake
		g.wakeOne()
	}
	p.put(w)
	return err
}

func (g *gate) add(w *waiter, front bool) {
	w.queued = true
	switch {
	case g.first == nil:
		g.first, g.last = w, w
	case front:
		w.next, g.first.prev = g.first, w
		g.first = w
	default:
		w.prev, g.last.next = g.last, w
		g.last = w
	}
}

// remove takes w out of the line and reports whether it stood there.
func (g *gate) remove(w *waiter) bool {
	if !w.queued {
		return false
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		g.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		g.last = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	return true
}

// wakeOne wakes the first in line.
func (g *gate) wakeOne() {
	if w := g.first; w != nil {
		g.remove(w)
		l := w.reads
		w.wake <- struct{}{} // never blocks: capacity 1, once per wait
		if l != nil {
			l.rouse()
		}
	}
}

// wakeAll wakes everybody.
func (g *gate) wakeAll() {
	for g.first != nil {
		g.wakeOne()
	}
}

// waiting reports whether somebody stands in line.
func (g *gate) waiting() bool { return g.first != nil }
