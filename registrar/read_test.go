package registrar_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Requests that come together are handled together: the answers come in order, complete,
// and share packets. Long requests among them are none the worse for it.
func TestSimnetRequestsInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		s.start(1)
		s.element(11)
		s.ready()
		at, _ := s.up[1].Addrs()
		a, err := s.Stack(30).Dial(t.Context(), at, nil)
		require.NoError(t, err)
		defer a.Close()
		packets := 0
		s.Net.Observe(func(e simnet.Event) {
			if e.Kind == simnet.Sent && e.Packet.From.Addr() == asaplinktest.IP(1) && e.Packet.To.Addr() == asaplinktest.IP(30) {
				packets++
			}
		})
		const n = 300
		name := func(i int) rserpool.PoolHandle {
			if i%10 == 3 {
				return rserpool.PoolHandle(fmt.Sprintf("%0500d", i)) // does not fit the buffer of one
			}
			return rserpool.PoolHandle(fmt.Sprint("pool ", i))
		}
		for i := range n {
			require.NoError(t, a.Send(t.Context(), &sctp.Message{
				PPID: sctp.PPID(asap.PPID), Data: (&asap.HandleResolution{Handle: name(i)}).AppendTo(nil), More: i < n-1,
			}))
		}
		for i := range n {
			m, err := a.ReceiveMessage(t.Context(), nil, 1<<16)
			require.NoError(t, err)
			r, err := asap.Decode(m.Data)
			require.NoError(t, err)
			require.Equal(t, name(i), r.(*asap.HandleResolutionResponse).Handle)
		}
		time.Sleep(time.Second)
		s.Net.Observe(nil)
		require.Less(t, packets, n/3)
		require.Len(t, homes(s.up[1]), 1)
	})
}

// Connections are read by the same few goroutines however many there are, and somebody who
// asks and does not read the answers keeps nobody waiting.
func TestSimnetConnectionsShareGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		s.start(1)
		s.element(11)
		s.ready()
		at, _ := s.up[1].Addrs()
		stack := s.Stack(30)
		ask := func(a *sctp.Association) {
			require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: (&asap.HandleResolution{Handle: "pool"}).AppendTo(nil)}))
			_, err := a.ReceiveMessage(t.Context(), nil, 1<<16)
			require.NoError(t, err)
		}
		var as []*sctp.Association
		before := 0
		for i := range 100 {
			if i == 10 {
				before = runtime.NumGoroutine()
			}
			a, err := stack.Dial(t.Context(), at, nil)
			require.NoError(t, err)
			ask(a)
			as = append(as, a)
		}
		require.LessOrEqual(t, runtime.NumGoroutine(), before+5)

		deaf, err := s.Stack(31).Dial(t.Context(), at, &sctp.Config{RecvBuffer: 4096})
		require.NoError(t, err)
		flood := make(chan error, 1)
		go func() {
			for {
				err := deaf.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: (&asap.HandleResolution{Handle: "pool"}).AppendTo(nil)})
				if err != nil {
					flood <- err
					return
				}
				time.Sleep(100 * time.Microsecond)
			}
		}()
		for range 20 {
			start := time.Now()
			for _, a := range as {
				ask(a)
			}
			require.Less(t, time.Since(start), 10*time.Second)
		}
		require.ErrorIs(t, <-flood, sctp.ErrReset, "it is sent away when its answers fill the send buffer")
		for _, a := range as {
			ask(a)
			require.NoError(t, a.Close())
		}
		require.Len(t, homes(s.up[1]), 1)
	})
}
