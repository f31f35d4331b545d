package asaplink

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Config says how an Agent talks to registrars.
type Config struct {
	// Core configures the endpoint; its profile also sets the SCTP parameters.
	Core core.Config
	// Stack carries the associations. It stays the caller's.
	Stack *sctp.Stack
	// Listen opens the SCTP port that registrars are dialed from for registrars
	// that dial back: one that takes an element over does.
	Listen bool
	// Port is the local SCTP port of the associations; 0 is any free one.
	Port uint16
	// OnEvent is called for every event of the endpoint, in order, under the
	// Agent's lock: it must neither block nor call the Agent.
	OnEvent func(core.Event)
	// Announcements, if not nil, are listened to: registrars are found by them, too.
	Announcements *Announcements
	// TLS, if not nil, has registrars spoken to within TLS.
	TLS *tls.Config
	// Logger may be nil.
	Logger *zap.Logger
}

// Agent drives an ASAP endpoint: it owns the associations with registrars, the
// timer and the lock. It runs a goroutine for each association.
type Agent struct {
	stack    *sctp.Stack
	sctp     *sctp.Config
	listener *sctp.Listener  // nil: nobody can dial back
	channel  *multicast.Conn // nil: announcements are not listened to
	onEvent  func(core.Event)
	log      *zap.Logger

	tls         atomic.Pointer[tls.Config] // for handshakes; nil without TLS
	dialTimeout time.Duration              // of its handshake

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	greeting securelink.Gate // handshakes of TLS with those who dialed

	mu     sync.Mutex
	core   *core.Endpoint
	links  map[core.LinkID]*link
	timer  *time.Timer
	armed  time.Time // when timer fires, zero: it does not run
	closed bool
}

// link is one association with a registrar. Its goroutine dials it, reads it and
// closes it.
type link struct {
	id     core.LinkID
	ctx    context.Context // ends when the endpoint has given it up
	cancel context.CancelFunc
	assoc  *sctp.Association // nil while it is being dialed
	secure *securelink.Link  // nil without TLS
	abort  bool              // how to close it
}

