package policy_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5356 §4.2.2: the occurrences have the ratio of the weights, exactly in each
// round, and are evenly distributed: at no time is an element away from its share
// by as much as one and a half turns.
func TestWeightedRoundRobinIsExactAndSmooth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	for trial := range 60 {
		s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
		weights := make([]uint32, 1+rnd.IntN(25))
		total := 0
		for i := range weights {
			weights[i] = 1 + rnd.Uint32N(1+rnd.Uint32N(80))
			total += int(weights[i])
		}
		fill(s, weights...)
		counts := make([]int, len(weights))
		for turn := 1; turn <= 3*total; turn++ {
			counts[s.AppendSelect(nil, 1, nil)[0].ID-1]++
			for i, w := range weights {
				if ideal := float64(turn) * float64(w) / float64(total); math.Abs(float64(counts[i])-ideal) >= 1.5 {
					require.Failf(t, "not smooth", "trial %d turn %d: weight %d of %v has %d turns", trial, turn, w, weights, counts[i])
				}
				if turn%total == 0 {
					require.EqualValues(t, turn/total*int(w), counts[i], "trial %d: weights %v after a round", trial, weights)
				}
			}
		}
	}
}

// RFC 5356 §4.2.1: "If all weights are 1, then WRR is just RR", with elements that
// come and go too.
func TestWeightedRoundRobinOfWeightOneIsRoundRobin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for range 20 {
		rr := construct(t, rserpool.RoundRobin, policy.Options{})
		wrr := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
		n := rserpool.PEID(len(fill(rr, 1, 1, 1)))
		fill(wrr, 1, 1, 1)
		for range 60 {
			if rnd.IntN(6) == 0 {
				n++
				rr.Insert(&policy.Item{ID: n, Policy: values(1)})
				wrr.Insert(&policy.Item{ID: n, Policy: values(1)})
			}
			require.Equal(t, picks(rr, 3, 1), picks(wrr, 3, 1))
		}
	}
}

// One heavy element among many light ones gets every second turn: the light ones
// must not come in a bunch.
func TestWeightedRoundRobinInterleaves(t *testing.T) {
	s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
	weights := make([]uint32, 1001)
	for i := range weights {
		weights[i] = 1
	}
	weights[1000] = 1000
	fill(s, weights...)
	last, longest := 0, 0
	for turn := range 4000 {
		if s.AppendSelect(nil, 1, nil)[0].ID == 1001 {
			longest, last = max(longest, turn-last), turn
		}
	}
	require.LessOrEqual(t, longest, 3)
}

// An element that failed for long and comes back makes up for one turn at most.
func TestWeightedRoundRobinDoesNotRepaySkippedTurns(t *testing.T) {
	s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
	fill(s, 1, 1, 1)
	for range 3000 {
		pick(s, 1, skipping(1))
	}
	counts := map[rserpool.PEID]int{}
	for range 30 {
		counts[s.AppendSelect(nil, 1, nil)[0].ID]++
	}
	require.InDelta(t, 10, counts[1], 1)
}

// An element cannot gain turns by registering anew, nor lose its due turn by an
// update of its weight.
func TestWeightedRoundRobinReweigh(t *testing.T) {
	s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
	items := fill(s, 1, 1, 1)
	require.Equal(t, "1", pick(s, 1, nil))
	s.Remove(items[0])
	s.Insert(items[0])
	require.Equal(t, "2 3 1", picks(s, 1, 3))

	s.Update(items[1], values(0))
	require.Equal(t, 3, s.Len())
	require.Equal(t, "3 1 3 1", picks(s, 1, 4))
	s.Update(items[1], values(2))
	counts := map[rserpool.PEID]int{}
	for range 40 {
		counts[s.AppendSelect(nil, 1, nil)[0].ID]++
	}
	require.InDelta(t, 20, counts[2], 1)
	require.InDelta(t, 10, counts[1], 1)
	require.InDelta(t, 10, counts[3], 1)
}

// Weights of an element that changes them all the time still give it turns, and
// the others theirs.
func TestWeightedRoundRobinUnderChurn(t *testing.T) {
	s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
	items := fill(s, 1, 1, 1, 1)
	counts := map[rserpool.PEID]int{}
	for i := range 6000 {
		s.Update(items[0], values(1+uint32(i%2))) // 1.5 on average
		counts[s.AppendSelect(nil, 1, nil)[0].ID]++
	}
	for id := rserpool.PEID(2); id <= 4; id++ {
		require.InDelta(t, 6000/4.5, counts[id], 300, "element %s", id)
	}
	require.Greater(t, counts[1], 1000)
}

// The largest weights are within the arithmetic.
func TestWeightedRoundRobinExtremeWeights(t *testing.T) {
	s := construct(t, rserpool.WeightedRoundRobin, policy.Options{})
	fill(s, math.MaxUint32, math.MaxUint32, math.MaxUint32, 1)
	counts := map[rserpool.PEID]int{}
	for range 3001 {
		counts[s.AppendSelect(nil, 1, nil)[0].ID]++
	}
	for id := rserpool.PEID(1); id <= 3; id++ {
		require.InDelta(t, 1000, counts[id], 1)
	}
	require.LessOrEqual(t, counts[4], 1)
}
