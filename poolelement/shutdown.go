package poolelement

import (
	"context"
	"net"
	"sync"
)

// door is where sessions come in and leave.
type door struct {
	idle chan struct{} // closed when nobody comes in any more and nobody is left

	mu       sync.Mutex
	closed   bool // no new session
	ended    bool // no new closer
	sessions map[*Session]struct{}
	closers  sync.WaitGroup // sessions being closed in the background
}

func (d *door) init() {
	d.idle = make(chan struct{})
	d.sessions = make(map[*Session]struct{})
}

// shut lets nobody in any more and returns who is there.
func (d *door) shut() []*Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && len(d.sessions) == 0 {
		close(d.idle)
	}
	d.closed = true
	list := make([]*Session, 0, len(d.sessions))
	for s := range d.sessions {
		list = append(list, s)
	}
	return list
}

// enter notes a session; it fails if the element has closed meanwhile.
func (d *door) enter(s *Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.sessions[s] = struct{}{}
	return nil
}

// leave is the end of a session; the second time it does nothing.
func (d *door) leave(s *Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.sessions[s]; !in {
		return
	}
	delete(d.sessions, s)
	if d.closed && len(d.sessions) == 0 {
		close(d.idle)
	}
}

// background runs f in a goroutine that end waits for; after end it reports false.
func (d *door) background(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended {
		d.closers.Go(f)
	}
	return !d.ended
}

// end waits for the goroutines of background and lets no new one begin.
func (d *door) end() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.closers.Wait()
}

// Sessions returns the number of sessions that are open.
func (pe *PoolElement) Sessions() int {
	pe.door.mu.Lock()
	defer pe.door.mu.Unlock()
	return len(pe.door.sessions)
}

// Shutdown takes the element out of service: it deregisters (RFC 5352 §3.2), accepts
// no new sessions, waits until the existing ones have ended, and closes. When ctx
// ends first it closes at once and returns the error of ctx. An error of the
// deregistration is returned after all else is done.
func (pe *PoolElement) Shutdown(ctx context.Context) error {
	pe.drain()
	err := pe.leave(ctx)
	// Only now: users that resolved the pool just before still find the port open.
	_ = pe.listener.Close() // cannot fail
	pe.door.shut()
	select {
	case <-pe.door.idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if cerr := pe.Close(); err == nil {
		err = cerr
	}
	return err
}

// Close ends everything at once: pending calls of Accept fail, and sessions are
// aborted. At an ASAP endpoint of its own the element does not deregister, which
// Shutdown does: its association with the home registrar is closed, from which that
// concludes that the element is gone. At Config.Endpoint it deregisters, without
// waiting for the answer. It is idempotent.
func (pe *PoolElement) Close() error {
	pe.drain()
	if pe.listener != nil {
		_ = pe.listener.Close() // cannot fail
	}
	for _, s := range pe.door.shut() {
		s.abort("pool element closes")
	}
	pe.door.end()
	return pe.detach()
}
