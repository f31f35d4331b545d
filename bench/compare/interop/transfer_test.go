package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/sctp"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/interop/pattern"
	"github.com/rserpool/rserpool/sctp"
)

// Seeds of what either end sends.
const (
	oursSeed   = 1
	theirsSeed = 2
)

// A transfer is count messages each way over some streams, of which the last is
// unordered; each is checked as in the other interop tests.
type transfer struct {
	count, streams, size int
	pause                time.Duration // before we begin to read
}

func (x transfer) message(seed uint64, n int) pattern.Message {
	m := pattern.At(seed, x.streams, n)
	m.Fixed = x.size
	return m
}

func (x transfer) checker(seed uint64) *pattern.Checker {
	c := pattern.NewChecker(seed, x.streams, x.count, true)
	c.Fixed(x.size)
	return c
}

func (x transfer) room() int { return max(x.size, pattern.MaxSize) }

// run transfers in both directions at once and then shuts down.
func (x transfer) run(ctx context.Context, t *testing.T, p pair) {
	t.Helper()
	tasks := []func() error{
		func() error { return x.weSend(ctx, p.ours) },
		func() error { return x.weReceive(ctx, p.ours) },
		func() error { return x.pionTransfers(p.theirs) },
	}
	errs := make(chan error, len(tasks))
	for _, f := range tasks {
		go func() { errs <- f() }()
	}
	for range tasks {
		select {
		case err := <-errs:
			require.NoError(t, err, "%+v", p.ours.Stats())
		case <-ctx.Done():
			require.NoError(t, ctx.Err(), "%+v", p.ours.Stats())
		}
	}
	require.NoError(t, p.ours.Shutdown(ctx))
	_, err := p.theirs.OpenStream(0, 0)
	require.ErrorIs(t, err, pion.ErrAssociationClosed)
}

func (x transfer) weSend(ctx context.Context, a *sctp.Association) error {
	buf := make([]byte, 0, x.room())
	for n := range x.count {
		m := x.message(oursSeed, n)
		err := a.Send(ctx, &sctp.Message{Stream: sctp.StreamID(m.Stream), PPID: sctp.PPID(m.PPID()),
			Unordered: int(m.Stream) == x.streams-1, Data: m.AppendTo(buf)})
		if err != nil {
			return fmt.Errorf("we send message %d: %w", n, err)
		}
	}
	return nil
}

func (x transfer) weReceive(ctx context.Context, a *sctp.Association) error {
	time.Sleep(x.pause)
	check := x.checker(theirsSeed)
	buf := make([]byte, x.room())
	for !check.Done() {
		m, err := a.ReceiveMessage(ctx, buf, x.room())
		if err != nil {
			return fmt.Errorf("we receive after %d messages: %w", check.Received(), err)
		}
		if err := check.Check(uint16(m.Stream), uint32(m.PPID), m.Unordered, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// pionTransfers sends and receives at pion's end: a goroutine for each stream, as
// its API wants.
func (x transfer) pionTransfers(a *pion.Association) error {
	check := x.checker(oursSeed)
	var mu sync.Mutex
	failed := make(chan error, 2*x.streams)
	var all sync.WaitGroup
	for id := range x.streams {
		s, err := a.OpenStream(uint16(id), 0)
		if err != nil {
			return err
		}
		s.SetReliabilityParams(id == x.streams-1, pion.ReliabilityTypeReliable, 0)
		all.Go(func() {
			for n := id; n < x.count; n += x.streams {
				m := x.message(theirsSeed, n)
				if _, err := s.WriteSCTP(m.AppendTo(nil), pion.PayloadProtocolIdentifier(m.PPID())); err != nil {
					failed <- fmt.Errorf("pion sends %v: %w", m, err)
					return
				}
			}
		})
		all.Go(func() {
			buf := make([]byte, x.room())
			for n := id; n < x.count; n += x.streams {
				k, ppid, err := s.ReadSCTP(buf)
				if err != nil {
					failed <- fmt.Errorf("pion receives on stream %d: %w", id, err)
					return
				}
				mu.Lock()
				// pion does not tell whether a message was unordered.
				err = check.Check(uint16(id), uint32(ppid), id == x.streams-1, buf[:k])
				mu.Unlock()
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	if len(errs) == 0 && !check.Done() {
		errs = append(errs, io.ErrUnexpectedEOF)
	}
	return errors.Join(errs...)
}
