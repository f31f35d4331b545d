package sctp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// hugeSize is the length of the message that TestSimHugeMessage sends: 64 MiB, with
// `make sim` 1 GiB.
func hugeSize() int64 {
	if os.Getenv("SIM_SEEDS") != "" {
		return 1 << 30
	}
	return 64 << 20
}

// fill makes the bytes of a huge message that begin at an offset, a multiple of 8.
func fill(b []byte, offset int64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], uint64(offset)+uint64(i))
	}
}

// One message that is larger than any buffer is written piece by piece, with an
// explicit end of record, and read piece by piece. Both ends need no more memory than
// their buffers. What other streams send before and after it arrives, too.
func TestSimHugeMessage(t *testing.T) { // RFC 9260 §6.9; RFC 6458 §8.1.26
	total, piece := hugeSize(), 60000
	before := heap()
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 512 << 10, SendBuffer: 512 << 10}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg, link: simnet.Link{Delay: time.Millisecond}})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 2, Data: []byte("before")}))
		written := result(func() error {
			buf := make([]byte, piece)
			for at := int64(0); at < total; at += int64(piece) {
				b := buf[:min(int64(piece), total-at)]
				fill(b, at)
				if err := c.Send(context.Background(), &sctp.Message{Stream: 1, PPID: 7, Partial: true, Data: b}); err != nil {
					return err
				}
			}
			if err := c.Send(context.Background(), &sctp.Message{Stream: 1}); err != nil { // the end
				return err
			}
			return c.Send(context.Background(), &sctp.Message{Stream: 2, Data: []byte("after")})
		})
		require.Equal(t, "before", string(receive(t, s).Data))
		buf, want := make([]byte, piece), make([]byte, piece)
		most, ctx := 0, withTimeout(t, 24*time.Hour)
		for at := int64(0); ; {
			m, err := s.Receive(ctx, buf[at%8:])
			require.NoError(t, err)
			require.EqualValues(t, 1, m.Stream)
			require.EqualValues(t, 7, m.PPID)
			begin := at &^ 7
			fill(want[:(at%8+int64(len(m.Data))+7)&^7], begin)
			if string(want[at%8:][:len(m.Data)]) != string(m.Data) {
				require.FailNow(t, "wrong content", "at %d", at)
			}
			if at>>23 != (at+int64(len(m.Data)))>>23 { // each 8 MiB
				most = max(most, heap()-before)
			}
			if at += int64(len(m.Data)); !m.Partial {
				require.Equal(t, total, at)
				break
			}
		}
		require.NoError(t, <-written)
		m := receive(t, s)
		require.Equal(t, "after", string(m.Data))
		require.EqualValues(t, 1, m.SSN)
		require.Less(t, most, 12<<20, "the buffers, and what is on its way")
		require.NoError(t, c.Close())
	})
}

// Several goroutines write long messages at the same time, each on its stream, while
// others send small ones: none waits for ever, and none takes the memory of others.
func TestLongMessagesOfManyWriters(t *testing.T) { // F3
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 64 << 10, SendBuffer: 64 << 10}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg, link: simnet.Link{Delay: time.Millisecond, Loss: 0.01}})
		c, s := w.pair()
		const writers, each, pieces = 12, 3, 20
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				st, err := c.Stream(sctp.StreamID(i))
				if err != nil {
					t.Error(err)
					return
				}
				data := make([]byte, 7000)
				for range each {
					for n := range pieces {
						m := &sctp.Message{Partial: n < pieces-1, Data: data}
						if i%3 == 0 {
							m = &sctp.Message{Data: data[:100]}
						}
						if err := st.WriteMessage(context.Background(), m); err != nil {
							t.Errorf("writer %d: %v", i, err)
							return
						}
						if i%3 == 1 {
							time.Sleep(3 * time.Millisecond)
						}
					}
				}
			})
		}
		messages, bytes := map[sctp.StreamID]int{}, map[sctp.StreamID]int{}
		buf, ctx := make([]byte, 64<<10), withTimeout(t, time.Hour)
		for total := 0; total < (writers/3)*each*pieces+(writers-writers/3)*each; {
			m, err := s.Receive(ctx, buf)
			require.NoError(t, err)
			bytes[m.Stream] += len(m.Data)
			if !m.Partial {
				messages[m.Stream]++
				total++
			}
			require.LessOrEqual(t, c.Buffered(), 3*64<<10)
		}
		wg.Wait()
		for i := range sctp.StreamID(writers) {
			if i%3 == 0 {
				require.Equal(t, each*pieces, messages[i])
				continue
			}
			require.Equal(t, each, messages[i])
			require.Equal(t, each*pieces*7000, bytes[i])
		}
	})
}

