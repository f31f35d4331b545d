package sctp_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// RFC 3873 sctpStats: what opened and ended how, and what all associations together
// did, whether they live or not.
func TestStackCountsAssociations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		one, one2 := w.pair()
		two, two2 := w.pair()
		three, three2 := w.pair()
		for _, a := range []*sctp.Association{one, two, three} {
			require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: make([]byte, 5000)}))
			require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: []byte("u"), Unordered: true}))
		}
		for _, a := range []*sctp.Association{one2, two2, three2} {
			receive(t, a)
			receive(t, a)
		}
		time.Sleep(time.Second)
		check := func(alive int) {
			t.Helper()
			c, s := w.client.Stats(), w.server.Stats()
			require.Equal(t, alive, c.Established)
			require.Equal(t, alive, s.Established)
			require.Equal(t, alive, c.Associations)
			require.Equal(t, sctp.PathCounts{Active: alive}, c.Paths)
			require.EqualValues(t, 3, c.Dialed)
			require.EqualValues(t, 3, c.Connected)
			require.EqualValues(t, 3, s.Accepted)
			require.Zero(t, s.Connected)
			require.EqualValues(t, 6, c.Totals.MessagesOut)
			require.EqualValues(t, 6, s.Totals.MessagesIn)
			require.EqualValues(t, 3, c.Totals.FragmentedOut)
			require.EqualValues(t, 3, s.Totals.ReassembledIn)
			require.EqualValues(t, 3, s.Totals.UnorderedIn)
			require.Equal(t, c.Totals.ControlOut+uint64(c.Replies), s.Totals.ControlIn+uint64(s.StrayChunks))
			require.Equal(t, s.Totals.ControlOut+uint64(s.Replies), c.Totals.ControlIn+uint64(c.StrayChunks))
			require.Equal(t, s.PacketsOut, c.PacketsIn)
		}
		check(3)
		require.NoError(t, one.Shutdown(t.Context()))
		require.NoError(t, two.Abort("enough"))
		time.Sleep(time.Second)
		check(1)
		for _, st := range []sctp.StackStats{w.client.Stats(), w.server.Stats()} {
			require.EqualValues(t, 1, st.Closed)
			require.EqualValues(t, 1, st.Failed)
			require.EqualValues(t, 1, st.Aborted)
			require.Zero(t, st.OutOfBlue)
		}
		require.NoError(t, three.Close())
		time.Sleep(time.Second)
		check(0)
	})
}

// What nobody answers to is out of the blue; an INIT for a listener is not.
func TestStackCountsOutOfTheBlue(t *testing.T) { // RFC 3873 sctpOutOfBlues
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		w.pair()
		require.Zero(t, w.server.Stats().OutOfBlue)
		require.EqualValues(t, 1, w.server.Stats().Strays)
		_, err := w.client.Dial(t.Context(), &sctp.Addr{IPs: w.addr().IPs, Port: testPort + 1}, nil)
		require.Error(t, err)
		require.EqualValues(t, 1, w.server.Stats().OutOfBlue)
		require.EqualValues(t, 2, w.server.Stats().Strays)
		require.EqualValues(t, 2, w.server.Stats().StrayChunks)
		require.EqualValues(t, 1, w.client.Stats().Aborted)
	})
}

// RFC 3873 sctpAssocTable: a snapshot of each association and its addresses.
func TestStackAssociations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{OutStreams: 3, AssociationMaxRetrans: 7, PathMaxRetrans: 2, HeartbeatInterval: -1}})
		require.Empty(t, w.server.Associations())
		began := time.Now()
		c, s := w.pair()
		_, s2 := w.pair()
		require.NoError(t, c.Send(t.Context(), text("to be read")))
		require.NoError(t, s.Send(t.Context(), text("back")))
		time.Sleep(time.Second)
		all := w.server.Associations()
		require.Len(t, all, 2)
		require.Equal(t, s.Info(), all[0])
		require.Equal(t, s2.Info(), all[1])
		require.NotEqual(t, all[0].ID, all[1].ID)
		a := all[0]
		require.NotZero(t, a.ID)
		require.Equal(t, "ESTABLISHED", a.State)
		require.False(t, a.Dialed)
		require.Equal(t, s.LocalAddr(), a.Local)
		require.Equal(t, s.RemoteAddr(), a.Remote)
		require.Equal(t, 3, a.OutStreams)
		require.Equal(t, 64, a.InStreams)
		require.Equal(t, 7, a.MaxRetrans)
		require.WithinDuration(t, began, a.Established, 100*time.Millisecond)
		require.Equal(t, len("to be read"), a.Unread)
		require.Zero(t, a.Buffered)
		require.Equal(t, s.Stats(), a.Stats)
		require.Len(t, a.Paths, 1)
		require.Equal(t, 2, a.Paths[0].MaxRetrans)
		require.False(t, a.Paths[0].Heartbeats)
		require.True(t, c.Info().Dialed)
		require.True(t, c.Info().Paths[0].Heartbeats)

		require.NoError(t, s.Abort("enough"))
		require.Len(t, w.server.Associations(), 1)
		require.Equal(t, "CLOSED", s.Info().State)
		require.Equal(t, a.ID, s.Info().ID)
	})
}

// A restarted machine goes to a new association; what it counts is counted once.
func TestRestartCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 777, Linger: -1}})
		c, s := w.pair()
		for range 10 {
			require.NoError(t, c.Send(t.Context(), text("x")))
			receive(t, s)
		}
		time.Sleep(time.Second)
		w.restart()
		before := w.server.Stats().Totals
		_, s2 := w.pair()
		time.Sleep(time.Second)
		require.Len(t, w.server.Associations(), 1)
		require.Equal(t, "CLOSED", s.Info().State)
		require.EqualValues(t, 10, s.Stats().MessagesIn, "the association that ended keeps its counters")
		require.Zero(t, s2.Stats().MessagesIn, "the new one begins at zero")
		after := w.server.Stats().Totals
		require.EqualValues(t, 10, after.MessagesIn)
		require.EqualValues(t, 1, after.Restarts)
		sum := s.Stats()
		s2Stats := s2.Stats()
		sum.Add(&s2Stats)
		require.Equal(t, after, sum)
		require.GreaterOrEqual(t, after.PacketsIn, before.PacketsIn)
	})
}

// Whoever reads the counters while associations come and go never sees one run
// backwards.
func TestStackCountersNeverRunBackwards(t *testing.T) {
	ip := netip.MustParseAddr("127.0.0.1")
	server, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{ip}})
	require.NoError(t, err)
	defer server.Close()
	l, err := server.Listen(nil, nil)
	require.NoError(t, err)
	go serveEcho(l)
	client, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{ip}})
	require.NoError(t, err)
	defer client.Close()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := client.Dial(t.Context(), l.Addr().(*sctp.Addr), nil)
				if err == nil {
					_ = a.Send(t.Context(), text("x"))
					_ = a.Close()
				}
			}
		})
	}
	var last sctp.Stats
	// On a busy machine it may be a while before there is anything to count.
	begin := time.Now()
	for since := time.Duration(0); since < 300*time.Millisecond || last.MessagesIn == 0 && since < time.Minute; since = time.Since(begin) {
		sum := server.Stats().Totals
		require.GreaterOrEqual(t, sum.PacketsIn, last.PacketsIn)
		require.GreaterOrEqual(t, sum.ControlOut, last.ControlOut)
		require.GreaterOrEqual(t, sum.MessagesIn, last.MessagesIn)
		last = sum
		server.Associations()
	}
	close(stop)
	wg.Wait()
	require.NotZero(t, last.MessagesIn)
}
