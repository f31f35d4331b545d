package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// all are the policies of this package.
var all = rserpool.PolicyTypes()

// seeded returns a reproducible source of random numbers.
func seeded(seed uint64) func() uint64 { return rand.NewPCG(seed, 0).Uint64 }

func construct(t testing.TB, typ rserpool.PolicyType, o policy.Options) policy.Selector {
	t.Helper()
	s, err := policy.New(typ, o)
	require.NoError(t, err)
	require.Equal(t, typ, s.Type())
	return s
}

// values returns a policy in which v is the value that counts, whichever it is.
func values(v uint32) rserpool.Policy {
	return rserpool.Policy{Weight: v, Priority: v, Load: v}
}

// fill inserts items 1, 2, … with the given values.
func fill(s policy.Selector, vs ...uint32) []*policy.Item {
	var items []*policy.Item
	for i, v := range vs {
		it := &policy.Item{ID: rserpool.PEID(i + 1), Policy: values(v)}
		s.Insert(it)
		items = append(items, it)
	}
	return items
}

// pick selects n items and returns their identifiers as digits.
func pick(s policy.Selector, n int, skip func(rserpool.PEID) bool) string {
	var b strings.Builder
	for _, it := range s.AppendSelect(nil, n, skip) {
		fmt.Fprint(&b, uint32(it.ID))
	}
	return b.String()
}

// picks selects n items, times over.
func picks(s policy.Selector, n, times int) string {
	var rounds []string
	for range times {
		rounds = append(rounds, pick(s, n, nil))
	}
	return strings.Join(rounds, " ")
}

func skipping(ids ...rserpool.PEID) func(rserpool.PEID) bool {
	return func(id rserpool.PEID) bool { return slices.Contains(ids, id) }
}

func TestUnsupportedPolicyIsAnError(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{0, 0x40000000, rserpool.RsplibPriorityLeastUsedDPF, 0xb0000077} {
		_, err := policy.New(typ, policy.Options{})
		require.ErrorIs(t, err, policy.ErrUnsupported)
		require.ErrorContains(t, err, typ.String())
		require.False(t, policy.Supported(typ))
	}
	for _, typ := range all {
		require.True(t, policy.Supported(typ))
	}
}

// RFC 5356 §4.1.2, §4.5.2, §5.1.2, and rsplib with three items a resolution.
func TestOrderOfSelection(t *testing.T) {
	for _, c := range []struct {
		typ  rserpool.PolicyType
		vs   []uint32
		n    int
		want string
	}{
		{rserpool.RoundRobin, []uint32{0, 0, 0, 0, 0}, 3, "123 234 345 451 512 123"},
		{rserpool.RoundRobin, []uint32{0, 0, 0}, 1, "1 2 3 1"},
		{rserpool.RoundRobin, []uint32{0, 0}, 5, "12 21 12"},
		{rserpool.WeightedRoundRobin, []uint32{1, 1, 1, 1, 1}, 3, "123 234 345 451 512 123"},
		{rserpool.WeightedRoundRobin, []uint32{1, 2, 3}, 1, "3 2 3 1 2 3 3 2 3 1 2 3"},
		{rserpool.WeightedRoundRobin, []uint32{5, 1, 1}, 1, "1 2 1 1 3 1 1 1 2 1 1 3 1 1"},
		{rserpool.WeightedRoundRobin, []uint32{1, 2, 3}, 3, "321 213 312"},
		{rserpool.WeightedRoundRobin, []uint32{0, 7, 0}, 2, "2 2 2"},
		{rserpool.WeightedRoundRobin, []uint32{0, 0}, 2, " "},
		{rserpool.Priority, []uint32{1, 5, 5}, 3, "231 321 231"},
		{rserpool.Priority, []uint32{3, 1, 2}, 2, "13 13"},
		{rserpool.Priority, []uint32{0, 0xffffffff}, 2, "21 21"},
		{rserpool.LeastUsed, []uint32{3, 1, 2}, 2, "23 23"},
		{rserpool.LeastUsed, []uint32{7, 1, 1, 1}, 3, "234 342 423 234"},
		{rserpool.LeastUsed, []uint32{0xffffffff, 0}, 2, "21 21"},
		{rserpool.Random, nil, 3, " "},
		{rserpool.WeightedRandom, []uint32{0, 0}, 3, " "},
		{rserpool.WeightedRandom, []uint32{0, 9, 0}, 3, "2 2"},
	} {
		s := construct(t, c.typ, policy.Options{})
		fill(s, c.vs...)
		require.Equal(t, c.want, picks(s, c.n, strings.Count(c.want, " ")+1), "%s %v", c.typ, c.vs)
	}
}

