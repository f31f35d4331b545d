package sctp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echoPair is two associations of one client with an echo server, over real UDP.
func echoPair(t *testing.T) (client *Stack, a, b *Association) {
	t.Helper()
	local := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	server, err := NewStack(&StackConfig{ListenAddrs: local})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	l, err := server.Listen(&Addr{}, nil)
	require.NoError(t, err)
	go func() {
		for {
			x, err := l.AcceptSCTP(context.Background())
			if err != nil {
				return
			}
			go func() {
				defer x.Close()
				buf := make([]byte, 256)
				for {
					m, err := x.Receive(context.Background(), buf)
					if err != nil || x.Send(context.Background(), &Message{Data: m.Data}) != nil {
						return
					}
				}
			}()
		}
	}()
	client, err = NewStack(&StackConfig{ListenAddrs: local})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	eager(client)
	target := l.Addr().(*Addr)
	for _, x := range []**Association{&a, &b} {
		*x, err = client.Dial(t.Context(), target, nil)
		require.NoError(t, err)
	}
	return client, a, b
}

// eager has a stack lend the role of reading again soon after vain attempts, which are
// most of them on a busy machine.
func eager(s *Stack) {
	p := &s.wires().links[0].pump
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = lendAfter
}

// ask has n questions answered, in a context that does not end.
func ask(t *testing.T, a *Association, n int) {
	t.Helper()
	buf := make([]byte, 256)
	for range n {
		require.NoError(t, a.Send(context.Background(), &Message{Data: []byte("?")}))
		_, err := a.Receive(context.Background(), buf)
		require.NoError(t, err)
	}
}

// borrowed runs questions on a until it reads the carrier itself.
func borrowed(t *testing.T, s *Stack, a *Association) {
	t.Helper()
	p := &s.wires().links[0].pump
	for range 1000 {
		before := p.batches.Load()
		ask(t, a, 100)
		if p.batches.Load() > before {
			return
		}
	}
	t.Fatal("the role of reading is never lent")
}

func TestWaitingCallReadsTheCarrier(t *testing.T) {
	s, a, b := echoPair(t)
	borrowed(t, s, a)
	ask(t, b, 100) // another association gets its own
	borrowed(t, s, a)
	p := &s.wires().links[0].pump
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.lent == nil
	}, 10*time.Second, standbyFor, "an idle line goes back to its owner")
	ask(t, a, 100)
}

func TestBorrowerObeysItsContext(t *testing.T) {
	s, a, _ := echoPair(t)
	for range 20 {
		borrowed(t, s, a)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond/2, cancel)
		_, err := a.Receive(ctx, make([]byte, 10))
		require.ErrorIs(t, err, context.Canceled)
	}
	x, err := a.Stream(0)
	require.NoError(t, err)
	borrowed(t, s, a)
	require.NoError(t, x.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err = x.Read(make([]byte, 10))
	require.Error(t, err)
}

// lookAway keeps the owner of the role from looking after the borrower by itself.
func lookAway(s *Stack) {
	p := &s.wires().links[0].pump
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		p.rare = true
		p.timer.Reset(time.Hour)
	}
}

