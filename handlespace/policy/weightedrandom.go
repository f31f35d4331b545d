package policy

import (
	"math"

	"github.com/rserpool/rserpool/rserpool"
)

// newWeightedRandom is Weighted Random (RFC 5356 §4.4): the probability of an
// element is its weight by the sum of weights. Weight 0 is never selected: such an
// element is "not capable of providing any service" (§3.2).
func newWeightedRandom(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, _ uint32) uint64 { return uint64(p.Weight) }, o)
}

// newWeightedRandomDPF is rsplib's Weighted Random with Distance Penalty Factor: an
// element loses the factor's part of its weight with each millisecond of distance,
// but keeps a weight of 1 if it had any.
func newWeightedRandomDPF(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, _ uint32) uint64 {
		if p.Weight == 0 {
			return 0
		}
		lost := min(float64(penalty(p))/math.MaxUint32, 1)
		return max(uint64(p.Weight)-uint64(math.Round(float64(p.Weight)*lost)), 1)
	}, o)
}

// newRandomizedLeastUsed is Randomized Least Used (RFC 5356 §5.4): Weighted Random
// with what is left of the load.
func newRandomizedLeastUsed(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, _ uint32) uint64 { return left(uint64(p.Load)) }, o)
}

// newRandomizedPriorityLeastUsed is rsplib's union of that and Priority Least Used.
func newRandomizedPriorityLeastUsed(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, taken uint32) uint64 { return left(next(p, taken)) }, o)
}

// newRandomizedLeastUsedDegradation is rsplib's union of that and degradation.
func newRandomizedLeastUsedDegradation(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, taken uint32) uint64 { return left(degraded(p, taken)) }, o)
}

// newRandomizedPriorityLeastUsedDegradation is rsplib's union of all three.
func newRandomizedPriorityLeastUsedDegradation(t rserpool.PolicyType, o Options) Selector {
	return NewWeighted(t, func(p rserpool.Policy, taken uint32) uint64 { return left(nextDegraded(p, taken)) }, o)
}

// left is the weight of an element with the given load. RFC 5356 §5.4.2 would give
// a full element weight 0, so that a pool of full elements were without service;
// with 1, as in rsplib, it comes last.
func left(load uint64) uint64 {
	if load >= math.MaxUint32 {
		return 1
	}
	return math.MaxUint32 - load
}
