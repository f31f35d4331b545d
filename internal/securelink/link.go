package securelink

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

// ErrFraming says that what came within TLS is no message.
var ErrFraming = errors.New("TLS: not a message of ASAP or ENRP")

// Link is an association with TLS, or a connection of TCP with TLS or without. One goroutine
// at a time may call Receive; Send may be called beside it.
type Link struct {
	conn   net.Conn // messages one behind the other; a *tls.Conn with TLS
	in     *bufio.Reader
	within time.Duration // the rest of a message that has begun; 0: there is no limit
	first  [256]byte     // room for most messages
}

// headerLen is the length of the header of a message: type, flags, length.
const headerLen = 4

// Client makes a Link of an association that this end has dialed. ctx bounds the
// handshake; reading ends with life. An error has aborted the association.
func Client(ctx, life context.Context, a *sctp.Association, ppid sctp.PPID, cfg *tls.Config) (*Link, error) {
	return establish(ctx, tls.Client(&wire{assoc: a, ppid: ppid, life: life}, cfg))
}

// Server is Client for the end that was dialed.
func Server(ctx, life context.Context, a *sctp.Association, ppid sctp.PPID, cfg *tls.Config) (*Link, error) {
	return establish(ctx, tls.Server(&wire{assoc: a, ppid: ppid, life: life}, cfg))
}

func establish(ctx context.Context, c *tls.Conn) (*Link, error) {
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.NetConn().Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &Link{conn: c, in: bufio.NewReader(c)}, nil
}

// Stream makes a Link of a connection of TCP that was accepted: without TLS if cfg is nil, else
// ctx bounds the handshake, and an error has closed it. Writing to c must not wait. A
// message has to be there in full within the given time after it began.
func Stream(ctx context.Context, c net.Conn, cfg *tls.Config, within time.Duration) (*Link, error) {
	l := &Link{conn: c, in: bufio.NewReader(c)}
	if cfg != nil {
		var err error
		if l, err = establish(ctx, tls.Server(c, cfg)); err != nil {
			return nil, err
		}
	}
	l.within = within
	return l, nil
}

// Authenticated reports whether the other end has shown a certificate that the authority
// has signed.
func (l *Link) Authenticated() bool {
	c, ok := l.conn.(*tls.Conn)
	return ok && len(c.ConnectionState().VerifiedChains) > 0
}

// Send sends a message without waiting. After an error the link is of no use: a part of
// the message may have been sent.
func (l *Link) Send(b []byte) error {
	if pad := -len(b) & 3; pad > 0 {
		b = append(b[:len(b):len(b)], make([]byte, pad)...)
	}
	_, err := l.conn.Write(b)
	return err
}

// Receive waits for the next message, which is valid until the next call.
func (l *Link) Receive() ([]byte, error) {
	if l.within > 0 {
		if _, err := l.in.Peek(1); err != nil {
			return nil, err
		}
		_ = l.conn.SetReadDeadline(time.Now().Add(l.within)) // fails if it is closed: so does reading
		defer func() { _ = l.conn.SetReadDeadline(time.Time{}) }()
	}
	return l.receive()
}

func (l *Link) receive() ([]byte, error) {
	head, err := l.in.Peek(headerLen)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	if n < headerLen {
		return nil, ErrFraming
	}
	n = (n + 3) &^ 3
	b := l.first[:]
	if n > len(b) {
		b = make([]byte, n)
	}
	b = b[:n]
	if _, err := io.ReadFull(l.in, b); err != nil {
		return nil, err
	}
	return b, nil
}

// wire is the association as TLS sees it: stream 0.
type wire struct {
	assoc *sctp.Association
	ppid  sctp.PPID
	life  context.Context
}

// Read copies what of TLS's records there is.
func (w *wire) Read(p []byte) (int, error) {
	for {
		m, err := w.assoc.Receive(w.life, p)
		if err != nil {
			return 0, err
		}
		if m.Stream != 0 || m.Unordered || m.PPID != w.ppid {
			continue // RFC 3436 §6.2: no record
		}
		if len(m.Data) > 0 {
			return len(m.Data), nil
		}
	}
}

// Write does not wait: the send buffer holds many requests. If it is full the other end
// has not acknowledged any of them for long.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.assoc.TrySend(&sctp.Message{PPID: w.ppid, Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close is called for a handshake that takes too long or fails.
func (w *wire) Close() error { return w.assoc.Abort("TLS") }

func (w *wire) LocalAddr() net.Addr              { return w.assoc.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr             { return w.assoc.RemoteAddr() }
func (w *wire) SetDeadline(time.Time) error      { return nil } // contexts bound everything
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
