package sctp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// After a graceful shutdown the peer reads everything and then io.EOF; nothing can
// be sent any more (RFC 9260 §9.2).
func TestShutdownDeliversEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		for range 100 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 1000)}))
		}
		done := result(func() error { return c.Shutdown(context.Background()) })
		require.NoError(t, <-done)
		require.ErrorIs(t, c.Send(t.Context(), text("late")), sctp.ErrShutdown)
		for range 100 {
			require.Len(t, receive(t, s).Data, 1000)
		}
		_, err := s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = c.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = s.AcceptStream(t.Context())
		require.NoError(t, err, "stream 0 was announced")
		_, err = s.AcceptStream(t.Context())
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, s.Send(t.Context(), text("late")), sctp.ErrShutdown)
		require.NoError(t, c.Shutdown(t.Context()), "idempotent")
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	})
}

// The peer's data still arrives while this end shuts down.
func TestShutdownReceivesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		for range 200 {
			require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: make([]byte, 2000)}))
		}
		done := result(func() error { return c.Shutdown(context.Background()) })
		for range 200 {
			receive(t, c)
		}
		require.NoError(t, <-done)
		_, err := c.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

// blockedCalls starts one call of each kind that blocks and returns their results.
func blockedCalls(t *testing.T, w *world, c *sctp.Association) map[string]<-chan error {
	t.Helper()
	for c.TrySend(&sctp.Message{Data: make([]byte, 1000)}) == nil {
		time.Sleep(time.Second)
	}
	st, err := c.Stream(5)
	require.NoError(t, err)
	conn := c.Conn()
	ctx := context.Background()
	big := make([]byte, 4000)
	calls := map[string]func() error{
		"Send":         func() error { return c.Send(ctx, &sctp.Message{Data: big}) },
		"Receive":      func() error { _, err := c.Receive(ctx, make([]byte, 1)); return err },
		"Whole":        func() error { _, err := c.ReceiveMessage(ctx, nil, 1000); return err },
		"ReadMessage":  func() error { _, err := st.ReadMessage(ctx, make([]byte, 1)); return err },
		"WriteMessage": func() error { return st.WriteMessage(ctx, &sctp.Message{Data: big}) },
		"Stream.Read":  func() error { _, err := st.Read(make([]byte, 1)); return err },
		"Stream.Write": func() error { _, err := st.Write(big); return err },
		"Conn.Read":    func() error { _, err := conn.Read(make([]byte, 1)); return err },
		"Conn.Write":   func() error { _, err := conn.Write(big); return err },
		"AcceptStream": func() error { _, err := c.AcceptStream(ctx); return err },
		"NextEvent":    func() error { _, err := c.NextEvent(ctx); return err },
	}
	results := make(map[string]<-chan error)
	for name, call := range calls {
		for range 3 {
			results[name] = result(call)
		}
	}
	synctest.Wait()
	for name, r := range results {
		require.Empty(t, r, "%s does not block", name)
	}
	return results
}

func narrow() worldOption {
	return worldOption{
		clientConfig: &sctp.Config{SendBuffer: 4096, Events: sctp.EventPath, Linger: 2 * time.Second},
		serverConfig: &sctp.Config{RecvBuffer: 4096},
	}
}

func TestCloseUnblocksEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, narrow())
		c, _ := w.pair()
		calls := blockedCalls(t, w, c)
		start := time.Now()
		// The server does not read, so the graceful way takes too long.
		closed := result(c.Close)
		synctest.Wait()
		for name, r := range calls {
			require.ErrorIs(t, <-r, net.ErrClosed, name)
		}
		require.ErrorIs(t, <-closed, sctp.ErrShutdownTimeout)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.NoError(t, c.Close(), "idempotent")
		require.ErrorIs(t, c.TrySend(text("x")), net.ErrClosed)
		_, err := c.Stream(1)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = c.OpenStream()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestStackCloseUnblocksEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, narrow())
		c, _ := w.pair()
		calls := blockedCalls(t, w, c)
		w.net.SetDefaultLink(simnet.Link{Loss: 1})
		calls["Dial"] = result(func() error {
			_, err := w.client.Dial(context.Background(), &sctp.Addr{IPs: []netip.Addr{serverIP}, Port: 99}, nil)
			return err
		})
		l, err := w.client.Listen(nil, nil)
		require.NoError(t, err)
		calls["Accept"] = result(func() error { _, err := l.Accept(); return err })
		synctest.Wait()
		require.NoError(t, w.client.Close())
		for name, r := range calls {
			require.ErrorIs(t, <-r, net.ErrClosed, name)
		}
		require.NoError(t, w.client.Close(), "idempotent")
		_, err = w.client.Dial(t.Context(), w.addr(), nil)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = w.client.Listen(nil, nil)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// An abort by the peer ends every call with its reason (RFC 9260 §9.1).
func TestPeerAbortUnblocksEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, narrow())
		c, s := w.pair()
		calls := blockedCalls(t, w, c)
		require.NoError(t, s.Abort("enough"))
		for name, r := range calls {
			err := <-r
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, name)
			require.False(t, abort.Local)
			require.Equal(t, "enough", string(abort.Reason()), name)
			require.ErrorIs(t, err, sctp.ErrReset, name)
		}
		err := s.Send(t.Context(), text("x"))
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
		require.True(t, abort.Local)
		require.NotErrorIs(t, err, sctp.ErrReset)
		require.NoError(t, s.Abort("again"))
		require.NoError(t, s.Close())
		require.NoError(t, c.Close())
		require.EqualValues(t, 1, w.client.Stats().Failed)
	})
}

// A peer that vanishes is noticed: by retransmissions when there is data, by
// heartbeats when there is none (RFC 9260 §8.1, §8.3).
func TestPeerVanishes(t *testing.T) {
	for name, send := range map[string]bool{"sending": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOption{clientConfig: &sctp.Config{
					AssociationMaxRetrans: 4, PathMaxRetrans: 4, HeartbeatInterval: 10 * time.Second,
				}})
				c, _ := w.pair()
				w.cut()
				start := time.Now()
				if send {
					require.NoError(t, c.Send(t.Context(), text("anybody there?")))
				}
				_, err := c.Receive(t.Context(), make([]byte, 1))
				require.ErrorIs(t, err, sctp.ErrUnreachable)
				require.ErrorIs(t, c.Send(t.Context(), text("x")), sctp.ErrUnreachable)
				require.Less(t, time.Since(start), 2*time.Minute)
				require.Zero(t, w.client.Stats().Associations)
			})
		})
	}
}

// Close is bounded by Linger whatever state the peer vanishes in.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Linger: 3 * time.Second}})
		c, _ := w.pair()
		w.cut()
		start := time.Now()
		require.ErrorIs(t, c.Close(), sctp.ErrShutdownTimeout)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Zero(t, w.client.Stats().Associations)
	})
}

func TestNegativeLingerAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Linger: -1}})
		c, s := w.pair()
		require.NoError(t, c.Close())
		_, err := s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrReset)
	})
}

// A peer that goes on sending after Close gets rid of its data, so that the
// graceful end is reached without anybody reading.
func TestCloseDiscardsWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientConfig: &sctp.Config{RecvBuffer: 64 << 10, Linger: time.Minute},
			serverConfig: &sctp.Config{SendBuffer: 32 << 10},
		})
		c, s := w.pair()
		sent := result(func() error {
			for range 50 {
				if err := s.Send(context.Background(), &sctp.Message{Data: make([]byte, 4<<10)}); err != nil {
					return err
				}
			}
			return nil
		})
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(t, c.Close())
		require.Less(t, time.Since(start), 10*time.Second)
		require.ErrorIs(t, <-sent, sctp.ErrShutdown)
	})
}

func TestCloseWhileTheOtherEndCloses(t *testing.T) { // RFC 9260 §9.2
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		for range 20 {
			c, s := w.pair()
			one, two := result(c.Close), result(s.Close)
			require.NoError(t, <-one)
			require.NoError(t, <-two)
		}
		time.Sleep(time.Second)
		require.Zero(t, w.client.Stats().Associations)
		require.Zero(t, w.server.Stats().Associations)
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		waiting, err := w.client.Dial(t.Context(), w.addr(), nil) // not accepted
		require.NoError(t, err)
		require.NoError(t, w.listener.Close())
		require.NoError(t, w.listener.Close(), "idempotent")
		_, err = w.listener.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = waiting.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrReset)
		require.NoError(t, c.Send(t.Context(), text("still here")))
		require.Equal(t, "still here", string(receive(t, s).Data))
		_, err = w.client.Dial(t.Context(), w.addr(), nil)
		require.ErrorIs(t, err, sctp.ErrReset)
	})
}

