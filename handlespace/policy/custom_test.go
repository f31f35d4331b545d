package policy_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5356 §5.2.2, through the seam for policies that are not in the package: each
// element returned degrades by its load degradation, once.
func TestSortedWithDegradation(t *testing.T) {
	lud := policy.NewSorted(rserpool.LeastUsedDegradation, policy.Order{
		Key: func(p rserpool.Policy, taken uint32) uint64 {
			return uint64(p.Load) + uint64(taken)*uint64(p.LoadDegradation)
		},
		Degrading: true,
	}, policy.Options{})
	require.Equal(t, rserpool.LeastUsedDegradation, lud.Type())
	a := &policy.Item{ID: 1, Policy: rserpool.Policy{Load: 10, LoadDegradation: 20}}
	b := &policy.Item{ID: 2, Policy: rserpool.Policy{Load: 15, LoadDegradation: 5}}
	lud.Insert(a)
	lud.Insert(b)
	// a 10, b 15 | a 30, b 15 | b 20 | b 25 | b 30: longer ago is a | a 50 | b 35 …
	require.Equal(t, "1 2 2 2 1 2 2", picks(lud, 1, 7))
	lud.Update(a, a.Policy) // re-registration: the counter is 0 again
	require.Equal(t, "1", pick(lud, 1, nil))

	// Of two returned both degrade, though only one loses its turn.
	lud.Update(a, rserpool.Policy{Load: 0, LoadDegradation: 10})
	lud.Update(b, rserpool.Policy{Load: 1, LoadDegradation: 100})
	require.Equal(t, "12", pick(lud, 2, nil))
	require.Equal(t, "1 1 1 1", picks(lud, 1, 4))
}

// RFC 5356 §5.3.1's example: A at 50 % that would grow by 10 % before B at 50 %
// that would be full.
func TestSortedPriorityLeastUsed(t *testing.T) {
	plu := policy.NewSorted(rserpool.PriorityLeastUsed, policy.Order{Key: func(p rserpool.Policy, _ uint32) uint64 {
		return uint64(p.Load) + uint64(p.LoadDegradation)
	}}, policy.Options{})
	plu.Insert(&policy.Item{ID: 2, Policy: rserpool.Policy{Load: rserpool.LoadOf(0.5), LoadDegradation: rserpool.LoadOf(0.5)}})
	plu.Insert(&policy.Item{ID: 1, Policy: rserpool.Policy{Load: rserpool.LoadOf(0.5), LoadDegradation: rserpool.LoadOf(0.1)}})
	require.Equal(t, "12 12", picks(plu, 2, 2))
}

// RFC 5356 §5.4.1: the probability is the element's unload by the pool's.
func TestWeightedByUnload(t *testing.T) {
	rlu := policy.NewWeighted(rserpool.RandomizedLeastUsed, func(p rserpool.Policy, _ uint32) uint64 {
		return uint64(math.MaxUint32 - p.Load)
	}, policy.Options{Rand: seeded(6)})
	fill(rlu, rserpool.LoadOf(0.2), rserpool.LoadOf(0.6), rserpool.LoadOf(1))
	counts := make([]int, 2)
	for range 20_000 {
		counts[rlu.AppendSelect(nil, 1, nil)[0].ID-1]++
	}
	requireChiSquare(t, counts, []float64{2. / 3, 1. / 3}, "unload 0.8 : 0.4 : 0")
}

// Weights that depend on the selections count from the next selection on, and ones
// beyond 32 bits are cut.
func TestWeightedWithDegradation(t *testing.T) {
	once := policy.NewWeighted(0xb0000001, func(_ rserpool.Policy, taken uint32) uint64 {
		if taken > 0 {
			return 0
		}
		return math.MaxUint64
	}, policy.Options{Rand: seeded(6)})
	items := fill(once, 1, 1, 1)
	require.Len(t, once.AppendSelect(nil, 2, nil), 2)
	require.Len(t, once.AppendSelect(nil, 2, nil), 1)
	require.Empty(t, once.AppendSelect(nil, 2, nil))
	once.Update(items[1], values(1))
	require.Equal(t, "2", pick(once, 3, nil))
}
