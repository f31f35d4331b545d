package handlespace_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// fill registers elements 1, 2, … of a policy with the given values.
func fill(t testing.TB, s *handlespace.Space, typ rserpool.PolicyType, values ...uint32) {
	t.Helper()
	for i, v := range values {
		register(t, s, "pool", withPolicy(rserpool.PEID(i+1), typ, v))
	}
}

// withPolicy returns an element whose policy value is v, whatever it is called.
func withPolicy(id rserpool.PEID, typ rserpool.PolicyType, v uint32) rserpool.PoolElement {
	pe := element(id, 1)
	pe.Policy = rserpool.Policy{Type: typ}
	pe.Policy.Weight, pe.Policy.Priority, pe.Policy.Load = v, v, v
	return pe
}

// RFC 5356 §4.1.2, as rsplib answers six resolutions of three items.
func TestSelectAdvancesTheHeadByOne(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	fill(t, s, rserpool.RoundRobin, 0, 0, 0, 0, 0)
	for _, want := range [][]rserpool.PEID{{1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5, 1}, {5, 1, 2}, {1, 2, 3}} {
		got, pol, ok := s.Select("pool", 3)
		require.True(t, ok)
		require.Equal(t, want, selected(got))
		require.Equal(t, rserpool.Policy{Type: rserpool.RoundRobin}, pol)
	}
	_, _, ok := s.Select("other", 3)
	require.False(t, ok)
	got, _, ok := s.Select("pool", 0)
	require.True(t, ok)
	require.Empty(t, got)
}

func TestReRegistrationChangesTheSelection(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	fill(t, s, rserpool.LeastUsed, 10, 20, 30)
	register(t, s, "pool", withPolicy(3, rserpool.LeastUsed, 5))
	got, _, _ := s.Select("pool", 3)
	require.Equal(t, []rserpool.PEID{3, 1, 2}, selected(got))
	require.EqualValues(t, 5, got[0].Policy.Load)

	s = handlespace.New(handlespace.Options{})
	fill(t, s, rserpool.RoundRobin, 0, 0)
	moved := element(1, 1)
	moved.User = transport("198.51.100.1")
	register(t, s, "pool", moved)
	got, _, _ = s.Select("pool", 1)
	require.Equal(t, []rserpool.PoolElement{moved}, got)
}

func TestSelectionOptionsReachThePools(t *testing.T) {
	s := handlespace.New(handlespace.Options{Policy: policy.Options{MaxIncrement: -1}})
	fill(t, s, rserpool.RoundRobin, 0, 0, 0, 0, 0)
	got, _, _ := s.Select("pool", 3)
	require.Equal(t, []rserpool.PEID{1, 2, 3}, selected(got))
	got, _, _ = s.AppendSelect(got, "pool", 3, func(id rserpool.PEID) bool { return id == 5 })
	require.Equal(t, []rserpool.PEID{1, 2, 3, 4, 1, 2}, selected(got))
}

// RFC 5356 §3.2.
func TestWeightZeroIsNeverSelected(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{rserpool.WeightedRoundRobin, rserpool.WeightedRandom} {
		s := handlespace.New(handlespace.Options{})
		fill(t, s, typ, 0, 3, 0)
		for range 10 {
			got, _, _ := s.Select("pool", 3)
			require.Equal(t, []rserpool.PEID{2}, selected(got), typ)
		}
		s.Deregister("pool", 2)
		got, _, ok := s.Select("pool", 3)
		require.True(t, ok)
		require.Empty(t, got)
	}
}

// The same seed gives the same selections, whatever pools there are besides.
func TestSelectionsAreReproducible(t *testing.T) {
	run := func(seed uint64) (got []rserpool.PEID) {
		s := handlespace.New(handlespace.Options{Policy: policy.Options{Rand: rand.NewPCG(seed, 0).Uint64}})
		fill(t, s, rserpool.WeightedRandom, 1, 2, 3, 4, 5, 6, 7, 8)
		for range 10 {
			els, _, _ := s.Select("pool", 3)
			got = append(got, selected(els)...)
		}
		return got
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}

// A registrar may bring a policy of its own.
func TestNewSelectorExtendsThePolicies(t *testing.T) {
	const private rserpool.PolicyType = 0xb0000077
	s := handlespace.New(handlespace.Options{NewSelector: func(typ rserpool.PolicyType, o policy.Options) (policy.Selector, error) {
		if typ != private {
			return policy.New(typ, o)
		}
		return policy.NewSorted(typ, policy.Order{Key: func(p rserpool.Policy, _ uint32) uint64 {
			return uint64(p.Raw[3])
		}}, o), nil
	}})
	for id, raw := range map[rserpool.PEID]byte{1: 30, 2: 10, 3: 20} {
		pe := element(id, 1)
		pe.Policy = rserpool.Policy{Type: private, Raw: []byte{0, 0, 0, raw}}
		register(t, s, "pool", pe)
	}
	got, pol, _ := s.Select("pool", 3)
	require.Equal(t, []rserpool.PEID{2, 3, 1}, selected(got))
	require.Equal(t, private, pol.Type)
	fill(t, handlespace.New(handlespace.Options{}), rserpool.RoundRobin, 0)
}

// Steady state: a resolution into a slice with room, and the re-registration of an
// element that has not changed.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, typ := range rserpool.PolicyTypes() {
		s := handlespace.New(handlespace.Options{})
		fill(t, s, typ, make([]uint32, 500)...)
		for id := range rserpool.PEID(500) {
			register(t, s, "pool", withPolicy(id+1, typ, 1+uint32(id)%7))
		}
		dst := make([]rserpool.PoolElement, 0, 3)
		for range 3000 {
			s.AppendSelect(dst, "pool", 3, nil)
		}
		require.Zero(t, testing.AllocsPerRun(3000, func() { s.AppendSelect(dst, "pool", 3, nil) }), "%s: select", typ)
		same := withPolicy(4, typ, 4)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = s.Register(t0, "pool", same) }), "%s: refresh", typ)
	}
}

// Selecting a whole large pool once must not keep its elements in memory for ever:
// afterwards small selections do not allocate, and the pool can shrink.
func TestLargeSelection(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	fill(t, s, rserpool.RoundRobin, make([]uint32, 1000)...)
	got, _, _ := s.Select("pool", 5000)
	require.Len(t, got, 1000)
	dst := make([]rserpool.PoolElement, 0, 3)
	require.Zero(t, testing.AllocsPerRun(10, func() { s.AppendSelect(dst, "pool", 3, nil) }))
}
