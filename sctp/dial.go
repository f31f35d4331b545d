package sctp

import (
	"context"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/core"
)

// attemptTimeout bounds each try of Dial but the last where a host name has
// several addresses.
const attemptTimeout = 5 * time.Second

// Dial opens an association to address, `IP[/IP…]:PORT[@UDPPORT]` or with host
// names, over a stack of its own with any free UDP port; closing the association
// closes that stack. It returns when the handshake is complete. Programs with
// several associations save sockets with NewStack and its Dial, and give the stack
// time to answer peers that lost the last packet of a shutdown.
//
// Dial fails with the error of ctx, with an error that is ErrUnreachable if nobody
// answers, with an *AbortError if nobody listens there, or with ErrRefused if the host
// says that it has no such UDP port; with a *ParameterError if a value of cfg is not
// allowed. All of them are in an *OpError.
func Dial(ctx context.Context, address string, cfg *Config) (*Association, error) {
	ctx = orBackground(ctx)
	addrs, err := ResolveAddr(ctx, address)
	if err != nil {
		return nil, err
	}
	s, err := NewStack(&StackConfig{})
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if i < len(addrs)-1 {
			attempt, cancel = context.WithTimeout(ctx, attemptTimeout)
		}
		var assoc *Association
		assoc, err = s.dial(attempt, a, cfg)
		cancel()
		if err == nil {
			s.endWithLast()
			return assoc, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	_ = s.Close()
	return nil, err
}

// Dial opens an association to the endpoint addr over this stack. It returns when
// the handshake is complete; see the package-level Dial for its errors. Two
// endpoints have no more than one association: ErrAssociationExists.
func (s *Stack) Dial(ctx context.Context, addr *Addr, cfg *Config) (*Association, error) {
	return s.dial(orBackground(ctx), addr, cfg)
}

// orBackground is ctx, or the background where nobody gave one: no reason to panic.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

func (s *Stack) dial(ctx context.Context, addr *Addr, cfg *Config) (*Association, error) {
	target := addr
	switch {
	case addr == nil:
	case !s.encapsulates():
		target = &Addr{IPs: addr.IPs, Port: addr.Port}
	case addr.UDPPort == 0:
		addr = &Addr{IPs: addr.IPs, Port: addr.Port, UDPPort: DefaultUDPPort}
		target = addr
	}
	a, err := s.connect(ctx, target, cfg)
	if err != nil {
		return nil, &OpError{Op: "dial", Addr: addr.String(), Err: err}
	}
	return a, nil
}

func (s *Stack) connect(ctx context.Context, addr *Addr, cfg *Config) (*Association, error) {
	if err := addr.validPeer(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st, machine, err := s.parameters(cfg)
	if err != nil {
		return nil, err
	}
	var port uint16
	if cfg != nil {
		port = cfg.LocalPort
	}
	a := newAssociation(s, st, port, addr.Port)
	a.dialed = true
	if err := a.launch(addr, machine); err != nil {
		return nil, err
	}
	if err := a.await(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// launch enters the association into the tables, makes its machine and sends the
// INIT.
func (a *Association) launch(addr *Addr, machine *core.Config) error {
	s, peers := a.stack, addr.targets()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := s.demux.reserve(a, peers); err != nil {
		return err
	}
	if hooks := a.trace(addr); hooks != nil {
		own := *machine
		own.Trace = hooks
		machine = &own
	}
	now := time.Now()
	no4, no6 := s.missingFamily()
	for {
		c, err := core.Dial(now, machine, core.Endpoint{
			LocalPort: a.ourPort, PeerPort: a.peerPort,
			LocalAddrs: s.specificAddrs(), PeerAddrs: peers, NoIPv4: no4, NoIPv6: no6,
		}, s.keeper.responder)
		if err != nil {
			return a.unlaunch(err)
		}
		ok, err := s.demux.activate(a, c.LocalTag())
		if err != nil {
			return a.unlaunch(err)
		}
		if ok {
			a.core = c
			break
		}
		// Another association has this tag: one in four billion. Draw again.
	}
	s.count.dialed.Add(1)
	s.ledger.enter(a)
	a.turn(now)
	return nil
}

// unlaunch takes an association out of the tables that never began.
func (a *Association) unlaunch(err error) error {
	a.stack.demux.remove(a)
	if a.tracer != nil {
		a.tracer.end(err, &Stats{})
	}
	return err
}

// await waits for the end of the handshake. If ctx ends first, the association is
// aborted.
func (a *Association) await(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.established && !a.done {
		if err := a.wait(ctx, &a.changed, false); err != nil && !a.established && !a.done {
			a.abort(time.Now(), "dial cancelled")
			return err
		}
	}
	switch {
	case a.established && (!a.done || a.err == nil):
		// It may have ended gracefully by now, with data to read.
		return nil
	case a.closed:
		return net.ErrClosed
	case a.err == nil:
		return ErrShutdown
	}
	a.stack.log.Debug("dial failed", zap.Stringer("peer", a.remote()), zap.Error(a.err))
	return a.err
}
