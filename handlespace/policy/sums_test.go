package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSumsAgainstAList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	var s sums
	var list []uint64
	check := func() {
		total := uint64(0)
		for _, w := range list {
			total += w
		}
		require.Equal(t, total, s.total)
		for range 20 {
			if total == 0 {
				break
			}
			n := rnd.Uint64N(total)
			want, rest := 0, n
			for rest >= list[want] {
				rest -= list[want]
				want++
			}
			require.Equal(t, want, s.find(n), "lot %d of %d in %d weights", n, total, len(list))
		}
	}
	for _, grow := range []int{9, 5, 1, 9} { // of ten: up, to and fro, down, and up again
		for i := range 9000 {
			switch {
			case rnd.IntN(10) < grow:
				w := rnd.Uint64N(4) * rnd.Uint64N(1<<32)
				s.push(w)
				list = append(list, w)
			case len(list) > 0 && rnd.IntN(3) == 0:
				i, w := rnd.IntN(len(list)), rnd.Uint64N(5)
				s.add(i, w-list[i])
				list[i] = w
			case len(list) > 0:
				last := len(list) - 1
				s.add(last, -list[last])
				s.pop()
				list = list[:last]
			}
			if i%200 == 0 {
				check()
			}
		}
		check()
	}
	require.Len(t, s.levels, 4, "16³ < weights ≤ 16⁴")
	for len(list) > 0 {
		last := len(list) - 1
		s.add(last, -list[last])
		s.pop()
		if list = list[:last]; last%500 == 0 || last < 20 {
			check()
		}
	}
	require.Len(t, s.levels, 1)
}
