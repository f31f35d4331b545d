package sctp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

func TestDialAcceptEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		go serveEcho(w.listener)
		a, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		require.NoError(t, a.Send(t.Context(), &sctp.Message{Stream: 3, PPID: 7, Data: []byte("hello")}))
		m := receive(t, a)
		require.Equal(t, sctp.Message{Stream: 3, PPID: 7, Data: []byte("hello")}, m)
		require.NoError(t, a.Close())
		time.Sleep(time.Second)
		for _, s := range []*sctp.Stack{w.client, w.server} {
			st := s.Stats()
			require.Zero(t, st.Associations)
			require.EqualValues(t, 1, st.Closed)
			require.Zero(t, st.Failed)
		}
	})
}

func TestAddressesOfBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 4000}})
		c, s := w.pair()
		require.Equal(t, "sctp", c.LocalAddr().Network())
		require.Equal(t, "192.0.2.1:4000", c.LocalAddr().String())
		require.Equal(t, "192.0.2.2:5000", c.RemoteAddr().String())
		require.Equal(t, "192.0.2.1:4000", s.RemoteAddr().String())
		require.Equal(t, "192.0.2.2:5000", s.LocalAddr().String())
		require.Equal(t, "192.0.2.2:5000", w.listener.Addr().String())
		require.Len(t, c.Paths(), 1)
		require.Equal(t, sctp.PathActive, c.Paths()[0].State)
	})
}

func TestStreamsAreNegotiated(t *testing.T) { // RFC 9260 §5.1.1
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientConfig: &sctp.Config{OutStreams: 100, MaxInStreams: 7},
			serverConfig: &sctp.Config{OutStreams: 20, MaxInStreams: 30},
		})
		c, s := w.pair()
		require.Equal(t, 30, c.OutStreams())
		require.Equal(t, 7, c.InStreams())
		require.Equal(t, 7, s.OutStreams())
		require.Equal(t, 30, s.InStreams())
		require.ErrorIs(t, c.Send(t.Context(), &sctp.Message{Stream: 30, Data: []byte("x")}), sctp.ErrInvalidStream)
		_, err := c.Stream(30)
		require.ErrorIs(t, err, sctp.ErrInvalidStream)
	})
}

func TestEachStreamKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams, each = 50, 40
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Loss: 0.05, Reorder: 0.1}})
		c, s := w.pair()
		go func() {
			for i := range each {
				for id := range streams {
					m := &sctp.Message{Stream: sctp.StreamID(id), Data: []byte{byte(i)}}
					if c.Send(context.Background(), m) != nil {
						return
					}
				}
			}
		}()
		next := make([]int, streams)
		for range streams * each {
			m := receive(t, s)
			require.EqualValues(t, next[m.Stream], m.Data[0])
			next[m.Stream]++
		}
	})
}

func TestUnorderedMessagesSayIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Unordered: true, Data: []byte("u")}))
		m := receive(t, s)
		require.True(t, m.Unordered)
	})
}

// A message of 1 MiB crosses in pieces and arrives whole, also when it is longer
// than the buffers at both ends (RFC 9260 §6.9).
func TestBigMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := &sctp.Config{RecvBuffer: 64 << 10, SendBuffer: 64 << 10}
		w := newWorld(t, worldOption{clientConfig: small, serverConfig: small})
		c, s := w.pair()
		rng := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 1455, 1456, 1457, 64 << 10, 1 << 20, 3<<20 + 1} {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			sent := result(func() error { return c.Send(context.Background(), &sctp.Message{Data: data}) })
			m := receive(t, s)
			require.NoError(t, <-sent)
			require.False(t, m.Partial)
			require.True(t, bytes.Equal(data, m.Data), "%d bytes", n)
		}
	})
}

func TestReceiveContinuesAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), text("abcdef")))
		require.NoError(t, c.Send(t.Context(), text("gh")))
		buf := make([]byte, 4)
		m, err := s.Receive(t.Context(), buf)
		require.NoError(t, err)
		require.Equal(t, sctp.Message{Partial: true, Data: []byte("abcd")}, m)
		m, err = s.Receive(t.Context(), buf)
		require.NoError(t, err)
		require.Equal(t, sctp.Message{Data: []byte("ef")}, m)
		m, err = s.Receive(t.Context(), buf)
		require.NoError(t, err)
		require.Equal(t, sctp.Message{SSN: 1, Data: []byte("gh")}, m)
		_, err = s.Receive(t.Context(), nil)
		require.ErrorIs(t, err, io.ErrShortBuffer)
	})
}

func TestReceiveMessageGrowsUpToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{RecvBuffer: 32 << 10}})
		c, s := w.pair()
		sizes := []int{10, 5000, 100 << 10, 20, 100 << 10, 30}
		go func() {
			for i, n := range sizes {
				_ = c.Send(context.Background(), &sctp.Message{PPID: sctp.PPID(i), Data: bytes.Repeat([]byte{byte(i)}, n)})
			}
		}()
		small := make([]byte, 16)
		for i, n := range sizes {
			limit := 100 << 10
			if i == 4 {
				limit = 50 << 10 // this one is too long, and must not spoil the next
			}
			m, err := s.ReceiveMessage(t.Context(), small, limit)
			if i == 4 {
				require.ErrorIs(t, err, sctp.ErrMessageTooLarge)
				continue
			}
			require.NoError(t, err)
			require.EqualValues(t, i, m.PPID)
			require.Len(t, m.Data, n)
			require.Equal(t, n <= len(small), &m.Data[0] == &small[0], "the buffer of the caller is used if it suffices")
		}
		require.NoError(t, c.Send(t.Context(), text("0123456789")))
		_, err := s.ReceiveMessage(t.Context(), small, 9)
		require.ErrorIs(t, err, sctp.ErrMessageTooLarge)
	})
}

// Two receivers of big messages never mix their pieces.
func TestConcurrentReceiveMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &sctp.Config{RecvBuffer: 16 << 10}
		w := newWorld(t, worldOption{serverConfig: cfg})
		c, s := w.pair()
		const messages = 20
		go func() {
			for i := range messages {
				_ = c.Send(context.Background(), &sctp.Message{Stream: sctp.StreamID(i % 3), Data: bytes.Repeat([]byte{byte(i)}, 40<<10)})
			}
		}()
		var mu sync.Mutex
		seen := make(map[byte]bool)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					m, err := s.ReceiveMessage(context.Background(), nil, 1<<20)
					if err != nil {
						return
					}
					mu.Lock()
					ok := len(m.Data) == 40<<10 && bytes.Count(m.Data, m.Data[:1]) == len(m.Data) && !seen[m.Data[0]]
					seen[m.Data[0]] = true
					mu.Unlock()
					if !ok {
						t.Errorf("mixed or repeated message of %d bytes", len(m.Data))
					}
				}
			})
		}
		time.Sleep(time.Minute)
		require.NoError(t, s.Close())
		wg.Wait()
		require.Len(t, seen, messages)
	})
}

func TestSendErrorsLeaveTheAssociationAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{MaxMessageSize: 1000}})
		c, s := w.pair()
		require.ErrorIs(t, c.Send(t.Context(), text("")), sctp.ErrEmptyMessage)
		require.ErrorIs(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 1001)}), sctp.ErrMessageTooLarge)
		require.ErrorIs(t, c.TrySend(&sctp.Message{Stream: 9999, Data: []byte("x")}), sctp.ErrInvalidStream)
		require.NoError(t, c.Send(t.Context(), text("ok")))
		require.Equal(t, "ok", string(receive(t, s).Data))
	})
}

func TestSendBlocksWhileTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := &sctp.Config{SendBuffer: 32 << 10, RecvBuffer: 32 << 10}
		w := newWorld(t, worldOption{clientConfig: small, serverConfig: small})
		c, s := w.pair()
		m := &sctp.Message{Data: make([]byte, 4<<10)}
		n := 0
		for ; ; n++ {
			time.Sleep(100 * time.Millisecond)
			if err := c.TrySend(m); err != nil {
				require.ErrorIs(t, err, sctp.ErrWouldBlock)
				break
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Send(ctx, m), context.DeadlineExceeded)

		blocked := result(func() error { return c.Send(context.Background(), m) })
		synctest.Wait()
		require.Empty(t, blocked)
		for range n { // space appears, and the blocked writer gets it
			receive(t, s)
		}
		require.NoError(t, <-blocked)
		receive(t, s)
	})
}

