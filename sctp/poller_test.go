package sctp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// next is Next of a Poller that has something.
func next(t *testing.T, p *sctp.Poller) *sctp.Polled {
	t.Helper()
	r, err := p.Next(t.Context())
	require.NoError(t, err)
	return r
}

// nothing checks that a Poller has nobody to serve. It takes a second of the bubble's time.
func nothing(t *testing.T, p *sctp.Poller) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := p.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// drain takes the turn of the association that is next: its messages, until an error.
func drain(t *testing.T, p *sctp.Poller) (tag any, messages []string, err error) {
	t.Helper()
	r := next(t, p)
	defer r.Done()
	for {
		m, err := r.ReceiveMessage(nil, 1<<20)
		if err != nil {
			return r.Tag, messages, err
		}
		messages = append(messages, string(m.Data))
	}
}

// One goroutine gets the messages of several associations, those of each in order, also
// what came before the association was added.
func TestPollerReadsManyAssociations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		var p sctp.Poller
		var clients []*sctp.Association
		for i := range 10 {
			c, s := w.pair()
			if i%2 == 0 {
				require.NoError(t, c.Send(t.Context(), text(fmt.Sprint(i, " early"))))
				time.Sleep(time.Second)
			}
			require.NoError(t, p.Add(s, i))
			clients = append(clients, c)
		}
		for i := range 10 {
			for j := range 3 {
				require.NoError(t, clients[i].Send(t.Context(), &sctp.Message{Stream: sctp.StreamID(j), Data: fmt.Append(nil, i, " ", j)}))
			}
		}
		time.Sleep(time.Second)
		for range 10 {
			tag, messages, err := drain(t, &p)
			require.ErrorIs(t, err, sctp.ErrWouldBlock)
			i := tag.(int)
			want := []string{fmt.Sprint(i, " ", 0), fmt.Sprint(i, " ", 1), fmt.Sprint(i, " ", 2)}
			if i%2 == 0 {
				want = slices.Insert(want, 0, fmt.Sprint(i, " early"))
			}
			require.Equal(t, want, messages)
		}
		nothing(t, &p)
		require.NoError(t, clients[3].Send(t.Context(), text("late")))
		tag, messages, _ := drain(t, &p)
		require.Equal(t, 3, tag)
		require.Equal(t, []string{"late"}, messages)
	})
}

// An association that has more to read than its turn takes stands in line behind the
// others; one that somebody has is not given to another.
func TestPollerTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		var p sctp.Poller
		for i := range 2 {
			c, s := w.pair()
			require.NoError(t, p.Add(s, i))
			for j := range 2 {
				require.NoError(t, c.Send(t.Context(), text(fmt.Sprint(i, " ", j))))
			}
			time.Sleep(time.Second)
		}
		var order []string
		for range 4 {
			r := next(t, &p)
			m, err := r.ReceiveMessage(nil, 100)
			require.NoError(t, err)
			order = append(order, string(m.Data))
			r.Done()
			r.Done() // means nothing
		}
		require.Equal(t, []string{"0 0", "1 0", "0 1", "1 1"}, order)
		nothing(t, &p)

		c, s := w.pair()
		require.NoError(t, p.Add(s, 2))
		require.NoError(t, c.Send(t.Context(), text("x")))
		r := next(t, &p)
		require.Equal(t, s, r.Association())
		require.NoError(t, c.Send(t.Context(), text("y")))
		nothing(t, &p)
		r.Done()
		_, messages, _ := drain(t, &p)
		require.Equal(t, []string{"x", "y"}, messages)
		require.ErrorIs(t, p.Add(s, 3), sctp.ErrPolled)
		require.ErrorIs(t, new(sctp.Poller).Add(s, 3), sctp.ErrPolled)
	})
}

