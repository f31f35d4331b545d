package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/internal/spool"
)

func line(s string) func([]byte, uint64) []byte {
	return func(b []byte, lost uint64) []byte {
		if lost > 0 {
			b = fmt.Appendf(b, "lost %d\n", lost)
		}
		return append(append(b, s...), '\n')
	}
}

func TestRecordsOfSeveralGoroutinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	s := spool.New(&out, 1<<20)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				require.True(t, s.Add(line(fmt.Sprint(g, ":", i))))
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Close())
	require.Zero(t, s.Dropped())
	next := map[string]int{}
	for l := range strings.Lines(out.String()) {
		g, n, _ := strings.Cut(strings.TrimSpace(l), ":")
		require.Equal(t, fmt.Sprint(next[g]), n, "order is kept")
		next[g]++
	}
	require.Equal(t, map[string]int{"0": 1000, "1": 1000, "2": 1000, "3": 1000}, next)
}

// stuck is a writer that waits until it is let go.
type stuck struct {
	entered, let chan struct{}
	bytes.Buffer
}

func (w *stuck) Write(b []byte) (int, error) {
	w.entered <- struct{}{}
	<-w.let
	return w.Buffer.Write(b)
}

// A writer that does not get on costs records, not time and not memory; the next
// record that is taken says how many.
func TestAddNeverWaitsForTheWriter(t *testing.T) {
	w := &stuck{entered: make(chan struct{}, 9), let: make(chan struct{})}
	s := spool.New(w, 100)
	require.True(t, s.Add(line("first")))
	<-w.entered // it is being written
	taken := 0
	for range 1000 {
		if s.Add(line("0123456789")) {
			taken++
		}
	}
	require.Equal(t, 10, taken)
	require.EqualValues(t, 990, s.Dropped())
	w.let <- struct{}{}
	<-w.entered
	require.True(t, s.Add(line("after")))
	close(w.let)
	require.NoError(t, s.Close())
	require.Equal(t, "first\n"+strings.Repeat("0123456789\n", 10)+"lost 990\nafter\n", w.String())
}

type failing struct{ n int }

var errFull = errors.New("disk full")

func (w *failing) Write(b []byte) (int, error) { w.n++; return 0, errFull }

// After a failed write nothing more is taken; Close tells why.
func TestErrorOfTheWriter(t *testing.T) {
	w := &failing{}
	s := spool.New(w, 100)
	for s.Add(line("x")) {
	}
	require.ErrorIs(t, s.Close(), errFull)
	require.NotZero(t, s.Dropped())
	require.ErrorIs(t, s.Close(), spool.ErrClosed)
	require.False(t, s.Add(line("late")))
	require.Equal(t, 1, w.n)
}

// In steady state a record costs no allocation.
func TestAddDoesNotAllocate(t *testing.T) {
	var sink discard
	s := spool.New(&sink, 1<<20)
	defer s.Close()
	record := make([]byte, 100)
	add := func() {
		s.Add(func(b []byte, _ uint64) []byte { return append(b, record...) })
	}
	for range 20000 {
		add()
	}
	require.Less(t, testing.AllocsPerRun(20000, add), 0.5)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
