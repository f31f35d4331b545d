package poolelement

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// errLateEcho is the reason of the abort that answers a misplaced cookie echo.
var errLateEcho = errors.New("COOKIE_ECHO is not the first message")

// Session is an association with a pool user. It has messages, and it is a net.Conn
// whose bytes travel on stream 0. Control messages (RFC 5352 §3.8) never show up
// among the data. Its methods may be called by several goroutines at once. It must be
// closed.
type Session struct {
	pe          *PoolElement
	ch          *asaplink.Channel
	read, write asaplink.Deadline

	mu     sync.Mutex
	cookie []byte
	card   *asap.BusinessCard
}

var _ net.Conn = (*Session)(nil)

// Conn is a Session as Accept returns it: Close does not wait, as servers expect it
// of connections.
type Conn struct{ *Session }

// Close ends the session gracefully, in the background.
func (c *Conn) Close() error {
	if !c.pe.door.background(func() { _ = c.Session.Close() }) { // its error is that it took too long
		return c.Session.Close()
	}
	return nil
}

// Accept waits for the next session. It is AcceptSession for net.Listener: the
// net.Conn is a *Conn.
func (pe *PoolElement) Accept() (net.Conn, error) {
	s, err := pe.AcceptSession(context.Background())
	if err != nil {
		return nil, err
	}
	return &Conn{s}, nil
}

// AcceptSession waits for the next session. The error is that of ctx, or wraps
// net.ErrClosed after Shutdown or Close.
func (pe *PoolElement) AcceptSession(ctx context.Context) (*Session, error) {
	a, err := pe.listener.AcceptSCTP(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{pe: pe}
	var control func(asap.Message, bool) error
	if pe.cfg.use == rserpool.UseDataControl {
		control = s.onControl
	}
	s.ch = asaplink.NewChannel(a, control)
	if err := pe.door.enter(s); err != nil {
		s.abort("pool element closes")
		return nil, err
	}
	pe.count.sessions.Add(1)
	s.introduce(ctx)
	return s, nil
}

// onControl handles a control message of the user.
func (s *Session) onControl(m asap.Message, first bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *asap.BusinessCard:
		s.card = m
	case *asap.CookieEcho:
		// RFC 5352 §3.8: "as the first message on the control channel". Later the
		// handler has begun without it.
		if !first {
			return errLateEcho
		}
		s.cookie = m.Cookie
		s.pe.count.echoed.Add(1)
	}
	return nil
}

// Association returns the SCTP association, for its addresses, paths and counters.
// Messages must be sent and received by the Session.
func (s *Session) Association() *sctp.Association { return s.ch.Association() }

// Cookie waits for the first message of the user. If that brings a cookie along from
// an element that served it before, Cookie returns it; if it is data, nil. A service in
// which the server speaks first cannot wait for it.
//
// With Config.Cookies it is the state that was sealed; the error for one that is not
// accepted is a cookie.ErrInvalid, and whether the service then begins anew or ends the
// session is up to it. Without, the cookie comes from the network: it may be forged.
func (s *Session) Cookie(ctx context.Context) ([]byte, error) {
	if err := s.ch.AwaitFirst(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	c := bytes.Clone(s.cookie)
	s.mu.Unlock()
	if c == nil || s.pe.cfg.cookies == nil {
		return c, nil
	}
	return s.pe.cfg.cookies.Open(c)
}

// SendCookie gives the user a cookie, which replaces earlier ones: when this element
// fails, the user hands it to the next one (RFC 5352 §3.8). It may be up to 65,524
// bytes long, and with Config.Cookies, which seals it, as long as that allows; users may
// accept less.
func (s *Session) SendCookie(ctx context.Context, cookie []byte) error {
	if sealer := s.pe.cfg.cookies; sealer != nil {
		var err error
		if cookie, err = sealer.Seal(cookie); err != nil {
			return err
		}
	}
	err := s.ch.SendControl(ctx, &asap.Cookie{Cookie: cookie})
	if err == nil {
		s.pe.count.cookies.Add(1)
		s.pe.count.bytes.Add(uint64(len(cookie)))
	}
	return err
}

// Send sends a message; see sctp.Association.Send. The payload protocol identifier
// of ASAP, 11, is refused.
func (s *Session) Send(ctx context.Context, m *sctp.Message) error { return s.ch.Send(ctx, m) }

// Receive waits for the next data message and copies it, or as much as fits, to buf;
// see sctp.Association.Receive.
func (s *Session) Receive(ctx context.Context, buf []byte) (sctp.Message, error) {
	return s.ch.Receive(ctx, buf)
}

// Read reads bytes of data messages as they come. The error is io.EOF after the user
// has closed the session.
func (s *Session) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.read.Passed() {
		return 0, os.ErrDeadlineExceeded // also if there is data
	}
	m, err := s.ch.Receive(s.read.Context(), p)
	return len(m.Data), err
}

// Write sends p on stream 0, as messages of at most 64 KiB.
func (s *Session) Write(p []byte) (int, error) {
	if s.write.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	return asaplink.Write(s.write.Context(), p, s.pe.cfg.ppid, s.ch.Send)
}

// Close ends the session gracefully: what was sent is delivered first, within
// sctp.Config.Linger. It is idempotent.
func (s *Session) Close() error {
	err := s.Association().Close()
	s.pe.door.leave(s)
	return err
}

// abort ends the session at once.
func (s *Session) abort(reason string) {
	_ = s.Association().Abort(reason) // it may have ended
	_ = s.Close()
}

// LocalAddr returns the *sctp.Addr of this end.
func (s *Session) LocalAddr() net.Addr { return s.Association().LocalAddr() }

// RemoteAddr returns the *sctp.Addr of the user.
func (s *Session) RemoteAddr() net.Addr { return s.Association().RemoteAddr() }

// SetDeadline sets the deadlines of Read and Write.
func (s *Session) SetDeadline(t time.Time) error {
	s.read.Set(t)
	s.write.Set(t)
	return nil
}

// SetReadDeadline sets the deadline of Read.
func (s *Session) SetReadDeadline(t time.Time) error {
	s.read.Set(t)
	return nil
}

// SetWriteDeadline sets the deadline of Write.
func (s *Session) SetWriteDeadline(t time.Time) error {
	s.write.Set(t)
	return nil
}