// The end of an association is told after its messages, and once, whichever way it ends
// and whatever it does at that time.
func TestPollerTellsTheEnd(t *testing.T) {
	abort := new(sctp.AbortError)
	for name, c := range map[string]struct {
		end   func(c, s *sctp.Association, w *world)
		reads bool // what has come before
		is    func(error) bool
	}{
		"peer shuts down":   {func(c, _ *sctp.Association, _ *world) { go c.Close() }, true, func(err error) bool { return errors.Is(err, io.EOF) }},
		"peer aborts":       {func(c, _ *sctp.Association, _ *world) { _ = c.Abort("no") }, true, func(err error) bool { return errors.As(err, &abort) && !abort.Local }},
		"aborted":           {func(_, s *sctp.Association, _ *world) { _ = s.Abort("no") }, true, func(err error) bool { return errors.As(err, &abort) && abort.Local }},
		"closed":            {func(_, s *sctp.Association, _ *world) { go s.Close() }, false, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"shut down":         {func(_, s *sctp.Association, _ *world) { go s.Shutdown(context.Background()) }, true, func(err error) bool { return errors.Is(err, io.EOF) }},
		"stack closed":      {func(_, _ *sctp.Association, w *world) { go w.server.Close() }, false, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"peer restarts":     {func(_, _ *sctp.Association, w *world) { w.restart(); go w.client.Dial(w.t.Context(), w.addr(), w.cfg) }, false, func(err error) bool { return errors.Is(err, sctp.ErrRestarted) }},
		"peer is not there": {func(_, s *sctp.Association, w *world) { w.cut(); _ = s.TrySend(text("anybody?")) }, true, func(err error) bool { return errors.Is(err, sctp.ErrUnreachable) }},
	} {
		for _, state := range []string{"idle", "in line", "taken"} {
			if name == "peer restarts" && state != "idle" {
				continue // it is aborted while messages wait
			}
			t.Run(name+" while "+state, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 4000}})
					client, server := w.pair()
					var p sctp.Poller
					require.NoError(t, p.Add(server, "it"))
					var r *sctp.Polled
					if state != "idle" {
						require.NoError(t, client.Send(t.Context(), text("last words")))
						time.Sleep(time.Second)
					}
					if state == "taken" {
						r = next(t, &p)
					}
					c.end(client, server, w)
					time.Sleep(10 * time.Minute)
					if r == nil {
						r = next(t, &p)
					}
					m, err := r.ReceiveMessage(nil, 100)
					if state != "idle" && c.reads {
						require.NoError(t, err)
						require.Equal(t, "last words", string(m.Data))
						r.Done()
						r = next(t, &p)
						_, err = r.ReceiveMessage(nil, 100)
					}
					require.True(t, c.is(err), "%v", err)
					require.NoError(t, server.Close())
					_, again := r.ReceiveMessage(nil, 100)
					require.ErrorIs(t, again, net.ErrClosed)
					r.Done()
					nothing(t, &p)
				})
			})
		}
	}
}

// An association that has ended before it is added has a turn as well.
func TestPollerAddsWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Close())
		var p sctp.Poller
		require.NoError(t, p.Add(s, nil))
		_, _, err := drain(t, &p)
		require.ErrorIs(t, err, io.EOF)
		nothing(t, &p)
	})
}

