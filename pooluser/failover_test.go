package pooluser_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// RFC 5352 §3.8 and the promise of the fast profile: an element that vanishes without
// a word is noticed well under a second, its cookie reaches the next element first,
// and calls go on there.
func TestFailoverWithCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		pu := w.user(pooluser.Config{})
		s := w.dial(pu)
		var resumed []string
		s.OnFailover(func(ctx context.Context, cookie []byte) error {
			resumed = append(resumed, string(cookie))
			return ask(ctx, s, "resume")
		})
		first := s.Element().ID
		require.NoError(t, ask(t.Context(), s, "one"))
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Equal(t, fmt.Sprintf("%v:2", first), string(s.Cookie()))

		w.cut(first)
		start := time.Now()
		require.NoError(t, ask(t.Context(), s, "three"))
		require.Less(t, time.Since(start), time.Second)
		require.Equal(t, []string{fmt.Sprintf("%v:2", first)}, resumed)
		second := s.Element().ID
		require.NotEqual(t, first, second)
		require.Equal(t, 1, s.Failovers())
		srv := w.server(second)
		require.Equal(t, []string{fmt.Sprintf("%v:2", first)}, srv.cookies())
		// "resume" before "three", which was never answered and so is repeated.
		require.Equal(t, []string{"resume", "three"}, srv.heard())
		require.Equal(t, 1, w.registrar.Count(asap.TypeEndpointUnreachable), "reported once")

		// The newest cookie counts, and a session may move again.
		w.cut(second)
		require.NoError(t, ask(t.Context(), s, "four"))
		require.Equal(t, fmt.Sprintf("%v:2", second), resumed[1])
		require.Equal(t, 2, s.Failovers())

		st := pu.Stats()
		require.EqualValues(t, 2, st.Failovers)
		require.Zero(t, st.FailoversFailed)
		require.Positive(t, st.FailoverTime)
		require.Less(t, st.FailoverTime, 2*time.Second)
		require.Equal(t, 1, st.Sessions)
		require.EqualValues(t, 1, st.Selections[pooluser.Selection{Handle: s.Handle(), ID: first}])
		require.Len(t, st.Selections, 3)
		require.GreaterOrEqual(t, st.Cookies, uint64(4))
	})
}

// A reader that only waits is moved, too: heartbeats notice the death.
func TestFailoverOfBlockedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(ctx context.Context, _ []byte) error {
			return s.Send(ctx, &sctp.Message{Data: []byte("resume")})
		})
		go func() {
			time.Sleep(10 * time.Second)
			w.cut(s.Element().ID)
		}()
		start := time.Now()
		m, err := s.Receive(t.Context(), make([]byte, 100))
		require.NoError(t, err)
		require.Contains(t, string(m.Data), "resume")
		require.Less(t, time.Since(start), 12*time.Second)
	})
}

// The element's process dies and its host answers with an abort.
func TestFailoverOnReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(context.Context, []byte) error { return nil })
		require.NoError(t, ask(t.Context(), s, "one"))
		first := s.Element().ID
		require.NoError(t, w.server(first).pe.Close())
		start := time.Now()
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Less(t, time.Since(start), 100*time.Millisecond)
		require.NotEqual(t, first, s.Element().ID)
	})
}

// Without OnFailover a session does not move by itself; Failover moves it.
func TestNoFailoverWithoutCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		require.NoError(t, ask(t.Context(), s, "one"))
		first := s.Element().ID
		w.cut(first)
		for range 2 {
			_, err := s.Receive(t.Context(), make([]byte, 10))
			require.ErrorIs(t, err, sctp.ErrUnreachable)
		}
		require.ErrorIs(t, s.Send(t.Context(), &sctp.Message{Data: []byte("x")}), sctp.ErrUnreachable)
		require.NoError(t, s.Failover(t.Context()))
		require.NotEqual(t, first, s.Element().ID)
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Equal(t, []string{fmt.Sprintf("%v:1", first)}, w.server(s.Element().ID).cookies())
	})
}