// Many blocked writers all get their turn.
func TestBlockedWritersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := &sctp.Config{SendBuffer: 8 << 10, RecvBuffer: 8 << 10}
		w := newWorld(t, worldOption{clientConfig: small, serverConfig: small})
		c, s := w.pair()
		const writers, each = 50, 5
		for i := range writers {
			go func() {
				for range each {
					_ = c.Send(context.Background(), &sctp.Message{Stream: sctp.StreamID(i), Data: make([]byte, 3<<10)})
				}
			}()
		}
		got := make(map[sctp.StreamID]int)
		for range writers * each {
			got[receive(t, s).Stream]++
		}
		require.Len(t, got, writers)
		for id, n := range got {
			require.Equal(t, each, n, "stream %d", id)
		}
	})
}

// Message.More gathers messages; the last of them, or a millisecond, lets them go.
func TestMoreBundlesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		before := c.Stats().PacketsOut
		for i := range 10 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{More: i < 9, Data: []byte{byte(i)}}))
		}
		require.Equal(t, before+1, c.Stats().PacketsOut)
		for i := range 10 {
			require.EqualValues(t, i, receive(t, s).Data[0])
		}
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{More: true, Data: []byte("forgotten")}))
		require.Equal(t, "forgotten", string(receive(t, s).Data))
		require.LessOrEqual(t, time.Since(start), delay+2*time.Millisecond)
	})
}

func TestMoreNeverBlocksForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{SendBuffer: 4 << 10}})
		c, s := w.pair()
		sent := result(func() error {
			for range 100 {
				if err := c.Send(context.Background(), &sctp.Message{More: true, Data: make([]byte, 1000)}); err != nil {
					return err
				}
			}
			return nil
		})
		for range 100 {
			receive(t, s)
		}
		require.NoError(t, <-sent)
	})
}

func TestDataReadyBeatsACancelledContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), text("a")))
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: []byte("b")}))
		time.Sleep(time.Second)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		m, err := s.Receive(ended, make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "a", string(m.Data))
		st, err := s.AcceptStream(ended)
		require.NoError(t, err)
		if st.ID() == 0 { // stream 0 was announced as well
			st, err = s.AcceptStream(ended)
			require.NoError(t, err)
		}
		m, err = st.ReadMessage(ended, make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "b", string(m.Data))
		require.NoError(t, c.Send(ended, text("room is there")), "so does room in the send buffer")

		_, err = st.ReadMessage(ended, make([]byte, 10))
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.AcceptStream(ended)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestContextsEndEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientConfig: &sctp.Config{SendBuffer: 4096, Events: sctp.EventPath},
			serverConfig: &sctp.Config{RecvBuffer: 4096},
		})
		c, _ := w.pair()
		for c.TrySend(&sctp.Message{Data: make([]byte, 1000)}) == nil {
			time.Sleep(time.Second)
		}
		st, err := c.Stream(5)
		require.NoError(t, err)
		for name, call := range map[string]func(context.Context) error{
			"Send":         func(ctx context.Context) error { return c.Send(ctx, &sctp.Message{Data: make([]byte, 4000)}) },
			"Receive":      func(ctx context.Context) error { _, err := c.Receive(ctx, make([]byte, 1)); return err },
			"ReadMessage":  func(ctx context.Context) error { _, err := st.ReadMessage(ctx, make([]byte, 1)); return err },
			"WriteMessage": func(ctx context.Context) error { return st.WriteMessage(ctx, &sctp.Message{Data: make([]byte, 4000)}) },
			"AcceptStream": func(ctx context.Context) error { _, err := c.AcceptStream(ctx); return err },
			"NextEvent":    func(ctx context.Context) error { _, err := c.NextEvent(ctx); return err },
			"AcceptSCTP":   func(ctx context.Context) error { _, err := w.listener.AcceptSCTP(ctx); return err },
			"Shutdown":     func(ctx context.Context) error { return c.Shutdown(ctx) }, // last: see below
		} {
			if name == "Shutdown" {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			require.ErrorIs(t, call(ctx), context.DeadlineExceeded, name)
			require.Equal(t, time.Second, time.Since(start), name)
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Shutdown(ctx), context.DeadlineExceeded, "the server does not read")
	})
}

func TestDialIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		w.cut()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := w.client.Dial(ctx, w.addr(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Zero(t, w.client.Stats().Associations)
		_, err = w.client.Dial(ctx, w.addr(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Nobody answers: Max.Init.Retransmits bounds the attempt (RFC 9260 §5.1.4).
func TestDialGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{MaxInitRetransmits: 3, RTOInitial: time.Second}})
		w.cut()
		start := time.Now()
		_, err := w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.ErrorIs(t, err, sctp.ErrUnreachable)
		require.EqualError(t, err, "sctp: dial 192.0.2.2:5000: peer unreachable: no answer to 4 × INIT to 192.0.2.2:9899")
		var ne net.Error
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())
		require.Equal(t, (1+2+4+8)*time.Second, time.Since(start))
	})
}

func TestDialIsRefused(t *testing.T) { // RFC 9260 §8.4 (3)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		_, err := w.client.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{serverIP}, Port: 1}, nil)
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
		require.False(t, abort.Local)
		require.ErrorIs(t, err, sctp.ErrReset)
		require.Zero(t, w.client.Stats().Associations)
	})
}

func TestDialRejectsBadAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		for _, a := range []*sctp.Addr{
			nil, {}, {Port: 1}, {IPs: []netip.Addr{serverIP}},
			{IPs: []netip.Addr{netip.IPv4Unspecified()}, Port: 1},
			{IPs: []netip.Addr{netip.MustParseAddr("224.0.0.1")}, Port: 1},
			{IPs: []netip.Addr{{}}, Port: 1},
		} {
			_, err := w.client.Dial(t.Context(), a, nil)
			require.Error(t, err, "%v", a)
		}
		require.Zero(t, w.client.Stats().Associations)
	})
}

// Two endpoints have at most one association (RFC 9260 §1.3), and registrars dial
// from the port that they listen on.
func TestDialFromAListeningPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 7000}})
		own, err := w.client.Listen(&sctp.Addr{Port: 7000}, nil)
		require.NoError(t, err)
		c, s := w.pair()
		require.Equal(t, "192.0.2.1:7000", s.RemoteAddr().String())

		_, err = w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.ErrorIs(t, err, sctp.ErrAssociationExists)
		// The other direction is the same association, too.
		_, err = w.server.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{clientIP}, Port: 7000}, &sctp.Config{LocalPort: testPort})
		require.ErrorIs(t, err, sctp.ErrAssociationExists)
		// Another port of the same peer is another endpoint.
		d, err := w.server.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{clientIP}, Port: 7000}, nil)
		require.NoError(t, err)
		e, err := own.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Send(t.Context(), text("x")))
		require.Equal(t, "x", string(receive(t, e).Data))

		require.NoError(t, c.Close())
		c, err = w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.NoError(t, err, "after the end of the first one there may be another")
		require.NoError(t, c.Close())
	})
}

// Both ends dial each other at the same time, from listening ports: one association
// results (RFC 9260 §5.2.1).
func TestSimultaneousOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		_, err := w.client.Listen(&sctp.Addr{Port: testPort}, nil)
		require.NoError(t, err)
		cfg := &sctp.Config{LocalPort: testPort}
		type dialed struct {
			a   *sctp.Association
			err error
		}
		one := result(func() dialed {
			a, err := w.client.Dial(context.Background(), w.addr(), cfg)
			return dialed{a, err}
		})
		two := result(func() dialed {
			a, err := w.server.Dial(context.Background(), &sctp.Addr{IPs: []netip.Addr{clientIP}, Port: testPort}, cfg)
			return dialed{a, err}
		})
		c, s := <-one, <-two
		require.NoError(t, c.err)
		require.NoError(t, s.err)
		require.Equal(t, 1, w.client.Stats().Associations)
		require.Equal(t, 1, w.server.Stats().Associations)
		require.NoError(t, c.a.Send(t.Context(), text("a")))
		require.NoError(t, s.a.Send(t.Context(), text("b")))
		require.Equal(t, "a", string(receive(t, s.a).Data))
		require.Equal(t, "b", string(receive(t, c.a).Data))
		require.NoError(t, c.a.Close())
	})
}

func TestEphemeralPortsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		seen := make(map[string]bool)
		for range 50 {
			c, _ := w.pair()
			seen[c.LocalAddr().String()] = true
		}
		require.Len(t, seen, 50)
		require.Equal(t, 50, w.server.Stats().Associations)
	})
}

func TestListenErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		_, err := w.server.Listen(&sctp.Addr{Port: testPort}, nil)
		require.ErrorIs(t, err, sctp.ErrPortInUse)
		_, err = w.server.Listen(&sctp.Addr{IPs: []netip.Addr{clientIP}}, nil)
		require.ErrorIs(t, err, sctp.ErrNotLocal)
		l, err := w.server.Listen(nil, nil)
		require.NoError(t, err)
		require.NotZero(t, l.Addr().(*sctp.Addr).Port)
		require.NoError(t, w.listener.Close())
		_, err = w.server.Listen(&sctp.Addr{Port: testPort}, nil)
		require.NoError(t, err, "the port is free again")
	})
}

func TestMaxAssociations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientStack: sctp.StackConfig{MaxAssociations: 3},
			serverStack: sctp.StackConfig{MaxAssociations: 2},
		})
		a, _ := w.pair()
		w.pair()
		_, err := w.client.Dial(t.Context(), w.addr(), nil)
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort, "the peer is told at once (RFC 9260 §5.1)")
		require.Equal(t, wire.CauseOutOfResource, abort.Causes[0].Code)
		require.Equal(t, 2, w.server.Stats().Associations)
		require.NotZero(t, w.server.Stats().Refused)
		other := w.stack(sctp.StackConfig{}, netip.MustParseAddr("192.0.2.77"))
		l, err := other.Listen(&sctp.Addr{Port: testPort}, nil)
		require.NoError(t, err)
		_, err = w.client.Dial(t.Context(), l.Addr().(*sctp.Addr), nil)
		require.NoError(t, err)
		_, err = w.client.Dial(t.Context(), w.addr(), nil)
		require.ErrorIs(t, err, sctp.ErrTooManyAssociations, "the same at this end")
		require.NoError(t, a.Close())
		w.pair()
	})
}

// The last place may go between INIT ACK and COOKIE ECHO.
func TestMaxAssociationsAreReachedDuringAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverStack: sctp.StackConfig{MaxAssociations: 1}})
		other := w.stack(sctp.StackConfig{}, netip.MustParseAddr("192.0.2.77"))
		dial := func(s *sctp.Stack) <-chan error {
			return result(func() error { _, err := s.Dial(t.Context(), w.addr(), nil); return err })
		}
		one, two := dial(w.client), dial(other)
		errs := []error{<-one, <-two}
		var abort *sctp.AbortError
		require.ErrorAs(t, errors.Join(errs...), &abort)
		require.Equal(t, wire.CauseOutOfResource, abort.Causes[0].Code)
		require.True(t, errs[0] == nil || errs[1] == nil)
	})
}

// While the backlog is full the COOKIE ECHO is repeated until there is room.
func TestBacklogFullIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{Backlog: 1}})
		_, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		second := result(func() error { _, err := w.client.Dial(t.Context(), w.addr(), nil); return err })
		time.Sleep(5 * time.Second)
		require.NotZero(t, w.server.Stats().Refused)
		_, err = w.listener.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.NoError(t, <-second)
	})
}

// A transfer over a network that loses, duplicates, reorders and corrupts packets
// arrives unchanged.
func TestTransferOverABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{link: simnet.Link{
			Delay: delay, Jitter: delay, Loss: 0.05, Duplicate: 0.05, Reorder: 0.1, Corrupt: 0.02,
		}})
		c, s := w.pair()
		rng := rand.New(rand.NewPCG(7, 7))
		in, out := sha256.New(), sha256.New()
		go func() {
			for range 500 {
				data := make([]byte, 1+rng.IntN(5000))
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				in.Write(data)
				if c.Send(context.Background(), &sctp.Message{Data: data}) != nil {
					return
				}
			}
			_ = c.Shutdown(context.Background())
		}()
		for {
			m, err := s.ReceiveMessage(t.Context(), nil, 1<<20)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			out.Write(m.Data)
		}
		require.Equal(t, in.Sum(nil), out.Sum(nil))
		require.NotZero(t, w.server.Stats().BadChecksum)
	})
}