// A message that does not fit the receive buffer is put together over several turns; others
// of its association wait for its end, other associations do not.
func TestPollerPutsLargeMessagesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 8192, SendBuffer: 256 << 10}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg})
		var p sctp.Poller
		c, s := w.pair()
		require.NoError(t, p.Add(s, "large"))
		other, o := w.pair()
		require.NoError(t, p.Add(o, "other"))
		large := bytes.Repeat([]byte("large "), 10_000)
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: large}))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 2, Data: []byte("after")}))
		turns, others := 0, 0
		for {
			r := next(t, &p)
			buf := make([]byte, 100)
			m, err := r.ReceiveMessage(buf, 1<<20)
			m.Data = bytes.Clone(m.Data)
			clear(buf) // it is ours
			if r.Tag == "other" {
				require.NoError(t, err)
				require.Equal(t, "hello", string(m.Data))
				others++
				r.Done()
				continue
			}
			turns++
			if errors.Is(err, sctp.ErrWouldBlock) {
				require.NoError(t, other.Send(t.Context(), text("hello")))
				r.Done()
				continue
			}
			require.NoError(t, err)
			require.Equal(t, large, m.Data)
			require.False(t, m.Partial)
			r.Done()
			break
		}
		require.Greater(t, turns, 3)
		require.Positive(t, others)
		for {
			tag, messages, err := drain(t, &p)
			require.ErrorIs(t, err, sctp.ErrWouldBlock)
			if tag == "large" && len(messages) > 0 {
				require.Equal(t, []string{"after"}, messages)
				break
			}
		}

		// More than the limit: it is dropped, and the next one is read.
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: large}))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: []byte("fine")}))
		sizes, got := 0, ""
		for got == "" {
			r := next(t, &p)
			m, err := r.ReceiveMessage(nil, 20_000)
			var size *sctp.MessageSizeError
			switch {
			case errors.As(err, &size):
				sizes++
			case err == nil && r.Tag == "large":
				got = string(m.Data)
			}
			r.Done()
		}
		require.Equal(t, "fine", got)
		require.Equal(t, 1, sizes)

		// The end in the middle of one.
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: large}))
		r := next(t, &p)
		for r.Tag != "large" {
			r.Done()
			r = next(t, &p)
		}
		_, err := r.ReceiveMessage(nil, 1<<20)
		require.ErrorIs(t, err, sctp.ErrWouldBlock)
		r.Done()
		require.NoError(t, c.Abort("enough"))
		for err == nil || errors.Is(err, sctp.ErrWouldBlock) {
			_, _, err = drain(t, &p)
		}
		require.ErrorIs(t, err, sctp.ErrReset)
	})
}

// A restart of the peer in the middle of a message, for who goes on after restarts: the
// message ends with an error, and what comes after it is read.
func TestPollerGoesOnAfterARestart(t *testing.T) { // X3
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 4000, SendBuffer: 256 << 10},
			serverConfig: &sctp.Config{RecvBuffer: 8192, Events: sctp.EventAssoc}})
		c, s := w.pair()
		var p sctp.Poller
		require.NoError(t, p.Add(s, nil))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 100_000)}))
		time.Sleep(100 * time.Millisecond)
		_, messages, err := drain(t, &p)
		require.Empty(t, messages)
		require.ErrorIs(t, err, sctp.ErrWouldBlock)
		w.restart()
		c, err = w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.NoError(t, err)
		require.NoError(t, c.Send(t.Context(), text("anew")))
		for torn := false; len(messages) == 0; torn = torn || errors.Is(err, io.ErrUnexpectedEOF) {
			_, messages, err = drain(t, &p)
			if len(messages) > 0 {
				require.True(t, torn)
			}
		}
		require.Equal(t, []string{"anew"}, messages)
	})
}

// Who is not served keeps its messages in its receive buffer, whose size bounds them: its
// peer has to stop. Others go on.
func TestPollerKeepsBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := &sctp.Config{SendBuffer: 16 << 10, RecvBuffer: 16 << 10}
		w := newWorld(t, worldOption{clientConfig: small, serverConfig: small})
		var p sctp.Poller
		slow, s := w.pair()
		require.NoError(t, p.Add(s, "slow"))
		fast, f := w.pair()
		require.NoError(t, p.Add(f, "fast"))
		var sent atomic.Int64
		flood := func() error {
			for {
				if err := slow.Send(t.Context(), &sctp.Message{Data: make([]byte, 1000)}); err != nil {
					return err
				}
				sent.Add(1)
			}
		}
		done := result(flood)
		time.Sleep(time.Minute)
		stuck := sent.Load()
		require.Less(t, stuck, int64(50))
		r := next(t, &p) // somebody is busy with it
		require.Equal(t, "slow", r.Tag)
		for i := range 100 {
			require.NoError(t, fast.Send(t.Context(), text(fmt.Sprint(i))))
			tag, messages, _ := drain(t, &p)
			require.Equal(t, "fast", tag)
			require.Equal(t, []string{fmt.Sprint(i)}, messages)
		}
		require.Equal(t, stuck, sent.Load())
		for range 20 {
			_, err := r.ReceiveMessage(nil, 2000)
			if err != nil {
				break
			}
		}
		r.Done()
		time.Sleep(time.Minute)
		require.Greater(t, sent.Load(), stuck)
		require.NoError(t, slow.Abort("enough"))
		require.Error(t, <-done)
	})
}

