package sctp

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
	"github.com/rserpool/rserpool/sctp/core"
)

// Lock order. A goroutine that holds one of these takes only later ones:
//
//  1. Association.mu   the protocol machine of one association and its waiters
//  2. Listener.mu      the accept queue of one listener
//  3. demux.mu         the tables that lead packets to associations and listeners
//  4. gatekeeper.mu    cookie keys and the limits of unsolicited replies
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
	links []*link
	ips   []netip.Addr         // bound addresses that are not unspecified
	local map[netip.Addr]*link // and who is bound to them

	demux  demux
	keeper gatekeeper
	count  stackCounters
	ledger ledger

	waiters waiterPool
	buffers sync.Pool // of *sendBuffer

	// auto stacks belong to the package-level Dial and Listen: they close
	// themselves with their last listener and association.
	auto     atomic.Bool
	readers  sync.WaitGroup
	shutOnce sync.Once
}

// link is a carrier in use.
type link struct {
	carrier.Carrier
	addrs  []netip.AddrPort
	reader *reader
	pump   pump
}

func newLink(s *Stack, c carrier.Carrier) *link {
	l := &link{Carrier: c, addrs: c.LocalAddrs()}
	l.reader = &reader{stack: s, link: l, packets: make([]inPacket, 0, maxPackets)}
	l.pump.init(c)
	return l
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
	s := &Stack{cfg: cfg.withDefaults()}
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
	for _, l := range s.links {
		s.readers.Add(1)
		go s.read(l)
	}
	return s, nil
}

// open takes the given carriers or binds UDP sockets.
func (s *Stack) open() error {
	carriers := s.cfg.Carriers
	if len(carriers) == 0 {
		socks, err := udpencap.ListenAll(s.bindAddrs(), s.cfg.udp())
		if err != nil {
			return &OpError{Op: "listen", Addr: fmt.Sprintf("UDP port %d", s.cfg.UDPPort), Err: err}
		}
		for _, sock := range socks {
			carriers = append(carriers, sock)
			s.checkBuffer(sock)
		}
	}
	s.local = make(map[netip.Addr]*link)
	for _, c := range carriers {
		l := newLink(s, c)
		s.takeNotices(l)
		s.links = append(s.links, l)
		for _, a := range l.addrs {
			if ip := a.Addr(); s.local[ip] == nil && !ip.IsUnspecified() {
				s.local[ip], s.ips = l, append(s.ips, ip)
			}
		}
	}
	return nil
}

// checkBuffer tells the log if a socket got a smaller receive buffer than asked for:
// bursts get lost then that nobody will find elsewhere.
func (s *Stack) checkBuffer(b carrier.Buffered) {
	want := s.cfg.UDPRecvBuffer
	if want == 0 {
		want = udpencap.DefaultBuffer
	}
	if got, _ := b.Buffers(); got > 0 && got < want {
		s.log.Info("small UDP receive buffer; net.core.rmem_max limits it", zap.Int("bytes", got), zap.Int("wanted", want))
	}
}

// bindAddrs are the UDP sockets of the configuration: the given addresses, or
// the unspecified one of both families.
func (s *Stack) bindAddrs() []netip.AddrPort {
	var as []netip.AddrPort
	for _, ip := range s.cfg.ListenAddrs {
		as = append(as, netip.AddrPortFrom(ip.Unmap(), s.cfg.UDPPort))
	}
	if len(as) == 0 {
		as = append(as, netip.AddrPortFrom(netip.IPv6Unspecified(), s.cfg.UDPPort))
	}
	return as
}

// LocalAddrs returns the addresses that the stack is bound to, with their UDP
// port. An unspecified address stands for all addresses of its family.
func (s *Stack) LocalAddrs() []netip.AddrPort {
	var as []netip.AddrPort
	for _, l := range s.links {
		as = append(as, l.addrs...)
	}
	return as
}

// UDPPort returns the UDP encapsulation port that the stack is bound to.
func (s *Stack) UDPPort() uint16 {
	if as := s.LocalAddrs(); len(as) > 0 {
		return as[0].Port()
	}
	return 0
}

// specificAddrs returns the bound addresses that are not unspecified.
func (s *Stack) specificAddrs() []netip.Addr { return slices.Clone(s.ips) }

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
	for _, l := range s.links {
		n = max(n, l.Overhead())
	}
	return n
}

// dontFragment says whether packets leave whole on all carriers, so that a path MTU
// can be found out.
func (s *Stack) dontFragment() bool {
	return !slices.ContainsFunc(s.links, func(l *link) bool {
		f, ok := l.Carrier.(carrier.Fragmenter)
		return !ok || !f.DontFragment()
	})
}

// maxSegments is how many packets one Transmit may hold on any carrier.
func (s *Stack) maxSegments() int {
	n := s.links[0].MaxSegments()
	for _, l := range s.links[1:] {
		n = min(n, l.MaxSegments())
	}
	return max(n, 1)
}

// source picks the source address towards a path of which the machine knows none
// yet, where the stack is bound to several: the one that has most in common with
// the destination, so that the paths of a multi-homed association use different
// networks at both ends. The zero Addr leaves it to the operating system.
func (s *Stack) source(to netip.Addr) netip.Addr {
	var best netip.Addr
	most := -1
	for _, ip := range s.ips {
		if ip.Is4() != to.Is4() || ip.IsLoopback() != to.IsLoopback() {
			continue
		}
		if n := commonBits(ip, to); n > most {
			best, most = ip, n
		}
	}
	return best
}

// commonBits is the length of the longest prefix that two addresses share.
func commonBits(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return 8*i + bits.LeadingZeros8(d)
		}
	}
	return 128
}

// route picks the carrier for a packet: the one bound to its source address,
// else the first that is bound to an address of the family of the destination.
func (s *Stack) route(from netip.Addr, to netip.Addr) *link {
	if len(s.links) == 1 {
		return s.links[0]
	}
	if l := s.local[from]; l != nil {
		return l
	}
	for _, l := range s.links {
		for _, a := range l.addrs {
			if a.Addr().Is4() == to.Is4() {
				return l
			}
		}
	}
	return s.links[0]
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
	s.shutOnce.Do(func() {
		for _, l := range s.links {
			if err := l.Carrier.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				s.log.Warn("closing a carrier", zap.Error(err))
			}
		}
	})
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
	for _, l := range s.links {
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