// begun opens an association whose client is in the middle of a message that the
// server is reading.
func begun(t *testing.T, events sctp.EventMask) (w *world, c, s *sctp.Association) {
	w = newWorld(t, worldOption{
		clientConfig: &sctp.Config{LocalPort: 4000, SendBuffer: 32 << 10, Events: events},
		serverConfig: &sctp.Config{RecvBuffer: 16 << 10, Events: events},
	})
	c, s = w.pair()
	require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 3, PPID: 9, Context: 77, Partial: true, Data: make([]byte, 20<<10)}))
	m, err := s.Receive(t.Context(), make([]byte, 1000))
	require.NoError(t, err)
	require.True(t, m.Partial)
	return w, c, s
}

func TestEndInTheMiddleOfAMessage(t *testing.T) {
	ends := map[string]struct {
		end     func(t *testing.T, c, s *sctp.Association)
		aborted bool // the writer's association, by whom
	}{
		"abort": {func(t *testing.T, c, _ *sctp.Association) { require.NoError(t, c.Abort("enough")) }, true},
		"close": {func(t *testing.T, c, _ *sctp.Association) { require.NoError(t, c.Close()) }, true},
		"the reader closes": {func(t *testing.T, c, s *sctp.Association) {
			require.NoError(t, s.Close(), "the abort of the other end is an end")
		}, true},
	}
	for name, e := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c, s := begun(t, sctp.EventSend|sctp.EventPartial)
				e.end(t, c, s)
				synctest.Wait()
				time.Sleep(time.Second)
				ev, err := c.NextEvent(t.Context())
				require.NoError(t, err)
				failed, ok := ev.(sctp.SendFailed)
				require.True(t, ok, "%#v", ev)
				require.EqualValues(t, 77, failed.Message.Context)
				require.EqualValues(t, 9, failed.Message.PPID)
				require.True(t, failed.Message.Partial)
				require.True(t, failed.Sent)
				require.EqualValues(t, 20<<10, int(failed.Acked)+len(failed.Message.Data))
				if name == "the reader closes" {
					return
				}
				ev, err = s.NextEvent(t.Context())
				require.NoError(t, err)
				require.Equal(t, sctp.PartialAborted{Stream: 3, PPID: 9}, ev)
				for err == nil {
					_, err = s.Receive(t.Context(), make([]byte, 64<<10))
				}
				var abort *sctp.AbortError
				require.ErrorAs(t, err, &abort, "the message is not taken for complete")
			})
		})
	}
	t.Run("shutdown is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c, s := begun(t, 0)
			require.ErrorIs(t, c.Shutdown(t.Context()), sctp.ErrIncomplete)
			require.ErrorIs(t, c.CancelMessage(3), sctp.ErrIncomplete)
			read := result(func() int {
				n := 0
				for {
					m, err := s.Receive(context.Background(), make([]byte, 64<<10))
					if err != nil {
						return -1
					}
					if n += len(m.Data); !m.Partial {
						return n
					}
				}
			})
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 3, Data: []byte("the end")}))
			require.NoError(t, c.Shutdown(t.Context()))
			require.Equal(t, 20<<10+7-1000, <-read)
		})
	})
	t.Run("restart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, _, s := begun(t, sctp.EventAll)
			w.restart()
			_, err := w.client.Dial(t.Context(), w.addr(), w.cfg)
			require.NoError(t, err)
			ctx := withTimeout(t, time.Hour)
			ev, err := s.NextEvent(ctx)
			for ; err == nil; ev, err = s.NextEvent(ctx) {
				if _, ok := ev.(sctp.PartialAborted); ok {
					break
				}
			}
			require.NoError(t, err)
			m, err := s.Receive(ctx, make([]byte, 100))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.EqualValues(t, 3, m.Stream)
			require.Empty(t, m.Data)
		})
	})
}

func TestMessagesThatAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventSend, SendBuffer: 32 << 10}})
		c, s := w.pair()
		st, err := c.Stream(5)
		require.NoError(t, err)
		require.NoError(t, st.WriteMessage(t.Context(), &sctp.Message{Partial: true, Data: make([]byte, 1000)}))
		require.NoError(t, c.CancelMessage(5))
		require.NoError(t, c.CancelMessage(5), "there is none")
		require.NoError(t, st.WriteMessage(t.Context(), text("whole")))
		require.Equal(t, "whole", string(receive(t, s).Data))

		// A message that is not begun is dropped by Close, which is graceful then.
		require.NoError(t, st.WriteMessage(t.Context(), &sctp.Message{Partial: true, Context: 4, Data: make([]byte, 1000)}))
		require.NoError(t, c.Close())
		ev, err := c.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.SendFailed{Err: sctp.ErrShutdown, Message: sctp.Message{Stream: 5, Context: 4, Partial: true, Data: make([]byte, 1000)}}, ev)
		_, err = s.Receive(t.Context(), make([]byte, 10))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestLifetimeOfMessages(t *testing.T) { // RFC 9260 §11.1.5
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventSend | sctp.EventDry}})
		c, s := w.pair()
		ctx := withTimeout(t, time.Hour)
		w.cut()
		for i := range 10 { // the window takes four of them
			m := &sctp.Message{Context: uint32(i), PPID: 3, Lifetime: 700 * time.Millisecond, Unordered: i == 9, Data: make([]byte, 1400)}
			require.NoError(t, c.Send(t.Context(), m))
		}
		start := time.Now()
		for i := 4; i < 10; i++ {
			ev, err := c.NextEvent(ctx)
			require.NoError(t, err)
			require.Equal(t, sctp.SendFailed{Err: sctp.ErrExpired, Message: sctp.Message{Context: uint32(i), PPID: 3, Unordered: i == 9, Data: make([]byte, 1400)}}, ev)
		}
		require.Equal(t, 700*time.Millisecond, time.Since(start), "no sooner and no later")
		w.mend()
		for i := range 4 {
			m := receive(t, s)
			require.EqualValues(t, i, m.SSN)
		}
		ev, err := c.NextEvent(ctx)
		require.NoError(t, err)
		require.Equal(t, sctp.SenderDry{}, ev)

		// While a message is being written.
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Partial: true, Lifetime: time.Second, Data: []byte("a")}))
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, c.Send(t.Context(), &sctp.Message{Partial: true, Data: []byte("b")}), sctp.ErrExpired)
		require.NoError(t, c.Send(t.Context(), text("c")))
		require.Equal(t, "c", string(receive(t, s).Data))
	})
}

func TestUndeliveredMessagesComeBack(t *testing.T) { // RFC 9260 §11.1.14, §11.1.15, §11.2.2
	synctest.Test(t, func(t *testing.T) {
		const count = 200 // more than Config.EventQueue
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventSend | sctp.EventAssoc, AssociationMaxRetrans: 2}})
		c, _ := w.pair()
		ev, err := c.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.AssocChange{State: sctp.AssocUp}, ev)
		w.cut()
		for i := range count {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: sctp.StreamID(i % 7), Context: uint32(i), Data: fmt.Appendf(make([]byte, 1000), "%d", i)}))
		}
		for i := range count {
			ev, err := c.NextEvent(t.Context())
			require.NoError(t, err)
			f := ev.(sctp.SendFailed)
			require.EqualValues(t, i, f.Message.Context)
			require.EqualValues(t, i%7, f.Message.Stream)
			require.Equal(t, fmt.Sprint(i), string(f.Message.Data[1000:]))
			require.Equal(t, i < 5, f.Sent, "what the first window let through")
			require.ErrorIs(t, f.Err, sctp.ErrUnreachable)
		}
		ev, err = c.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.AssocLost, ev.(sctp.AssocChange).State)
	})
}

func TestUndeliveredMessagesAreBounded(t *testing.T) { // R4
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventSend, SendBuffer: 10_000}})
		c, _ := w.pair()
		for range 1000 { // nobody reads the notifications
			m := &sctp.Message{Lifetime: time.Nanosecond, Partial: true, Data: make([]byte, 1000)}
			require.NoError(t, c.Send(t.Context(), m))
			time.Sleep(time.Millisecond)
			require.ErrorIs(t, c.Send(t.Context(), m), sctp.ErrExpired)
		}
		n := 0
		for {
			ev, err := c.NextEvent(t.Context())
			require.NoError(t, err)
			if _, ok := ev.(sctp.NotificationsStopped); ok {
				break
			}
			n++
		}
		require.InDelta(t, 20, n, 2)
	})
}

func TestDeadlineInTheMiddleOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{SendBuffer: 8 << 10}})
		c, s := w.pair()
		st, err := c.Stream(1)
		require.NoError(t, err)
		w.cut()
		piece := &sctp.Message{Partial: true, Data: make([]byte, 3<<10)}
		write := func(ctx context.Context) error {
			for {
				if err := st.WriteMessage(ctx, piece); err != nil {
					return err
				}
			}
		}
		require.NoError(t, st.SetWriteDeadline(time.Now().Add(time.Second)))
		require.ErrorIs(t, write(t.Context()), os.ErrDeadlineExceeded)
		require.NoError(t, st.SetWriteDeadline(time.Time{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, write(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, c.TrySend(&sctp.Message{Stream: 1, Partial: true, Data: make([]byte, 6<<10)}), sctp.ErrWouldBlock)
		// Nothing of what was refused is sent, and the message goes on.
		w.mend()
		require.NoError(t, st.WriteMessage(t.Context(), &sctp.Message{}))
		m := receive(t, s)
		require.Zero(t, len(m.Data)%(3<<10))

		blocked := result(func() error { return write(context.Background()) })
		w.cut()
		synctest.Wait()
		require.NoError(t, st.Close())
		require.ErrorIs(t, <-blocked, net.ErrClosed)
	})
}

