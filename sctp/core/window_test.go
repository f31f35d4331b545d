package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// A window once advertised is not taken back, whatever the size of the messages:
// with a slow reader and a network that loses nothing, nothing is sent twice but
// window probes, and the reader is never left waiting for one.
func TestWindowFitsTheSizeOfTheMessages(t *testing.T) { // RFC 9260 §6.2; M6
	for _, buffer := range []int{4096, 60_000, 1 << 18} {
		for _, size := range []int{1, 20, 100, 500, 1400, 5000} {
			t.Run(fmt.Sprintf("%d bytes, buffer of %d", size, buffer), func(t *testing.T) {
				w, a, b := connected(t, 7, func(c *core.Config) { c.RecvBuffer, c.RTOMin = buffer, 20*time.Second })
				w.net.SetDefaultLink(simnet.Link{Delay: time.Millisecond})
				x, y := a.only(), b.only()
				buf := make([]byte, 1<<16)
				sent, got := 0, 0
				start := w.now
				count := min(3000, 200*buffer/size)
				for got < count {
					for sent < count && x.Send(w.now, &core.Outgoing{}, make([]byte, size)) == nil {
						sent++
					}
					a.drain(x)
					w.run(20 * time.Millisecond)
					for range 150 { // the reader takes its time
						info, _, err := y.Receive(w.now, buf)
						if err != nil {
							break
						}
						if info.End {
							got++
						}
					}
					b.drain(y)
					require.Less(t, w.now.Sub(start), time.Minute, "%d of %d messages", got, count)
				}
				require.Zero(t, y.Stats().NoRoom)
				require.Zero(t, x.Stats().Retransmitted)
				// A probe would wait 20 s; half a buffer per look of the reader is the least.
				looks := max(count/150, 3*count*size/buffer) + 100
				require.Less(t, w.now.Sub(start), time.Duration(looks)*20*time.Millisecond)
			})
		}
	}
}
