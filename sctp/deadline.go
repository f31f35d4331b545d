package sctp

import (
	"sync"
	"time"
)

// deadline is the read or write deadline of a net.Conn. It is guarded by the
// lock of the object that waits; its timer exists only if one was ever set.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set moves the deadline to t; the zero time takes it away. When it passes,
// whoever waits at gs is woken. The caller holds mu.
func (d *deadline) set(t time.Time, mu sync.Locker, gs ...*gate) {
	d.at = t
	// The line moves at once: a new deadline may lie in the past.
	wakeAll(gs)
	if t.IsZero() {
		d.stop() // a callback on its way wakes waiters in vain
		return
	}
	left := max(time.Until(t), 0)
	if d.timer != nil {
		d.timer.Reset(left)
		return
	}
	d.timer = time.AfterFunc(left, func() {
		mu.Lock()
		defer mu.Unlock()
		// The deadline may have moved while the timer was on its way, or the wall
		// clock, if it is a wall clock time.
		if left := time.Until(d.at); left > 0 {
			d.timer.Reset(left)
			return
		}
		wakeAll(gs) // waiters look at passed
	})
}

func wakeAll(gs []*gate) {
	for _, g := range gs {
		g.wakeAll()
	}
}

// stop ends the timer, for an object that is closed.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// passed reports whether the deadline lies in the past. It costs nothing where
// none is set.
func (d *deadline) passed() bool {
	return !d.at.IsZero() && !time.Now().Before(d.at)
}