// With an address of the peer a message takes that path.
func TestPathOfAMessage(t *testing.T) { // RFC 9260 §11.1.5, §6.4
	synctest.Test(t, func(t *testing.T) {
		second := netip.MustParseAddr("198.51.100.2")
		w := &world{t: t, net: simnet.New(1)}
		w.net.SetDefaultLink(simnet.Link{Delay: delay})
		w.client, w.server = w.stack(sctp.StackConfig{}, clientIP), w.stack(sctp.StackConfig{}, serverIP, second)
		l, err := w.server.Listen(&sctp.Addr{Port: testPort}, nil)
		require.NoError(t, err)
		w.listener = l
		c, s := w.pair()
		time.Sleep(time.Minute)               // both addresses are confirmed
		count := func(ip netip.Addr) uint64 { // packets so far
			for _, p := range c.Paths() {
				if p.Remote.Addr() == ip {
					return p.PacketsOut
				}
			}
			return 0
		}
		one, two := count(serverIP), count(second)
		for range 10 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Path: second, Data: []byte("x")}))
			receive(t, s)
		}
		require.EqualValues(t, one, count(serverIP))
		require.EqualValues(t, two+10, count(second))
		require.NoError(t, c.Send(t.Context(), text("y")))
		receive(t, s)
		require.EqualValues(t, one+1, count(serverIP))
		require.EqualValues(t, two+10, count(second))
		err = c.Send(t.Context(), &sctp.Message{Path: clientIP, Data: []byte("x")})
		require.ErrorIs(t, err, sctp.ErrNoPath)
		var pe *sctp.PathError
		require.True(t, errors.As(err, &pe))
		require.Equal(t, clientIP, pe.Path)
	})
}

// A peer that sends a message without end to who wants short ones: the reader hears of
// it as soon as there is too much, and can go on with other messages or end the
// association. What comes of it is dropped as it comes.
func TestMessageWithoutEnd(t *testing.T) { // M6
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 32 << 10, SendBuffer: 32 << 10}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg, link: simnet.Link{Delay: time.Millisecond}})
		c, s := w.pair()
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		flood := result(func() error {
			for {
				if err := c.Send(ctx, &sctp.Message{Stream: 1, Partial: true, Data: make([]byte, 10_000)}); err != nil {
					return err
				}
				sent += 10_000
			}
		})
		_, err := s.ReceiveMessage(t.Context(), nil, 20_000)
		var size *sctp.MessageSizeError
		require.ErrorAs(t, err, &size)
		require.Equal(t, 20_000, size.Max)
		require.Greater(t, size.Size, 20_000)
		require.Less(t, size.Size, 80_000)

		// Whoever waits for the next message drops the rest of this one meanwhile.
		next := result(func() string {
			m, err := s.ReceiveMessage(context.Background(), nil, 20_000)
			if err != nil {
				return err.Error()
			}
			return string(m.Data)
		})
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-flood, context.Canceled)
		require.Greater(t, sent, 1<<20)
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1}))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: []byte("the next")}))
		require.Equal(t, "the next", <-next)

		// The same for readers of the stream.
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Partial: true, Data: make([]byte, 25_000)}))
		_, err = s.ReceiveMessage(t.Context(), nil, 1000)
		require.ErrorIs(t, err, sctp.ErrMessageTooLarge)
		st, err := s.Stream(1)
		require.NoError(t, err)
		read := result(func() string {
			m, err := st.ReadMessage(context.Background(), make([]byte, 100))
			if err != nil {
				return err.Error()
			}
			return string(m.Data)
		})
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: make([]byte, 25_000)}))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: []byte("again")}))
		require.Equal(t, "again", <-read)
		require.Equal(t, "sctp: message of 10 bytes, the limit is 9", func() string {
			require.NoError(t, c.Send(t.Context(), text("0123456789")))
			_, err := s.ReceiveMessage(t.Context(), nil, 9)
			return err.Error()
		}())
		_, err = s.ReceiveMessage(withTimeout(t, time.Second), nil, -1)
		require.ErrorIs(t, err, context.DeadlineExceeded, "it was dropped")
	})
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