// What ends a call that reads the carrier takes effect even if nothing comes in and its
// owner does not look.
func TestBorrowerNeedsNoLookToEnd(t *testing.T) {
	background, cancelled := func() context.Context { return context.Background() }, func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond/2, cancel)
		return ctx
	}
	for _, c := range []struct {
		name string
		ctx  func() context.Context
		end  func(s *Stack, a, b *Association)
	}{
		{"context", cancelled, func(*Stack, *Association, *Association) {}},
		{"deadline", background, func(_ *Stack, a, _ *Association) {
			x, err := a.Stream(0)
			require.NoError(t, err)
			require.NoError(t, x.SetReadDeadline(time.Now()))
		}},
		{"close", background, func(_ *Stack, a, _ *Association) { require.NoError(t, a.Close()) }},
		{"abort", background, func(_ *Stack, a, _ *Association) { require.NoError(t, a.Abort("enough")) }},
		{"close of the stack", background, func(s *Stack, _, _ *Association) { require.NoError(t, s.Close()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, b := echoPair(t)
			borrowed(t, s, a)
			lookAway(s)
			done := make(chan error, 1)
			go func() {
				x, err := a.Stream(0)
				if err == nil && c.name == "deadline" {
					_, err = x.Read(make([]byte, 10))
				} else if err == nil {
					_, err = a.Receive(c.ctx(), make([]byte, 10))
				}
				done <- err
			}()
			time.Sleep(time.Millisecond) // it reads by now, or will not
			c.end(s, a, b)
			select {
			case err := <-done:
				require.Error(t, err)
			case <-time.After(5 * time.Second):
				require.Fail(t, "the call does not end")
			}
		})
	}
}

// A call of another association that waits gets the role back to its owner at once, if
// the application of the borrower is busy.
func TestAbsentBorrowerIsNotWaitedFor(t *testing.T) {
	s, a, b := echoPair(t)
	borrowed(t, s, a)
	lookAway(s)
	ask(t, b, 10)
}

// An owner that looks rarely does so more often when contexts change, and where there is
// less to read.
func TestLooksAfterTheBorrower(t *testing.T) {
	p := pump{timer: time.NewTimer(time.Hour)}
	busy := func(d time.Duration) uint64 { return uint64(busyLook * d / standbyFor) }
	period, done := p.rest(standbyFor, busy(standbyFor))
	require.Equal(t, 2*standbyFor, period)
	require.Nil(t, done)
	period, _ = p.rest(maxStandby, busy(maxStandby))
	require.Equal(t, maxStandby, period)
	require.True(t, p.rare)
	period, _ = p.rest(maxStandby, busy(maxStandby)-1)
	require.Equal(t, standbyFor, period)
	require.False(t, p.rare)

	p.rest(standbyFor, busy(standbyFor))
	p.follow(t.Context())
	require.False(t, p.rare)
	period, done = p.rest(maxStandby, busy(maxStandby))
	require.Equal(t, standbyFor, period, "the context changed")
	require.Equal(t, t.Context().Done(), done)
	p.follow(t.Context())
	period, _ = p.rest(period, busy(period))
	require.Equal(t, 2*standbyFor, period)
}

func TestBorrowerIsFreedByClose(t *testing.T) {
	for _, end := range []func(s *Stack, a *Association) error{
		func(_ *Stack, a *Association) error { return a.Close() },
		func(_ *Stack, a *Association) error { return a.Abort("enough") },
		func(s *Stack, _ *Association) error { return s.Close() },
	} {
		s, a, b := echoPair(t)
		borrowed(t, s, a)
		done := make(chan error, 1)
		go func() {
			_, err := a.Receive(context.Background(), make([]byte, 10))
			done <- err
		}()
		require.NoError(t, end(s, a))
		require.Error(t, <-done)
		if s.demux.size() > 0 {
			ask(t, b, 10)
		}
	}
}

// While the application of the borrower is busy, the others are served.
func TestAbsentBorrowerHoldsNobodyUp(t *testing.T) {
	s, a, b := echoPair(t)
	borrowed(t, s, a)
	require.NoError(t, a.Send(t.Context(), &Message{Data: []byte("unread")}))
	ask(t, b, 10)
	_, err := a.Receive(t.Context(), make([]byte, 10))
	require.NoError(t, err)
}

func TestManyBorrowers(t *testing.T) { // R1
	s, a, b := echoPair(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, x := range []*Association{a, a, b} {
		wg.Go(func() {
			buf := make([]byte, 256)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if x.Send(t.Context(), &Message{Data: []byte("?")}) != nil {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				_, err := x.Receive(ctx, buf)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
					t.Errorf("receive: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	wg.Wait()
	ask(t, b, 1)
	require.NoError(t, s.Close())
}
