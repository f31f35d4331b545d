package sctp

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// passed tells who came through a gate, and how.
type passed struct {
	who int
	err error
}

// line lets callers wait at g, one behind the other, each with its context.
func line(g *gate, mu *sync.Mutex, p *waiterPool, ctxs ...context.Context) <-chan passed {
	out := make(chan passed, len(ctxs))
	for i, ctx := range ctxs {
		go func() {
			mu.Lock()
			defer mu.Unlock()
			out <- passed{i, g.wait(ctx, mu, p, false)}
		}()
		synctest.Wait()
	}
	return out
}

func TestGateServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var mu sync.Mutex
		var p waiterPool
		bg := context.Background()
		out := line(&g, &mu, &p, bg, bg, bg)
		for i := range 3 {
			mu.Lock()
			require.True(t, g.waiting())
			g.wakeOne()
			mu.Unlock()
			require.Equal(t, passed{i, nil}, <-out)
		}
		mu.Lock()
		defer mu.Unlock()
		require.False(t, g.waiting())
		g.wakeOne() // nobody there
	})
}

func TestGateLetsContextsLeaveTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var mu sync.Mutex
		var p waiterPool
		bg := context.Background()
		ctx, cancel := context.WithCancel(bg)
		out := line(&g, &mu, &p, bg, ctx, bg)
		cancel()
		require.Equal(t, passed{1, context.Canceled}, <-out)
		mu.Lock()
		g.wakeAll()
		mu.Unlock()
		got := map[int]bool{(<-out).who: true, (<-out).who: true}
		require.Equal(t, map[int]bool{0: true, 2: true}, got)
	})
}

// A wake-up that meets a context that just ended is not lost: the next in line gets
// it.
func TestGatePassesAWakeUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			var g gate
			var mu sync.Mutex
			var p waiterPool
			ctx, cancel := context.WithCancel(context.Background())
			out := line(&g, &mu, &p, ctx, context.Background())
			mu.Lock()
			cancel()
			g.wakeOne()
			mu.Unlock()
			first := <-out
			if first.who == 0 && first.err == nil { // it took the wake-up
				mu.Lock()
				g.wakeOne()
				mu.Unlock()
				first = <-out
				require.Equal(t, passed{1, nil}, first)
				continue
			}
			// Either the first left without it, or the second came through already.
			second := <-out
			require.ElementsMatch(t, []passed{{0, context.Canceled}, {1, nil}}, []passed{first, second})
		}
	})
}

func TestGateFrontOfTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var mu sync.Mutex
		var p waiterPool
		out := line(&g, &mu, &p, context.Background(), context.Background())
		go func() {
			mu.Lock()
			defer mu.Unlock()
			_ = g.wait(context.Background(), &mu, &p, true)
			g.wakeAll()
		}()
		synctest.Wait()
		mu.Lock()
		g.wakeOne() // the one at the front, who wakes the others
		mu.Unlock()
		require.NotEqual(t, (<-out).who, (<-out).who)
	})
}

func TestGateAllocatesNothingPerWait(t *testing.T) {
	var g gate
	var mu sync.Mutex
	var p waiterPool
	turn := func() {
		mu.Lock()
		w := p.get()
		g.add(w, false)
		g.wakeOne()
		<-w.wake
		p.put(w)
		mu.Unlock()
	}
	turn()
	require.Less(t, testing.AllocsPerRun(1000, turn), 0.5)
}

func TestDeadlineFiresAndMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		var g gate
		var mu sync.Mutex
		var p waiterPool
		require.False(t, d.passed())
		mu.Lock()
		d.set(time.Now().Add(time.Second), &mu, &g)
		mu.Unlock()
		out := line(&g, &mu, &p, context.Background())
		mu.Lock()
		d.set(time.Now().Add(time.Minute), &mu, &g)
		mu.Unlock()
		<-out // moving it wakes the waiter, who finds that nothing has passed
		require.False(t, d.passed())
		out = line(&g, &mu, &p, context.Background())
		time.Sleep(59 * time.Second)
		require.Empty(t, out)
		time.Sleep(2 * time.Second)
		require.Len(t, out, 1)
		require.True(t, d.passed())
		mu.Lock()
		d.set(time.Time{}, &mu, &g)
		mu.Unlock()
		require.False(t, d.passed())
	})
}
