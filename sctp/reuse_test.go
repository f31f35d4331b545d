package sctp_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/wire"
)

// together hands out a SHUTDOWN COMPLETE not before the packet that follows it, so
// that both are one batch.
type together struct{ carrier.Carrier }

func (c together) ReadBatch(ds []carrier.Datagram) (int, error) {
	n, err := c.Carrier.ReadBatch(ds)
	for err == nil && n < len(ds) && wire.ChunkType(ds[n-1].Data[wire.HeaderLen]) == wire.TypeShutdownComplete {
		for i := range ds[:n] {
			ds[i].Data = slices.Clone(ds[i].Data)
		}
		var k int
		k, err = c.Carrier.ReadBatch(ds[n:])
		n += k
	}
	return n, err
}

// A peer may use its port again at once: the INIT that comes in one batch with the
// end of the old association is answered (RFC 9260 §8.4).
func TestPortIsUsedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: simnet.New(1)}
		w.net.SetDefaultLink(simnet.Link{Delay: delay})
		w.client = w.stack(sctp.StackConfig{}, clientIP)
		c, err := w.net.Host(serverIP).Carrier(netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort))
		require.NoError(t, err)
		w.server, err = sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{together{c}}})
		require.NoError(t, err)
		defer w.server.Close()
		w.listener, err = w.server.Listen(&sctp.Addr{Port: testPort}, nil)
		require.NoError(t, err)
		go func() {
			for {
				a, err := w.listener.AcceptSCTP(t.Context())
				if err != nil {
					return
				}
				go echo(a)
			}
		}()
		cfg := sctp.Config{LocalPort: 40000}
		start := time.Now()
		for range 3 {
			a, err := w.client.Dial(t.Context(), w.addr(), &cfg)
			require.NoError(t, err)
			require.NoError(t, a.Shutdown(t.Context()))
			require.NoError(t, a.Close())
		}
		require.Less(t, time.Since(start), time.Second, "no INIT had to be sent again")
		// Let the last SHUTDOWN COMPLETE through.
		a, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		require.NoError(t, a.Abort("end"))
	})
}
