package registrar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Registrar is a registrar service.
type Registrar struct {
	cfg     Config
	log     *zap.Logger
	stack   *sctp.Stack
	ownsSCT bool
	enrp    *sctp.Listener
	state   *state // nil if nothing is kept
	started time.Time

	ctx    context.Context // ends when the service does
	cancel context.CancelFunc
	poller sctp.Poller    // of the connections without TLS
	tasks  sync.WaitGroup // accept loops, readers, dials, closes
	meters [kinds]meter   // by kind of message

	channels channels // multicast

	handshakes securelink.Gate            // of TLS, with those who dialed
	tls        atomic.Pointer[tls.Config] // for handshakes; nil without TLS

	mu      sync.Mutex // guards what follows and is never held while waiting
	core    *core.Registrar
	asap    *sctp.Listener // nil until the start-up has ended
	asapTLS *sctp.Listener // nil as long, or without TLS
	tcp     []net.Listener // empty as long, or without TCP
	err     error          // why the service cannot go on
	conns   map[core.ConnID]*conn
	timer   *time.Timer
	drained chan struct{}
	ready   chan struct{}
	isReady bool
	isDrain bool
	closed  bool
	todo    []core.Action // scratch
	out     []byte        // scratch
	journal journal
	rates   rates
	page    pageCache
}

// New opens the registrar's endpoints. It serves once Run is called.
func New(cfg *Config) (*Registrar, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	r := &Registrar{cfg: *cfg, log: cfg.Logger, started: time.Now(), conns: map[core.ConnID]*conn{},
		drained: make(chan struct{}), ready: make(chan struct{})}
	if r.log == nil {
		r.log = zap.NewNop()
	}
	r.handshakes.Most, r.handshakes.PerSource = maxHandshakes, maxHandshakesPerSource
	r.tls.Store(cfg.TLS)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var err error
	if r.stack, r.ownsSCT, err = cfg.openStack(); err != nil {
		return nil, err
	}
	if err = cfg.checkTLS(); err == nil {
		err = r.open()
	}
	if err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// open binds the ENRP port and makes the state machine. The ASAP port is only tried
// here: until the start-up has ended elements and users had better find another
// registrar.
func (r *Registrar) open() error {
	l, err := r.listen(r.cfg.asapPort())
	if err != nil {
		return fmt.Errorf("registrar: ASAP: %w", err)
	}
	_ = l.Close() // cannot fail
	if err := r.tryTCP(); err != nil {
		return err
	}
	if r.enrp, err = r.listen(r.cfg.enrpPort()); err != nil {
		return fmt.Errorf("registrar: ENRP: %w", err)
	}
	peers, err := r.cfg.peers(r.ctx)
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(peers, r.isSelf)
	cc := r.cfg.settings(peers)
	cc.ID, cc.Profile = r.cfg.ID, r.cfg.profile()
	cc.Secured = r.secured()
	if err := r.openState(&cc); err != nil {
		return err
	}
	// Without addresses: each peer is told those that it can reach. The UDP port is
	// there even if it is the default one: it tells peers of the same
	// implementation from others.
	cc.ENRP = rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: r.cfg.enrpPort(), UDPPort: r.stack.UDPPort()}
	cc.Announce, cc.ASAP = r.cfg.Announce != nil, r.asapEndpoint()
	if r.core, err = core.New(time.Now(), cc); err != nil {
		return fmt.Errorf("registrar: %w", err)
	}
	if r.state != nil {
		if err := r.state.keepID(r.core.ID()); err != nil {
			return err
		}
	}
	return r.openChannels()
}

func (r *Registrar) listen(port uint16) (*sctp.Listener, error) {
	p := r.cfg.profile()
	return r.stack.Listen(&sctp.Addr{Port: port}, association(&p.Transport, 0))
}

// serve opens the ASAP port when the start-up has ended (RFC 5353 §3.2.3 step 5).
// The caller holds mu.
func (r *Registrar) serve() {
	l, err := r.listen(r.cfg.asapPort())
	if err != nil {
		r.err = fmt.Errorf("registrar: ASAP: %w", err)
		r.cancel()
		return
	}
	r.asap = l
	r.tasks.Go(func() { r.accept(l, core.ASAP) })
	if r.secured() {
		if r.asapTLS, err = r.listen(r.cfg.asapTLSPort()); err != nil {
			r.err = fmt.Errorf("registrar: ASAP with TLS: %w", err)
			r.cancel()
			return
		}
		l := r.asapTLS
		r.tasks.Go(func() { r.accept(l, core.ASAP) })
	}
	if err := r.serveTCP(); err != nil {
		r.err = err
		r.cancel()
		return
	}
	close(r.ready)
}

