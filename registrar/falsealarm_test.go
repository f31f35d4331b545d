package registrar_test

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// warnings counts what elements and users complain about.
type warnings struct {
	zapcore.Core
	n *atomic.Int64
	t testing.TB
}

func (w *warnings) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level >= zapcore.WarnLevel {
		w.n.Add(1)
		w.t.Log(e.Time, e.Message)
	}
	return c
}

// The fast profile at 2 % loss with all layers in place, down to the packets: no registrar,
// element or other end of a session that lives is taken for dead. Elements and users are
// idle, or talk all the time, or now and then. SIM_SEEDS is for how many minutes.
func TestSimnetFastProfileWithoutFalseAlarms(t *testing.T) {
	span := 15 * time.Second
	if n, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		span = min(time.Duration(n), 300) * time.Minute
	}
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 3)
		s.start(1, 2, 3)
		var alarms atomic.Int64
		log := zap.New(&warnings{zapcore.NewNopCore(), &alarms, t})
		for host := 11; host <= 30; host++ {
			s.echo(host, log)
		}
		s.ready()
		within(t, 5*time.Second, func() bool { return s.agree(20) }, "settled")
		var users []*pooluser.Session
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for host := 41; host <= 60; host++ {
			users = append(users, s.user(ctx, host, log, []time.Duration{time.Hour, 5 * time.Millisecond, time.Second / 3}[host%3]))
		}
		time.Sleep(time.Second)
		before := s.alarms()
		s.Net.SetDefaultLink(simnet.Link{Delay: asaplinktest.Delay, Loss: 0.02})
		time.Sleep(span)
		s.Net.SetDefaultLink(simnet.Link{Delay: asaplinktest.Delay})
		require.Zero(t, s.alarms()-before, "removed or taken over")
		require.Zero(t, alarms.Load(), "warnings of elements and users")
		for _, u := range users {
			require.Zero(t, u.Failovers())
		}
		cancel()
		for _, u := range users {
			_ = u.Close()
		}
	})
}

// alarms counts those that registrars took for dead.
func (s *scope) alarms() (n uint64) {
	for _, r := range s.up {
		st := r.Snapshot().Stats
		n += st.KeepAliveTimeouts + st.Removed + st.TakeoversStarted
	}
	return n
}

// echo starts an element that sends back what it gets.
func (s *scope) echo(host int, log *zap.Logger) {
	s.T.Helper()
	pe, err := poolelement.Listen(s.T.Context(), "pool", &poolelement.Config{
		Registrars: s.asap, Stack: s.Stack(host), PEID: rserpool.PEID(host), Profile: asapcore.ProfileFast, Logger: log,
	})
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = pe.Close() })
	go func() {
		_ = (&poolelement.Server{Handler: poolelement.HandlerFunc(func(ctx context.Context, c *poolelement.Session) {
			buf := make([]byte, 256)
			for {
				m, err := c.Receive(ctx, buf)
				if err != nil || c.Send(ctx, &sctp.Message{Data: m.Data}) != nil {
					return
				}
			}
		})}).Serve(s.T.Context(), pe)
	}()
}

// user opens a session and asks something at each interval.
func (s *scope) user(ctx context.Context, host int, log *zap.Logger, every time.Duration) *pooluser.Session {
	s.T.Helper()
	pu, err := pooluser.New(&pooluser.Config{Registrars: s.asap, Stack: s.Stack(host), Profile: asapcore.ProfileFast, Logger: log})
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = pu.Close() })
	u, err := pu.Dial(ctx, "pool")
	require.NoError(s.T, err)
	go func() {
		buf := make([]byte, 256)
		for ctx.Err() == nil {
			if u.Send(ctx, &sctp.Message{Data: []byte("hello")}) != nil {
				return
			}
			if _, err := u.Receive(ctx, buf); err != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}()
	return u
}