// A full backlog leaves handshakes incomplete until there is room.
func TestBacklogOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{Backlog: 5}})
		dials := make([]<-chan error, 12)
		for i := range dials {
			dials[i] = result(func() error {
				_, err := w.client.Dial(context.Background(), w.addr(), nil)
				return err
			})
		}
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 5, w.server.Stats().Associations)
		require.NotZero(t, w.server.Stats().Refused)
		for range dials {
			_, err := w.listener.AcceptSCTP(t.Context())
			require.NoError(t, err)
		}
		for _, d := range dials {
			require.NoError(t, <-d)
		}
	})
}

// What fails before it is accepted leaves the backlog; what was shut down in order
// does not, since its data can still be read.
func TestUnacceptedAssociationsThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{Backlog: 2}})
		for range 10 {
			c, err := w.client.Dial(t.Context(), w.addr(), nil)
			require.NoError(t, err)
			require.NoError(t, c.Abort("changed my mind"))
			time.Sleep(time.Second)
		}
		require.Zero(t, w.server.Stats().Associations)
		c, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		require.NoError(t, c.Send(t.Context(), text("last words")))
		require.NoError(t, c.Close())
		s, err := w.listener.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.Equal(t, "last words", string(receive(t, s).Data))
		_, err = s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestThousandAssociationsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{Backlog: 1000}})
		before := runtime.NumGoroutine()
		var cs, ss []*sctp.Association
		for range 1000 {
			c, s := w.pair()
			cs, ss = append(cs, c), append(ss, s)
		}
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before+10, "no goroutine per association")
		require.Equal(t, 1000, w.server.Stats().Associations)
		time.Sleep(time.Minute) // heartbeats only
		for i := range cs {
			require.NoError(t, cs[i].Close())
			require.NoError(t, ss[i].Close())
		}
		time.Sleep(time.Second)
		require.Zero(t, w.client.Stats().Associations)
		require.Zero(t, w.server.Stats().Associations)
		require.LessOrEqual(t, runtime.NumGoroutine(), before+10)
	})
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, narrow())
		c, s := w.pair()
		conn, peer := c.Conn(), s.Conn()
		buf := make([]byte, 100)

		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		start := time.Now()
		_, err := conn.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		_, err = conn.ReadMessage(t.Context(), buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		// A deadline in the past ends a blocked call; a new one lets calls work again.
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		blocked := result(func() error { _, err := conn.Read(buf); return err })
		synctest.Wait()
		require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
		require.ErrorIs(t, <-blocked, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = peer.Write([]byte("late but there"))
		require.NoError(t, err)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "late but there", string(buf[:n]))

		// Moving a deadline away keeps a blocked call waiting.
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		blocked = result(func() error { _, err := conn.Read(buf); return err })
		time.Sleep(time.Second / 2)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		time.Sleep(10 * time.Second)
		require.Empty(t, blocked)
		require.ErrorIs(t, <-blocked, os.ErrDeadlineExceeded)

		// Writing: the peer does not read.
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Minute)))
		start = time.Now()
		n, err = conn.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		require.Less(t, n, 1<<20)
		require.NoError(t, c.Abort(""))
		require.NoError(t, conn.Close())
		require.ErrorIs(t, conn.SetDeadline(time.Now()), net.ErrClosed)
	})
}

// restart kills the client without a word and opens a new stack with the same
// addresses and ports, as a process that crashed and was started again.
func (w *world) restart() {
	w.t.Helper()
	w.cut()
	require.NoError(w.t, w.client.Close())
	time.Sleep(time.Second)
	w.mend()
	w.client = w.stack(sctp.StackConfig{}, clientIP)
}

