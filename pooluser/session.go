package pooluser

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Session is a conversation with a pool: with one element at a time, and with another
// one after a fail-over. It has messages, and it is a net.Conn whose bytes travel on
// stream 0. Control messages (RFC 5352 §3.8) never show up among the data; cookies are
// taken in while the application receives. Its methods may be called by several
// goroutines at once. It must be closed.
type Session struct {
	pu          *PoolUser
	handle      rserpool.PoolHandle
	ctx         context.Context // ends with Close
	cancel      context.CancelFunc
	read, write asaplink.Deadline
	wg          sync.WaitGroup // the fail-over under way

	mu         sync.Mutex
	cur        *conn
	state      sessionState
	changed    chan struct{} // closed and replaced when state changes
	err        error         // why it is broken
	onFailover func(ctx context.Context, cookie []byte) error
	cookie     []byte
	preferred  []rserpool.PEID
	failovers  int
	exchanges  map[*context.Context]context.CancelCauseFunc // under way
}

type sessionState uint8

const (
	sessionUp     sessionState = iota
	sessionMoving              // a fail-over is under way: calls wait
	sessionBroken              // a fail-over has failed: calls fail with err
	sessionClosed
)

var _ net.Conn = (*Session)(nil)

// conn is the association with one element.
type conn struct {
	el   Element
	ch   *asaplink.Channel
	once sync.Once // its failure is noted

	mu   sync.Mutex
	dead bool // it failed, and not the application's call
}

func newSession(pu *PoolUser, h rserpool.PoolHandle, el Element, a *sctp.Association) *Session {
	s := &Session{pu: pu, handle: h, changed: make(chan struct{})}
	s.exchanges = make(map[*context.Context]context.CancelCauseFunc)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cur = s.newConn(el, a)
	return s
}

func (s *Session) newConn(el Element, a *sctp.Association) *conn {
	c := &conn{el: el}
	var control func(asap.Message, bool) error
	if el.User.Use == rserpool.UseDataControl {
		control = s.onControl
	}
	c.ch = asaplink.NewChannel(a, control)
	return c
}

// onControl handles a control message of the element.
func (s *Session) onControl(m asap.Message, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *asap.Cookie:
		// RFC 5352 §3.8: the newest one counts. Z16: what it says is the element's
		// business, how long it may be is ours.
		if len(m.Cookie) <= s.pu.cfg.MaxCookie {
			s.cookie = m.Cookie
			s.pu.counts.change(func(st *Stats) { st.Cookies++; st.CookieBytes += uint64(len(m.Cookie)) })
		}
	case *asap.BusinessCard:
		s.onCard(m)
	}
	return nil
}

// Send sends a message. It blocks while the send buffer is full and during a
// fail-over, after which it sends the message to the new element. That it returns nil
// does not mean that an element has got the message: what was under way when an
// element failed is lost. The application repeats what was not answered, in the
// function of OnFailover or by Exchange.
//
// The errors are those of sctp.Association.Send if the session does not fail over, the
// error of a failed fail-over, and net.ErrClosed after Close.
func (s *Session) Send(ctx context.Context, m *sctp.Message) error {
	for {
		c, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		if err = c.ch.Send(ctx, m); err == nil || !s.goesOn(ctx, c, err) {
			return err
		}
	}
}

// Receive waits for the next message and copies it, or as much as fits, to buf; see
// sctp.Association.Receive. The rest of a message of which a part was received is
// lost with a fail-over.
//
// The error is io.EOF when the element has ended the session gracefully, else as for
// Send.
func (s *Session) Receive(ctx context.Context, buf []byte) (sctp.Message, error) {
	for {
		c, err := s.acquire(ctx)
		if err != nil {
			return sctp.Message{}, err
		}
		m, err := c.ch.Receive(ctx, buf)
		if err == nil || !s.goesOn(ctx, c, err) {
			return m, err
		}
	}
}

// Read reads bytes of messages as they come. The errors are those of Receive.
func (s *Session) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case s.read.Passed():
		return 0, os.ErrDeadlineExceeded // also if there is data
	}
	m, err := s.Receive(s.read.Context(), p)
	return len(m.Data), err
}

// Write sends p on stream 0, as messages of at most 64 KiB. The errors are those of
// Send.
func (s *Session) Write(p []byte) (int, error) {
	if s.write.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	return asaplink.Write(s.write.Context(), p, s.pu.cfg.sctp.PPID, s.Send)
}