// isSelf reports whether a peer's address is this registrar's, so that all
// registrars of a scope can share one list.
func (r *Registrar) isSelf(t rserpool.Transport) bool {
	if t.Port != r.cfg.enrpPort() || t.UDPPort != r.stack.UDPPort() {
		return false
	}
	for _, a := range r.stack.LocalAddrs() {
		if slices.Contains(t.Addrs, a.Addr()) || a.Addr().IsUnspecified() && slices.ContainsFunc(t.Addrs, ofThisHost) {
			return true
		}
	}
	return false
}

// ofThisHost reports whether an address is one of an interface of this host.
func ofThisHost(ip netip.Addr) bool {
	ifs, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(ifs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, _ := netip.AddrFromSlice(n.IP)
		return own.Unmap() == ip
	}) || ip.IsLoopback()
}

// Addrs returns the ASAP and the ENRP endpoint with the UDP port in use.
func (r *Registrar) Addrs() (asap, enrp *sctp.Addr) {
	enrp = r.enrp.Addr().(*sctp.Addr)
	return &sctp.Addr{IPs: enrp.IPs, Port: r.cfg.asapPort(), UDPPort: enrp.UDPPort}, enrp
}

// ID is the registrar's identifier.
func (r *Registrar) ID() rserpool.RegistrarID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.ID()
}

// Labels returns Config.Scope and Config.Description.
func (r *Registrar) Labels() (scope, description string) { return r.cfg.Scope, r.cfg.Description }

// Profile returns the timers in use.
func (r *Registrar) Profile() core.Profile { return r.cfg.profile() }

// Ready is closed when the start-up has ended and pool elements and users are
// served (RFC 5353 §3.2).
func (r *Registrar) Ready() <-chan struct{} { return r.ready }

// StackStats returns the counters of the SCTP stack.
func (r *Registrar) StackStats() sctp.StackStats { return r.stack.Stats() }

// Snapshot returns the state for status pages.
func (r *Registrar) Snapshot() core.Snapshot {
	r.mu.Lock()
	rest := r.core.SnapshotLater()
	r.mu.Unlock()
	return rest() // who looks at a large scope keeps nobody waiting
}

// Run serves until ctx ends, then hands the elements over to the peers and
// returns nil. It also returns, without that, after Close or when the service cannot
// go on. It may be called once.
func (r *Registrar) Run(ctx context.Context) error {
	for range workers {
		r.tasks.Go(r.work)
	}
	r.tasks.Go(func() { r.accept(r.enrp, core.ENRP) })
	r.input(func(time.Time) {}) // what the state machine wants to begin with
	snapshots := r.state != nil && r.cfg.SnapshotInterval > 0
	if snapshots {
		r.tasks.Go(r.keepSnapshots)
	}
	select {
	case <-ctx.Done():
		r.drain()
		if snapshots {
			r.keepSnapshot()
		}
	case <-r.ctx.Done():
	}
	r.release()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close ends the service at once, without handing over. It unblocks Run.
func (r *Registrar) Close() error {
	r.release()
	return nil
}

// drain hands over what this registrar owns, in bounded time.
func (r *Registrar) drain() {
	p := r.cfg.profile()
	r.input(func(now time.Time) {
		r.isDrain = true
		r.core.Drain(now)
	})
	t := time.NewTimer(2*p.MaxTimeNoResponse + time.Second)
	defer t.Stop()
	select {
	case <-r.drained:
	case <-r.ctx.Done():
	case <-t.C:
	}
}

// release ends everything and waits for it.
func (r *Registrar) release() {
	r.cancel()
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	conns := r.conns
	r.conns = map[core.ConnID]*conn{}
	asap, asapTLS, tcp := r.asap, r.asapTLS, r.tcp
	r.mu.Unlock()
	r.channels.close()
	for _, l := range []*sctp.Listener{asap, asapTLS, r.enrp} {
		if l != nil {
			_ = l.Close() // cannot fail
		}
	}
	for _, l := range tcp {
		_ = l.Close() // closed already, the second time
	}
	if first {
		var closing sync.WaitGroup
		for _, c := range conns {
			if c.under != nil {
				closing.Go(func() { _ = c.under.Close() }) // the peer may be gone already
			}
		}
		closing.Wait()
		if r.ownsSCT {
			_ = r.stack.Close() // cannot fail
		}
	}
	r.tasks.Wait()
	if r.state != nil {
		r.state.close()
	}
}

// accept takes associations until the listener closes.
func (r *Registrar) accept(l *sctp.Listener, ch core.Channel) {
	secure := r.isSecure(l)
	for {
		a, err := l.AcceptSCTP(r.ctx)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && r.ctx.Err() == nil {
				r.log.Warn("accept", zap.Stringer("channel", ch), zap.Error(err))
			}
			return
		}
		if secure {
			r.greet(a, ch)
		} else {
			r.adopt(a, ch, nil)
		}
	}
}