// X3: a restart is never invisible. Without a subscription the old association
// ends, and the new one comes out of Accept (RFC 9260 §5.2.4 action A).
func TestX3RestartEndsTheAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 4000, Linger: -1}})
		_, s := w.pair()
		pending := result(func() error { _, err := s.Receive(context.Background(), make([]byte, 1)); return err })
		w.restart()
		c, fresh := w.pair()
		err := <-pending
		require.ErrorIs(t, err, sctp.ErrRestarted)
		require.ErrorIs(t, err, sctp.ErrReset)
		require.ErrorIs(t, s.Send(t.Context(), text("x")), sctp.ErrRestarted)
		require.NoError(t, s.Close())
		require.NotSame(t, s, fresh)
		require.NoError(t, c.Send(t.Context(), text("new")))
		require.Equal(t, "new", string(receive(t, fresh).Data))
		require.NoError(t, fresh.Send(t.Context(), text("too")))
		require.Equal(t, "too", string(receive(t, c).Data))
		require.Equal(t, 1, w.server.Stats().Associations)
		require.NoError(t, c.Close())
	})
}

// Messages from before a restart are never mixed with new ones: the peer has to
// try again.
func TestX3RestartWithUnreadMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 4000, Linger: -1}})
		old, s := w.pair()
		require.NoError(t, old.Send(t.Context(), text("old")))
		time.Sleep(time.Second)
		w.restart()
		_, err := w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.ErrorIs(t, err, sctp.ErrReset)
		require.Equal(t, "old", string(receive(t, s).Data))
		_, err = s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrRestarted)
		c, fresh := w.pair()
		require.NoError(t, c.Send(t.Context(), text("new")))
		require.Equal(t, "new", string(receive(t, fresh).Data))
	})
}

// Who subscribed to EventAssoc is told, and goes on.
func TestX3RestartIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientConfig: &sctp.Config{LocalPort: 4000, Linger: -1},
			serverConfig: &sctp.Config{Events: sctp.EventAssoc},
		})
		_, s := w.pair()
		w.restart()
		c, err := w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.NoError(t, err)
		ev, err := s.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.AssocChange{State: sctp.AssocUp}, ev)
		ev, err = s.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.AssocChange{State: sctp.AssocRestarted}, ev)
		require.NoError(t, c.Send(t.Context(), text("new")))
		require.Equal(t, "new", string(receive(t, s).Data))
		require.NoError(t, s.Send(t.Context(), text("too")))
		require.Equal(t, "too", string(receive(t, c).Data))
		require.NoError(t, c.Shutdown(t.Context()))
		ev, err = s.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.AssocChange{State: sctp.AssocShutdown}, ev)
		_, err = s.NextEvent(t.Context())
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestEventsOfAnAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventAll, AssociationMaxRetrans: 8, PathMaxRetrans: 2}})
		c, s := w.pair()
		next := func() sctp.Event {
			ev, err := c.NextEvent(t.Context())
			require.NoError(t, err)
			return ev
		}
		require.Equal(t, sctp.AssocChange{State: sctp.AssocUp}, next())
		require.NoError(t, c.Send(t.Context(), text("x")))
		require.Equal(t, sctp.SenderDry{}, next())
		w.cut()
		require.NoError(t, c.Send(t.Context(), text("y")))
		gone, ok := next().(sctp.PathChange)
		require.True(t, ok)
		require.Equal(t, serverIP, gone.Path.Addr())
		require.Equal(t, sctp.PathInactive, gone.State)
		w.mend()
		for range 2 { // in either order: the acknowledgement brings both
			switch ev := next().(type) {
			case sctp.PathChange:
				require.Equal(t, sctp.PathActive, ev.State)
			default:
				require.Equal(t, sctp.SenderDry{}, ev)
			}
		}
		go s.Shutdown(context.Background())
		require.Equal(t, sctp.PeerShutdown{}, next())
		require.Equal(t, sctp.AssocChange{State: sctp.AssocShutdown}, next())
		_, err := c.NextEvent(t.Context())
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Close())

		_, err = s.NextEvent(t.Context())
		require.ErrorContains(t, err, "subscribes to nothing")
	})
}

// R4: events that nobody reads are bounded, and their loss is reported.
func TestR4EventQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventDry, EventQueue: 5}})
		c, s := w.pair()
		go echo(s)
		for range 100 {
			require.NoError(t, c.Send(t.Context(), text("x")))
			receive(t, c)
			time.Sleep(time.Second)
		}
		for range 5 {
			ev, err := c.NextEvent(t.Context())
			require.NoError(t, err)
			require.Equal(t, sctp.SenderDry{}, ev)
		}
		ev, err := c.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.NotificationsStopped{}, ev)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.NextEvent(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, c.Send(t.Context(), text("x")))
		ev, err = c.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.SenderDry{}, ev, "reading makes room")
	})
}