// Next gives what is there before it looks at its context.
func TestPollerDataBeatsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		var p sctp.Poller
		require.NoError(t, p.Add(s, nil))
		require.NoError(t, c.Send(t.Context(), text("x")))
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r, err := p.Next(ctx)
		require.NoError(t, err)
		_, err = r.ReceiveMessage(nil, 1)
		require.NoError(t, err)
		r.Done()
		_, err = p.Next(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// Over a bad network, with several goroutines: no message is lost or out of order, and
// nobody is served by two at once.
func TestPollerWithManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Jitter: delay, Loss: 0.05, Reorder: 0.1}})
		const associations, messages = 20, 200
		type state struct {
			busy sync.Mutex
			got  int
		}
		var p sctp.Poller
		ctx, cancel := context.WithCancel(t.Context())
		var workers, ends sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for {
					r, err := p.Next(ctx)
					if err != nil {
						return
					}
					s := r.Tag.(*state)
					require.True(t, s.busy.TryLock())
					for range 5 {
						var m sctp.Message
						if m, err = r.ReceiveMessage(nil, 100); err != nil {
							break
						}
						require.Equal(t, fmt.Sprint(s.got), string(m.Data))
						s.got++
						runtime.Gosched()
					}
					if errors.Is(err, io.EOF) {
						require.Equal(t, messages, s.got)
						ends.Done()
					}
					s.busy.Unlock()
					r.Done()
				}
			})
		}
		ends.Add(associations)
		for range associations {
			c, s := w.pair()
			require.NoError(t, p.Add(s, new(state)))
			workers.Go(func() {
				for i := range messages {
					if err := c.Send(ctx, text(fmt.Sprint(i))); err != nil {
						t.Error(err)
						return
					}
				}
				_ = c.Close()
			})
		}
		ends.Wait()
		cancel()
		workers.Wait()
	})
}

// echoPolled sends back what comes to the associations of p, one caller of Next.
func echoPolled(ctx context.Context, p *sctp.Poller) {
	buf := make([]byte, 1000)
	for {
		r, err := p.Next(ctx)
		if err != nil {
			return
		}
		for {
			m, err := r.ReceiveMessage(buf, 1000)
			if err != nil || r.Association().TrySend(&m) != nil {
				break
			}
		}
		r.Done()
	}
}

// A message through a Poller, and its answer, allocate nothing.
func TestPollerAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	client, server := loopback(t, nil)
	var p sctp.Poller
	require.NoError(t, p.Add(server, nil))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go echoPolled(ctx, &p)
	requireNoAllocations(t, client)
}

// M7: what an association costs that was served through a Poller and is idle: no
// goroutine, and little memory.
func TestM7ServedAssociationIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 2000
	ip := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	open := func() *sctp.Stack {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: ip})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	one, two := open(), open()
	l, err := two.Listen(nil, nil)
	require.NoError(t, err)
	var p sctp.Poller
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go echoPolled(ctx, &p)
	buf := make([]byte, 1000)
	as := make([]*sctp.Association, 0, 2*n)
	before, goroutines := 0, 0
	for i := range n + 1 {
		if i == 1 { // the first one is what the stacks need
			before, goroutines = heap(), runtime.NumGoroutine()
		}
		c, err := one.Dial(ctx, l.Addr().(*sctp.Addr), nil)
		require.NoError(t, err)
		s, err := l.AcceptSCTP(ctx)
		require.NoError(t, err)
		require.NoError(t, p.Add(s, nil))
		for range 3 {
			require.NoError(t, c.Send(ctx, &sctp.Message{Data: buf[:500]}))
			_, err = c.Receive(ctx, buf)
			require.NoError(t, err)
		}
		as = append(as, c, s)
	}
	time.Sleep(500 * time.Millisecond)
	each := (heap() - before) / (2 * n)
	t.Logf("%d bytes of heap for each of %d associations", each, len(as))
	require.Less(t, each, 8<<10)
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+20)
	runtime.KeepAlive(as)
}
