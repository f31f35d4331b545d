package pooluser

import (
	"context"
	"errors"
)

// errMoved is the cause of the end of the context of an exchange whose session moves.
var errMoved = errors.New("pooluser: the session moves to another element")

// inExchange marks the context of an exchange; its value is not nil.
type inExchange struct{ s *Session }

// Exchange runs f, which sends a request and receives the answer. Should the session
// move to another element before f has returned, f is run again with that one: what was
// under way is lost with the element, and only what the application says may be
// repeated is. The calls of f must use the context that it gets; they fail when the
// session moves. Within an exchange a session moves by itself, also without OnFailover.
//
// Exchange returns the error of f, that of a failed fail-over, or that of ctx.
func (s *Session) Exchange(ctx context.Context, f func(ctx context.Context) error) error {
	if ctx.Value(inFailover{s}) != nil {
		return f(ctx) // the fail-over is what is run again
	}
	for {
		if _, err := s.acquire(ctx); err != nil {
			return err
		}
		moved, err := s.attempt(ctx, f)
		if err == nil || !moved || ctx.Err() != nil {
			return err
		}
	}
}

// attempt runs f once and reports whether the session moved meanwhile.
func (s *Session) attempt(ctx context.Context, f func(ctx context.Context) error) (moved bool, err error) {
	fctx, cancel := context.WithCancelCause(context.WithValue(ctx, inExchange{s}, true))
	defer cancel(nil)
	s.mu.Lock()
	if s.state != sessionUp {
		s.mu.Unlock()
		return true, errMoved // just now
	}
	s.exchanges[&fctx] = cancel
	s.mu.Unlock()
	err = f(fctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.exchanges, &fctx)
	return errors.Is(context.Cause(fctx), errMoved), err
}

// interrupt ends the contexts of the exchanges under way. The caller holds s.mu.
func (s *Session) interrupt() {
	for _, cancel := range s.exchanges {
		cancel(errMoved)
	}
}
