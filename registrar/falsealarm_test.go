package registrar_test

import (
	"context"
	"maps"
	"os"
	"slices"
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
	"github.com/rserpool/rserpool/registrar"
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

// The fast profile at 2 % loss of packets in each direction with all layers in place, down
// to the packets: of five registrars, sixty elements and twenty users with sessions nobody
// who lives is taken for dead, and all who die are found within a second. Users are
// idle, or talk all the time, or now and then. FALSE_ALARM_MINUTES is for how many
// minutes, ten for each seed.
func TestSimnetFastProfileWithoutFalseAlarms(t *testing.T) {
	spans := []time.Duration{15 * time.Second}
	if n, err := strconv.Atoi(os.Getenv("FALSE_ALARM_MINUTES")); err == nil {
		spans = nil
		for ; n > 0; n -= 10 {
			spans = append(spans, time.Duration(min(n, 10))*time.Minute)
		}
	}
	from := 1
	if n, err := strconv.Atoi(os.Getenv("SIM_FIRST")); err == nil {
		from = n
	}
	var elements, registrars, fresh []time.Duration
	for i, span := range spans {
		t.Run("seed="+strconv.Itoa(from+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScope(t, 5)
				s.Net = simnet.New(uint64(from + i))
				e, r, f := s.lossy(span)
				elements, registrars, fresh = append(elements, e...), append(registrars, r), append(fresh, f)
			})
		})
	}
	for _, d := range []struct {
		what  string
		times []time.Duration
	}{
		{"element silent: removed by its home", elements},
		{"registrar silent: no element is its own any more", registrars},
		{"registrar silent: all its elements have associations with their new home", fresh},
	} {
		slices.Sort(d.times)
		require.NotEmpty(t, d.times)
		t.Logf("%s: %d times, median %v, longest %v", d.what, len(d.times), d.times[len(d.times)/2], d.times[len(d.times)-1])
	}
}

// lossy lets the scope live at 2 % loss for a while, in which nobody dies, and then,
// still at that loss, elements and a registrar die in silence. It returns how long it took
// until these had been found.
func (s *scope) lossy(span time.Duration) (elements []time.Duration, replaced, settled time.Duration) {
	t := s.T
	s.Net.SetDefaultLink(simnet.Link{Delay: asaplinktest.Delay})
	s.start(1, 2, 3, 4, 5)
	var alarms atomic.Int64
	log := zap.New(&warnings{zapcore.NewNopCore(), &alarms, t})
	const first, last = 11, 70
	for host := first; host <= last; host++ {
		s.echo(host, log)
	}
	s.ready()
	within(t, 5*time.Second, func() bool { return s.agree(last - first + 1) }, "settled")
	var users []*pooluser.Session
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for host := 71; host <= 90; host++ {
		users = append(users, s.user(ctx, host, log, []time.Duration{time.Hour, 5 * time.Millisecond, time.Second / 3}[host%3]))
	}
	time.Sleep(time.Second)
	before := s.alarms()
	s.Net.SetDefaultLink(simnet.Link{Delay: asaplinktest.Delay, Loss: 0.02})
	time.Sleep(span)
	require.Zero(t, s.alarms()-before, "removed or taken over")
	require.Zero(t, alarms.Load(), "warnings of elements and users")
	for _, u := range users {
		require.Zero(t, u.Failovers())
	}
	cancel()
	for _, u := range users {
		_ = u.Close()
	}

	for host := first; host < first+6; host++ {
		time.Sleep(time.Duration(100+host*37) * time.Millisecond)
		home := s.up[int(homes(s.up[1])[rserpool.PEID(host)])]
		s.Cut(host)
		elements = append(elements, within(t, time.Second, func() bool {
			_, there := homes(home)[rserpool.PEID(host)]
			return !there
		}, "the element is gone"))
	}
	time.Sleep(time.Second)
	victim := slices.MaxFunc(slices.Collect(maps.Values(s.up)), func(a, b *registrar.Registrar) int {
		return a.Snapshot().Owned - b.Snapshot().Owned
	})
	start := time.Now()
	delete(s.up, int(victim.ID()))
	s.Cut(int(victim.ID()))
	replaced = within(t, time.Second, func() bool {
		for _, r := range s.up {
			for _, home := range homes(r) {
				if home == victim.ID() {
					return false
				}
			}
		}
		return true
	}, "the registrar is replaced")
	within(t, 3*time.Second, func() bool { return s.agree(last-first+1-6) && s.linked() }, "no element is lost")
	settled = time.Since(start)
	return elements, replaced, settled
}

// linked reports whether all homes have associations with their elements.
func (s *scope) linked() bool {
	for _, r := range s.up {
		for _, p := range r.Snapshot().Pools {
			for _, e := range p.Elements {
				if e.Home == r.ID() && !e.Connected {
					return false
				}
			}
		}
	}
	return true
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
