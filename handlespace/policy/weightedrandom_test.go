package policy_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// share makes loads, degradations and factors readable: tenths of 100 %.
func share(tenths float64) uint32 { return rserpool.LoadOf(tenths / 10) }

// The probabilities of the policies that draw lots by what is left of the load, or
// of the weight: RFC 5356 §5.4.1 and its kin.
func TestRandomizedPoliciesFollowTheirProbabilities(t *testing.T) {
	type ps = []rserpool.Policy
	for _, c := range []struct {
		why     string
		typ     rserpool.PolicyType
		ps      ps
		weights []float64
	}{
		{
			"0xffffffff - load", rserpool.RandomizedLeastUsed,
			ps{{Load: share(2)}, {Load: share(6)}, {Load: 0}, {Load: share(9)}}, []float64{8, 4, 10, 1},
		},
		{
			"load and degradation", rserpool.RsplibRandomizedPriorityLeastUsed,
			ps{{Load: share(2), LoadDegradation: share(2)}, {Load: share(6), LoadDegradation: share(2)}, {LoadDegradation: share(0)}},
			[]float64{6, 2, 10},
		},
		{
			"without selections it is RLU", rserpool.RsplibRandomizedLeastUsedDegradation,
			ps{{Load: share(5), LoadDegradation: share(5)}, {Load: share(8), LoadDegradation: share(9)}}, []float64{5, 2},
		},
		{
			"load and what the next selection adds", rserpool.RsplibRandomizedPriorityLeastUsedDegradation,
			ps{{Load: share(5), LoadDegradation: share(1)}, {Load: share(1), LoadDegradation: share(1)}}, []float64{4, 8},
		},
		{
			"weight less its part for each millisecond", rserpool.RsplibWeightedRandomDPF,
			ps{
				{Weight: 1000, DPF: rserpool.LoadOf(0.01), Distance: 50}, {Weight: 1000, DPF: rserpool.LoadOf(0.01)},
				{Weight: 500, DPF: rserpool.LoadOf(0.001), Distance: 200}, {Weight: 100, Distance: 1e6},
			}, []float64{500, 1000, 400, 100},
		},
	} {
		s := construct(t, c.typ, policy.Options{Rand: seeded(21)})
		items := insert(s, c.ps...)
		counts, probs, total := make([]int, len(items)), make([]float64, len(items)), 0.0
		for _, w := range c.weights {
			total += w
		}
		for i, w := range c.weights {
			probs[i] = w / total
		}
		for range 40_000 {
			it := s.AppendSelect(nil, 1, nil)[0]
			counts[it.ID-1]++
			s.Update(it, it.Policy) // it registers again: no degradation
		}
		requireChiSquare(t, counts, probs, c.typ.String()+": "+c.why)
	}
}

// The second of two selections goes by the load that the first one has left. With
// loads of 20 % and 60 % and 20 % more for each, the first is 8:4 and the second 6:4
// or 8:2.
func TestRandomizedPoliciesDegrade(t *testing.T) {
	counts := make([]int, 4)
	s := construct(t, rserpool.RsplibRandomizedLeastUsedDegradation, policy.Options{Rand: seeded(23)})
	items := insert(s, rserpool.Policy{Load: share(2), LoadDegradation: share(2)}, rserpool.Policy{Load: share(6), LoadDegradation: share(2)})
	for range 40_000 {
		first, second := s.AppendSelect(nil, 1, nil)[0], s.AppendSelect(nil, 1, nil)[0]
		counts[(first.ID-1)*2+second.ID-1]++
		s.Update(items[0], items[0].Policy)
		s.Update(items[1], items[1].Policy)
	}
	first, second := 8./12, 4./12
	requireChiSquare(t, counts, []float64{first * .6, first * .4, second * .8, second * .2}, "two selections")
}

// A full element comes last, so that a pool of full elements still has service;
// one without weight has none to offer.
func TestFullElementsComeLast(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{
		rserpool.RandomizedLeastUsed, rserpool.RsplibRandomizedPriorityLeastUsed,
		rserpool.RsplibRandomizedLeastUsedDegradation, rserpool.RsplibRandomizedPriorityLeastUsedDegradation,
	} {
		s := construct(t, typ, policy.Options{Rand: seeded(4)})
		insert(s, rserpool.Policy{Load: math.MaxUint32, LoadDegradation: math.MaxUint32}, rserpool.Policy{Load: 1})
		require.Equal(t, "21 21 21 21 21", picks(s, 2, 5), typ)
		require.Equal(t, "1", pick(s, 2, skipping(2)), typ)
	}
	far := rserpool.Policy{Weight: 9, DPF: math.MaxUint32, Distance: math.MaxUint32}
	s := construct(t, rserpool.RsplibWeightedRandomDPF, policy.Options{Rand: seeded(4)})
	insert(s, far, rserpool.Policy{Weight: math.MaxUint32}, rserpool.Policy{DPF: 1, Distance: 1})
	require.Equal(t, "21 21 21", picks(s, 3, 3))
}
