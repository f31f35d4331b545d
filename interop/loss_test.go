//go:build interop

package interop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

// lossTimers are quick enough that a test under loss does not wait for timers.
var lossTimers = sctp.Config{RTOInitial: 500 * time.Millisecond, RTOMin: 200 * time.Millisecond,
	RTOMax: 2 * time.Second, HeartbeatInterval: time.Second}

// One of two paths loses 5 % and reorders 5 % of the packets of both directions.
func TestLossAndReorderingOnOnePath(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		underLoss(t, role, n, k)
	})
}

func TestLossAndReorderingOnOnePathToUsrsctp(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		underLoss(t, role, newNode(t), newUsrsctp(t))
	})
}

func underLoss(t *testing.T, role string, n node, them opponent) {
	ctx := within(t, 2*time.Minute)
	bad := impaired(n.sockets(t, n.both()...), impairment{seed: 5, loss: 0.05, late: 0.05,
		delay: 5 * time.Millisecond, only: netip.MustParsePrefix("10.99.1.0/24")})
	x := sized(5000)
	a := x.play(ctx, t, role, stackOn(t, bad), &lossTimers, them, n.both(), them.both())
	c := bad[0].(*badCarrier)
	t.Logf("%d packets lost, %d late", c.nLost.Load(), c.nLate.Load())
	t.Logf("%+v", a.Stats())
}
