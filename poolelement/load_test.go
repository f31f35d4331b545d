package poolelement_test

import (
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5356 §5.1: the load is what Config.Load says, registered when it changes enough
// and not more often than LoadInterval.
func TestLoadIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		var bits atomic.Uint64
		set := func(f float64) { bits.Store(math.Float64bits(f)) }
		set(0.25)
		pe := listen(w, 2, poolelement.Config{
			Policy: rserpool.Policy{Type: rserpool.PriorityLeastUsed, LoadDegradation: 1000},
			Load:   func() float64 { return math.Float64frombits(bits.Load()) }, LoadInterval: time.Second, LoadStep: 0.1,
		}, r)
		time.Sleep(1500 * time.Millisecond) // between two looks
		load := func() float64 { return rserpool.Fraction(r.Members(pool)[0].Element.Policy.Load) }
		require.InDelta(t, 0.25, load(), 0.001, "also the first one")

		for _, c := range []struct{ load, want float64 }{
			{0.34, 0.25}, // hysteresis: less than a step
			{0.36, 0.36},
			{0.05, 0.05},
			{0, 0}, // idle counts
			{0.95, 0.95},
			{1, 1}, // full counts
			{0.99, 1},
			{7, 1},
			{math.NaN(), 0},
			{-1, 0},
		} {
			set(c.load)
			time.Sleep(time.Second)
			require.InDelta(t, c.want, load(), 0.001, "%v", c.load)
		}
		require.EqualValues(t, 1000, pe.Policy().LoadDegradation, "the rest stays")

		// However often it changes, there is one registration in an interval.
		before := r.Count(asap.TypeRegistration)
		for i := range 1000 {
			set(float64(i%2) * 0.9)
			time.Sleep(7 * time.Millisecond)
		}
		require.LessOrEqual(t, r.Count(asap.TypeRegistration)-before, 9)
	})
}

// A load without effect is a mistake.
func TestLoadNeedsAPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		full := func() float64 { return 1 }
		for n, cfg := range []poolelement.Config{
			{Load: full},
			{Load: full, Policy: rserpool.Policy{Type: rserpool.WeightedRandom, Weight: 1}},
			{Load: full, Policy: rserpool.Policy{Type: rserpool.LeastUsed}, LoadStep: 2},
		} {
			_, err := tryListen(w, 10+n, cfg, r)
			require.ErrorContains(t, err, "Config.Load")
		}
	})
}

// A load that changes while a registrar does not answer is registered when one does.
func TestLoadReachesTheNextRegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		rs := []*asaplinktest.Registrar{w.Registrar(1), w.Registrar(2)}
		var load atomic.Int32
		pe := listen(w, 3, poolelement.Config{
			Policy: rserpool.Policy{Type: rserpool.LeastUsed}, Load: func() float64 { return float64(load.Load()) / 100 },
		}, rs...)
		home, other := rs[0], rs[1]
		if len(other.Members(pool)) == 1 {
			home, other = other, home
		}
		home.Hook(asaplinktest.Silence)
		load.Store(50)
		time.Sleep(10 * time.Second)
		require.Len(t, other.Members(pool), 1)
		require.InDelta(t, 0.5, rserpool.Fraction(other.Members(pool)[0].Element.Policy.Load), 0.001)
		require.True(t, pe.State().Registered)
	})
}

// RFC 5352 §3.1: an element that was refused does not try again because its load changes.
func TestLoadIsNoReasonToRepeatWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		var load atomic.Int32
		pe := listen(w, 2, poolelement.Config{
			Policy: rserpool.Policy{Type: rserpool.LeastUsed}, LoadInterval: time.Second,
			Load: func() float64 { return float64(load.Add(10)%100) / 100 },
		}, r)
		time.Sleep(5 * time.Second)
		require.GreaterOrEqual(t, r.Count(asap.TypeRegistration), 5)
		r.Hook(func(m asap.Message) (asap.Message, bool) {
			reg, ok := m.(*asap.Registration)
			if !ok {
				return nil, false
			}
			return &asap.RegistrationResponse{Reject: true, Handle: reg.Handle, PEID: reg.Element.ID, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}}}, true
		})
		time.Sleep(2 * time.Second)
		before := r.Count(asap.TypeRegistration)
		time.Sleep(time.Minute)
		require.Equal(t, before, r.Count(asap.TypeRegistration))

		r.Hook(nil)
		require.NoError(t, pe.SetPolicy(t.Context(), pe.Policy()), "the application says that it may")
		time.Sleep(2 * time.Second)
		require.Greater(t, r.Count(asap.TypeRegistration), before+1, "and the load is reported again")
	})
}
