package poolelement

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// PoolElement is a registered member of a pool, and the listener for its users.
// Its methods may be called by several goroutines at once.
type PoolElement struct {
	membership
	listener *sctp.Listener
	door     door
}

var _ net.Listener = (*PoolElement)(nil)

// Listen serves a pool: it listens for users, finds a registrar and registers. It
// returns when a registrar has accepted the element. While no registrar can be
// reached it goes on trying until ctx ends; a refusal, a *core.RejectedError, ends it
// at once. The error for a ctx that ended wraps that of ctx and says what was
// wrong. ctx does not matter any more once Listen has returned.
func Listen(ctx context.Context, handle rserpool.PoolHandle, cfg *Config) (*PoolElement, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	pe := &PoolElement{}
	pe.door.init()
	err := pe.setUp(ctx, handle, cfg)
	if err == nil {
		err = pe.open(cfg)
	}
	if err == nil {
		err = pe.join(ctx)
	}
	if err != nil {
		_ = pe.Close()
		return nil, err
	}
	return pe, nil
}

// open makes the listener.
func (pe *PoolElement) open(cfg *Config) error {
	s := pe.cfg
	l, err := pe.ep.stack.Listen(&sctp.Addr{IPs: s.listen.IPs, Port: s.listen.Port}, asaplink.SCTPConfig(s.profile.Transport, cfg.SCTP))
	if err != nil {
		return err
	}
	pe.listener = l
	pe.user = pe.transport()
	return nil
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
func (m *membership) scoped(ips []netip.Addr) []netip.Addr {
	loopback := slices.ContainsFunc(m.ep.cfg.registrars, func(t rserpool.Transport) bool {
		return slices.ContainsFunc(t.Addrs, netip.Addr.IsLoopback)
	})
	return slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool {
		return ip.IsUnspecified() || ip.IsLoopback() && !loopback
	})
}

// Addr returns the *sctp.Addr at which users are served.
func (pe *PoolElement) Addr() net.Addr { return pe.listener.Addr() }
