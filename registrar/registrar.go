package registrar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

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
	asap    *sctp.Listener
	enrp    *sctp.Listener
	started time.Time

	ctx    context.Context // ends when the service does
	cancel context.CancelFunc
	tasks  sync.WaitGroup // accept loops, readers, dials, closes

	mu      sync.Mutex // guards what follows and is never held while waiting
	core    *core.Registrar
	conns   map[core.ConnID]*conn
	timer   *time.Timer
	drained chan struct{}
	ready   chan struct{}
	isReady bool
	isDrain bool
	closed  bool
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
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var err error
	if r.stack, r.ownsSCT, err = cfg.openStack(); err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// open binds the two SCTP ports and makes the state machine.
func (r *Registrar) open() error {
	p := r.cfg.profile()
	var err error
	if r.asap, err = r.stack.Listen(&sctp.Addr{Port: r.cfg.asapPort()}, association(&p.Transport, 0)); err != nil {
		return fmt.Errorf("registrar: ASAP: %w", err)
	}
	if r.enrp, err = r.stack.Listen(&sctp.Addr{Port: r.cfg.enrpPort()}, association(&p.Transport, 0)); err != nil {
		return fmt.Errorf("registrar: ENRP: %w", err)
	}
	peers, err := r.cfg.peers(r.ctx)
	if err != nil {
		return err
	}
	enrp := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: r.cfg.enrpPort(), Addrs: r.boundAddrs()}
	if port := r.stack.UDPPort(); port != sctp.DefaultUDPPort {
		enrp.UDPPort = port // docs/udp-port-parameter.md
	}
	r.core, err = core.New(time.Now(), core.Config{
		ID: r.cfg.ID, Profile: p, ENRP: enrp, Peers: peers,
		ClosedPeers: r.cfg.ClosedPeers, StrictAddresses: r.cfg.StrictAddresses, Permit: r.cfg.Permit, Limits: r.cfg.Limits,
	})
	if err != nil {
		return fmt.Errorf("registrar: %w", err)
	}
	return nil
}

// boundAddrs is the addresses the stack is bound to, none if to all of them.
func (r *Registrar) boundAddrs() []netip.Addr {
	var out []netip.Addr
	for _, a := range r.stack.LocalAddrs() {
		if !a.Addr().IsUnspecified() {
			out = append(out, a.Addr())
		}
	}
	return out
}

// Addrs returns the ASAP and the ENRP endpoint with the UDP port in use.
func (r *Registrar) Addrs() (asap, enrp *sctp.Addr) {
	return r.asap.Addr().(*sctp.Addr), r.enrp.Addr().(*sctp.Addr)
}

// ID is the registrar's identifier.
func (r *Registrar) ID() rserpool.RegistrarID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.ID()
}

// Ready is closed when the start-up has ended and pool elements and users are
// served (RFC 5353 §3.2).
func (r *Registrar) Ready() <-chan struct{} { return r.ready }

// StackStats returns the counters of the SCTP stack.
func (r *Registrar) StackStats() sctp.StackStats { return r.stack.Stats() }

// Snapshot returns the state for status pages.
func (r *Registrar) Snapshot() core.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.Snapshot()
}

// Run serves until ctx ends, then hands the elements over to the peers and
// returns. Its error is nil after a drain. It may be called once.
func (r *Registrar) Run(ctx context.Context) error {
	r.input(func(time.Time) {}) // what the state machine wants to begin with
	r.tasks.Go(func() { r.accept(r.asap, core.ASAP) })
	r.tasks.Go(func() { r.accept(r.enrp, core.ENRP) })
	select {
	case <-ctx.Done():
		r.drain()
	case <-r.ctx.Done():
	}
	r.release()
	return nil
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
	r.mu.Unlock()
	for _, l := range []*sctp.Listener{r.asap, r.enrp} {
		if l != nil {
			_ = l.Close() // cannot fail
		}
	}
	if first {
		var closing sync.WaitGroup
		for _, c := range conns {
			if c.assoc != nil {
				closing.Go(func() { _ = c.assoc.Close() }) // the peer may be gone already
			}
		}
		closing.Wait()
		if r.ownsSCT {
			_ = r.stack.Close() // cannot fail
		}
	}
	r.tasks.Wait()
}

// accept takes associations until the listener closes.
func (r *Registrar) accept(l *sctp.Listener, ch core.Channel) {
	for {
		a, err := l.AcceptSCTP(r.ctx)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && r.ctx.Err() == nil {
				r.log.Warn("accept", zap.Stringer("channel", ch), zap.Error(err))
			}
			return
		}
		r.adopt(a, ch)
	}
}
