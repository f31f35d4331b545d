package poolelement

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/rserpool/rserpool/rserpool"
)

// Member is a registered member of a pool whose users are served by somebody else: a
// server of TCP or UDP. Its methods may be called by several goroutines at once.
type Member struct {
	membership
}

// Register makes a server with a listener of its own a member of a pool: at is where it
// listens, a *net.TCPAddr or a *net.UDPAddr, usually Addr of a net.Listener or LocalAddr
// of a net.PacketConn. All elements of a pool need the same protocol (RFC 5352 §3.1), and
// pool users reach them by pooluser.PoolUser.DialContext. There is no control channel,
// hence neither cookies nor business cards.
//
// Config.Listen is where the ASAP endpoint is, not the service. An unspecified address in
// at is replaced by the one that the registrar sees the element at, all of it by
// Config.Advertise, of which the first address and the port matter. DataOnly, Cookies
// and SCTP do not matter. Otherwise Register is like Listen.
//
// The server is to stop after the Member: Shutdown, then let its connections end.
func Register(ctx context.Context, handle rserpool.PoolHandle, at net.Addr, cfg *Config) (*Member, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	m := &Member{}
	err := m.setUp(ctx, handle, cfg)
	if err == nil {
		m.user, err = m.service(at)
	}
	if err == nil {
		err = m.join(ctx)
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// service is the user transport for a server at an address (RFC 5354 §3.5, §3.6).
func (m *Member) service(at net.Addr) (rserpool.Transport, error) {
	var t rserpool.Transport
	var ap netip.AddrPort
	switch a := at.(type) {
	case *net.TCPAddr:
		t.Protocol, ap = rserpool.ProtoTCP, a.AddrPort()
	case *net.UDPAddr:
		t.Protocol, ap = rserpool.ProtoUDP, a.AddrPort()
	default:
		return t, fmt.Errorf("poolelement: cannot register %T, want *net.TCPAddr or *net.UDPAddr", at)
	}
	if fwd := m.cfg.advertise; fwd != nil {
		ap = netip.AddrPortFrom(fwd.IPs[0], fwd.Port)
	}
	if ap.Port() == 0 {
		return t, fmt.Errorf("poolelement: cannot register %v: no port", at)
	}
	t.Port = ap.Port()
	ip := ap.Addr().Unmap().WithZone("")
	if !ip.IsValid() || ip.IsUnspecified() {
		return t, nil
	}
	t.Addrs = []netip.Addr{ip}
	// Where registrars are that announce themselves nobody knows yet.
	if m.cfg.advertise == nil && len(m.ep.cfg.registrars) > 0 && len(m.scoped(t.Addrs)) == 0 {
		return t, fmt.Errorf("poolelement: %v serves this host only, and the registrars are elsewhere", at)
	}
	return t, nil
}

// Transport returns what is registered: without addresses if that is left to the
// registrar.
func (m *Member) Transport() rserpool.Transport { return m.user.Clone() }

// Shutdown takes the element out of the pool: it deregisters (RFC 5352 §3.2), and closes.
// When ctx ends first it closes at once and returns the error of ctx.
func (m *Member) Shutdown(ctx context.Context) error {
	m.drain()
	err := m.leave(ctx)
	if cerr := m.Close(); err == nil {
		err = cerr
	}
	return err
}

// Close ends the membership at once. At an ASAP endpoint of its own it does not
// deregister, and the registrar concludes from the end of the association that the
// element is gone; at a shared one it does, without waiting for the answer. It is
// idempotent.
func (m *Member) Close() error { return m.detach() }
