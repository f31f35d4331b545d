package core

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Elements come to a connection and go, beside a plain map: one, none, and many.
func TestResidents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s residents
	model := map[handlespace.Key]struct{}{}
	for range 5000 {
		k := handlespace.Key{Handle: rserpool.PoolHandle([]string{"", "a", "b"}[r.IntN(3)]), ID: rserpool.PEID(r.IntN(2))}
		if _, ok := model[k]; ok || r.IntN(2) == 0 {
			delete(model, k)
			s.remove(k)
		} else {
			model[k] = struct{}{}
			s.add(k)
		}
		require.Equal(t, len(model), s.count())
		require.Equal(t, sortedKeys(model), append([]handlespace.Key{}, s.sorted()...))
		pools := map[rserpool.PoolHandle]int{}
		for k := range model {
			require.True(t, s.has(k))
			pools[k.Handle]++
		}
		for _, h := range []rserpool.PoolHandle{"", "a", "b"} {
			require.Equal(t, pools[h], s.inPool(h))
		}
		require.Equal(t, len(model), len(slices.Collect(s.all())))
		if len(model) == 0 {
			require.Equal(t, residents{}, s)
		}
	}
	require.Zero(t, testing.AllocsPerRun(10, func() {
		s = residents{}
		s.add(handlespace.Key{Handle: "a", ID: 1})
	}))
}
