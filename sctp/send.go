package sctp

import (
	"context"
	"math"
	"net"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// Send sends a message, or a piece of one (see Message.Partial). It blocks while the
// send buffer is full. Data is copied.
//
// The error is net.ErrClosed after Close, ErrShutdown after either end began a
// graceful shutdown, the reason if the association failed, that of ctx if it ended
// before there was room, a *MessageSizeError, a *StreamError, a *PathError or a
// *ParameterError, or, for a piece that is not the first, ErrExpired. If there is an
// error nothing of m is sent.
func (a *Association) Send(ctx context.Context, m *Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.send(ctx, m, nil)
}

// TrySend is Send without waiting: it returns ErrWouldBlock while the send buffer
// is full.
func (a *Association) TrySend(m *Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trySend(m)
}

// trySend gives a message to the machine and runs the turn. The caller holds a.mu.
func (a *Association) trySend(m *Message) error {
	if err := a.writeError(); err != nil {
		return err
	}
	if m == nil {
		m = &Message{}
	}
	if m.Lifetime < 0 {
		return &ParameterError{Name: "Message.Lifetime", Value: m.Lifetime, Min: time.Duration(0), Max: time.Duration(math.MaxInt64)}
	}
	now, waits := a.now, m.More && !m.NoBundle
	if !waits || a.held == 0 { // else the turn that is due will look at the clock
		now = time.Now()
	}
	out := m.outgoing()
	switch err := a.core.Send(now, &out, m.Data); {
	case err == nil:
		switch a.held += len(m.Data); {
		case !waits:
			a.turn(now)
		case a.held >= maxHeld:
			a.turn(time.Now())
		case a.held == len(m.Data):
			a.hold(now)
		}
		return nil
	case err == core.ErrWouldBlock:
		if a.held > 0 || a.core.Writing(m.Stream) {
			a.turn(time.Now()) // or there would never be room
		}
		return err
	default:
		return a.sendError(m, err)
	}
}

// sendError is the reason why the machine refused a message, with the value that it
// did not like. The caller holds a.mu.
func (a *Association) sendError(m *Message, err error) error {
	switch err {
	case core.ErrMessageTooLarge, core.ErrEmptyMessage:
		return &MessageSizeError{Size: len(m.Data), Max: a.settings.maxMessage}
	case core.ErrInvalidStream:
		return &StreamError{Stream: m.Stream, Streams: a.core.OutStreams()}
	case core.ErrNoPath:
		return &PathError{Path: detached(m.Path)}
	case core.ErrShuttingDown, core.ErrClosed:
		return ErrShutdown
	}
	return publicError(err)
}

// send waits for room and sends. s is the stream whose write deadline applies, or
// nil. The caller holds a.mu.
func (a *Association) send(ctx context.Context, m *Message, s *Stream) error {
	var ended error
	for woken := false; ; woken = true {
		if s != nil {
			if err := s.writable(); err != nil {
				return err
			}
		}
		err := a.trySend(m)
		if err != ErrWouldBlock {
			// There may be room for the next in line as well, or it should see the
			// same error.
			if woken {
				a.writers.wakeOne()
			}
			return err
		}
		if ended != nil {
			return ended
		}
		line := &a.writers
		if a.core.Writing(m.Stream) {
			line = &a.pieces // others in line may wait for the end of its message
		}
		ended = a.wait(ctx, line, woken)
	}
}

// CancelMessage gives up a message that is being sent piece by piece (see
// Message.Partial) and is not complete, so that what is sent next on its stream
// begins another. The peer does not notice. The error is ErrIncomplete if the message
// was begun: then it has to be completed, or the association aborted. It is nil if
// there is no such message.
func (a *Association) CancelMessage(id StreamID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writeError(); err != nil {
		return err
	}
	now := time.Now()
	if err := a.core.Cancel(now, id); err != nil {
		return publicError(err)
	}
	a.turn(now)
	return nil
}

// writeError says why nothing can be sent at all. The caller holds a.mu.
func (a *Association) writeError() error {
	switch {
	case a.closed:
		return net.ErrClosed
	case a.done && a.err != nil:
		return a.err
	case a.done:
		return ErrShutdown
	}
	return nil
}