// R3: accepted associations have the options of their listener.
func TestR3OptionsAreInherited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{MaxMessageSize: 10, PPID: 77, OutStreams: 3, Events: sctp.EventDry}})
		c, s := w.pair()
		require.Equal(t, 3, s.OutStreams())
		require.ErrorIs(t, s.Send(t.Context(), text("longer than ten bytes")), sctp.ErrMessageTooLarge)
		_, err := s.Conn().Write([]byte("longer than ten bytes"))
		require.NoError(t, err, "Write splits")
		m := receive(t, c)
		require.EqualValues(t, 77, m.PPID)
		require.Len(t, m.Data, 10)
		ev, err := s.NextEvent(t.Context())
		require.NoError(t, err)
		require.Equal(t, sctp.SenderDry{}, ev)
	})
}

// A peer behind a NAT gets a new UDP port; packets follow it (RFC 6951 §5.4), and
// so does the demux for packets that carry no tag of ours.
func TestPeerChangesItsUDPPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		inside, outside := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("198.51.100.1")
		nat := w.net.AddNAT(simnet.NATConfig{Public: outside, Inside: []netip.Addr{inside}})
		host := w.stack(sctp.StackConfig{}, inside)
		c, err := host.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		s, err := w.listener.AcceptSCTP(t.Context())
		require.NoError(t, err)
		before := s.RemoteAddr().(*sctp.Addr)
		require.Equal(t, []netip.Addr{outside}, before.IPs)
		nat.Rebind()
		require.NoError(t, c.Send(t.Context(), text("moved")))
		require.Equal(t, "moved", string(receive(t, s).Data))
		after := s.RemoteAddr().(*sctp.Addr)
		require.NotEqual(t, before.UDPPort, after.UDPPort)
		require.NoError(t, s.Send(t.Context(), text("seen")))
		require.Equal(t, "seen", string(receive(t, c).Data))
		require.NoError(t, s.Close())
		time.Sleep(time.Second)
		require.Zero(t, w.server.Stats().Associations)
		require.Zero(t, host.Stats().Associations)
	})
}

// Both ends have two addresses; the primary path dies and data goes on.
func TestMultihomedAssociationSurvivesAPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		ip := netip.MustParseAddr
		a1, a2, b1, b2 := ip("10.1.0.1"), ip("10.2.0.1"), ip("10.1.0.2"), ip("10.2.0.2")
		one, two := w.stack(sctp.StackConfig{}, a1, a2), w.stack(sctp.StackConfig{}, b1, b2)
		l, err := two.Listen(&sctp.Addr{Port: 1}, nil)
		require.NoError(t, err)
		c, err := one.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{b1}, Port: 1}, &sctp.Config{PathMaxRetrans: 1})
		require.NoError(t, err)
		s, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.Len(t, c.Paths(), 2)
		require.Len(t, s.Paths(), 2)
		time.Sleep(time.Minute) // heartbeats confirm the second path
		w.net.SetLink(a1, b1, simnet.Link{Loss: 1})
		w.net.SetLink(a2, b1, simnet.Link{Loss: 1})
		for range 5 {
			require.NoError(t, c.Send(t.Context(), text("on")))
			require.Equal(t, "on", string(receive(t, s).Data))
			require.NoError(t, s.Send(t.Context(), text("back")))
			require.Equal(t, "back", string(receive(t, c).Data))
		}
		require.NoError(t, c.Close())
	})
}

// Errors that mean the same for every stream of an association.
func TestReadAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), text("kept")))
		time.Sleep(time.Second)
		require.NoError(t, c.Abort("bye"))
		time.Sleep(time.Second)
		require.Equal(t, "kept", string(receive(t, s).Data), "what arrived before can be read")
		_, err := s.Receive(t.Context(), make([]byte, 1))
		var abort *sctp.AbortError
		require.True(t, errors.As(err, &abort))
		require.EqualError(t, err, "sctp: abort from peer: "+abort.Causes[0].Code.String())
	})
}
