package pooluser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// errForced is the cause of a fail-over that the application asked for.
var errForced = errors.New("pooluser: fail-over was asked for")

// OnFailover sets the function that resumes the conversation with a new element, and
// thereby lets the session fail over by itself. f is called when the association with
// the new element is up and that has got the cookie, which is nil if there is none.
// Until f returns all other calls of the session wait; calls that f makes with its ctx
// work on the new association. Read and Write have no context and so must not be
// called by f.
//
// An error that f returns because the new element has failed as well makes the session
// go on to the next one. Any other error breaks the session: calls fail with it, unless
// Failover is called. ctx ends with Close.
//
// OnFailover is to be called before the session is used.
func (s *Session) OnFailover(f func(ctx context.Context, cookie []byte) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onFailover = f
}

// Failover moves the session to another element, whatever is the matter with the
// present one: its association is aborted, and it is chosen again only if there is
// no other. It returns when that is done, or when ctx ends; the fail-over goes on
// then. If one is under way already Failover waits for its end.
func (s *Session) Failover(ctx context.Context) error {
	s.mu.Lock()
	if s.state == sessionUp || s.state == sessionBroken {
		s.move(errForced)
	}
	s.mu.Unlock()
	_, err := s.acquire(ctx)
	return err
}

// move starts a fail-over. The caller holds s.mu.
func (s *Session) move(cause error) {
	if s.ctx.Err() != nil {
		return
	}
	s.setState(sessionMoving)
	s.interrupt()
	old := s.cur
	s.wg.Go(func() { s.failover(old, cause) })
}

// failover is the goroutine that moves the session.
func (s *Session) failover(old *conn, cause error) {
	start := time.Now()
	ctx := s.ctx
	if d := s.pu.cfg.FailoverTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	discard(old)
	if errors.Is(cause, errForced) || graceful(cause) {
		s.pu.strike(s.handle, old.el.ID) // so that it comes last
	}
	next, err := s.reconnect(ctx)
	log := s.pu.cfg.log.With(zap.Stringer("pool", s.handle), zap.Stringer("from", old.el.ID), zap.NamedError("cause", cause))
	s.pu.counts.change(func(st *Stats) {
		if err != nil {
			st.FailoversFailed++
			return
		}
		st.Failovers++
		st.FailoverTime += time.Since(start)
	})
	if err != nil {
		log.Warn("fail-over failed", zap.Error(err))
	} else {
		log.Info("fail-over", zap.Stringer("to", next.el.ID), zap.Duration("took", time.Since(start)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = fmt.Errorf("pooluser: fail-over in %s: %w", s.handle, err)
		s.setState(sessionBroken)
		return
	}
	s.cur, s.err = next, nil
	s.failovers++
	s.setState(sessionUp)
}

// discard ends an association of which nothing is wanted any more.
func discard(c *conn) {
	a := c.ch.Association()
	_ = a.Abort("fail-over") // it may have ended
	_ = a.Close()            // returns at once
}

// reconnect finds an element with which the session can go on.
func (s *Session) reconnect(ctx context.Context) (*conn, error) {
	find := s.pu.newSearch(s.handle, ofSCTP, true)
	find.hurry = true
	for {
		s.mu.Lock()
		find.preferred = append([]rserpool.PEID(nil), s.preferred...)
		s.mu.Unlock()
		w, err := find.next(ctx)
		if err != nil {
			return nil, err
		}
		c := s.newConn(w.el, w.assoc)
		if err = s.resume(ctx, c); err == nil {
			return c, nil
		}
		discard(c)
		c.mu.Lock()
		dead := c.dead
		c.mu.Unlock()
		if !dead || ctx.Err() != nil {
			return nil, err
		}
		find.lastErr = err
	}
}

// resume hands the cookie to a new element and lets the application resume.
func (s *Session) resume(ctx context.Context, c *conn) error {
	s.mu.Lock()
	cookie, f := bytes.Clone(s.cookie), s.onFailover
	s.mu.Unlock()
	if cookie != nil && c.el.User.Use == rserpool.UseDataControl {
		if err := s.echo(ctx, c, cookie); err != nil {
			return err
		}
	}
	if err := s.introduce(ctx, c); err != nil {
		return err
	}
	if f == nil {
		return nil
	}
	return f(context.WithValue(ctx, inFailover{s}, c), cookie)
}

// echo sends the cookie as the first message (RFC 5352 §3.8) and waits until it has
// arrived: otherwise a message on another stream might overtake it, and the element
// would refuse it.
func (s *Session) echo(ctx context.Context, c *conn, cookie []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.pu.cfg.Profile.Transport.DialTimeout)
	defer cancel()
	err := c.ch.SendControl(ctx, &asap.CookieEcho{Cookie: cookie})
	for err == nil {
		var ev sctp.Event
		if ev, err = c.ch.Association().NextEvent(ctx); err == nil {
			if _, dry := ev.(sctp.SenderDry); dry {
				return nil
			}
		}
	}
	if s.ctx.Err() == nil {
		s.failed(c, sctp.ErrUnreachable)
	}
	return err
}
