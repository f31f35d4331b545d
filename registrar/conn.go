package registrar

import (
	"context"
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/sctp"
)

// conn is one connection of the state machine.
type conn struct {
	id      core.ConnID
	channel core.Channel
	under   under             // nil while it is dialed
	assoc   *sctp.Association // the same; nil with TCP
	link    *securelink.Link  // nil without TLS and TCP
	cancel  context.CancelFunc
	last    int // place in Registrar.todo of the last Send for it
}

// under is what carries a connection.
type under interface {
	Abort(reason string) error
	Close() error
}

// describe tells the state machine about an association.
func describe(a *sctp.Association, ch core.Channel) core.Conn {
	d := core.Conn{Channel: ch, RTT: func() time.Duration { return roundTrip(a) }, Confirmed: func() []netip.Addr { return confirmed(a) }}
	if remote, ok := a.RemoteAddr().(*sctp.Addr); ok {
		d.Remote = transportOf(remote)
	}
	if local, ok := a.LocalAddr().(*sctp.Addr); ok && len(d.Remote.Addrs) > 0 {
		d.Local = reachable(local.IPs, d.Remote.Addrs[0])
	}
	return d
}

// roundTrip is the smoothed round-trip time of the best path.
func roundTrip(a *sctp.Association) (best time.Duration) {
	for _, p := range a.Paths() {
		if p.SRTT > 0 && (best == 0 || p.SRTT < best) {
			best = p.SRTT
		}
	}
	return best
}

// confirmed returns the addresses that the peer has shown to have by the handshake, or by
// answering there (RFC 9260 §5.4).
func confirmed(a *sctp.Association) (out []netip.Addr) {
	for _, p := range a.Paths() {
		if p.State != sctp.PathUnconfirmed {
			out = append(out, p.Remote.Addr())
		}
	}
	return out
}

// reachable returns those of the local addresses that the peer at the given address
// can reach (RFC 9260 §5.1.2: none of another scope). Where the stack does not know
// any, the operating system is asked which one it takes.
func reachable(ips []netip.Addr, peer netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if ip.IsLoopback() == peer.IsLoopback() && ip.IsLinkLocalUnicast() == peer.IsLinkLocalUnicast() && !ip.IsUnspecified() {
			out = append(out, ip.WithZone(""))
		}
	}
	if len(out) > 0 {
		return out
	}
	// A connected UDP socket tells, without a packet.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, sctp.DefaultUDPPort)))
	if err != nil {
		return nil
	}
	defer c.Close()
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
		out = append(out, a.AddrPort().Addr().Unmap().WithZone(""))
	}
	return out
}

// adopt announces an association that somebody opened. link is nil without TLS.
func (r *Registrar) adopt(a *sctp.Association, ch core.Channel, link *securelink.Link) {
	r.enter(&conn{channel: ch, under: a, assoc: a, link: link}, func() core.Conn { return describe(a, ch) })
}

// enter announces a connection that somebody opened.
func (r *Registrar) enter(c *conn, describe func() core.Conn) {
	accepted := false
	r.input(func(now time.Time) {
		d := describe()
		d.Authenticated = c.link != nil && c.link.Authenticated()
		c.id = r.core.Accept(now, d)
		r.conns[c.id] = c
		accepted = true
		r.read(c)
	})
	if !accepted { // the service ended
		r.dismiss(c.under, "registrar stops")
	}
}

// dial opens the association of a Dial action. The caller holds mu.
func (r *Registrar) dial(act core.Action) {
	t := r.cfg.profile().Transport
	ctx, cancel := context.WithTimeout(r.ctx, t.DialTimeout)
	c := &conn{id: act.Conn, channel: act.Channel, cancel: cancel}
	r.conns[act.Conn] = c
	port := uint16(0)
	if act.Channel == core.ENRP {
		port = r.cfg.enrpPort() // peers of other implementations know us by it
	}
	to := addrOf(&act.To)
	r.tasks.Go(func() {
		a, err := r.stack.Dial(ctx, to, association(&t, port))
		var link *securelink.Link
		if err == nil {
			link, err = r.secure(ctx, a, act.Channel)
		}
		cancel()
		if err != nil {
			r.lost(c, err)
			return
		}
		wanted := false
		r.input(func(now time.Time) {
			if r.conns[c.id] == c {
				wanted = true
				c.under, c.assoc, c.link = a, a, link
				d := describe(a, c.channel)
				d.Authenticated = link != nil
				r.core.Connected(now, c.id, d)
				r.read(c)
			}
		})
		if !wanted {
			_ = a.Abort("not needed any more")
			_ = a.Close() // ended already
		}
	})
}

// lost says that a connection ended by itself.
func (r *Registrar) lost(c *conn, err error) {
	r.input(func(now time.Time) {
		if r.conns[c.id] == c {
			delete(r.conns, c.id)
			r.core.Lost(now, c.id, err.Error())
		}
	})
}

// send carries out a Send action without waiting. more says that there are others for the
// same connection, which may share its packets. The caller holds mu. False: the connection
// cannot take it.
func (r *Registrar) send(act core.Action, b []byte, more bool) ([]byte, bool) {
	c := r.conns[act.Conn]
	if c == nil || c.under == nil {
		return b, true // ended: the state machine hears of it
	}
	b = act.Message.AppendTo(b[:0])
	if len(b) == 0 {
		return b, true
	}
	var err error
	if c.link != nil {
		err = c.link.Send(b)
	} else {
		err = c.assoc.TrySend(&sctp.Message{PPID: sctp.PPID(c.channel.PPID()), Data: b, More: more})
	}
	if err != nil {
		r.log.Debug("send", zap.Uint64("conn", uint64(act.Conn)), zap.Error(err))
	}
	return b, err == nil
}

// end carries out a Close or Abort action. The caller holds mu; waiting for the
// peer happens elsewhere.
func (r *Registrar) end(act core.Action) {
	c := r.conns[act.Conn]
	if c == nil {
		return
	}
	delete(r.conns, act.Conn)
	if c.cancel != nil {
		c.cancel()
	}
	a := c.under
	if a == nil {
		return
	}
	if act.Kind == core.Abort {
		r.log.Debug("abort", zap.Uint64("conn", uint64(act.Conn)), zap.String("reason", act.Reason))
	}
	r.tasks.Go(func() {
		if act.Kind == core.Abort {
			_ = a.Abort(act.Reason) // may have ended already
		}
		_ = a.Close()
	})
}
