package poolelement

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// PoolElement is a registered member of a pool, and the listener for its users.
// Its methods may be called by several goroutines at once.
type PoolElement struct {
	handle   rserpool.PoolHandle
	cfg      *setup
	stack    *sctp.Stack
	ownStack bool
	listener *sctp.Listener
	agent    *asaplink.Agent
	reg      registration
	door     door
}

var _ net.Listener = (*PoolElement)(nil)

// Listen serves a pool: it listens for users, finds a registrar and registers. It
// returns when a registrar has accepted the element. While no registrar can be
// reached it goes on trying until ctx ends; a refusal, a *core.RejectedError, ends it
// at once. The error for a ctx that ended wraps that of ctx and says what was
// wrong. ctx does not matter any more once Listen has returned.
func Listen(ctx context.Context, handle rserpool.PoolHandle, cfg *Config) (*PoolElement, error) {
	if err := handle.Validate(); err != nil {
		return nil, err
	}
	if cfg == nil {
		cfg = &Config{}
	}
	s, err := cfg.resolve(ctx)
	if err != nil {
		return nil, err
	}
	pe := &PoolElement{handle: handle, cfg: s, stack: cfg.Stack}
	pe.reg.init(cfg.PEID, s.policy, cfg.Life)
	pe.door.init()
	if err := pe.open(cfg); err != nil {
		_ = pe.Close()
		return nil, err
	}
	if err := pe.join(ctx, cfg.PEID == 0); err != nil {
		_ = pe.Close()
		return nil, fmt.Errorf("poolelement: registering in %s: %w", handle, err)
	}
	return pe, nil
}

// open makes the stack, the listener and the agent.
func (pe *PoolElement) open(cfg *Config) error {
	s := pe.cfg
	if pe.stack == nil {
		st, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: specific(s.listen.IPs), UDPPort: s.listen.UDPPort, Logger: s.log})
		if err != nil {
			return err
		}
		pe.stack, pe.ownStack = st, true
	}
	l, err := pe.stack.Listen(&sctp.Addr{IPs: s.listen.IPs, Port: s.listen.Port}, asaplink.SCTPConfig(s.profile.Transport, cfg.SCTP))
	if err != nil {
		return err
	}
	pe.listener = l
	pe.reg.user = pe.transport()
	pe.agent, err = asaplink.Start(&asaplink.Config{
		Core: core.Config{
			Profile: s.profile, Registrars: s.registrars, KnownOnly: cfg.KnownRegistrarsOnly,
		},
		Stack: pe.stack, Listen: true, Port: cfg.ASAPPort, OnEvent: pe.onEvent, Logger: s.log,
	})
	return err
}

// specific removes an unspecified address that stands alone: it means all.
func specific(ips []netip.Addr) []netip.Addr {
	if len(ips) == 1 && ips[0] == netip.IPv6Unspecified() {
		return nil
	}
	return ips
}

// transport is the user transport to register. Without addresses the one that the
// registrar sees the element at is filled in.
func (pe *PoolElement) transport() rserpool.Transport {
	at := pe.cfg.advertise
	if at == nil {
		at = pe.listener.Addr().(*sctp.Addr)
	}
	t := asaplink.Transport(at)
	t.Use = pe.cfg.use
	if pe.cfg.advertise == nil {
		t.Addrs = pe.scoped(t.Addrs)
	}
	return t
}

// scoped leaves out addresses that nobody can reach who reaches the registrars: the
// unspecified one, and loopback unless the registrars are there, too.
func (pe *PoolElement) scoped(ips []netip.Addr) []netip.Addr {
	loopback := slices.ContainsFunc(pe.cfg.registrars, func(t rserpool.Transport) bool {
		return slices.ContainsFunc(t.Addrs, netip.Addr.IsLoopback)
	})
	return slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool {
		return ip.IsUnspecified() || ip.IsLoopback() && !loopback
	})
}

// Handle returns the pool's handle.
func (pe *PoolElement) Handle() rserpool.PoolHandle { return pe.handle }

// ID returns the element's identifier within its pool.
func (pe *PoolElement) ID() rserpool.PEID {
	pe.reg.mu.Lock()
	defer pe.reg.mu.Unlock()
	return pe.reg.id
}

// Addr returns the *sctp.Addr at which users are served.
func (pe *PoolElement) Addr() net.Addr { return pe.listener.Addr() }

// ASAPPort returns the SCTP port of the ASAP endpoint.
func (pe *PoolElement) ASAPPort() uint16 { return pe.agent.Port() }
