package pooluser

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// ErrNoElement says that a pool has no element that can be dialed: none with an address
// and a transport that will do, or none that the policy would select.
var ErrNoElement = errors.New("pooluser: no usable element in the pool")

// PoolUser resolves pool handles and opens sessions. Its methods may be called by
// several goroutines at once. A program needs one.
type PoolUser struct {
	cfg      *setup
	stack    *sctp.Stack
	ownStack bool
	agent    *asaplink.Agent
	counts   counts

	mu       sync.Mutex
	waiting  map[rserpool.PoolHandle][]chan core.Resolution // under the agent's lock, too
	pools    map[rserpool.PoolHandle]*pool
	sessions map[*Session]struct{}
	closed   bool
	ended    bool           // no new closer
	closing  chan struct{}  // closed by Close
	closers  sync.WaitGroup // sessions being closed in the background
}

// New returns a PoolUser, which must be closed. It contacts a registrar when it is
// used first.
func New(cfg *Config) (*PoolUser, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	s, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	pu := &PoolUser{
		cfg: s, stack: cfg.Stack, closing: make(chan struct{}),
		waiting:  make(map[rserpool.PoolHandle][]chan core.Resolution),
		pools:    make(map[rserpool.PoolHandle]*pool),
		sessions: make(map[*Session]struct{}),
	}
	pu.counts.s.Since = time.Now()
	if pu.stack == nil {
		if pu.stack, err = s.stack(); err != nil {
			return nil, err
		}
		pu.ownStack = true
	}
	pu.agent, err = asaplink.Start(&asaplink.Config{
		Core: core.Config{
			Profile: s.Profile, Registrars: s.registrars, Subscribe: s.Subscribe, Items: s.Items,
			NegativeCache: s.NegativeCache,
		},
		Stack: pu.stack, OnEvent: pu.onEvent, Announcements: s.announced, TLS: s.TLS, Logger: s.log,
	})
	if err != nil {
		if pu.ownStack {
			_ = pu.stack.Close() // nothing lives on it
		}
		return nil, err
	}
	return pu, nil
}

// Close closes all sessions and the association with the registrar. It is
// idempotent.
func (pu *PoolUser) Close() error {
	pu.mu.Lock()
	if !pu.closed {
		pu.closed = true
		close(pu.closing)
	}
	sessions := make([]*Session, 0, len(pu.sessions))
	for s := range pu.sessions {
		sessions = append(sessions, s)
	}
	pu.mu.Unlock()
	var closers sync.WaitGroup
	for _, s := range sessions {
		closers.Go(func() { _ = s.Close() }) // the error is that it took too long
	}
	closers.Wait()
	pu.mu.Lock()
	pu.ended = true
	pu.mu.Unlock()
	pu.closers.Wait()
	pu.agent.Close()
	if pu.ownStack {
		return pu.stack.Close()
	}
	return nil
}

// SetTLS replaces Config.TLS for handshakes that begin from now on, for example because the
// authority of the registrars changes; the association with a registrar stays. TLS cannot be
// turned on or off by it: that is an error, and nothing has changed then.
func (pu *PoolUser) SetTLS(c *tls.Config) error { return pu.agent.SetTLS(c) }

// Element is a pool element as a registrar describes it.
type Element = rserpool.PoolElement

// Pool is what is known about a pool.
type Pool struct {
	Handle   rserpool.PoolHandle
	Policy   rserpool.Policy // its type is the pool's selection policy
	Elements []Element       // in the registrar's order
	// At is when a registrar said so.
	At time.Time
	// Outdated says that no registrar could be asked, and that this is older than
	// Config.StaleCache allows.
	Outdated bool
}

// Resolve returns the elements of a pool, from the cache if it is fresh enough. The
// errors are core.ErrUnknownPool, core.ErrNoRegistrar, core.ErrTimeout, a
// *core.RejectedError, or that of ctx.
func (pu *PoolUser) Resolve(ctx context.Context, h rserpool.PoolHandle) ([]Element, error) {
	p, err := pu.ResolvePool(ctx, h)
	if err != nil {
		return nil, err
	}
	return p.Elements, nil
}

// ResolvePool is Resolve with all that is known about the pool.
func (pu *PoolUser) ResolvePool(ctx context.Context, h rserpool.PoolHandle) (*Pool, error) {
	res, err := pu.resolve(ctx, h, pu.cfg.maxAge)
	if err != nil {
		return nil, fmt.Errorf("pooluser: resolving %s: %w", h, err)
	}
	return &Pool{Handle: h, Policy: res.Policy, Elements: res.Elements, At: res.At, Outdated: res.Outdated}, nil
}

// Forget drops what is cached about a pool (RFC 5352 §6.4): the next resolution asks
// a registrar, and elements that failed have another chance.
func (pu *PoolUser) Forget(h rserpool.PoolHandle) {
	pu.agent.Do(func(_ time.Time, e *core.Endpoint) { e.Forget(h) })
	pu.mu.Lock()
	defer pu.mu.Unlock()
	delete(pu.pools, h)
}

// resolve asks the endpoint and waits for its answer.
func (pu *PoolUser) resolve(ctx context.Context, h rserpool.PoolHandle, maxAge time.Duration) (core.Resolution, error) {
	if err := h.Validate(); err != nil {
		return core.Resolution{}, err
	}
	if err := ctx.Err(); err != nil {
		return core.Resolution{}, err
	}
	wait := make(chan core.Resolution, 1)
	var res core.Resolution
	known := false
	res.Err = net.ErrClosed
	pu.agent.Do(func(now time.Time, e *core.Endpoint) {
		if res, known = e.Resolve(now, h, maxAge); !known {
			pu.mu.Lock()
			pu.waiting[h] = append(pu.waiting[h], wait)
			pu.mu.Unlock()
		}
	})
	if known || res.Err != nil {
		pu.counts.resolved(&res, 0)
		return res, res.Err
	}
	begin := time.Now()
	select {
	case res = <-wait:
		pu.counts.resolved(&res, time.Since(begin))
		return res, res.Err
	case <-pu.closing:
		return res, net.ErrClosed
	case <-ctx.Done():
		pu.mu.Lock()
		defer pu.mu.Unlock()
		pu.waiting[h] = slices.DeleteFunc(pu.waiting[h], func(w chan core.Resolution) bool { return w == wait })
		if len(pu.waiting[h]) == 0 {
			delete(pu.waiting, h)
		}
		return res, ctx.Err()
	}
}

// onEvent runs under the agent's lock.
func (pu *PoolUser) onEvent(ev core.Event) {
	if ev.Kind != core.EventResolved {
		return
	}
	pu.mu.Lock()
	defer pu.mu.Unlock()
	for _, w := range pu.waiting[ev.Handle] {
		res := ev.Resolution
		res.Elements = slices.Clone(res.Elements) // who gets it may change it
		w <- res                                  // capacity 1, once
	}
	delete(pu.waiting, ev.Handle)
}

// ReportUnreachable tells a registrar that an element could not be reached
// (RFC 5352 §3.5), for users that dial elements themselves; sessions do it. Reports
// about the same element are sent once in a while only. It does not wait.
func (pu *PoolUser) ReportUnreachable(h rserpool.PoolHandle, id rserpool.PEID) {
	pu.counts.change(func(s *Stats) { s.Reports++ })
	pu.agent.Do(func(now time.Time, e *core.Endpoint) { e.ReportUnreachable(now, h, id) })
}
