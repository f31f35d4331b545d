package registrar_test

import (
	"fmt"
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
