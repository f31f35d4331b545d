package policy

import (
	"math"

	"github.com/rserpool/rserpool/rserpool"
)

// newPriority is Priority (RFC 5356 §4.5): larger numbers first, in decreasing
// order. §4.5.2 leaves the order of equal priorities open; they go round robin.
func newPriority(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: func(p rserpool.Policy, _ uint32) uint64 {
		return uint64(math.MaxUint32 - p.Priority)
	}}, o)
}
