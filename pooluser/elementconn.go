package pooluser

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/internal/asaplink"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// elementConn is a session's connection to one element.
type elementConn struct {
	s           *Session
	c           *conn
	read, write asaplink.Deadline
	closed      atomic.Bool
	mu          sync.Mutex // orders Close and the setting of deadlines
}

// ElementConn returns a net.Conn to the element that the session is with, for protocols
// that must not go on with another one unnoticed, TLS above all: its calls fail when
// that element fails, for good. It waits for the end of a fail-over under way, or, with
// the context of OnFailover's function, is to the new element, so that the function can
// shake hands with that:
//
//	s.OnFailover(func(ctx context.Context, _ []byte) error {
//		nc, err := s.ElementConn(ctx)
//		if err != nil {
//			return err
//		}
//		secure := tls.Client(nc, cfg)
//		if err := secure.HandshakeContext(ctx); err != nil {
//			return err
//		}
//		current.Store(secure)
//		return nil
//	})
//
// A failure that it notices makes the session fail over like one of its own calls. Its
// bytes are those of Session.Read and Write, which must not be used beside it. Close ends
// the net.Conn, not the session.
func (s *Session) ElementConn(ctx context.Context) (net.Conn, error) {
	c, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &elementConn{s: s, c: c}, nil
}

// Read reads bytes of messages as they come.
func (e *elementConn) Read(p []byte) (int, error) {
	if err := e.ready(&e.read); err != nil || len(p) == 0 {
		return 0, err
	}
	m, err := e.c.ch.Receive(e.read.Context(), p)
	return len(m.Data), e.result(err)
}

// Write sends p on stream 0, as messages of at most 64 KiB.
func (e *elementConn) Write(p []byte) (int, error) {
	if err := e.ready(&e.write); err != nil {
		return 0, err
	}
	n, err := asaplink.Write(e.write.Context(), p, e.s.pu.cfg.sctp.PPID, e.c.ch.Send)
	return n, e.result(err)
}

// ready returns why a call fails at once.
func (e *elementConn) ready(d *asaplink.Deadline) error {
	switch {
	case e.closed.Load():
		return net.ErrClosed
	case d.Passed():
		return os.ErrDeadlineExceeded // also if there is data
	}
	return nil
}

// result is the error of a call. Where it means that the element has failed, the
// session moves, if it does so.
func (e *elementConn) result(err error) error {
	if err != nil && e.closed.Load() {
		return net.ErrClosed
	}
	if err != nil {
		e.s.goesOn(context.Background(), e.c, err)
	}
	return err
}

// Close unblocks calls and lets no new ones begin.
func (e *elementConn) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed.Store(true)
	e.read.Set(longAgo)
	e.write.Set(longAgo)
	return nil
}

func (e *elementConn) LocalAddr() net.Addr  { return e.c.ch.Association().LocalAddr() }
func (e *elementConn) RemoteAddr() net.Addr { return e.c.ch.Association().RemoteAddr() }

func (e *elementConn) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t) // the next one says the same
	return e.SetWriteDeadline(t)
}

func (e *elementConn) SetReadDeadline(t time.Time) error  { return e.setDeadline(&e.read, t) }
func (e *elementConn) SetWriteDeadline(t time.Time) error { return e.setDeadline(&e.write, t) }

// setDeadline does not open again what Close has closed.
func (e *elementConn) setDeadline(d *asaplink.Deadline, t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return net.ErrClosed
	}
	d.Set(t)
	return nil
}
