package core

import "time"

// timerID names the timers of an association; T3-rtx and heartbeat belong to the
// paths.
type timerID uint8

const (
	timerT1Init     timerID = iota // INIT unanswered, RFC 9260 §5.1
	timerT1Cookie                  // COOKIE ECHO unanswered, §5.1.4
	timerT2Shutdown                // SHUTDOWN or SHUTDOWN ACK unanswered, §9.2
	timerT5Guard                   // the whole shutdown, §9.2
	timerSack                      // delayed acknowledgement, §6.2
	timerProbe                     // next zero window probe, §6.1 A
	timerTrim                      // give pooled memory back when idle
	timerExpiry                    // the life time of a message may be over, §11.1.5
	timerCount
)

// timers is the deadlines, as times since base: a third of the size that points in
// time would have. 0 means not running.
type timers struct {
	base time.Time // well before the first deadline
	at   [timerCount]time.Duration
}

// set starts the timer, whether it runs or not.
func (t *timers) set(id timerID, when time.Time) {
	if t.base.IsZero() {
		t.base = when.Add(-time.Hour)
	}
	if t.at[id] = when.Sub(t.base); t.at[id] == 0 {
		t.at[id] = 1
	}
}

// setEarlier starts the timer, unless it expires no later as it is.
func (t *timers) setEarlier(id timerID, when time.Time) {
	if !t.running(id) || when.Before(t.base.Add(t.at[id])) {
		t.set(id, when)
	}
}

func (t *timers) stop(id timerID)         { t.at[id] = 0 }
func (t *timers) running(id timerID) bool { return t.at[id] != 0 }
func (t *timers) stopAll()                { *t = timers{} }

// expired stops the timer and reports true if its time has come.
func (t *timers) expired(id timerID, now time.Time) bool {
	if t.at[id] == 0 || t.at[id] > now.Sub(t.base) {
		return false
	}
	t.at[id] = 0
	return true
}

// next is the earliest deadline, the zero time if no timer runs.
func (t *timers) next() time.Time {
	var next time.Duration
	for _, at := range t.at {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if next == 0 {
		return time.Time{}
	}
	return t.base.Add(next)
}

// shift moves all deadlines.
func (t *timers) shift(d time.Duration) {
	if !t.base.IsZero() {
		t.base = t.base.Add(d)
	}
}

// earliest folds a deadline into the next one; the zero time is none.
func earliest(next, when time.Time) time.Time {
	if when.IsZero() || !next.IsZero() && next.Before(when) {
		return next
	}
	return when
}

// NextTimeout is when HandleTimeout must be called next, false if never.
func (a *Association) NextTimeout() (time.Time, bool) {
	next := a.timers.next()
	for _, p := range a.paths.All {
		next = earliest(next, p.T3)
		next = earliest(next, p.LossProbeAt())
		next = earliest(next, p.Heartbeat.At)
		next = earliest(next, p.Heartbeat.Expires)
		next = earliest(next, p.Discovery.At)
		next = earliest(next, p.Hold)
	}
	return next, !next.IsZero()
}

// maxSkew is how far time may run backwards between inputs without the clock
// having been set: callers read the clock before they take their lock.
const maxSkew = time.Second

// read takes the time of an input. Should the clock have been set back, all
// deadlines move along, or nothing would happen until it has caught up.
func (a *Association) read(now time.Time) time.Time {
	back := a.now.Sub(now)
	switch {
	case back <= 0 || a.now.IsZero():
	case back < maxSkew:
		return a.now
	default:
		a.timers.shift(-back)
		for _, p := range a.paths.All {
			p.Shift(-back)
		}
		a.tx.queue.Shift(-back)
		a.lastUse -= int64(back)
		if a.hs != nil {
			a.hs.sentAt = a.hs.sentAt.Add(-back)
		}
	}
	a.now = now
	return now
}

// HandleTimeout does what is due at now. Calling it early does no harm.
func (a *Association) HandleTimeout(now time.Time) {
	if a.state == Closed {
		return
	}
	now = a.read(now)
	if a.timers.expired(timerT1Init, now) {
		a.onT1Init(now)
	}
	if a.timers.expired(timerT1Cookie, now) {
		a.onT1Cookie(now)
	}
	if a.timers.expired(timerT5Guard, now) {
		a.abort(now, ErrShutdownTimeout, nil)
	}
	if a.timers.expired(timerT2Shutdown, now) {
		a.onT2Shutdown(now)
	}
	if a.timers.expired(timerSack, now) {
		a.rx.sackNow = true
	}
	if a.timers.expired(timerProbe, now) {
		a.tx.probe = true
	}
	if a.timers.expired(timerTrim, now) {
		a.trim(now)
	}
	if a.timers.expired(timerExpiry, now) {
		a.expire(now)
	}
	for _, p := range a.paths.All {
		if a.state == Closed {
			return
		}
		if !p.T3.IsZero() && !p.T3.After(now) {
			a.onT3(now, p)
		}
		if at := p.LossProbeAt(); !at.IsZero() && !at.After(now) {
			a.onSilence(now, p)
		}
		a.onHeartbeatTimers(now, p)
		a.onDiscoveryTimer(now, p)
		if !p.Hold.After(now) {
			p.Hold = time.Time{}
		}
	}
}

// trimAfter is how long an association is idle before its pools are emptied, trimSoon how
// long if it was idle that long before and has not been busy since: an exchange of
// messages each few seconds is no reason to keep memory for the next one.
const (
	trimAfter = 5 * time.Second
	trimSoon  = time.Second
)

func (a *Association) trimDelay() time.Duration {
	if a.sparse {
		return trimSoon
	}
	return trimAfter
}

// touch postpones the emptying of the pools.
func (a *Association) touch(now time.Time) {
	a.lastUse = now.UnixNano()
	if !a.timers.running(timerTrim) {
		a.timers.set(timerTrim, now.Add(a.trimDelay()))
	}
}

func (a *Association) trim(now time.Time) {
	idle := time.Duration(now.UnixNano() - a.lastUse)
	if idle < trimSoon/2 {
		a.sparse = false
	}
	if after := a.trimDelay(); idle < after {
		a.timers.set(timerTrim, now.Add(after-idle))
		return
	}
	a.sparse = true
	a.tx.queue.Trim()
	a.tx.out.Trim()
	a.rx.inbox.Trim()
	a.rx.tsn.Trim()
	a.ev.trim()
	a.out.shrink()
	a.sack = nil
}