// rsplib's maxIncrement: how many of the returned elements lose their turn.
func TestMaxIncrement(t *testing.T) {
	for _, c := range []struct {
		typ  rserpool.PolicyType
		inc  int
		want string
	}{
		{rserpool.RoundRobin, 0, "123 234 345 451"},
		{rserpool.RoundRobin, 1, "123 234 345 451"},
		{rserpool.RoundRobin, 2, "123 345 512 234"},
		{rserpool.RoundRobin, -1, "123 451 234 512"},
		{rserpool.WeightedRoundRobin, 2, "123 345 512 234"},
		{rserpool.WeightedRoundRobin, -1, "123 451 234 512"},
		{rserpool.LeastUsed, 2, "123 345 512 234"},
		{rserpool.LeastUsed, 9, "123 451 234 512"},
		{rserpool.Priority, -1, "123 451 234 512"},
	} {
		s := construct(t, c.typ, policy.Options{MaxIncrement: c.inc})
		fill(s, 1, 1, 1, 1, 1)
		require.Equal(t, c.want, picks(s, 3, 4), "%s increment %d", c.typ, c.inc)
	}
}

// Elements that just failed are passed over as if they were not there; the first
// that is returned loses its turn, those skipped keep theirs.
func TestSkip(t *testing.T) {
	for _, c := range []struct {
		typ        rserpool.PolicyType
		vs         []uint32
		skip       []rserpool.PEID
		want, then string
	}{
		{rserpool.RoundRobin, []uint32{1, 1, 1, 1}, []rserpool.PEID{1, 2}, "34", "1243"},
		{rserpool.WeightedRoundRobin, []uint32{1, 1, 1, 1}, []rserpool.PEID{1, 2}, "34", "1243"},
		{rserpool.WeightedRoundRobin, []uint32{1, 100}, []rserpool.PEID{2}, "1", "21"},
		{rserpool.Priority, []uint32{1, 5, 9}, []rserpool.PEID{3}, "21", "321"},
		{rserpool.LeastUsed, []uint32{1, 1, 1}, []rserpool.PEID{1}, "23", "132"},
		{rserpool.LeastUsed, []uint32{1, 1, 1}, []rserpool.PEID{1, 2, 3}, "", "123"},
		{rserpool.Random, []uint32{1, 1}, []rserpool.PEID{1}, "2", ""},
		{rserpool.WeightedRandom, []uint32{1000, 1}, []rserpool.PEID{1}, "2", ""},
	} {
		s := construct(t, c.typ, policy.Options{Rand: seeded(1)})
		fill(s, c.vs...)
		require.Equal(t, c.want, pick(s, 2, skipping(c.skip...)), "%s %v", c.typ, c.vs)
		if c.then != "" {
			require.Equal(t, c.then, pick(s, len(c.vs), nil), "%s %v afterwards", c.typ, c.vs)
		}
	}
}

func TestUpdateKeepsThePlaceAmongEquals(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{rserpool.RoundRobin, rserpool.WeightedRoundRobin, rserpool.LeastUsed, rserpool.Priority} {
		s := construct(t, typ, policy.Options{})
		items := fill(s, 4, 4, 4)
		require.Equal(t, "1", pick(s, 1, nil))
		s.Update(items[1], values(4))
		s.Update(items[2], values(4))
		require.Equal(t, "231", pick(s, 3, nil), typ)
	}
}

func TestUpdateMovesToTheNewRank(t *testing.T) {
	s := construct(t, rserpool.LeastUsed, policy.Options{})
	items := fill(s, 10, 20, 30)
	s.Update(items[2], values(5))
	require.Equal(t, "312", pick(s, 3, nil))
	s.Update(items[2], values(15))
	require.Equal(t, "132", pick(s, 3, nil))
	require.EqualValues(t, 15, items[2].Policy.Load)
}

