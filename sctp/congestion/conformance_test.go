package congestion_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
)

// controllers is every algorithm of the package. Each passes testConformance: a
// new one is a line here, and a file with tests of its own rules.
var controllers = map[string]func(pmdcs, initialRwnd int) congestion.Controller{
	"newreno":      congestion.NewReno,
	"newreno-ipv6": congestion.NewRenoIPv6,
	"cubic":        congestion.NewCubic,
	"cubic-ipv6":   congestion.NewCubicIPv6,
}

// mtus are PMDCS values from the smallest sensible path to a jumbo frame.
var mtus = []int{500, 1232, 1452, 8960}

var start = time.Unix(1_700_000_000, 0)

func TestConformance(t *testing.T) {
	for name, newController := range controllers {
		for rule, check := range map[string]func(*testing.T, func() congestion.Controller, int){
			"initial window":           checkInitialWindow,
			"floor of one PMDCS":       checkFloor,
			"no growth if app-limited": checkNoGrowthUnlessLimited,
			"no growth in recovery":    checkNoGrowthInRecovery,
			"growth by bytes":          checkAckSplitting,
			"one cut per epoch":        checkOneCut,
			"timeout":                  checkTimeout,
			"idle never grows":         checkIdle,
			"bounded":                  checkBounded,
			"deterministic":            checkDeterministic,
		} {
			t.Run(name+"/"+rule, func(t *testing.T) {
				for _, pmdcs := range mtus {
					check(t, func() congestion.Controller { return newController(pmdcs, 1<<20) }, pmdcs)
				}
			})
		}
	}
}

// fullAck is a SACK for n bytes of a window that was full.
func fullAck(c congestion.Controller, n int) congestion.AckEvent {
	return congestion.AckEvent{Now: start, Bytes: n, CumAdvanced: true, CwndLimited: true, InFlight: c.Window(), RTT: 50 * time.Millisecond}
}

// grown is a controller that has left its initial window behind.
func grown(newController func() congestion.Controller, pmdcs int) congestion.Controller {
	c := newController()
	for range 100 {
		c.OnAck(fullAck(c, pmdcs))
	}
	return c
}

// RFC 9260 §7.2.1: the initial window must be no larger than this, which is for
// IPv4; IPv6 has less.
func checkInitialWindow(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	w := newController().Window()
	require.LessOrEqual(t, w, min(4*pmdcs, max(2*pmdcs, 4404)))
	require.GreaterOrEqual(t, w, min(4*pmdcs, max(2*pmdcs, 4344)))
}

// Whatever happens, one packet may be in flight.
func checkFloor(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := newController()
		for range 500 {
			randomEvent(rng, c, pmdcs)
			require.GreaterOrEqual(t, c.Window(), pmdcs, "seed %d", seed)
		}
	}
}

// randomEvent feeds c with any event that can happen.
func randomEvent(rng *rand.Rand, c congestion.Controller, pmdcs int) {
	switch rng.IntN(8) {
	case 0:
		c.OnLoss(congestion.LossEvent{Now: start, ECN: rng.IntN(2) == 0, InFlight: rng.IntN(1 << 20), Bytes: pmdcs})
	case 1:
		c.OnTimeout(start)
	case 2:
		c.OnIdle(start, time.Duration(1+rng.IntN(60))*time.Second)
	case 3:
		c.OnSent(start, pmdcs, rng.IntN(1<<20))
	default:
		c.OnAck(congestion.AckEvent{Now: start, Bytes: rng.IntN(3 * pmdcs), CumAdvanced: rng.IntN(2) == 0,
			CwndLimited: rng.IntN(3) > 0, InRecovery: rng.IntN(3) == 0, InFlight: rng.IntN(1 << 20), FlightEmpty: rng.IntN(9) == 0})
	}
}

// RFC 9260 §7.2.1, §7.2.2: a window that is not used up proves nothing.
func checkNoGrowthUnlessLimited(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	for _, c := range []congestion.Controller{newController(), grown(newController, pmdcs), afterLoss(newController, pmdcs)} {
		w := c.Window()
		for range 200 {
			c.OnAck(congestion.AckEvent{Now: start, Bytes: pmdcs, CumAdvanced: true, InFlight: w / 2, FlightEmpty: true})
		}
		require.Equal(t, w, c.Window())
	}
}

