package policy_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// insert puts items 1, 2, … with these policies into s.
func insert(s policy.Selector, ps ...rserpool.Policy) []*policy.Item {
	var items []*policy.Item
	for i, p := range ps {
		items = append(items, &policy.Item{ID: rserpool.PEID(i + 1), Policy: p})
		s.Insert(items[i])
	}
	return items
}

// The order of the policies that add something to the load, by hand.
func TestOrderByLoad(t *testing.T) {
	type ps = []rserpool.Policy
	for _, c := range []struct {
		why  string
		typ  rserpool.PolicyType
		ps   ps
		n    int
		want string
	}{
		{
			"RFC 5356 §5.2.2: load + counter * degradation; 1 at 10, 30, 50, …, 2 at 15, 20, 25, …",
			rserpool.LeastUsedDegradation, ps{{Load: 10, LoadDegradation: 20}, {Load: 15, LoadDegradation: 5}}, 1,
			"1 2 2 2 1 2 2 2 2 1",
		},
		{
			"both that are returned degrade, each once",
			rserpool.LeastUsedDegradation, ps{{Load: 0, LoadDegradation: 10}, {Load: 5, LoadDegradation: 100}}, 2,
			"12 12 12",
		},
		{
			"without degradation it is Least Used",
			rserpool.LeastUsedDegradation, ps{{Load: 7}, {Load: 7}, {Load: 9}}, 1, "1 2 1 2",
		},
		{
			"beyond 100 % the order goes on",
			rserpool.LeastUsedDegradation, ps{{Load: math.MaxUint32, LoadDegradation: 2}, {Load: math.MaxUint32, LoadDegradation: 1}}, 1,
			"1 2 2 1 2 2 1",
		},
		{
			"RFC 5356 §5.3.1: 50 % and 10 % before 50 % and 50 %",
			rserpool.PriorityLeastUsed, ps{
				{Load: rserpool.LoadOf(0.5), LoadDegradation: rserpool.LoadOf(0.5)},
				{Load: rserpool.LoadOf(0.5), LoadDegradation: rserpool.LoadOf(0.1)},
			}, 2, "21 21",
		},
		{
			"RFC 5356 §5.3.2: equal sums in turn, ascending",
			rserpool.PriorityLeastUsed, ps{{Load: 1, LoadDegradation: 4}, {Load: 4, LoadDegradation: 1}, {Load: 6}}, 3, "123 213 123",
		},
		{
			"both: 1 at 3, 5, 7, …, 2 at 4, 5, 6, …",
			rserpool.RsplibPriorityLeastUsedDegradation, ps{{Load: 1, LoadDegradation: 2}, {Load: 3, LoadDegradation: 1}}, 1,
			"1 2 1 2 2 1 2",
		},
		{
			"equal load: the nearest",
			rserpool.RsplibLeastUsedDPF, ps{{Load: 100, DPF: 1, Distance: 50}, {Load: 100, DPF: 1}, {Load: 100, DPF: 1, Distance: 50}}, 3,
			"213 213 213",
		},
		{
			"a factor of 0 makes distance irrelevant",
			rserpool.RsplibLeastUsedDPF, ps{{Load: 3, Distance: 500}, {Load: 2, Distance: 900}}, 2, "21 21",
		},
		{
			"1 at 10, 11, …, 2 at 12, 13, …",
			rserpool.RsplibLeastUsedDegradationDPF,
			ps{{Load: 10, LoadDegradation: 1}, {Load: 2, LoadDegradation: 1, DPF: 5, Distance: 2}}, 1, "1 1 2 1 2 1 2",
		},
		{
			"nothing overflows",
			rserpool.RsplibLeastUsedDegradationDPF,
			ps{{Load: math.MaxUint32, LoadDegradation: math.MaxUint32, DPF: math.MaxUint32, Distance: math.MaxUint32}, {Load: 1}}, 2,
			"21 21 21 21",
		},
	} {
		s := construct(t, c.typ, policy.Options{})
		insert(s, c.ps...)
		require.Equal(t, c.want, picks(s, c.n, strings.Count(c.want, " ")+1), "%s: %s", c.typ, c.why)
	}
}

// RFC 5356 §5.2.2: the counter starts at 0 with each registration, whether its
// values are new or not, and counts what is returned and nothing else.
func TestDegradationIsCountedOncePerSelection(t *testing.T) {
	for _, typ := range []rserpool.PolicyType{
		rserpool.LeastUsedDegradation, rserpool.RsplibPriorityLeastUsedDegradation, rserpool.RsplibLeastUsedDegradationDPF,
	} {
		s := construct(t, typ, policy.Options{})
		items := insert(s, rserpool.Policy{Load: 0, LoadDegradation: 10}, rserpool.Policy{Load: 35, LoadDegradation: 10})
		require.Equal(t, "1 1 1 1 2", picks(s, 1, 5), typ) // 0 10 20 30 | 40 > 35 | 40 and 45
		require.EqualValues(t, 4, items[0].Taken())
		require.Equal(t, "12", pick(s, 2, nil), typ) // 50 and 55
		require.Equal(t, "2", pick(s, 1, skipping(1)), typ)
		require.EqualValues(t, 5, items[0].Taken(), "passed over is not selected")
		s.Update(items[0], items[0].Policy)
		require.Zero(t, items[0].Taken())
		require.Equal(t, "1 1 1 1 1 1 1 2", picks(s, 1, 8), typ) // up to 65
	}
}
