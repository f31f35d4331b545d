package sctp

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/core"
)

// Shutdown ends the association gracefully (RFC 9260 §9.2): everything that was
// sent is delivered first. It returns when that is done; meanwhile messages of the
// peer can and should be received. If ctx ends first its error is returned and the
// shutdown goes on. The error is nil if the end was graceful. It is ErrIncomplete, and
// nothing happens, while a message is being sent piece by piece.
func (a *Association) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		now := time.Now()
		if err := a.core.Shutdown(now); err != nil {
			return publicError(err)
		}
		a.shutting = true
		a.turn(now)
		a.wakeAll() // writers fail from now on
	}
	var ended error
	for !a.done {
		if ended != nil {
			return ended
		}
		ended = a.wait(ctx, &a.changed, false)
	}
	return a.err
}

// Abort ends the association at once and tells the peer why (RFC 9260 §9.1): its
// calls fail with an *AbortError whose Reason is reason. Data that was not
// acknowledged is lost. Abort does nothing if the association has ended.
func (a *Association) Abort(reason string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abort(time.Now(), reason)
	return nil
}

// abort is Abort. The caller holds a.mu.
func (a *Association) abort(now time.Time, reason string) {
	if a.done {
		return
	}
	_ = a.core.Abort(now, []byte(reason)) // cannot fail: it has not ended
	a.turn(now)
	if !a.done {
		a.finish(&AbortError{Local: true})
	}
}

// Close ends the association gracefully within Config.Linger, else by an abort,
// and waits for that, but not for the last packet of a peer that has shut it down
// itself, which the stack awaits alone. It aborts at once if a message that is sent piece by piece was
// begun and not ended. Messages that nobody received are dropped, and so are those
// that still arrive. All blocked calls return net.ErrClosed. Close is idempotent.
// Its error is ErrShutdownTimeout if the graceful end took too long, else nil.
func (a *Association) Close() error {
	a.beginClose()
	if a.acknowledged() {
		return nil
	}
	err := a.endClose()
	a.stack.awaitRetired()
	return err
}

// beginClose starts the end and does not wait for it.
func (a *Association) beginClose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed, a.shutting = true, true
	now := time.Now()
	a.closeBy = now.Sub(a.stack.began) + a.settings.linger
	if a.streams != nil {
		a.streams.stopDeadlines()
	}
	defer a.wakeAll()
	if a.done {
		return
	}
	if !a.established || a.settings.linger < 0 {
		a.abort(now, "")
		return
	}
	a.core.Abandon(now) // what is sent piece by piece
	// What waits goes first: SHUTDOWN tells the peer nothing about the window that
	// this opens.
	a.turn(now)
	if a.done {
		return
	}
	if a.core.Shutdown(now) != nil {
		a.abort(now, "")
		return
	}
	a.turn(now)
}

// acknowledged says whether the peer has begun the end, and both have acknowledged all
// data, so that nothing is left but the answer to our SHUTDOWN ACK. The stack
// repeats that while it lives, as it does if it has not to end with the association.
func (a *Association) acknowledged() bool {
	if a.stack.auto.Load() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.done && a.core.State() == core.ShutdownAckSent
}

// endClose waits until the association has ended.
func (a *Association) endClose() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), a.stack.began.Add(a.closeBy))
	defer cancel()
	for !a.done {
		if err := a.wait(ctx, &a.changed, false); err != nil && !a.done {
			a.abort(time.Now(), "linger time is over")
			return ErrShutdownTimeout
		}
	}
	return nil
}

// discard drops what arrives after Close, so that a peer that sends gets to its
// shutdown instead of to a closed window. The caller holds a.mu.
func (a *Association) discard(now time.Time) bool {
	var scratch [4096]byte
	some := false
	for !a.done {
		if _, _, err := a.core.Receive(now, scratch[:]); err != nil {
			break
		}
		some = true
	}
	return some
}

// finish is the end of the association. The caller holds a.mu.
func (a *Association) finish(err error) {
	if a.done {
		return
	}
	a.done, a.err = true, err
	s := a.stack
	s.alarms.forget(a)
	if a.via != nil {
		a.via.pump.orphan(a)
	}
	s.demux.remove(a)
	s.ledger.leave(a)
	if err == nil {
		s.count.closed.Add(1)
		a.notify(AssocChange{State: AssocShutdown})
	} else {
		s.count.failed.Add(1)
		if abort := new(AbortError); errors.As(err, &abort) {
			s.count.aborted.Add(1)
		}
		a.notify(AssocChange{State: AssocLost, Err: err})
		if a.listener != nil {
			a.listener.drop(a)
		}
	}
	if a.tracer != nil {
		sum := a.counted()
		a.tracer.end(err, &sum)
	}
	if a.established && s.debugs() { // the address costs more than the question
		s.log.Debug("association ended", zap.Stringer("peer", a.remote()), zap.Error(err))
	}
	a.wakeAll()
	s.retire()
}

// wakeAll lets every blocked call look at the state again. The caller holds a.mu.
func (a *Association) wakeAll() {
	a.roused = a.roused || a.changed.waiting() || a.readers.waiting()
	a.changed.wakeAll()
	a.readers.wakeAll()
	a.writers.wakeAll()
	a.pieces.wakeAll()
	a.rest.wakeAll()
	a.tellPoller()
	if a.streams != nil {
		a.streams.wakeAll()
	}
	if a.events != nil {
		a.events.ready.wakeAll()
	}
}

// onRestart makes a restart by the peer visible (RFC 9260 §5.2.4 action A). Who
// asked for EventAssoc is told and goes on. For everybody else the association
// ends, since its streams begin anew and data may be lost; the new one that the
// peer believes to have goes to the listener of the port, if there is one. If there
// is none, or if messages from before the restart still wait to be read here, it is
// aborted, and the peer may try again. The caller holds a.mu.
func (a *Association) onRestart() {
	s := a.stack
	a.rekey = true
	s.log.Info("peer restarted the association", zap.Stringer("peer", a.remote()), zap.Uint16("port", a.ourPort))
	if a.settings.events&EventAssoc != 0 && !a.shutting {
		a.notify(AssocChange{State: AssocRestarted})
		return
	}
	l := s.demux.listener(a.ourPort, netip.Addr{})
	if l == nil || a.unread || !l.reserve() {
		now := time.Now()
		_ = a.core.Abort(now, []byte("restart not wanted")) // cannot fail
		a.transmit(now)
		a.finish(ErrRestarted)
		return
	}
	c := a.core
	a.finish(ErrRestarted)
	taken := a.counted()
	a.core, a.taken = nil, &taken
	l.enter(time.Now(), c, c.Stats(), nil)
}