// A forced fail-over takes another element although the present one is well, and calls
// that wait go on with it. Nobody is reported.
func TestFailoverForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		require.NoError(t, ask(t.Context(), s, "one"))
		ids := map[rserpool.PEID]int{}
		got := make(chan string, 1)
		go func() {
			m, err := s.Receive(t.Context(), make([]byte, 100))
			require.NoError(t, err)
			got <- string(m.Data)
		}()
		time.Sleep(time.Second)
		for range 4 {
			ids[s.Element().ID]++
			require.NoError(t, s.Failover(t.Context()))
		}
		require.Len(t, ids, 2)
		require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: []byte("hello")}))
		require.Contains(t, <-got, "hello")
		require.Zero(t, w.registrar.Count(asap.TypeEndpointUnreachable))
	})
}

// A pool with one element: the session comes back to it when it returns, without
// spinning meanwhile.
func TestFailoverToTheSameElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(context.Context, []byte) error { return nil })
		require.NoError(t, ask(t.Context(), s, "one"))
		w.Cut(1 + firstHost)
		done := make(chan error, 1)
		go func() { done <- ask(t.Context(), s, "two") }()
		time.Sleep(30 * time.Second)
		require.Empty(t, done)
		asked := w.registrar.Count(asap.TypeHandleResolution)
		require.Less(t, asked, 100)
		w.Mend(1 + firstHost)
		time.Sleep(10 * time.Second)
		require.NoError(t, <-done)
	})
}

// The next element dies as well, while the application resumes.
func TestFailoverAgainDuringCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		s := w.dial(w.user(pooluser.Config{}))
		var tried []rserpool.PEID
		s.OnFailover(func(ctx context.Context, _ []byte) error {
			if len(tried) == 0 {
				// The callback does not know with whom it talks; the test does.
				for _, id := range []rserpool.PEID{1, 2, 3} {
					if srv := w.server(id); srv.pe.Sessions() > 0 && id != s.Element().ID {
						tried = append(tried, id)
						w.cut(id)
					}
				}
			}
			return ask(ctx, s, "resume")
		})
		require.NoError(t, ask(t.Context(), s, "one"))
		first := s.Element().ID
		w.cut(first)
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Len(t, tried, 1)
		require.NotContains(t, []rserpool.PEID{first, tried[0]}, s.Element().ID)
		require.Equal(t, 1, s.Failovers())
	})
}

// The application's refusal to resume breaks the session, until Failover.
func TestFailoverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		errNo := errors.New("no")
		refuse := true
		s.OnFailover(func(context.Context, []byte) error {
			if refuse {
				return errNo
			}
			return nil
		})
		w.cut(s.Element().ID)
		require.ErrorIs(t, ask(t.Context(), s, "one"), errNo)
		require.ErrorIs(t, s.Send(t.Context(), &sctp.Message{Data: []byte("x")}), errNo)
		refuse = false
		require.NoError(t, s.Failover(t.Context()))
		require.NoError(t, ask(t.Context(), s, "two"))
	})
}

// FailoverTimeout bounds the time that a session looks for another element.
func TestFailoverTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{FailoverTimeout: 3 * time.Second}))
		s.OnFailover(func(context.Context, []byte) error { return nil })
		w.Cut(1 + firstHost)
		start := time.Now()
		require.ErrorIs(t, ask(t.Context(), s, "one"), context.DeadlineExceeded)
		require.Less(t, time.Since(start), 5*time.Second)
	})
}

// Calls that wait for a fail-over end with their contexts and deadlines; the fail-over
// goes on.
func TestWaitingCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(context.Context, []byte) error { return nil })
		w.Cut(1 + firstHost)
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Receive(ctx, make([]byte, 10))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, s.SetDeadline(time.Now().Add(time.Second)))
		_, err = s.Read(make([]byte, 10))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = s.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		w.Mend(1 + firstHost)
		time.Sleep(20 * time.Second)
		require.NoError(t, ask(t.Context(), s, "one"))
	})
}

