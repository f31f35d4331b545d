package policy_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// requireChiSquare fails if the counts differ from the probabilities more than
// chance does once in about 10⁷ runs (Wilson and Hilferty's approximation at 5.2
// standard deviations). The seeds are fixed, so the tests do not flicker.
func requireChiSquare(t *testing.T, counts []int, probs []float64, what string) {
	t.Helper()
	n, chi2 := 0, 0.0
	for _, c := range counts {
		n += c
	}
	for i, c := range counts {
		want := probs[i] * float64(n)
		require.Greater(t, want, 5.0, "too few samples for the test")
		chi2 += (float64(c) - want) * (float64(c) - want) / want
	}
	df := float64(len(counts) - 1)
	z := (math.Cbrt(chi2/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
	require.Less(t, z, 5.2, "%s: chi² %.1f with %.0f degrees of freedom, counts %v", what, chi2, df, counts)
}

// withoutReplacement is the probability that items come in this order.
func withoutReplacement(weights []uint32, order []int) float64 {
	total, p := 0.0, 1.0
	for _, w := range weights {
		total += float64(w)
	}
	for _, i := range order {
		p *= float64(weights[i]) / total
		total -= float64(weights[i])
	}
	return p
}

// RFC 5356 §4.3, §4.4: the probabilities of single selections.
func TestRandomPoliciesFollowTheirProbabilities(t *testing.T) {
	for _, c := range []struct {
		typ     rserpool.PolicyType
		weights []uint32 // of WeightedRandom; all alike for Random
	}{
		{rserpool.Random, []uint32{1, 1, 1, 1, 1, 1, 1}},
		{rserpool.WeightedRandom, []uint32{1, 1, 1, 1, 1, 1, 1}}, // §4.4.1: then it is Random
		{rserpool.WeightedRandom, []uint32{1, 9}},
		{rserpool.WeightedRandom, []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{rserpool.WeightedRandom, []uint32{math.MaxUint32, math.MaxUint32, math.MaxUint32 / 2}},
	} {
		s := construct(t, c.typ, policy.Options{Rand: seeded(42)})
		fill(s, c.weights...)
		counts, probs := make([]int, len(c.weights)), make([]float64, len(c.weights))
		for i := range probs {
			probs[i] = withoutReplacement(c.weights, []int{i})
		}
		for range 50_000 {
			counts[s.AppendSelect(nil, 1, nil)[0].ID-1]++
		}
		requireChiSquare(t, counts, probs, fmt.Sprintf("%s %v", c.typ, c.weights))
	}
}

// Each ordered triple has the probability of drawing without replacement.
func TestRandomPoliciesDrawWithoutReplacement(t *testing.T) {
	for _, c := range []struct {
		typ     rserpool.PolicyType
		weights []uint32
	}{
		{rserpool.Random, []uint32{1, 1, 1, 1}},
		{rserpool.WeightedRandom, []uint32{1, 2, 3, 4}},
	} {
		s := construct(t, c.typ, policy.Options{Rand: seeded(7)})
		fill(s, c.weights...)
		index := map[[3]int]int{}
		var probs []float64
		for i := range 4 {
			for j := range 4 {
				for k := range 4 {
					if i != j && j != k && i != k {
						index[[3]int{i, j, k}] = len(probs)
						probs = append(probs, withoutReplacement(c.weights, []int{i, j, k}))
					}
				}
			}
		}
		counts := make([]int, len(probs))
		for range 60_000 {
			got := s.AppendSelect(nil, 3, nil)
			counts[index[[3]int{int(got[0].ID) - 1, int(got[1].ID) - 1, int(got[2].ID) - 1}]]++
		}
		requireChiSquare(t, counts, probs, c.typ.String())
	}
}

// The probabilities are right after a history of changes, skipped ones left out.
func TestWeightedRandomAfterChanges(t *testing.T) {
	s := construct(t, rserpool.WeightedRandom, policy.Options{Rand: seeded(9)})
	items := fill(s, 50, 1, 2, 3, 0, 4, 70, 5)
	s.Remove(items[0])
	s.Remove(items[7])
	s.Update(items[4], values(6)) // weights now: 2:1 3:2 4:3 5:6 6:4 7:70
	s.Update(items[6], values(2)) // 7:2
	s.Insert(items[7])            // 8:5
	counts := make([]int, 5)
	index := map[rserpool.PEID]int{2: 0, 3: 1, 5: 2, 7: 3, 8: 4}
	for range 40_000 {
		counts[index[s.AppendSelect(nil, 1, skipping(4, 6))[0].ID]]++
	}
	requireChiSquare(t, counts, []float64{1. / 16, 2. / 16, 6. / 16, 2. / 16, 5. / 16}, "after changes")
}

func TestRandomPoliciesAreReproducible(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{rserpool.Random, rserpool.WeightedRandom} {
		run := func(seed uint64) string {
			s := construct(t, typ, policy.Options{Rand: seeded(seed)})
			fill(s, 1, 2, 3, 4, 5, 6, 7, 8, 9)
			return picks(s, 3, 20)
		}
		require.Equal(t, run(1), run(1))
		require.NotEqual(t, run(1), run(2))
	}
}

// A source that is stuck must not hang a registrar.
func TestStuckRandomSourceTerminates(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{rserpool.Random, rserpool.WeightedRandom} {
		for _, stuck := range []uint64{0, 1, math.MaxUint64} {
			s := construct(t, typ, policy.Options{Rand: func() uint64 { return stuck }})
			fill(s, 3, 3, 5, 7, 11)
			require.Len(t, s.AppendSelect(nil, 5, nil), 5)
		}
	}
}
