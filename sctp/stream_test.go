package sctp_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

func TestStreamsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		one, err := c.OpenStream()
		require.NoError(t, err)
		two, err := c.OpenStream()
		require.NoError(t, err)
		require.NotEqual(t, one.ID(), two.ID())
		require.NoError(t, one.WriteMessage(t.Context(), &sctp.Message{PPID: 1, Stream: 60, Data: []byte("first")}))
		require.NoError(t, two.WriteMessage(t.Context(), &sctp.Message{PPID: 2, Data: []byte("second")}))

		in1, err := s.AcceptStream(t.Context())
		require.NoError(t, err)
		in2, err := s.AcceptStream(t.Context())
		require.NoError(t, err)
		require.Equal(t, one.ID(), in1.ID(), "the stream of the handle counts, not m.Stream")
		require.Equal(t, two.ID(), in2.ID())
		require.Same(t, s, in1.Association())
		// In the other order than they came.
		m, err := in2.ReadMessage(t.Context(), make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "second", string(m.Data))
		require.EqualValues(t, 2, m.PPID)
		require.Equal(t, two.ID(), m.Stream)
		m, err = in1.ReadMessage(t.Context(), make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, "fir", string(m.Data))
		require.True(t, m.Partial)
		m, err = in1.ReadMessage(t.Context(), make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, "st", string(m.Data))
		require.False(t, m.Partial)
	})
}

// Both ends open streams at the same time without meeting.
func TestOpenStreamNeverCollides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		seen := make(map[sctp.StreamID]bool)
		for range 2 {
			for _, a := range []*sctp.Association{c, s} {
				for range 15 {
					st, err := a.OpenStream()
					require.NoError(t, err)
					require.False(t, seen[st.ID()])
					seen[st.ID()] = true
				}
			}
		}
		require.False(t, seen[0], "stream 0 is that of Conn")
	})
}

func TestOpenStreamRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{OutStreams: 6}})
		c, s := w.pair()
		var open []*sctp.Stream
		for {
			st, err := c.OpenStream()
			if err != nil {
				require.ErrorIs(t, err, sctp.ErrNoStream)
				break
			}
			open = append(open, st)
		}
		require.Len(t, open, 2) // 2 and 4
		for {
			st, err := s.OpenStream()
			if err != nil {
				require.ErrorIs(t, err, sctp.ErrNoStream)
				break
			}
			require.EqualValues(t, 1, st.ID()%2)
		}
		require.NoError(t, open[0].Close())
		st, err := c.OpenStream()
		require.NoError(t, err)
		require.Equal(t, open[0].ID(), st.ID(), "a closed identifier is free again")
	})
}

func TestStreamClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		st, err := c.Stream(4)
		require.NoError(t, err)
		same, err := c.Stream(4)
		require.NoError(t, err)
		require.Same(t, st, same)
		read := result(func() error { _, err := st.Read(make([]byte, 1)); return err })
		synctest.Wait()
		require.NoError(t, st.Close())
		require.NoError(t, st.Close(), "idempotent")
		require.ErrorIs(t, <-read, net.ErrClosed)
		_, err = st.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = st.Write(nil)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, st.SetDeadline(time.Now()), net.ErrClosed)

		// The association goes on, and what comes on the stream is announced.
		require.NoError(t, s.Send(t.Context(), &sctp.Message{Stream: 4, Data: []byte("new")}))
		again, err := c.AcceptStream(t.Context())
		require.NoError(t, err)
		require.NotSame(t, st, again)
		require.EqualValues(t, 4, again.ID())
		require.NoError(t, again.Close()) // unread
		again, err = c.AcceptStream(t.Context())
		require.NoError(t, err, "unread messages are announced again")
		n, err := again.Read(make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, 3, n)
	})
}

// Write makes messages, Read joins them.
func TestStreamIsAByteStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{PPID: 9}})
		c, s := w.pair()
		conn, peer := c.Conn(), s.Conn()
		data := bytes.Repeat([]byte("0123456789abcdef"), 20000) // 320,000 bytes
		go func() {
			n, err := conn.Write(data)
			if n != len(data) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
			_ = conn.Close()
		}()
		m, err := peer.ReadMessage(t.Context(), make([]byte, 1<<20))
		require.NoError(t, err)
		require.Len(t, m.Data, 64<<10)
		require.EqualValues(t, 9, m.PPID)
		rest, err := io.ReadAll(peer)
		require.NoError(t, err, "io.EOF after the graceful end")
		require.True(t, bytes.Equal(data, append(m.Data, rest...)))

		n, err := peer.Read(nil)
		require.Zero(t, n)
		require.NoError(t, err)
	})
}

func TestReadJoinsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		for _, p := range []string{"ab", "cd", "ef"} {
			_, err := c.Conn().Write([]byte(p))
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		buf := make([]byte, 5)
		n, err := s.Conn().Read(buf)
		require.NoError(t, err)
		require.Equal(t, "abcde", string(buf[:n]))
		n, err = s.Conn().Read(buf)
		require.NoError(t, err)
		require.Equal(t, "f", string(buf[:n]))
	})
}

// Hundreds of streams carry their own conversations at the same time.
func TestManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 300
		cfg := &sctp.Config{OutStreams: 2*streams + 2, MaxInStreams: 2*streams + 2}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg})
		c, s := w.pair()
		go func() {
			for {
				st, err := s.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(st, st) }()
			}
		}()
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				st, err := c.OpenStream()
				if err != nil {
					t.Error(err)
					return
				}
				data := bytes.Repeat([]byte{byte(i)}, 10000)
				go func() { _, _ = st.Write(data) }()
				back := make([]byte, len(data))
				if _, err := io.ReadFull(st, back); err != nil || !bytes.Equal(data, back) {
					t.Errorf("stream %d: %v", st.ID(), err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	})
}

// Several readers of one stream share its messages, each of which one gets.
func TestConcurrentReadersOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		st, err := s.Stream(1)
		require.NoError(t, err)
		var mu sync.Mutex
		got := make(map[byte]int)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				buf := make([]byte, 1)
				for {
					if _, err := st.ReadMessage(context.Background(), buf); err != nil {
						return
					}
					mu.Lock()
					got[buf[0]]++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		for i := range 100 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 1, Data: []byte{byte(i)}}))
		}
		require.NoError(t, c.Shutdown(t.Context()))
		wg.Wait()
		require.Len(t, got, 100)
	})
}

// Receive waits beside readers of streams and takes what has no handle... and, as
// documented, whatever comes first: it is not to be mixed. But nothing is lost.
func TestReceiversInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		const readers = 20
		results := make([]<-chan error, readers)
		for i := range results {
			results[i] = result(func() error {
				_, err := s.Receive(context.Background(), make([]byte, 10))
				return err
			})
		}
		synctest.Wait()
		for range readers {
			require.NoError(t, c.TrySend(&sctp.Message{More: true, Data: []byte("x")}))
		}
		for _, r := range results {
			require.NoError(t, <-r)
		}
	})
}