// inFailover marks the context that OnFailover's function gets; its value is the new
// *conn.
type inFailover struct{ s *Session }

// acquire returns the association to use: the present one, as soon as no fail-over is
// under way, or the new one for calls with the context of OnFailover's function.
func (s *Session) acquire(ctx context.Context) (*conn, error) {
	if c, ok := ctx.Value(inFailover{s}).(*conn); ok {
		return c, nil
	}
	if errors.Is(context.Cause(ctx), errMoved) {
		return nil, ctx.Err() // not with the next element: the exchange begins anew
	}
	for {
		s.mu.Lock()
		state, c, err, changed := s.state, s.cur, s.err, s.changed
		s.mu.Unlock()
		switch state {
		case sessionUp:
			return c, nil
		case sessionClosed:
			return nil, net.ErrClosed
		case sessionBroken:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// goesOn decides what an error of a call on c means. If the session moves to
// another element it starts that and returns true: the call is to be made again.
func (s *Session) goesOn(ctx context.Context, c *conn, err error) bool {
	if !fatal(err) && !errors.Is(err, net.ErrClosed) {
		return false // the call's own problem, or its context
	}
	if !errors.Is(err, net.ErrClosed) {
		s.failed(c, err)
	}
	if ctx.Value(inFailover{s}) != nil {
		return false // the function returns it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == sessionClosed:
		return false
	case s.cur != c || s.state == sessionMoving:
		return true // somebody else has noticed first
	case s.state == sessionBroken, s.onFailover == nil && ctx.Value(inExchange{s}) == nil,
		graceful(err) && !s.pu.cfg.FailoverOnShutdown:
		return false
	}
	s.move(err)
	return true
}

// graceful reports whether err is the end of an association by a shutdown.
func graceful(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, sctp.ErrShutdown) }

// fatal reports whether err is the end of an association.
func fatal(err error) bool {
	var abort *sctp.AbortError
	return graceful(err) || errors.Is(err, sctp.ErrUnreachable) || errors.Is(err, sctp.ErrShutdownTimeout) ||
		errors.Is(err, sctp.ErrReset) || errors.As(err, &abort) || errors.Is(err, asaplink.ErrProtocol)
}

// failed notes the end of an association, once. Only an element that does not answer
// is reported: one that ends or resets an association is there.
func (s *Session) failed(c *conn, err error) {
	c.once.Do(func() {
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
		if graceful(err) {
			return
		}
		s.pu.strike(s.handle, c.el.ID)
		if errors.Is(err, sctp.ErrUnreachable) {
			s.pu.ReportUnreachable(s.handle, c.el.ID)
		}
	})
}

// Close ends the session: gracefully within sctp.Config.Linger, else by an abort. It
// is idempotent and unblocks all calls.
func (s *Session) Close() error {
	s.mu.Lock()
	s.setState(sessionClosed)
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.mu.Lock()
	c := s.cur
	s.mu.Unlock()
	err := c.ch.Association().Close()
	s.pu.mu.Lock()
	delete(s.pu.sessions, s)
	s.pu.mu.Unlock()
	return err
}

// setState changes the state and wakes all who wait for that. A closed session stays
// closed. The caller holds s.mu.
func (s *Session) setState(st sessionState) {
	if s.state == sessionClosed || s.state == st {
		return
	}
	s.state = st
	close(s.changed)
	s.changed = make(chan struct{})
}

// Handle returns the handle of the pool.
func (s *Session) Handle() rserpool.PoolHandle { return s.handle }

// Element returns the element that the session is with, or was with last.
func (s *Session) Element() Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.el.Clone()
}

// Cookie returns the newest cookie that an element has sent, nil if none.
func (s *Session) Cookie() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.cookie)
}

// SetCookie replaces the cookie, for a session that continues one of an earlier run of
// the program; Failover then hands it to an element.
func (s *Session) SetCookie(cookie []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cookie = slices.Clone(cookie)
}

// Failovers returns how often the session has moved.
func (s *Session) Failovers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failovers
}

// Association returns the SCTP association with the present element, for its
// addresses, paths and counters. Messages must be sent and received by the Session.
func (s *Session) Association() *sctp.Association {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.ch.Association()
}

// LocalAddr returns the *sctp.Addr of this end.
func (s *Session) LocalAddr() net.Addr { return s.Association().LocalAddr() }

// RemoteAddr returns the *sctp.Addr of the element.
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
