package registrar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// Who has gone without a word is noticed after half a minute.
var tcpKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// errTCPWithoutTLS is a configuration that has a port for TLS over TCP and no TLS.
var errTCPWithoutTLS = errors.New("registrar: ASAPTCPTLS without TLS")

// tcpAddrs are the addresses to listen at over TCP, and whether TLS is spoken there.
func (c *Config) tcpAddrs() map[string]bool {
	m := map[string]bool{c.ASAPTCP: false, c.ASAPTCPTLS: true}
	delete(m, "")
	return m
}

// tryTCP reports whether the TCP ports can be had. They are opened when the SCTP port
// for users is.
func (r *Registrar) tryTCP() error {
	if r.cfg.ASAPTCPTLS != "" && !r.secured() {
		return errTCPWithoutTLS
	}
	for at := range r.cfg.tcpAddrs() {
		l, err := r.listenTCP(at)
		if err != nil {
			return err
		}
		_ = l.Close() // cannot fail
	}
	return nil
}

func (r *Registrar) listenTCP(at string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: tcpKeepAlive}
	l, err := lc.Listen(r.ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("registrar: ASAP over TCP: %w", err)
	}
	return l, nil
}

// serveTCP opens the TCP ports for users (RFC 5352 §3.3: "over a TCP connection on the
// well-known TCP port"). The caller holds mu.
func (r *Registrar) serveTCP() error {
	for at, secure := range r.cfg.tcpAddrs() {
		l, err := r.listenTCP(at)
		if err != nil {
			return err
		}
		r.tcp = append(r.tcp, l)
		r.tasks.Go(func() { r.acceptTCP(l, secure) })
	}
	return nil
}

// TCPAddrs returns where users are served over TCP, once the start-up has ended.
func (r *Registrar) TCPAddrs() (at []net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.tcp {
		at = append(at, l.Addr())
	}
	return at
}

// acceptTCP takes connections until the listener closes. A system without files left is no
// reason to stop: some will end.
func (r *Registrar) acceptTCP(l net.Listener, secure bool) {
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			r.greetTCP(newStream(c, r.cfg.profile().Transport.DialTimeout), secure)
		case errors.Is(err, net.ErrClosed) || r.ctx.Err() != nil:
			return
		default:
			r.log.Warn("accept", zap.Stringer("at", l.Addr()), zap.Error(err))
			select {
			case <-r.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// greetTCP makes the handshake, if there is one, and announces the connection.
func (r *Registrar) greetTCP(s *stream, secure bool) {
	from, err := netip.ParseAddrPort(s.RemoteAddr().String())
	if err != nil {
		r.dismiss(s, "no address") // it has ended
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	if !secure {
		r.enterTCP(s, from, nil)
		return
	}
	leave, ok := r.handshakes.Enter(from.Addr())
	if !ok {
		r.dismiss(s, "too many handshakes")
		return
	}
	r.tasks.Go(func() {
		defer leave()
		r.enterTCP(s, from, securelink.ServerConfig(r.tls.Load(), false))
	})
}

func (r *Registrar) enterTCP(s *stream, from netip.AddrPort, cfg *tls.Config) {
	patience := r.cfg.profile().Transport.DialTimeout
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	link, err := securelink.Stream(ctx, s, cfg, patience)
	if err != nil {
		r.log.Debug("TLS handshake failed", zap.Stringer("from", from), zap.Error(err))
		r.dismiss(s, "TLS")
		return
	}
	r.enter(&conn{channel: core.ASAP, under: s, link: link}, func() core.Conn {
		return core.Conn{Channel: core.ASAP, Remote: rserpool.Transport{
			Protocol: rserpool.ProtoTCP, Port: from.Port(), Addrs: []netip.Addr{from.Addr()},
		}}
	})
}