// A graceful end by the element is the end of the session, or, if so configured, a
// reason to move on.
func TestElementEndsSession(t *testing.T) {
	for _, move := range []bool{false, true} {
		t.Run(fmt.Sprint(move), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				s := w.dial(w.user(pooluser.Config{FailoverOnShutdown: move}))
				s.OnFailover(func(context.Context, []byte) error { return nil })
				require.NoError(t, ask(t.Context(), s, "one"))
				first := s.Element().ID
				require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: []byte("bye")}))
				m, err := s.Receive(t.Context(), make([]byte, 100))
				require.NoError(t, err)
				require.Contains(t, string(m.Data), "bye")
				if !move {
					_, err = s.Read(make([]byte, 100))
					require.ErrorIs(t, err, io.EOF)
					return
				}
				require.NoError(t, ask(t.Context(), s, "two"))
				require.NotEqual(t, first, s.Element().ID)
				require.Zero(t, w.registrar.Count(asap.TypeEndpointUnreachable), "it was there")
			})
		})
	}
}

// Z9: the callback is where TLS begins anew: nothing of the application passes before
// it has returned.
func TestZ9NothingPassesBeforeCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(ctx context.Context, _ []byte) error {
			time.Sleep(3 * time.Second)
			return ask(ctx, s, "handshake")
		})
		first := s.Element().ID
		w.cut(first)
		for range 5 {
			go func() { _ = s.Send(t.Context(), &sctp.Message{Data: []byte("secret")}) }()
		}
		time.Sleep(time.Second) // those went to the dead element
		for range 5 {
			go func() { _ = s.Send(t.Context(), &sctp.Message{Data: []byte("secret")}) }()
		}
		require.NoError(t, s.Failover(t.Context()))
		time.Sleep(time.Second)
		heard := w.server(s.Element().ID).heard()
		require.Equal(t, "handshake", heard[0])
		require.Contains(t, heard[1:], "secret")
	})
}

// An exchange is run again from its beginning with the next element, also without
// OnFailover, and each run has a context that ends when the session moves.
func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		s := w.dial(w.user(pooluser.Config{}))
		var runs []rserpool.PEID
		err := s.Exchange(t.Context(), func(ctx context.Context) error {
			runs = append(runs, s.Element().ID)
			if len(runs) == 3 {
				return nil
			}
			w.cut(s.Element().ID)
			require.NoError(t, s.Send(ctx, &sctp.Message{Data: []byte("lost")}))
			_, err := s.Receive(ctx, make([]byte, 10))
			require.ErrorIs(t, err, context.Canceled)
			// Nothing of this run reaches the next element.
			time.Sleep(10 * time.Second)
			require.ErrorIs(t, s.Send(ctx, &sctp.Message{Data: []byte("stray")}), context.Canceled)
			return err
		})
		require.NoError(t, err)
		require.Len(t, runs, 3)
		require.NotEqual(t, runs[0], runs[1])
		require.NotEqual(t, runs[1], runs[2])
		require.Empty(t, w.server(runs[2]).heard())
	})
}

// An exchange ends with the application's own error, with its context, and with the
// session.
func TestExchangeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{}))
		errOwn := errors.New("own")
		require.ErrorIs(t, s.Exchange(t.Context(), func(context.Context) error { return errOwn }), errOwn)
		wait := func(ctx context.Context) error {
			_, err := s.Receive(ctx, make([]byte, 10))
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Exchange(ctx, wait), context.DeadlineExceeded)

		w.Cut(1 + firstHost) // and no other
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.ErrorIs(t, s.Exchange(ctx, wait), context.DeadlineExceeded)
		done := make(chan error, 1)
		go func() { done <- s.Exchange(t.Context(), wait) }()
		time.Sleep(time.Second)
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
	})
}

// The registrar dies together with the element: the cache is good enough.
func TestFailoverWithoutRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(context.Context, []byte) error { return nil })
		require.NoError(t, ask(t.Context(), s, "one"))
		time.Sleep(time.Minute) // the cache is stale
		w.Cut(1)
		w.cut(s.Element().ID)
		start := time.Now()
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Less(t, time.Since(start), 1200*time.Millisecond)
	})
}
