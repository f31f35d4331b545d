package sctp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
	"github.com/rserpool/rserpool/sctp/core"
)

// ErrLastAddr is RemoveLocalAddr of the only address of a stack.
var ErrLastAddr = errors.New("sctp: the only address of the stack")

// addresses is what changes the addresses of a stack.
type addresses struct {
	change sync.Mutex // held by one change from begin to end

	mu     sync.Mutex
	closed bool        // the carriers are closed, or about to be
	timer  *time.Timer // of AddrInterval
}

// close says that no carrier may come into use any more; false: it was said before.
func (d *addresses) close() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := !d.closed
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	return first
}

// isClosed says whether the carriers are closed.
func (d *addresses) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// AddLocalAddr makes an address of the host one of the stack's: it binds sockets to it,
// unless those that it has are bound to all addresses. Associations set up from then on
// tell it to their peers. Those that exist use it again if they had it when they were set
// up; to tell it to their peers later is beyond RFC 9260 (it takes RFC 5061). A stack that
// is bound to all addresses and was given some uses no others for new associations. It is
// not an error if the stack has the address.
func (s *Stack) AddLocalAddr(ip netip.Addr) error {
	s.addrs.change.Lock()
	defer s.addrs.change.Unlock()
	ip = ip.Unmap()
	if err := s.addAddr(ip); err != nil {
		return &OpError{Op: "add address", Addr: ip.String(), Err: err}
	}
	return nil
}

// AddCarrier takes another carrier into use, with all its addresses, for stacks that
// were made with carriers. The stack closes it.
func (s *Stack) AddCarrier(c carrier.Carrier) error {
	s.addrs.change.Lock()
	defer s.addrs.change.Unlock()
	if c == nil {
		return &OpError{Op: "add carrier", Addr: "<nil>", Err: ErrNotLocal}
	}
	w := s.wires().clone()
	before := slices.Clone(w.ips)
	l := w.attach(s, c)
	if !s.use(w, l) {
		_ = c.Close()
		return &OpError{Op: "add carrier", Addr: fmt.Sprint(l.addrs), Err: net.ErrClosed}
	}
	s.tellAdded(slices.DeleteFunc(slices.Clone(w.ips), func(ip netip.Addr) bool { return slices.Contains(before, ip) }))
	return nil
}

// RemoveLocalAddr takes an address from the stack. Associations do not send from it any
// more, whatever was on its way from there is sent again at once from another address,
// and paths that have no other are inactive (RFC 9260 §6.4.1). Sockets that are bound to
// it alone are closed. With AllAddrs an address that the host still has comes back with
// the next RefreshLocalAddrs. The error is ErrNotLocal for an address that the stack does not
// have, and ErrLastAddr for the only one.
func (s *Stack) RemoveLocalAddr(ip netip.Addr) error {
	s.addrs.change.Lock()
	defer s.addrs.change.Unlock()
	ip = ip.Unmap()
	w := s.wires()
	var err error
	switch {
	case s.addrs.isClosed():
		err = net.ErrClosed
	case !slices.Contains(w.ips, ip) && !slices.Contains(w.away, ip):
		err = ErrNotLocal
	case len(w.ips)+len(w.away) == 1 && !w.wildcard():
		err = ErrLastAddr
	default:
		s.dropAddr(ip, true)
		return nil
	}
	return &OpError{Op: "remove address", Addr: ip.String(), Err: err}
}

// RefreshLocalAddrs looks at the addresses of the host's interfaces and does what
// follows from them. Addresses that the stack is bound to and that are not there count as
// removed, until they are there again. With StackConfig.AllAddrs, and without
// ListenAddrs, new ones are added. It returns what has changed. Carriers that were given
// to the stack are left alone, unless StackConfig.HostAddrs tells about them.
func (s *Stack) RefreshLocalAddrs() (added, removed []netip.Addr, err error) {
	if len(s.cfg.Carriers) > 0 && s.cfg.HostAddrs == nil {
		return nil, nil, nil
	}
	host, err := s.hostAddrs()
	if err != nil {
		return nil, nil, err
	}
	s.addrs.change.Lock()
	defer s.addrs.change.Unlock()
	w := s.wires()
	for _, ip := range w.ips {
		if !slices.Contains(host, ip) {
			removed = append(removed, ip)
		}
	}
	for _, ip := range host {
		if slices.Contains(w.away, ip) || s.cfg.AllAddrs && w.wildcard() && !slices.Contains(w.ips, ip) {
			added = append(added, ip)
		}
	}
	for _, ip := range removed {
		s.dropAddr(ip, false)
	}
	for _, ip := range added {
		err = errors.Join(err, s.addAddr(ip))
	}
	return added, removed, err
}

// watchAddrs refreshes the addresses from time to time, if that is wanted.
func (s *Stack) watchAddrs() {
	every := s.cfg.AddrInterval
	if every <= 0 {
		return
	}
	s.addrs.mu.Lock()
	defer s.addrs.mu.Unlock()
	s.addrs.timer = time.AfterFunc(every, func() {
		if _, _, err := s.RefreshLocalAddrs(); err != nil {
			s.log.Warn("looking for the host's addresses", zap.Error(err))
		}
		s.addrs.mu.Lock()
		defer s.addrs.mu.Unlock()
		if !s.addrs.closed {
			s.addrs.timer.Reset(every)
		}
	})
}

