//go:build interop

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// Neither end reads for ten seconds: both windows close, are probed for longer than
// Association.Max.Retrans timeouts take, which is no reason to give up (RFC 9260
// §6.1 A), and open again.
func TestZeroWindowAtBothEnds(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		zeroWindow(t, role, newKernel(t))
	})
}

func TestZeroWindowAtBothEndsWithUsrsctp(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		zeroWindow(t, role, newUsrsctp(t))
	})
}

func zeroWindow(t *testing.T, role string, them opponent) {
	n := newNode(t)
	ctx := within(t, 90*time.Second)
	x := sized(5000)
	x.rcvbuf, x.pause, x.oursPause = 32<<10, 10*time.Second, 10*time.Second
	cfg := sctp.Config{RecvBuffer: 32 << 10, RTOInitial: 300 * time.Millisecond, RTOMin: 200 * time.Millisecond,
		RTOMax: time.Second, AssociationMaxRetrans: 4, PathMaxRetrans: 2}
	start := time.Now()
	a := x.play(ctx, t, role, n.stack(t, n.addr()), &cfg, them, []string{n.addr()}, []string{them.addr()})
	t.Logf("after %.1f s: %+v", time.Since(start).Seconds(), a.Stats())
	require.Greater(t, time.Since(start), x.pause)
}
