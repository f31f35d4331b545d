package sctp_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// soakFor is how long the soak tests run, SOAK in the environment; they are skipped
// without it.
func soakFor(t *testing.T) time.Duration {
	v := os.Getenv("SOAK")
	if v == "" {
		t.Skip("set SOAK to a duration, or run make soak")
	}
	d, err := time.ParseDuration(v)
	require.NoError(t, err, "SOAK")
	return d
}

// realPair is two stacks over real sockets on loopback and a listener.
type realPair struct {
	one, two *sctp.Stack
	l        *sctp.Listener
	at       *sctp.Addr
}

func newRealPair(t *testing.T, cfg *sctp.Config) *realPair {
	open := func() *sctp.Stack {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, MaxAssociations: 100_000, MaxInitRate: -1})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	p := &realPair{one: open(), two: open()}
	var err error
	p.l, err = p.two.Listen(nil, cfg)
	require.NoError(t, err)
	p.at = p.l.Addr().(*sctp.Addr)
	return p
}

// visits counts what the users of a soak did.
type visits struct {
	opened, messages, bytes   atomic.Int64
	closed, shutdown, aborted atomic.Int64
	failed                    atomic.Int64
	err                       atomic.Pointer[error]
}

// visit opens one association, exchanges some messages with a server that echoes,
// and ends in one of three ways. What fails but by the end of the soak is noted.
func (v *visits) visit(ctx context.Context, p *realPair, r *rand.Rand, buf []byte) {
	a, err := p.one.Dial(ctx, p.at, &sctp.Config{Linger: time.Minute}) // busy machines lose packets in rows
	if err == nil {
		v.opened.Add(1)
		err = v.talk(ctx, a, r, buf)
		switch r.IntN(3) {
		case 0:
			v.closed.Add(1)
			err = errors.Join(err, a.Close())
		case 1:
			v.shutdown.Add(1)
			err = errors.Join(err, a.Shutdown(ctx))
			_ = a.Close()
		default:
			v.aborted.Add(1)
			_ = a.Abort("enough")
			_ = a.Close()
		}
	}
	if err != nil && ctx.Err() == nil {
		v.failed.Add(1)
		v.err.CompareAndSwap(nil, &err)
	}
}

func (v *visits) talk(ctx context.Context, a *sctp.Association, r *rand.Rand, buf []byte) error {
	for range 1 + r.IntN(10) {
		n := 1 + r.IntN(2000)
		if r.IntN(10) == 0 {
			n = 1 + r.IntN(100_000)
		}
		m := sctp.Message{Stream: sctp.StreamID(r.IntN(10)), Data: buf[:n], Unordered: r.IntN(4) == 0}
		if err := a.Send(ctx, &m); err != nil {
			return err
		}
		got, err := a.ReceiveMessage(ctx, nil, 1<<20)
		if err != nil {
			return err
		}
		if !bytes.Equal(got.Data, m.Data) {
			return errors.New("the echo differs")
		}
		v.messages.Add(1)
		v.bytes.Add(int64(n))
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
		}
	}
	return nil
}

// settled runs the garbage collector until it finds nothing more and returns the
// heap in use and the number of goroutines.
func settled() (heapBytes, goroutines int) {
	return heap(), runtime.NumGoroutine()
}

// growth is by how much a straight line through the samples rises from the first to
// the last.
func growth(samples []int) float64 {
	n := float64(len(samples))
	var sx, sy, sxx, sxy float64
	for i, s := range samples {
		x, y := float64(i), float64(s)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx) * (n - 1)
}

