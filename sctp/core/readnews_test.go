package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// After a read without news there is nothing to transmit and nothing to tell; a window
// that opens is news (RFC 9260 §6.2).
func TestReadWithoutNewsNeedsNoTurn(t *testing.T) {
	for _, size := range []int{64, 1000, 9000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w, a, b := connected(t, 11, func(c *core.Config) { c.RecvBuffer = 20_000 })
			w.net.SetDefaultLink(simnet.Link{Delay: time.Millisecond})
			x, y := a.only(), b.only()
			buf, out := make([]byte, 1<<16), make([]byte, 1<<16)
			news, none := 0, 0
			for range 200 {
				for range 100 {
					if x.Send(w.now, &core.Outgoing{}, make([]byte, size)) != nil {
						break
					}
				}
				a.drain(x)
				w.run(500 * time.Millisecond) // SACKs do not wait any longer
				for {
					if _, _, err := y.Receive(w.now, buf); err != nil {
						break
					}
					if y.ReadNews() {
						news++
						b.drain(y)
						continue
					}
					none++
					_, ok := y.PollTransmit(w.now, out, 1)
					require.False(t, ok)
					_, ok = y.PollEvent()
					require.False(t, ok)
				}
			}
			require.Positive(t, news)
			require.True(t, none > 0 || size == 9000)
		})
	}
}
