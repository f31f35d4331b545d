package sctp

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStreamLine(t *testing.T) {
	var l streamLine
	rng := rand.New(rand.NewPCG(1, 2))
	in := map[StreamID]bool{}
	var order []StreamID
	for range 200_000 {
		if rng.IntN(5) < 3 {
			id := StreamID(rng.IntN(65535))
			require.Equal(t, in[id], l.holds(id))
			if l.put(id) {
				require.False(t, in[id])
				in[id] = true
				order = append(order, id)
			}
			continue
		}
		id, ok := l.take()
		require.Equal(t, len(order) > 0, ok)
		if ok {
			require.Equal(t, order[0], id)
			order = order[1:]
			delete(in, id)
		}
		require.Equal(t, len(order) == 0, l.empty())
	}
}
