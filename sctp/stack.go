package sctp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
)

// Lock order. A goroutine that holds one of these takes only later ones:
//
//  0. addresses.change which addresses the stack has, for as long as that changes
//  1. Association.mu   the protocol machine of one association and its waiters
//  2. Listener.mu      the accept queue of one listener
//  2. Poller.mu        which associations have something to read
//  3. demux.mu         the tables that lead packets to associations and listeners
//  4. addresses.mu     the end of the carriers
//  5. gatekeeper.mu    cookie keys and the limits of unsolicited replies
//  5. alarms.mu        the deadlines of the associations
//  5. ledger.mu        the table of associations and the counters of those that ended
//
// No two locks of one row are held together, but for an association that is being
// made, which nobody else knows yet. Code of the user never runs
// under any of them, and none is held while a call waits, with one exception:
// datagrams are written under Association.mu, so that they leave in the order of
// their TSNs.

// Stack is an SCTP implementation instance of this process: it owns the UDP
// sockets (or other carriers), the SCTP ports and the associations that live on
// them. Many listeners and associations share one Stack and its UDP port
// (RFC 6951 §5.1). Its methods may be called by several goroutines at once.
//
// A Stack runs one goroutine per carrier and none per association.
type Stack struct {
	cfg   StackConfig
	log   *zap.Logger
	wired atomic.Pointer[wiring]

	demux  demux
	keeper gatekeeper
	count  stackCounters
	began  time.Time
	alarms alarms
	ledger ledger

	waiters waiterPool
	buffers sync.Pool // of *sendBuffer

	// auto stacks belong to the package-level Dial and Listen: they close
	// themselves with their last listener and association.
	auto    atomic.Bool
	readers sync.WaitGroup

	addrs addresses

	latest atomic.Pointer[shared] // parameters of associations
}

// NewStack opens a stack. A nil config is the same as
// &StackConfig{UDPPort: DefaultUDPPort}.
func NewStack(cfg *StackConfig) (*Stack, error) {
	if cfg == nil {
		cfg = &StackConfig{UDPPort: DefaultUDPPort}
	}
	if err := cfg.check(); err != nil {
		return nil, &OpError{Op: "listen", Addr: fmt.Sprintf("UDP port %d", cfg.UDPPort), Err: err}
	}
	s := &Stack{cfg: cfg.withDefaults(), began: time.Now()}
	s.alarms.base = s.began
	s.log = s.cfg.Logger
	responder, err := core.NewResponder(time.Now(), s.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("sctp: %w", err)
	}
	s.keeper.init(responder, &s.cfg)
	s.demux.init(s.cfg.MaxAssociations)
	s.buffers.New = func() any { return new(sendBuffer) }
	if err := s.open(); err != nil {
		return nil, err
	}
	for _, l := range s.wires().links {
		s.readers.Add(1)
		go s.read(l)
	}
	s.watchAddrs()
	return s, nil
}

// open takes the given carriers or opens sockets.
func (s *Stack) open() error {
	carriers := s.cfg.Carriers
	if len(carriers) == 0 {
		var err error
		if carriers, err = s.sockets(); err != nil {
			return err
		}
	}
	w := &wiring{local: make(map[boundTo]*door)}
	for _, c := range carriers {
		w.attach(s, c)
	}
	if s.cfg.AllAddrs && w.wildcard() {
		host, err := s.hostAddrs()
		if err != nil {
			return &OpError{Op: "listen", Addr: "all addresses", Err: err}
		}
		w.ips = host
	}
	s.wired.Store(w)
	if s.direct() && !s.cfg.OwnsIP {
		s.demux.share(w.reserver())
	}
	return nil
}

// LocalAddrs returns the addresses that the stack is bound to, with their UDP
// port. An unspecified address stands for all addresses of its family.
func (s *Stack) LocalAddrs() []netip.AddrPort {
	var as []netip.AddrPort
	for _, d := range s.wires().doors {
		as = append(as, d.addrs...)
	}
	return as
}

// UDPPort returns the UDP encapsulation port that the stack is bound to, 0 if it
// speaks SCTP directly over IP only.
func (s *Stack) UDPPort() uint16 {
	for _, a := range s.LocalAddrs() {
		if a.Port() != 0 {
			return a.Port()
		}
	}
	return 0
}

// specificAddrs returns the bound addresses that are not unspecified.
func (s *Stack) specificAddrs() []netip.Addr { return slices.Clone(s.wires().ips) }

