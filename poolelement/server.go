package poolelement

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Handler serves one session.
type Handler interface {
	// ServeSession serves s and returns when it is done; the session is closed then.
	// ctx ends when the server stops waiting for its sessions.
	ServeSession(ctx context.Context, s *Session)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, s *Session)

// ServeSession calls f.
func (f HandlerFunc) ServeSession(ctx context.Context, s *Session) { f(ctx, s) }

// Server runs a handler for each session of a pool element.
type Server struct {
	// Handler serves the sessions, each in a goroutine of its own.
	Handler Handler
	// MaxSessions bounds how many there are at once; further users wait until the
	// handshake of their association times out. Zero: no limit. If the element's
	// policy has a load (RFC 5356 §5) and Config.Load is nil, that is kept at the part of
	// MaxSessions that is in use.
	MaxSessions int
	// Grace is how long sessions may go on after the context of Serve has ended.
	// Zero: 5 s. Negative: not at all.
	Grace time.Duration
}

const defaultGrace = 5 * time.Second

// Serve serves pe until ctx ends, then shuts it down, or until pe is shut down or
// closed by somebody else. It returns when all handlers have returned; the error is
// nil unless the deregistration failed or sessions outlived Grace.
func (srv *Server) Serve(ctx context.Context, pe *PoolElement) error {
	// Handlers go on while the element drains.
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var handlers sync.WaitGroup
	load := srv.newLoad(pe)
	if load != nil {
		handlers.Go(func() { load.run(hctx) })
	}
	slots := make(chan struct{}, max(srv.MaxSessions, 0))
	for srv.take(ctx, pe, slots) {
		s, err := pe.AcceptSession(ctx)
		if err != nil {
			break
		}
		load.add(1)
		handlers.Go(func() {
			defer func() {
				_ = s.Close() // the error is that the user did not confirm it
				load.add(-1)
				if srv.MaxSessions > 0 {
					<-slots
				}
			}()
			srv.Handler.ServeSession(hctx, s)
		})
	}
	err := srv.stop(ctx, pe)
	cancel()
	handlers.Wait()
	return err
}

// take waits for a free place. It reports whether to go on.
func (srv *Server) take(ctx context.Context, pe *PoolElement, slots chan struct{}) bool {
	if srv.MaxSessions <= 0 {
		return true
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-pe.Draining():
	}
	return false
}

// stop ends the service: by Shutdown within Grace if ctx has ended, else somebody
// else does it and Grace does not matter.
func (srv *Server) stop(ctx context.Context, pe *PoolElement) error {
	if ctx.Err() == nil {
		<-pe.door.idle
		return nil
	}
	grace := srv.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(grace, 0))
	defer cancel()
	err := pe.Shutdown(sctx)
	if errors.Is(err, net.ErrClosed) {
		return nil // closed by somebody else
	}
	return err
}

// load keeps the registered load of an element in step with its sessions.
type load struct {
	pe    *PoolElement
	limit int
	wake  chan struct{} // capacity 1: the number has changed

	mu  sync.Mutex
	now int
}

// newLoad returns nil, whose methods do nothing, if the load need not be registered, or
// if Config.Load says what it is.
func (srv *Server) newLoad(pe *PoolElement) *load {
	if srv.MaxSessions <= 0 || !pe.Policy().Type.HasLoad() || pe.cfg.load != nil {
		return nil
	}
	return &load{pe: pe, limit: srv.MaxSessions, wake: make(chan struct{}, 1)}
}

func (l *load) add(n int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.now += n
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// value is the load in the unit of RFC 5356 §3.1.
func (l *load) value() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rserpool.LoadOf(float64(l.now) / float64(l.limit))
}

// run registers the load again when it has changed, and then not for a while.
func (l *load) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		if !await(ctx, l.pe, l.wake) || !await(ctx, l.pe, pause.C) {
			return
		}
		l.pe.setLoad(l.value())
		pause.Reset(l.pe.cfg.loadInterval)
	}
}

// await waits for c. It reports whether to go on.
func await[T any](ctx context.Context, pe *PoolElement, c <-chan T) bool {
	select {
	case <-c:
		return true
	case <-pe.Draining():
	case <-ctx.Done():
	}
	return false
}
