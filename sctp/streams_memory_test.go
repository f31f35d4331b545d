package sctp_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// An association that negotiated 65,535 streams and uses three of them, far apart and
// in both directions, needs little more memory than one that has three streams.
func TestUnusedStreamsCostNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 100
	each := func(streams uint16, ids []sctp.StreamID) (bytes int) {
		synctest.Test(t, func(t *testing.T) {
			cfg := &sctp.Config{OutStreams: streams, MaxInStreams: streams}
			w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg, link: simnet.Link{Delay: time.Millisecond}})
			var as []*sctp.Association
			open := func() {
				c, s := w.pair()
				as = append(as, c, s)
				require.Equal(t, int(streams), c.OutStreams())
				require.Equal(t, int(streams), s.InStreams())
				for _, id := range ids {
					require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: id, Data: []byte("there")}))
					require.Equal(t, id, receive(t, s).Stream)
					st, err := s.Stream(id)
					require.NoError(t, err)
					_, err = st.Write([]byte("back"))
					require.NoError(t, err)
					in, err := c.AcceptStream(t.Context())
					require.NoError(t, err)
					require.Equal(t, id, in.ID())
					_, err = in.Read(make([]byte, 10))
					require.NoError(t, err)
				}
			}
			open() // what the stacks need
			time.Sleep(time.Minute)
			before := heap()
			for range n {
				open()
			}
			time.Sleep(time.Minute) // pools are emptied
			bytes = (heap() - before) / (2 * n)
			runtime.KeepAlive(as)
		})
		return bytes
	}
	few := each(3, []sctp.StreamID{0, 1, 2})
	all := each(65535, []sctp.StreamID{0, 30_000, 65_534})
	t.Logf("%d bytes with 3 streams, %d with 3 of 65,535", few, all)
	require.Less(t, all-few, 8<<10)
}

// Sending on one stream of 65,535 costs no more than on one of one: nothing looks at
// the others.
func TestManyStreamsDoNotSlowDownOne(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("compares times")
	}
	took := func(streams uint16, id sctp.StreamID) (least time.Duration) {
		cfg := &sctp.Config{OutStreams: streams, MaxInStreams: streams}
		client, server := loopback(t, cfg)
		go func() {
			buf := make([]byte, 64<<10)
			for {
				if _, err := server.Receive(context.Background(), buf); err != nil {
					return
				}
			}
		}()
		m := &sctp.Message{Stream: id, More: true, Data: make([]byte, 1000)}
		least = time.Hour
		for range 20 {
			start := time.Now()
			for range 500 {
				require.NoError(t, client.Send(context.Background(), m))
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	one := took(1, 0)
	require.Less(t, took(65535, 65534), 5*one+20*time.Millisecond)
}

// All 65,535 streams, each used once in both directions. What stays behind is their
// sequence numbers, and for who waits for them their names.
func TestAllStreamsAtOnce(t *testing.T) { // M2
	synctest.Test(t, func(t *testing.T) {
		const streams = 65535
		cfg := &sctp.Config{OutStreams: streams, MaxInStreams: streams}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg, link: simnet.Link{Delay: time.Millisecond}})
		c, s := w.pair()
		before := heap()
		send := func(a *sctp.Association) {
			for id := range streams {
				if err := a.Send(context.Background(), &sctp.Message{Stream: sctp.StreamID(id), More: true, Data: []byte{byte(id), byte(id >> 8)}}); err != nil {
					t.Error(err)
					return
				}
			}
		}
		seen := func(a *sctp.Association) int {
			got := map[sctp.StreamID]bool{}
			buf := make([]byte, 10)
			for range streams {
				m, err := a.Receive(t.Context(), buf)
				require.NoError(t, err)
				require.Equal(t, []byte{byte(m.Stream), byte(m.Stream >> 8)}, m.Data)
				require.Zero(t, m.SSN)
				got[m.Stream] = true
			}
			return len(got)
		}
		go send(c)
		go send(s)
		require.Equal(t, streams, seen(s))
		require.Equal(t, streams, seen(c))
		time.Sleep(time.Minute) // pools are emptied
		each := (heap() - before) / 2
		t.Logf("%d bytes for each end", each)
		if !raceEnabled {
			require.Less(t, each, 1<<20)
		}
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 7, Data: []byte("more")}))
		m := receive(t, s)
		require.EqualValues(t, 1, m.SSN)
	})
}