// afterLoss is a grown controller that lost something.
func afterLoss(newController func() congestion.Controller, pmdcs int) congestion.Controller {
	c := grown(newController, pmdcs)
	c.OnLoss(congestion.LossEvent{Now: start, InFlight: c.Window(), Bytes: pmdcs})
	return c
}

// RFC 9260 §7.2.1: not in Fast Recovery.
func checkNoGrowthInRecovery(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	c := afterLoss(newController, pmdcs)
	w := c.Window()
	for range 3 * w / pmdcs {
		e := fullAck(c, pmdcs)
		e.InRecovery = true
		c.OnAck(e)
	}
	require.Equal(t, w, c.Window())
}

// K8: a SACK for every few bytes gains no more than one SACK for all of them
// (RFC 9260 §7.2.1, the ACK-Splitting attack).
func checkAckSplitting(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	honest, split := newController(), newController()
	for range 10 {
		honest.OnAck(fullAck(honest, pmdcs))
		for range pmdcs / 4 {
			split.OnAck(fullAck(split, 4))
		}
		require.LessOrEqual(t, split.Window(), honest.Window())
	}
	one := newController()
	w := one.Window()
	one.OnAck(fullAck(one, 100*pmdcs))
	require.LessOrEqual(t, one.Window(), w+pmdcs, "one SACK, one PMDCS: L is 1")
}

// RFC 9260 §7.2.3: a loss or a mark cuts once; SACKs that go on in the same epoch
// do not cut again.
func checkOneCut(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	for _, ecn := range []bool{false, true} {
		c := grown(newController, pmdcs)
		before := c.Window()
		c.OnLoss(congestion.LossEvent{Now: start, ECN: ecn, InFlight: before, Bytes: pmdcs})
		cut := c.Window()
		require.Less(t, cut, before)
		require.GreaterOrEqual(t, cut, before/2)
		for range 50 {
			e := fullAck(c, pmdcs)
			e.InRecovery = true
			c.OnAck(e)
			require.Equal(t, cut, c.Window())
		}
	}
}

// RFC 9260 §7.2.1, §7.2.3: after T3-rtx one PMDCS, then slow start.
func checkTimeout(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	c := grown(newController, pmdcs)
	for range 3 {
		c.OnTimeout(start)
		require.Equal(t, pmdcs, c.Window())
	}
	c.OnAck(fullAck(c, pmdcs))
	require.Equal(t, 2*pmdcs, c.Window())
}

// RFC 9260 §7.1: the parameters decay when the path is not used.
func checkIdle(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	for _, c := range []congestion.Controller{newController(), grown(newController, pmdcs), afterLoss(newController, pmdcs)} {
		c.OnSent(start, pmdcs, 0)
		for n := range 30 {
			w := c.Window()
			c.OnIdle(start, time.Duration(n+1)*time.Second)
			require.LessOrEqual(t, c.Window(), w)
		}
		require.LessOrEqual(t, c.Window(), 4*pmdcs)
	}
}

// K9: no window overflows, also where int has 32 bits.
func checkBounded(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	c := newController()
	w := 0
	for range 3 {
		c.SetMTU(math.MaxInt32)
		for range 20000 {
			c.OnAck(fullAck(c, math.MaxInt32))
			if w = c.Window(); w <= 0 {
				require.Positive(t, w)
			}
		}
		require.LessOrEqual(t, w, 1<<30)
		require.Greater(t, w, 1<<28, "the bound must be reached for the test to mean something")
		c.OnLoss(congestion.LossEvent{Now: start, Bytes: math.MaxInt32})
		require.Less(t, c.Window(), w)
	}
}

// The same events give the same window.
func checkDeterministic(t *testing.T, newController func() congestion.Controller, pmdcs int) {
	run := func() []int {
		rng := rand.New(rand.NewPCG(7, 7))
		c := newController()
		var ws []int
		for range 300 {
			randomEvent(rng, c, pmdcs)
			ws = append(ws, c.Window())
		}
		return ws
	}
	require.Equal(t, run(), run())
}
