package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// A path takes less from the middle of a message on. Fragments that have a TSN keep
// their size, since a message cannot be fragmented again: they are sent again as they
// are and left to IP fragmentation. The rest of the message is cut to what the path
// takes now. So it arrives whole.
func TestPathShrinksInTheMiddleOfAMessage(t *testing.T) { // RFC 9260 §6.9, §7.3; F2
	const size = 3 << 20
	for _, mtu := range []int{600, 1300} {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprintf("MTU %d, ICMP %v", mtu, told), func(t *testing.T) {
				w, a, b := linked(t, 3, 9000, simnet.Link{Delay: 5 * time.Millisecond, MTU: 9000, Bandwidth: 5_000_000})
				x, y := a.only(), b.only()
				length := map[wire.TSN]int{} // by TSN, as first sent
				again, shrunk := 0, false
				longest := 0 // of what was cut after the path had shrunk
				a.tap = func(p wire.Packet) {
					for c := range p.Chunks() {
						var d wire.Data
						if c.Type() != wire.TypeData || d.Decode(c) != nil {
							continue
						}
						n, sent := length[d.TSN]
						switch {
						case sent:
							require.Len(t, d.Payload, n, "TSN %d was cut anew", d.TSN)
							if shrunk && n > mtu {
								again++
							}
						case shrunk && x.Paths()[0].PacketSize < mtu:
							longest = max(longest, len(d.Payload))
						}
						length[d.TSN] = len(d.Payload)
					}
				}
				piece, buf := make([]byte, 40_000), make([]byte, 64<<10)
				sent, got, ended := 0, 0, false
				for limit := w.now.Add(5 * time.Minute); !ended; {
					for sent < size {
						n := min(len(piece), size-sent)
						for i := range n {
							piece[i] = content(1, 0, sent+i)
						}
						if x.Send(w.now, &core.Outgoing{Stream: 1, Partial: sent+n < size}, piece[:n]) != nil {
							break
						}
						sent += n
					}
					a.drain(x)
					for {
						info, n, err := y.Receive(w.now, buf)
						if err != nil {
							break
						}
						for i := range n {
							if want := content(1, 0, got+i); buf[i] != want {
								require.Equal(t, want, buf[i], "byte %d", got+i)
							}
						}
						got += n
						ended = info.End
					}
					b.drain(y)
					if !shrunk && got > 1<<20 {
						shrunk = true
						w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, MTU: mtu, Bandwidth: 5_000_000})
						w.net.SetICMP(told)
					}
					require.True(t, w.step(limit), "%d of %d bytes", got, size)
				}
				require.Equal(t, size, got)
				require.Positive(t, again, "something was in flight when the path shrank")
				require.Positive(t, w.net.Count(simnet.Fragmented))
				require.Positive(t, longest)
				require.Less(t, longest, mtu)
				require.Equal(t, uint64(1), y.Stats().MessagesIn)
			})
		}
	}
}
