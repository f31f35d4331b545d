package sctp

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/core"
)

// Listener accepts associations on an SCTP port. It is a net.Listener: what
// Accept returns is the one-to-one view of an association, a *Conn.
type Listener struct {
	stack    *Stack
	port     uint16
	ips      []netip.Addr // empty: all of the stack
	settings *settings
	machine  *core.Config
	core     atomic.Pointer[core.Listening] // changes with the addresses of the stack

	mu       sync.Mutex
	queue    []*Association // established and not accepted yet
	reserved int            // places taken by handshakes that are being completed
	closed   bool
	ready    gate
}

var _ net.Listener = (*Listener)(nil)

// Listen opens a stack of its own on the addresses and the UDP port of address,
// in the form of ParseListenAddr, and listens there. Closing the listener, and the
// last of its associations, closes the stack. Use NewStack for listeners that
// share a UDP port.
func Listen(address string, cfg *Config) (*Listener, error) {
	a, err := ParseListenAddr(address)
	if err != nil {
		return nil, err
	}
	s, err := NewStack(&StackConfig{ListenAddrs: bound(a.IPs), UDPPort: a.UDPPort})
	if err != nil {
		return nil, err
	}
	l, err := s.Listen(&Addr{Port: a.Port}, cfg)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.endWithLast()
	return l, nil
}

// bound removes the unspecified address, which means the same as none, if it
// stands alone.
func bound(ips []netip.Addr) []netip.Addr {
	if len(ips) == 1 && ips[0] == netip.IPv6Unspecified() {
		return nil
	}
	return ips
}

// Listen accepts associations on the SCTP port of addr; port 0 is any free one.
// With IP addresses in addr, which must be ones that the stack is bound to, it
// listens on these only; a nil addr, or none of them, means all. The UDP port is
// that of the stack, whatever addr says.
func (s *Stack) Listen(addr *Addr, cfg *Config) (*Listener, error) {
	if addr == nil {
		addr = &Addr{}
	}
	st, machine, err := s.parameters(cfg)
	if err != nil {
		return nil, &OpError{Op: "listen", Addr: addr.String(), Err: err}
	}
	l := &Listener{stack: s, port: addr.Port, settings: st, machine: machine}
	if err := l.choose(addr.IPs); err != nil {
		return nil, &OpError{Op: "listen", Addr: addr.String(), Err: err}
	}
	l.tell()
	if err := s.demux.listen(l); err != nil {
		return nil, &OpError{Op: "listen", Addr: addr.String(), Err: err}
	}
	l.tell() // should the addresses have changed meanwhile
	return l, nil
}

// tell settles which addresses peers are told.
func (l *Listener) tell() {
	w := l.stack.wires()
	ips := w.ips
	switch {
	case len(l.ips) > 0 && len(w.ips) > 0:
		ips = slices.DeleteFunc(slices.Clone(l.ips), func(ip netip.Addr) bool { return !slices.Contains(w.ips, ip) })
	case len(l.ips) > 0: // bound to all
		ips = l.ips
	}
	l.core.Store(&core.Listening{Config: l.machine, LocalAddrs: ips})
}

// choose sets the addresses to listen on.
func (l *Listener) choose(ips []netip.Addr) error {
	have := l.stack.LocalAddrs()
	for _, ip := range ips {
		ip = ip.Unmap()
		if ip.IsUnspecified() {
			l.ips = nil
			return nil
		}
		ok := slices.ContainsFunc(have, func(h netip.AddrPort) bool {
			return h.Addr() == ip || h.Addr() == netip.IPv6Unspecified() ||
				h.Addr() == netip.IPv4Unspecified() && ip.Is4()
		})
		if !ok {
			return ErrNotLocal
		}
		l.ips = append(l.ips, ip)
	}
	return nil
}

// listening is what the responder wants to know; it is nil for a nil listener.
func (l *Listener) listening() *core.Listening {
	if l == nil {
		return nil
	}
	return l.core.Load()
}

