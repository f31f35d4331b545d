package ipsock

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// steady makes the reader of s wait in the call that receives.
func steady(t *testing.T, s, peer *Socket) *batchReader {
	t.Helper()
	r := s.reader.(*batchReader)
	for range 2 * steadyReads {
		_, err := peer.WriteBatch([]carrier.Datagram{{Remote: s.LocalAddrs()[0], Data: []byte("x")}})
		require.NoError(t, err)
		require.Equal(t, []string{"x"}, collect(t, s, 1))
	}
	require.Equal(t, steadyReads, r.steady)
	require.True(t, r.drained)
	return r
}

// The end of a wait in recvmmsg, which nothing but a datagram ends, is not far.
func TestSteadyReaderIsInterrupted(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	steady(t, a, b)
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	read := func() {
		n, err := a.ReadBatch(make([]carrier.Datagram, 1))
		done <- result{n, err}
	}
	for _, pause := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		go read()
		time.Sleep(pause)
		a.Interrupt()
		require.Equal(t, result{}, <-done)
	}
	steady(t, a, b)
	go read()
	time.Sleep(time.Millisecond)
	require.NoError(t, a.Close())
	require.Equal(t, result{0, net.ErrClosed}, <-done)
}

// A socket on which nothing comes in any more wakes nobody.
func TestSteadyReaderFallsAsleep(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	r := steady(t, a, b)
	for tries := 0; r.steady > 0; tries++ { // on a busy machine it may not have begun to wait
		require.Less(t, tries, 50)
		done := make(chan error, 1)
		go func() {
			_, err := a.ReadBatch(make([]carrier.Datagram, 1))
			done <- err
		}()
		time.Sleep(100 * time.Millisecond)
		a.Interrupt()
		require.NoError(t, <-done)
	}
	steady(t, a, b)
}

// A writer that meets the error leaves the notice to the reader, wherever that waits.
func TestSteadyReaderGetsNotices(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	gone := closedPort(t, "127.0.0.1")
	steady(t, a, b)
	notices := make(chan carrier.NoticeKind, 100)
	a.SetNotify(func(n carrier.Notice) { notices <- n.Kind })
	go func() { _, _ = a.ReadBatch(make([]carrier.Datagram, 1)) }()
	for range 3 {
		_, err := a.WriteBatch([]carrier.Datagram{
			{Remote: gone, Data: []byte("to nobody")}, {Remote: b.LocalAddrs()[0], Data: []byte("x")},
		})
		require.NoError(t, err)
		select {
		case k := <-notices:
			require.Equal(t, carrier.NoticePort, k)
		case <-time.After(10 * time.Second):
			require.Fail(t, "no notice")
		}
	}
}