// TestSoakAssociations has a thousand users open associations over real sockets,
// transfer and end them, again and again. Neither heap nor goroutines grow with
// time, and in the end both are back to where they were.
func TestSoakAssociations(t *testing.T) {
	const users = 1000
	whole := soakFor(t)
	p := newRealPair(t, &sctp.Config{Backlog: 2 * users})
	go serveEcho(p.l)
	ctx, cancel := context.WithTimeout(context.Background(), whole)
	defer cancel()
	var v visits
	heapBefore, goroutinesBefore := settled()
	var group sync.WaitGroup
	for i := range users {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			buf := bytes.Repeat([]byte{byte(i)}, 100_000)
			for ctx.Err() == nil {
				v.visit(ctx, p, r, buf)
			}
		})
	}
	var heaps, goroutines []int
	for tick := time.NewTicker(max(whole/60, time.Second)); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-tick.C:
			h, g := settled()
			heaps, goroutines = append(heaps, h), append(goroutines, g)
		}
	}
	group.Wait()
	require.Eventually(t, func() bool { return p.one.Stats().Associations == 0 && p.two.Stats().Associations == 0 }, time.Minute, 10*time.Millisecond)
	time.Sleep(6 * time.Second) // pools are emptied
	heapAfter, goroutinesAfter := settled()
	steady := len(heaps) / 5 // the first fifth is spent on growing to size
	t.Logf("soak of %v: %d associations, %d messages, %d MiB each way; %d closed, %d shut down, %d aborted, %d failed; heap %.1f MiB at the begin, %.1f..%.1f while it ran (trend %+.1f), %.1f at the end; goroutines %d, %d..%d (trend %+.0f), %d",
		whole, v.opened.Load(), v.messages.Load(), v.bytes.Load()>>20, v.closed.Load(), v.shutdown.Load(), v.aborted.Load(), v.failed.Load(),
		mib(heapBefore), mib(least(heaps[steady:])), mib(most(heaps[steady:])), growth(heaps[steady:])/(1<<20), mib(heapAfter),
		goroutinesBefore, least(goroutines[steady:]), most(goroutines[steady:]), growth(goroutines[steady:]), goroutinesAfter)
	if err := v.err.Load(); err != nil {
		t.Errorf("%d associations failed, the first with: %v", v.failed.Load(), *err)
	}
	if whole >= time.Minute { // what is shorter sees the growth to size only
		require.Less(t, growth(heaps[steady:]), 0.1*float64(most(heaps))+4<<20, "the heap grows: %v", heaps)
		require.Less(t, growth(goroutines[steady:]), 0.1*float64(most(goroutines))+50, "goroutines grow: %v", goroutines)
	}
	require.Less(t, heapAfter-heapBefore, 8<<20)
	require.LessOrEqual(t, goroutinesAfter, goroutinesBefore+20)
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

func least(s []int) int {
	n := s[0]
	for _, v := range s {
		n = min(n, v)
	}
	return n
}

func most(s []int) int {
	n := s[0]
	for _, v := range s {
		n = max(n, v)
	}
	return n
}

// Ten thousand associations over real sockets are opened, used and ended, a hundred
// at a time, and leave nothing behind.
func TestM1TenThousandAssociationsLeaveNothing(t *testing.T) {
	rounds := 100
	if testing.Short() || raceEnabled {
		rounds = 5
	}
	p := newRealPair(t, nil)
	go serveEcho(p.l)
	var v visits
	ctx, cfg := context.Background(), &sctp.Config{Linger: time.Minute} // the machine may be busy
	batch := func() {
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				a, err := p.one.Dial(ctx, p.at, cfg)
				if err == nil {
					err = a.Send(ctx, text("hello"))
				}
				if err == nil {
					_, err = a.Receive(ctx, make([]byte, 10))
				}
				switch {
				case err != nil:
				case i%2 == 0:
					err = a.Close()
				default:
					err = a.Abort("enough")
				}
				if err != nil && !errors.Is(err, net.ErrClosed) {
					v.err.CompareAndSwap(nil, &err)
				}
			})
		}
		group.Wait()
	}
	empty := func() bool { return p.one.Stats().Associations == 0 && p.two.Stats().Associations == 0 }
	batch() // what is allocated once
	require.Eventually(t, empty, time.Minute, time.Millisecond)
	heapBefore, goroutinesBefore := settled()
	for range rounds {
		batch()
		require.Eventually(t, empty, time.Minute, time.Millisecond)
	}
	if err := v.err.Load(); err != nil {
		require.NoError(t, *err)
	}
	heapAfter, goroutinesAfter := settled()
	t.Logf("after %d associations: heap %+d bytes, goroutines %+d", rounds*100, heapAfter-heapBefore, goroutinesAfter-goroutinesBefore)
	require.Less(t, heapAfter-heapBefore, 1<<20)
	require.LessOrEqual(t, goroutinesAfter, goroutinesBefore+20)
}
