package policy

import "github.com/rserpool/rserpool/rserpool"

// newLeastUsed is Least Used (RFC 5356 §5.1): lowest load first, ascending, and
// round robin among equal loads (§5.1.2).
func newLeastUsed(t rserpool.PolicyType, o Options) Selector {
	return NewSorted(t, Order{Key: func(p rserpool.Policy, _ uint32) uint64 {
		return uint64(p.Load)
	}}, o)
}