// Start returns a running Agent, which must be closed.
func Start(cfg *Config) (*Agent, error) {
	if err := cfg.checkTLS(); err != nil {
		return nil, err
	}
	cc := cfg.Core
	cc.Discover = cfg.Announcements != nil
	e, err := core.New(&cc)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		stack: cfg.Stack, sctp: SCTPConfig(e.Profile().Transport, nil),
		onEvent: cfg.OnEvent, log: cfg.Logger,
		core: e, links: make(map[core.LinkID]*link),
	}
	if a.log == nil {
		a.log = zap.NewNop()
	}
	a.greeting.Most, a.greeting.PerSource = maxGreeting, maxGreetingPerSource
	a.tls.Store(cfg.TLS)
	a.dialTimeout = e.Profile().Transport.DialTimeout
	a.sctp.LocalPort = cfg.Port
	// A registrar that is gone must not hold up whoever closes.
	a.sctp.Linger = e.Profile().Transport.DialTimeout
	if cfg.Listen {
		l, err := cfg.Stack.Listen(&sctp.Addr{Port: cfg.Port}, a.sctp)
		if err != nil {
			return nil, err
		}
		a.listener = l
		a.sctp.LocalPort = l.Addr().(*sctp.Addr).Port
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if a.listener != nil {
		a.wg.Go(a.accept)
	}
	if err := a.discover(cfg.Announcements); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Port returns the SCTP port that registrars are dialed from, 0 if it differs.
func (a *Agent) Port() uint16 { return a.sctp.LocalPort }

// Close ends all associations with registrars and waits for that. It is idempotent.
func (a *Agent) Close() {
	a.mu.Lock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.cancel()
	if a.listener != nil {
		_ = a.listener.Close() // cannot fail
	}
	if a.channel != nil {
		_ = a.channel.Close() // cannot fail
	}
	a.wg.Wait()
}

// Do gives the endpoint an input and does what it wants done. f must not block.
// After Close it does nothing.
func (a *Agent) Do(f func(now time.Time, e *core.Endpoint)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	now := time.Now()
	f(now, a.core)
	a.drain(now)
}

// drain does what the endpoint wants done, passes events on and sets the timer. The
// caller holds a.mu.
func (a *Agent) drain(now time.Time) {
	for o, ok := a.core.PollOutput(); ok; o, ok = a.core.PollOutput() {
		a.perform(now, o)
	}
	for ev, ok := a.core.PollEvent(); ok; ev, ok = a.core.PollEvent() {
		a.logEvent(&ev)
		if a.onEvent != nil {
			a.onEvent(ev)
		}
	}
	at, ok := a.core.NextTimeout()
	switch {
	case !ok:
		at = time.Time{}
		if a.timer != nil {
			a.timer.Stop()
		}
	case at.Equal(a.armed):
	case a.timer == nil:
		a.timer = time.AfterFunc(at.Sub(now), a.timeout)
	default:
		a.timer.Reset(at.Sub(now))
	}
	a.armed = at
}

func (a *Agent) timeout() {
	a.Do(func(now time.Time, e *core.Endpoint) {
		a.armed = time.Time{}
		e.HandleTimeout(now)
	})
}

func (a *Agent) perform(now time.Time, o core.Output) {
	switch o.Kind {
	case core.OutputDial:
		l := a.add(o.Link, nil)
		a.log.Debug("dialing registrar", zap.Stringer("registrar", o.Registrar))
		a.wg.Go(func() { a.dial(l, Addr(o.Registrar)) })
	case core.OutputSend:
		l := a.links[o.Link]
		if l == nil || l.assoc == nil {
			return
		}
		b, err := asap.Marshal(o.Message)
		if err == nil {
			// The send buffer holds many requests. If it is full, the registrar has
			// not acknowledged any of them for long.
			if l.secure != nil {
				err = l.secure.Send(b)
			} else {
				err = l.assoc.TrySend(&sctp.Message{PPID: sctp.PPID(asap.PPID), Data: b})
			}
		}
		if err != nil {
			a.remove(l, true)
			a.core.HandleLost(now, o.Link, err) // its outputs are next in the loop of drain
		}
	case core.OutputClose:
		if l := a.links[o.Link]; l != nil {
			a.remove(l, o.Abort)
		}
	}
}

// add enters a link. The caller holds a.mu.
func (a *Agent) add(id core.LinkID, assoc *sctp.Association) *link {
	l := &link{id: id, assoc: assoc}
	l.ctx, l.cancel = context.WithCancel(a.ctx)
	a.links[id] = l
	return l
}

// remove lets the goroutine of a link close it. The caller holds a.mu.
func (a *Agent) remove(l *link, abort bool) {
	delete(a.links, l.id)
	l.abort = abort
	l.cancel()
}

// current runs f as an input if the endpoint still knows the link.
func (a *Agent) current(l *link, f func(now time.Time, e *core.Endpoint)) {
	a.Do(func(now time.Time, e *core.Endpoint) {
		if a.links[l.id] == l {
			f(now, e)
		}
	})
}

// dial is the goroutine of a link to a registrar.
func (a *Agent) dial(l *link, to *sctp.Addr) {
	defer l.cancel()
	assoc, err := a.stack.Dial(l.ctx, to, a.sctp)
	if err != nil {
		a.lost(l, err)
		return
	}
	secure, err := a.greet(l.ctx, assoc, to.IPs[0], true)
	if err != nil {
		a.lost(l, err)
		return
	}
	local := localAddrs(assoc)
	a.current(l, func(now time.Time, e *core.Endpoint) {
		l.assoc, l.secure = assoc, secure
		e.HandleConnected(now, l.id, local)
	})
	a.read(l, assoc)
}

// accept takes in registrars that dial back.
func (a *Agent) accept() {
	for {
		assoc, err := a.listener.AcceptSCTP(a.ctx)
		if err != nil {
			return
		}
		if a.tls.Load() == nil {
			a.adopt(assoc, nil)
			continue
		}
		leave, ok := a.greeting.Enter(securelink.Source(assoc))
		if !ok {
			_ = assoc.Abort("too many handshakes") // it may have ended
			_ = assoc.Close()                      // likewise
			continue
		}
		a.wg.Go(func() {
			secure, err := a.greet(a.ctx, assoc, netip.Addr{}, false)
			leave()
			if err == nil {
				a.adopt(assoc, secure)
			}
		})
	}
}

// maxGreeting bounds the handshakes of TLS under way with those who dialed, and
// maxGreetingPerSource those with one of them: some time must be left for a registrar.
const (
	maxGreeting          = 64
	maxGreetingPerSource = 8
)

// adopt takes in an association that a registrar has opened.
func (a *Agent) adopt(assoc *sctp.Association, secure *securelink.Link) {
	from, local := confirmedAddr(assoc), localAddrs(assoc)
	var l *link
	a.Do(func(now time.Time, e *core.Endpoint) {
		l = a.add(e.HandleAccepted(now, Transport(from), local), assoc)
		l.secure = secure
		a.wg.Go(func() {
			defer l.cancel()
			a.read(l, assoc)
		})
	})
	if l == nil { // closed meanwhile
		_ = assoc.Close() // the error is that it took too long
	}
}

// read passes the messages of an association on until it ends, and closes it.
func (a *Agent) read(l *link, assoc *sctp.Association) {
	buf := make([]byte, 4096)
	for l.secure != nil {
		b, err := l.secure.Receive()
		if err != nil {
			a.lost(l, err)
			break
		}
		a.current(l, func(now time.Time, e *core.Endpoint) { e.HandleMessage(now, l.id, b) })
	}
	for l.secure == nil {
		m, err := assoc.ReceiveMessage(l.ctx, buf, rserpool.MaxMessage)
		if errors.Is(err, sctp.ErrMessageTooLarge) {
			continue // no ASAP message is that long
		}
		if err != nil {
			a.lost(l, err)
			break
		}
		if uint32(m.PPID) != asap.PPID {
			continue // RFC 5352 §5: ASAP messages have this identifier
		}
		a.current(l, func(now time.Time, e *core.Endpoint) { e.HandleMessage(now, l.id, m.Data) })
	}
	a.mu.Lock()
	abort := l.abort
	a.mu.Unlock()
	if abort {
		_ = assoc.Abort("registrar does not answer") // it may have ended
	}
	_ = assoc.Close() // the error is that it took too long
}

// lost tells the endpoint that an association ended or did not come up.
func (a *Agent) lost(l *link, err error) {
	a.current(l, func(now time.Time, e *core.Endpoint) {
		delete(a.links, l.id)
		e.HandleLost(now, l.id, err)
	})
}

func (a *Agent) logEvent(ev *core.Event) {
	switch ev.Kind {
	case core.EventHome:
		id := zap.Skip() // who it is is known only when it has said so
		if ev.Server != 0 {
			id = zap.Stringer("id", ev.Server)
		}
		a.log.Info("home registrar", id, zap.Stringer("at", Addr(ev.Registrar)))
	case core.EventHomeLost:
		a.log.Warn("home registrar lost", zap.Stringer("at", Addr(ev.Registrar)), zap.Error(ev.Err))
	case core.EventRegisterFailed:
		a.log.Warn("registration failed", zap.Stringer("pool", ev.Handle), zap.Error(ev.Err))
	case core.EventRemoteError:
		a.log.Warn("error from registrar", zap.String("causes", rserpool.CausesString(ev.Causes)))
	default:
		a.log.Debug(ev.Kind.String(), zap.Stringer("pool", ev.Handle), zap.Error(ev.Err))
	}
}
