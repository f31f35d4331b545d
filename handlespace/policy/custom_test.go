package policy_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// A policy that is not in the package, ranked by a number out of its raw body.
func TestSortedByAnyNumber(t *testing.T) {
	s := policy.NewSorted(0xb0000077, policy.Order{Key: func(p rserpool.Policy, taken uint32) uint64 {
		return uint64(p.Raw[0]) + uint64(taken/2)
	}, Degrading: true}, policy.Options{})
	require.Equal(t, rserpool.PolicyType(0xb0000077), s.Type())
	for id, raw := range []byte{0, 7, 5, 6} {
		if id > 0 {
			s.Insert(&policy.Item{ID: rserpool.PEID(id), Policy: rserpool.Policy{Raw: []byte{raw}}})
		}
	}
	// 2 at 5, 3 at 6, 1 at 7: each goes one down with every second turn.
	require.Equal(t, "2 2 3 2 3 2 1", picks(s, 1, 7))
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