// missingFamily says which address family the stack has no socket for. The INIT tells
// the peer (RFC 9260 §3.3.2.1.5).
func (s *Stack) missingFamily() (no4, no6 bool) {
	no4, no6 = true, true
	for _, a := range s.LocalAddrs() {
		switch ip := a.Addr(); {
		case ip == netip.IPv6Unspecified(): // perhaps of both
			return false, false
		case ip.Is4():
			no4 = false
		default:
			no6 = false
		}
	}
	return no4, no6
}

// overhead is what the carriers put between IP header and SCTP packet.
func (s *Stack) overhead() int {
	n := 0
	for _, l := range s.wires().links {
		n = max(n, l.Overhead())
	}
	return n
}

// dontFragment says whether packets leave whole on all carriers, so that a path MTU
// can be found out.
func (s *Stack) dontFragment() bool {
	return !slices.ContainsFunc(s.wires().links, func(l *link) bool {
		f, ok := l.Carrier.(carrier.Fragmenter)
		return !ok || !f.DontFragment()
	})
}

// onlyLink is the carrier of the stack, nil if it has several.
func (s *Stack) onlyLink() *link {
	if links := s.wires().links; len(links) == 1 {
		return links[0]
	}
	return nil
}

// maxSegments is how many packets one Transmit may hold on any carrier.
func (s *Stack) maxSegments() int {
	links := s.wires().links
	n := links[0].MaxSegments()
	for _, l := range links[1:] {
		n = min(n, l.MaxSegments())
	}
	return max(n, 1)
}

// Close ends the stack: no new association forms, listeners close, each
// association is shut down gracefully and, if that takes longer than its
// Config.Linger, aborted. Close returns when all that is done and the sockets
// are closed. It is idempotent; whatever was blocked in a call of the stack
// returns net.ErrClosed.
func (s *Stack) Close() error {
	listeners, associations := s.demux.close()
	for _, l := range listeners {
		_ = l.Close() // cannot fail
	}
	// All shutdowns run side by side; then each is waited for.
	for _, a := range associations {
		a.beginClose()
	}
	for _, a := range associations {
		a.endClose()
	}
	s.closeCarriers()
	s.readers.Wait()
	return nil
}

// closeCarriers unblocks the readers and does not wait for them: it may be
// called by one of them.
func (s *Stack) closeCarriers() {
	s.alarms.stop()
	if s.addrs.close() {
		s.closeLinks(s.wires().links)
	}
}

// closeLinks closes carriers.
func (s *Stack) closeLinks(links []*link) {
	for _, l := range links {
		if err := l.Carrier.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("closing a carrier", zap.Error(err))
		}
	}
}

// endWithLast makes the stack an auto stack, which closes itself when nothing
// lives on it any more.
func (s *Stack) endWithLast() {
	s.auto.Store(true)
	s.retire()
}

// retire closes an auto stack that nothing lives on any more.
func (s *Stack) retire() {
	if s.auto.Load() && s.demux.closeIfEmpty() {
		s.closeCarriers()
	}
}

// awaitRetired waits until the readers of an auto stack are gone, if it has
// closed itself.
func (s *Stack) awaitRetired() {
	if s.auto.Load() && s.demux.isClosed() {
		s.readers.Wait()
	}
}

// Stats returns the counters of the stack. It looks at each association under its
// lock, which takes about a microsecond for each.
func (s *Stack) Stats() StackStats {
	all, sum := s.ledger.open()
	st := s.count.snapshot()
	st.Associations = s.demux.size()
	var paths []PathInfo
	for _, a := range all {
		a.mu.Lock()
		counted := a.counted()
		if a.core != nil {
			if a.core.State().Established() {
				st.Established++
			}
			paths = a.core.AppendPaths(paths[:0])
			st.Paths.add(paths)
		}
		a.mu.Unlock()
		sum.Add(&counted)
	}
	st.Totals = sum
	st.RecvBuffer, st.SendBuffer = s.socketBuffers()
	return st
}

// socketBuffers returns the smallest buffers of any socket that tells, else 0.
func (s *Stack) socketBuffers() (recv, send int) {
	for _, l := range s.wires().links {
		if b, ok := l.Carrier.(carrier.Buffered); ok {
			r, w := b.Buffers()
			if r > 0 && (recv == 0 || r < recv) {
				recv = r
			}
			if w > 0 && (send == 0 || w < send) {
				send = w
			}
		}
	}
	return recv, send
}