// Accept waits for the next association and returns its one-to-one view, a *Conn.
// It is what http.Serve calls.
func (l *Listener) Accept() (net.Conn, error) {
	a, err := l.AcceptSCTP(context.Background())
	if err != nil {
		return nil, err
	}
	return a.Conn(), nil
}

// AcceptSCTP waits for the next association. The error is that of ctx, or
// net.ErrClosed after Close.
func (l *Listener) AcceptSCTP(ctx context.Context) (*Association, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if len(l.queue) > 0 {
			a := l.queue[0]
			l.queue = append(l.queue[:0], l.queue[1:]...)
			if len(l.queue) > 0 {
				l.ready.wakeOne()
			}
			return a, nil
		}
		if l.closed {
			return nil, &OpError{Op: "accept", Addr: l.Addr().String(), Err: net.ErrClosed}
		}
		if err := l.wait(ctx); err != nil {
			// An association that is there beats a cancelled context.
			if len(l.queue) == 0 {
				return nil, err
			}
		}
	}
}

// Close stops listening, which makes pending calls of Accept fail with
// net.ErrClosed, and aborts the associations that nobody accepted. Accepted ones
// live on. It is idempotent.
func (l *Listener) Close() error {
	l.stack.demux.unlisten(l)
	l.mu.Lock()
	l.closed = true
	queue := l.queue
	l.queue = nil
	l.ready.wakeAll()
	l.mu.Unlock()
	for _, a := range queue {
		_ = a.Abort("not accepted") // it may be gone already
	}
	l.stack.retire()
	l.stack.awaitRetired()
	return nil
}

// Addr returns the *Addr that the listener is bound to. Its IPs are empty if that
// is all local addresses.
func (l *Listener) Addr() net.Addr {
	ips := l.ips
	if len(ips) == 0 {
		ips = l.stack.specificAddrs()
	}
	return &Addr{IPs: slices.Clone(ips), Port: l.port, UDPPort: l.stack.UDPPort()}
}

// reserve takes a place of the backlog for a handshake that may complete now.
func (l *Listener) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.queue)+l.reserved >= l.settings.backlog {
		return false
	}
	l.reserved++
	return true
}

func (l *Listener) unreserve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved--
}

// enter makes an association of a completed handshake, in the reserved place. before is
// what its machine has counted in another association, which the peer restarted; r is
// who reads, nil if the association was there before.
func (l *Listener) enter(now time.Time, c *core.Association, before Stats, r *reader) {
	s := l.stack
	a := newAssociation(s, l.settings, c.LocalPort(), c.PeerPort())
	a.core, a.listener, a.established = c, l, true
	a.mu.Lock()
	defer a.mu.Unlock()
	if !s.demux.enter(a, c.LocalTag(), c.ConfirmedAddrs(), c.PeerAddrs()) {
		// Another association has the tag or the peer, or the stack is full or
		// closed. Without a COOKIE ACK the peer tries again.
		s.count.refused.Add(1)
		l.unreserve()
		return
	}
	if before != (Stats{}) {
		a.inherited = &before
	}
	s.count.accepted.Add(1)
	s.ledger.enter(a)
	if s.debugs() || s.cfg.Trace != nil {
		peer := a.remote()
		s.log.Debug("association accepted", zap.Stringer("peer", peer), zap.Uint16("port", l.port))
		c.SetTrace(a.trace(peer))
		a.tracer.state(core.Closed, c.State())
	}
	a.turn(now)
	l.push(a, a.done && a.err != nil)
	if r != nil {
		a.via = r.link
		r.note(a)
	}
}

// push puts a into the reserved place of the queue, unless it failed already. The
// caller holds a.mu.
func (l *Listener) push(a *Association, failed bool) {
	l.mu.Lock()
	l.reserved--
	closed := l.closed
	if !closed && !failed {
		l.queue = append(l.queue, a)
		a.roused = a.roused || l.ready.waiting()
		l.ready.wakeOne()
	}
	l.mu.Unlock()
	if closed && !failed {
		a.abort(time.Now(), "not accepted")
	}
}

// drop removes an association that failed before anybody accepted it. The caller
// holds a.mu.
func (l *Listener) drop(a *Association) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, a); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	}
}