// RFC 5356 §5.2.2: the counter counts selections and registration sets it to 0.
func TestTakenCountsSelectionsSinceRegistration(t *testing.T) {
	for _, typ := range all {
		s := construct(t, typ, policy.Options{Rand: seeded(3)})
		items := fill(s, 1, 1)
		for range 5 {
			pick(s, 2, nil)
		}
		require.EqualValues(t, 5, items[0].Taken(), typ)
		s.Update(items[0], values(1))
		require.Zero(t, items[0].Taken(), typ)
		require.EqualValues(t, 5, items[1].Taken(), typ)
		s.Remove(items[1])
		s.Insert(items[1])
		require.Zero(t, items[1].Taken(), typ)
	}
}

func TestMisuseDoesNothing(t *testing.T) {
	for _, typ := range all {
		s, other := construct(t, typ, policy.Options{}), construct(t, typ, policy.Options{})
		items := fill(s, 1, 1)
		s.Insert(items[0])
		other.Remove(items[0])
		other.Update(items[0], values(9))
		require.Equal(t, 2, s.Len(), typ)
		require.Zero(t, other.Len(), typ)
		require.Equal(t, values(1), items[0].Policy, typ)
		require.Len(t, s.AppendSelect(nil, 5, nil), 2, typ)
		require.Empty(t, s.AppendSelect(nil, 0, nil), typ)
		require.Empty(t, s.AppendSelect(nil, -1, nil), typ)
		s.Remove(items[1])
		s.Remove(items[1])
		require.Equal(t, 1, s.Len(), typ)
		other.Insert(items[1])
		require.Len(t, other.AppendSelect(nil, 5, nil), 1, typ)
	}
}

// Whatever happens: as many items as there are, none twice, none that is gone.
func TestSelectionIsASetOfMembers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 0))
	for _, typ := range all {
		s := construct(t, typ, policy.Options{Rand: seeded(5), MaxIncrement: rnd.IntN(4) - 1})
		members := map[rserpool.PEID]*policy.Item{}
		for range 4000 {
			id := rserpool.PEID(rnd.IntN(200))
			it := members[id]
			switch op := rnd.IntN(10); {
			case op < 3 && it == nil:
				it = &policy.Item{ID: id, Policy: values(1 + rnd.Uint32N(9))}
				s.Insert(it)
				members[id] = it
			case op < 5 && it != nil:
				s.Remove(it)
				delete(members, id)
			case op < 7 && it != nil:
				s.Update(it, values(1+rnd.Uint32N(9)))
			default:
				n, bad := rnd.IntN(12), rserpool.PEID(rnd.IntN(7))
				skip := func(id rserpool.PEID) bool { return id%7 == bad }
				eligible := 0
				for id := range members {
					if !skip(id) {
						eligible++
					}
				}
				got := s.AppendSelect(nil, n, skip)
				require.Len(t, got, min(n, eligible), typ)
				seen := map[rserpool.PEID]bool{}
				for _, it := range got {
					require.False(t, seen[it.ID], "%s: %s twice", typ, it.ID)
					require.Same(t, members[it.ID], it)
					require.False(t, skip(it.ID))
					seen[it.ID] = true
				}
			}
			require.Equal(t, len(members), s.Len(), typ)
		}
	}
}

func TestSelectDoesNotAllocate(t *testing.T) {
	for _, typ := range all {
		s := construct(t, typ, policy.Options{})
		vs := make([]uint32, 1500)
		for i := range vs {
			vs[i] = 1 + uint32(i)%5
		}
		fill(s, vs...)
		dst := make([]*policy.Item, 0, 3)
		skip := func(id rserpool.PEID) bool { return id%3 == 0 }
		for range 4000 { // reach the steady state: free lists, scratch
			s.AppendSelect(dst, 3, skip)
		}
		require.Zero(t, testing.AllocsPerRun(2000, func() { s.AppendSelect(dst, 3, skip) }), typ)
	}
}
