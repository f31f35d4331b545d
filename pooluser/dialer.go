package pooluser

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/rserpool/rserpool/rserpool"
)

// Conn is a Session as DialContext returns it: Close does not wait, as clients expect
// it of connections.
type Conn struct{ *Session }

// Close ends the session gracefully, in the background.
func (c *Conn) Close() error {
	pu := c.pu
	pu.mu.Lock()
	if pu.ended {
		pu.mu.Unlock()
		return c.Session.Close()
	}
	defer pu.mu.Unlock()
	pu.closers.Go(func() { _ = c.Session.Close() }) // its error is that it took too long
	return nil
}

// NetConn is a connection of TCP or UDP to an element, as DialContext returns it. When
// it breaks, that is held against the element: DialContext then prefers others. It
// outlives its PoolUser.
type NetConn struct {
	net.Conn // as Config.DialNet has returned it

	pu     *PoolUser
	handle rserpool.PoolHandle
	el     Element
	once   sync.Once // its failure is noted
}

// Handle returns the handle of the pool.
func (c *NetConn) Handle() rserpool.PoolHandle { return c.handle }

// Element returns the element at the other end.
func (c *NetConn) Element() Element { return c.el.Clone() }

// Read is that of the connection.
func (c *NetConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(err)
	return n, err
}

// Write is that of the connection.
func (c *NetConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.note(err)
	return n, err
}

// note looks at the error of a call. Only an element that does not answer, or whose
// port nobody listens at, is reported: one that ends or resets a connection is there.
func (c *NetConn) note(err error) {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) {
		return
	}
	c.once.Do(func() {
		c.pu.strike(c.handle, c.el.ID)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) {
			c.pu.ReportUnreachable(c.handle, c.el.ID)
		}
	})
}

// wanted says whether an element will do.
type wanted func(*Element) bool

// ofSCTP wants elements that a session can be with.
func ofSCTP(el *Element) bool { return el.User.Protocol == rserpool.ProtoSCTP }

// ofNetwork returns what a network of package net asks for. Whoever dials "tcp" wants a
// stream of bytes, which SCTP is, too; net/http and others always say that.
func ofNetwork(network string) wanted {
	return func(el *Element) bool {
		switch p := el.User.Protocol; {
		case strings.HasPrefix(network, "udp"):
			return p == rserpool.ProtoUDP
		case strings.HasPrefix(network, "sctp"):
			return p == rserpool.ProtoSCTP
		case strings.HasPrefix(network, "tcp"):
			return p != rserpool.ProtoUDP
		}
		return true
	}
}

// DialContext is Dial for http.Transport, grpc.WithContextDialer and others that dial by
// name: the pool's handle is the host in addr, and a port is ignored. The network is
// "tcp", for elements of TCP and SCTP; "udp" or "sctp", for those alone; or "", for any. A
// 4 or 6 behind it is ignored.
//
// The net.Conn is a *Conn if the element is one of SCTP, else a *NetConn; both have
// Element. It does not fail over, because whoever uses it dials again. UDP has no
// handshake: that an element of it is gone is noticed by reading and writing, if at all.
func (pu *PoolUser) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host := addr
	if h, _, err := net.SplitHostPort(addr); err == nil {
		host = h
	}
	h := rserpool.PoolHandle(host)
	w, err := pu.newSearch(h, ofNetwork(network), pu.cfg.WaitForPool).next(ctx)
	var c net.Conn
	if err == nil {
		c, err = pu.connOf(h, w)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: dialError(h, err)}
	}
	return c, nil
}

// connOf wraps what the search has found.
func (pu *PoolUser) connOf(h rserpool.PoolHandle, w way) (net.Conn, error) {
	if w.conn != nil {
		return &NetConn{Conn: w.conn, pu: pu, handle: h, el: w.el}, nil
	}
	s, err := pu.session(h, w)
	if err != nil {
		return nil, err
	}
	return &Conn{s}, nil
}

// dialNet connects to a transport of TCP or UDP, which has one address (RFC 5354 §3.5,
// §3.6).
func (pu *PoolUser) dialNet(ctx context.Context, t rserpool.Transport) (net.Conn, error) {
	return pu.cfg.DialNet(ctx, t.Protocol.String(), netip.AddrPortFrom(t.Addrs[0], t.Port).String())
}
