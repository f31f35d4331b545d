package asaplink

import (
	"context"
	"os"
	"sync"
	"time"
)

// Deadline is a read or write deadline as net.Conn has them. It can be moved while
// calls wait for it. The zero value is no deadline.
type Deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{} // closed when the deadline has passed
}

// Set moves the deadline; the zero time takes it away.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.done // the timer is closing it
	}
	d.timer = nil
	passed := d.passed()
	switch wait := time.Until(t); {
	case t.IsZero(), wait > 0:
		if passed || d.done == nil {
			d.done = make(chan struct{})
		}
		if !t.IsZero() {
			done := d.done
			d.timer = time.AfterFunc(wait, func() { close(done) })
		}
	case !passed:
		if d.done == nil {
			d.done = make(chan struct{})
		}
		close(d.done)
	}
}

// Passed reports whether the deadline has passed.
func (d *Deadline) Passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed()
}

// passed reports whether the deadline has passed. The caller holds d.mu.
func (d *Deadline) passed() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// Context returns a context that ends when the deadline passes, however that is
// moved meanwhile. Its error is os.ErrDeadlineExceeded.
func (d *Deadline) Context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return deadlineContext{context.Background(), d.done}
}

type deadlineContext struct {
	context.Context
	done chan struct{}
}

func (c deadlineContext) Done() <-chan struct{} { return c.done }

func (c deadlineContext) Err() error {
	select {
	case <-c.done:
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}
