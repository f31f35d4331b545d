package ordered

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// check walks the whole tree: keys rise, separators hold, no leaf but the root is
// empty, the leaf chain is complete, and the tree is as shallow as its fill allows.
func check(t *testing.T, tr *Tree[int, int]) []int {
	t.Helper()
	var leaves []*node[int, int]
	depth := -1
	var walk func(nd *node[int, int], lo, hi *int, level int)
	walk = func(nd *node[int, int], lo, hi *int, level int) {
		require.True(t, slices.IsSorted(nd.keys))
		require.LessOrEqual(t, nd.size(), fanout)
		for _, k := range nd.keys {
			if lo != nil && k < *lo || hi != nil && k >= *hi {
				require.Failf(t, "separators", "%d is on the wrong side", k)
			}
		}
		if nd.kids == nil {
			require.Len(t, nd.vals, len(nd.keys))
			require.True(t, nd == tr.root || len(nd.keys) > 0, "empty leaf")
			if depth < 0 {
				depth = level
			}
			require.Equal(t, depth, level, "leaves at different depths")
			leaves = append(leaves, nd)
			return
		}
		require.Len(t, nd.keys, len(nd.kids)-1)
		require.GreaterOrEqual(t, len(nd.kids), 2)
		for i, kid := range nd.kids {
			l, h := lo, hi
			if i > 0 {
				l = &nd.keys[i-1]
			}
			if i < len(nd.keys) {
				h = &nd.keys[i]
			}
			walk(kid, l, h, level+1)
		}
	}
	walk(tr.root, nil, nil, 0)

	require.Same(t, leaves[0], tr.head)
	for i, nd := range leaves {
		if i+1 < len(leaves) {
			require.Same(t, leaves[i+1], nd.next)
		} else {
			require.Nil(t, nd.next)
		}
	}
	var keys []int
	for c := tr.First(); c.Valid(); c = c.Next() {
		if c.Value() != -c.Key() {
			require.Equal(t, -c.Key(), c.Value())
		}
		keys = append(keys, c.Key())
	}
	require.Len(t, keys, tr.Len())
	return keys
}

func TestTreeAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, space := range []int{50, 700, 60_000} {
		tr, model := New[int, int](cmp.Compare[int]), map[int]bool{}
		// Three phases: mostly growing, balanced, mostly shrinking to nothing.
		for phase, insertOf10 := range []int{8, 5, 1} {
			for range 4000 + space {
				k := rnd.IntN(space)
				if to := k + 1 + rnd.IntN(4); model[k] && !model[to] && rnd.IntN(4) == 0 {
					tr.Rekey(k, to)
					tr.Set(to, -to) // the model's values follow their keys
					delete(model, k)
					model[to] = true
				} else if rnd.IntN(10) < insertOf10 {
					if model[k] == tr.Set(k, -k) {
						require.Failf(t, "Set", "%d was new: %v", k, !model[k])
					}
					model[k] = true
				} else {
					if v, ok := tr.Delete(k); ok != model[k] || ok && v != -k {
						require.Failf(t, "Delete", "%d: %d, %v", k, v, ok)
					}
					delete(model, k)
				}
				if v, ok := tr.Get(k); ok != model[k] || ok && v != -k {
					require.Failf(t, "Get", "%d: %d, %v", k, v, ok)
				}
			}
			want := make([]int, 0, len(model))
			for k := range model {
				want = append(want, k)
			}
			slices.Sort(want)
			require.Equal(t, want, check(t, tr), "space %d phase %d", space, phase)
			for range 200 {
				k := rnd.IntN(space + 2)
				i, _ := slices.BinarySearch(want, k)
				c := tr.Seek(k)
				require.Equal(t, i < len(want), c.Valid())
				if c.Valid() {
					require.Equal(t, want[i], c.Key())
				}
			}
		}
		for k := range model {
			if _, ok := tr.Delete(k); !ok {
				require.True(t, ok)
			}
		}
		require.Zero(t, tr.Len())
		require.Nil(t, tr.root.kids, "an empty tree is one leaf again")
		require.False(t, tr.First().Valid())
	}
}

func TestTreeStaysShallow(t *testing.T) {
	depth := func(tr *Tree[int, int]) (d int) {
		for nd := tr.root; nd.kids != nil; nd = nd.kids[0] {
			d++
		}
		return d
	}
	tr := New[int, int](cmp.Compare[int])
	for k := range 100_000 {
		tr.Set(k, -k)
	}
	require.LessOrEqual(t, depth(tr), 2, "rising keys leave full nodes: 64³ > 100,000")

	// The pattern of round robin: the smallest goes, a new greatest comes.
	for k := range 300_000 {
		if _, ok := tr.Delete(k); !ok {
			require.True(t, ok)
		}
		tr.Set(100_000+k, -100_000-k)
	}
	require.LessOrEqual(t, depth(tr), 3)

	// Thinning out must not leave a leaf for each survivor.
	for k := range 100_000 {
		if k%50 != 0 {
			if _, ok := tr.Delete(300_000 + k); !ok {
				require.True(t, ok)
			}
		}
	}
	require.Len(t, check(t, tr), 2000)
	leaves := 0
	for nd := tr.head; nd != nil; nd = nd.next {
		leaves++
	}
	require.LessOrEqual(t, leaves, 2000/sparse*2)
}

// Rekey keeps the value, whether it can stay in place or has to move.
func TestRekey(t *testing.T) {
	tr := New[int, string](cmp.Compare[int])
	tr.Rekey(1, 2)
	require.Zero(t, tr.Len())
	for k := range 200 {
		tr.Set(10*k, "")
	}
	for _, c := range [][2]int{{0, 5}, {5, 4}, {4, 1995}, {1995, 1}, {630, 639}, {640, 641}, {1990, 3000}} {
		tr.Set(c[0], "here")
		tr.Rekey(c[0], c[1])
		v, ok := tr.Get(c[1])
		require.True(t, ok)
		require.Equal(t, "here", v)
		_, ok = tr.Get(c[0])
		require.False(t, ok)
		last := -1
		for cur := tr.First(); cur.Valid(); cur = cur.Next() {
			require.Greater(t, cur.Key(), last)
			last = cur.Key()
		}
		require.Equal(t, 200, tr.Len())
	}
}

func TestSetReplaces(t *testing.T) {
	tr := New[string, int](cmp.Compare[string])
	require.True(t, tr.Set("a", 1))
	require.False(t, tr.Set("a", 2))
	v, ok := tr.Get("a")
	require.True(t, ok)
	require.Equal(t, 2, v)
	require.Equal(t, 1, tr.Len())
	_, ok = tr.Delete("b")
	require.False(t, ok)
}
