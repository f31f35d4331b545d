package pooluser

import (
	"context"
	"net"

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

// DialContext is Dial for http.Transport and others that dial by name: the pool's
// handle is the host in addr, a port is ignored, and so is network. The net.Conn is
// a *Conn. It does not fail over, because whoever uses it dials again.
func (pu *PoolUser) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	h := addr
	if host, _, err := net.SplitHostPort(addr); err == nil {
		h = host
	}
	s, err := pu.Dial(ctx, rserpool.PoolHandle(h))
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return &Conn{s}, nil
}
