package policy

import (
	"math"
	"math/bits"

	"github.com/rserpool/rserpool/rserpool"
)

// All of these go by a load, lowest first and in ascending order, and go round
// robin among equals (RFC 5356 §5.1.2, §5.3.2). They differ in what is added to the
// load that the element has reported. The sums are not cut at 100 %: of two
// elements that are full the one that is less overloaded comes first.

// newLeastUsed is Least Used (RFC 5356 §5.1): the load.
func newLeastUsed(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: func(p rserpool.Policy, _ uint32) uint64 { return uint64(p.Load) }}, o)
}

// newLeastUsedDegradation is Least Used with Degradation (RFC 5356 §5.2.2): the
// load + degradation counter * load degradation.
func newLeastUsedDegradation(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: degraded, Degrading: true}, o)
}

// newPriorityLeastUsed is Priority Least Used (RFC 5356 §5.3.2): the load after
// one more request.
func newPriorityLeastUsed(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: next}, o)
}

// newPriorityLeastUsedDegradation is rsplib's union of the two.
func newPriorityLeastUsedDegradation(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: nextDegraded, Degrading: true}, o)
}

// newLeastUsedDPF is rsplib's Least Used with Distance Penalty Factor
// (draft-dreibholz-rserpool-delay §3): the load and, for each millisecond of
// distance, the factor.
func newLeastUsedDPF(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: func(p rserpool.Policy, _ uint32) uint64 {
		return uint64(p.Load) + penalty(p)
	}}, o)
}

// newLeastUsedDegradationDPF is rsplib's union of that and degradation.
func newLeastUsedDegradationDPF(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: func(p rserpool.Policy, taken uint32) uint64 {
		sum, carry := bits.Add64(degraded(p, taken), penalty(p), 0)
		if carry != 0 {
			return math.MaxUint64
		}
		return sum
	}, Degrading: true}, o)
}

// degraded is an element's load with the selections since it registered. It is
// below 2⁶⁴, whatever the values.
func degraded(p rserpool.Policy, taken uint32) uint64 {
	return uint64(p.Load) + uint64(taken)*uint64(p.LoadDegradation)
}

// next is the load that an element would have after one more request.
func next(p rserpool.Policy, _ uint32) uint64 {
	return uint64(p.Load) + uint64(p.LoadDegradation)
}

// nextDegraded is both.
func nextDegraded(p rserpool.Policy, taken uint32) uint64 {
	return uint64(p.Load) + (uint64(taken)+1)*uint64(p.LoadDegradation)
}

// penalty is what its distance adds to an element's load.
func penalty(p rserpool.Policy) uint64 { return uint64(p.DPF) * uint64(p.Distance) }
