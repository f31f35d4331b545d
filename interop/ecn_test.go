//go:build interop

package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// A router marks 5 % of the packets of both directions instead of dropping them: both
// ends echo the marks and say that they have slowed down (RFC 4960 Appendix A), and
// nothing is sent again for that.
func TestECN(t *testing.T) {
	t.Parallel()
	for _, below := range []layer{udp, rawIP} {
		t.Run(string(below), func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n := newKernel(t), newNode(t)
				k.speak(t, below)
				tag := "ecn-" + role + strings.ReplaceAll(string(below), " ", "")
				file := capture(t, tag, "host "+n.addr())
				marking := impaired(n.layer(t, below, n.addr()), impairment{seed: 3, mark: 0.05})
				x := sized(5000)
				x.unordered = false
				a := x.play(within(t, time.Minute), t, role, stackOn(t, marking), &sctp.Config{ECN: true}, k,
					[]string{n.addr()}, []string{k.addr()})
				endCapture(t, tag)
				t.Logf("%d marked; %+v", marking[0].(*badCarrier).nMarked.Load(), a.Stats())
				require.Positive(t, a.Stats().EchoesIn)
				require.Positive(t, a.Stats().EchoesOut)
				log := chunks(t, file)
				for _, from := range []string{n.addr(), k.addr()} {
					require.Contains(t, log, from+" 12\n", "no ECNE")
					require.Contains(t, log, from+" 13\n", "no CWR")
				}
			})
		})
	}
}