// hostAddrs is the unicast addresses of the host.
func (s *Stack) hostAddrs() ([]netip.Addr, error) {
	lookUp := s.cfg.HostAddrs
	if lookUp == nil {
		lookUp = interfaceAddrs
	}
	all, err := lookUp()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, ip := range all {
		if ip = ip.Unmap().WithZone(""); ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out, nil
}

func interfaceAddrs() ([]netip.Addr, error) {
	as, err := net.InterfaceAddrs()
	var out []netip.Addr
	for _, a := range as {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip)
			}
		}
	}
	return out, err
}

// addAddr is AddLocalAddr. The caller holds addresses.change.
func (s *Stack) addAddr(ip netip.Addr) error {
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
		return ErrNotLocal
	}
	if s.addrs.isClosed() {
		return net.ErrClosed
	}
	w := s.wires().clone()
	if slices.Contains(w.ips, ip) {
		return nil
	}
	var fresh []*link
	switch d := w.doorOf(ip); {
	case d != nil: // it is there again
		w.local[boundTo{ip, d.udp}] = d
	case w.wildcard():
	case len(s.cfg.Carriers) > 0:
		return ErrNotLocal // AddCarrier is what they want
	default:
		carriers, err := s.openAddr(ip)
		if err != nil {
			return err
		}
		for _, c := range carriers {
			fresh = append(fresh, w.attach(s, c))
		}
	}
	if !slices.Contains(w.ips, ip) {
		w.ips = append(w.ips, ip)
	}
	w.away = slices.DeleteFunc(w.away, func(a netip.Addr) bool { return a == ip })
	if !s.use(w, fresh...) {
		s.closeLinks(fresh)
		return net.ErrClosed
	}
	s.tellAdded([]netip.Addr{ip})
	return nil
}

// openAddr binds sockets to another address.
func (s *Stack) openAddr(ip netip.Addr) ([]carrier.Carrier, error) {
	var carriers []carrier.Carrier
	if s.cfg.RawIP {
		socks, err := rawip.ListenAll([]netip.Addr{ip}, s.cfg.raw())
		for _, sock := range socks {
			carriers = append(carriers, sock)
		}
		return carriers, err
	}
	at := netip.AddrPortFrom(ip, s.UDPPort()) // one port for all (RFC 6951 §5.1)
	socks, err := udpencap.ListenShared([]netip.AddrPort{at}, s.cfg.shards(), s.cfg.udp())
	for _, sock := range socks {
		carriers = append(carriers, sock)
	}
	return carriers, err
}

// dropAddr takes an address out of use, for good or as long as the host does not have
// it. The caller holds addresses.change.
func (s *Stack) dropAddr(ip netip.Addr, forGood bool) {
	w := s.wires().clone()
	isIP := func(a netip.Addr) bool { return a == ip }
	w.ips = slices.DeleteFunc(w.ips, isIP)
	w.away = slices.DeleteFunc(w.away, isIP)
	delete(w.local, boundTo{ip, true})
	delete(w.local, boundTo{ip, false})
	var closing []*link
	if d := w.doorOf(ip); d != nil && forGood && len(d.addrs) == 1 && len(w.doors) > 1 {
		w.doors = slices.DeleteFunc(w.doors, func(o *door) bool { return o == d })
		w.links = slices.DeleteFunc(w.links, func(l *link) bool { return l.door == d })
		closing = d.links()
	} else if !forGood {
		w.away = append(w.away, ip)
	}
	if !s.use(w) {
		return
	}
	now := time.Now()
	s.eachListener((*Listener).tell)
	s.eachAssociation(func(a *Association) {
		a.core.RemoveLocalAddr(now, ip)
		a.turn(now)
	})
	s.closeLinks(closing)
}

// use puts a wiring into use and starts the readers of its new links; false: the stack
// has closed.
func (s *Stack) use(w *wiring, fresh ...*link) bool {
	s.addrs.mu.Lock()
	defer s.addrs.mu.Unlock()
	if s.addrs.closed {
		return false
	}
	s.wired.Store(w)
	for _, l := range fresh {
		s.readers.Add(1)
		go s.read(l)
	}
	return true
}

// tellAdded lets listeners and associations know of addresses that are there.
func (s *Stack) tellAdded(ips []netip.Addr) {
	now := time.Now()
	s.eachListener((*Listener).tell)
	s.eachAssociation(func(a *Association) {
		for _, ip := range ips {
			a.core.AddLocalAddr(now, ip)
		}
		a.turn(now)
	})
}

func (s *Stack) eachListener(do func(*Listener)) {
	listeners, _ := s.demux.all()
	for _, l := range listeners {
		do(l)
	}
}

// eachAssociation calls do for each living association, which is locked meanwhile.
func (s *Stack) eachAssociation(do func(*Association)) {
	_, associations := s.demux.all()
	for _, a := range associations {
		a.mu.Lock()
		if !a.done && a.core != nil && a.core.State() != core.Closed {
			do(a)
		}
		a.mu.Unlock()
	}
}

// clone returns a copy to be changed.
func (w *wiring) clone() *wiring {
	return &wiring{
		links: slices.Clone(w.links), doors: slices.Clone(w.doors), ips: slices.Clone(w.ips),
		local: maps.Clone(w.local), away: slices.Clone(w.away),
	}
}

// doorOf returns what is bound to an address itself.
func (w *wiring) doorOf(ip netip.Addr) *door {
	for _, d := range w.doors {
		if slices.ContainsFunc(d.addrs, func(a netip.AddrPort) bool { return a.Addr() == ip }) {
			return d
		}
	}
	return nil
}
