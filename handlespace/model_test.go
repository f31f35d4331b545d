package handlespace_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace/handlespacetest"
)

// Random programs against the naive model.
func TestSpaceAgainstModel(t *testing.T) {
	programs := 80
	if testing.Short() {
		programs = 20
	}
	for seed := range programs {
		rnd := rand.New(rand.NewPCG(uint64(seed), 3))
		program := make([]byte, 1500)
		for i := range program {
			program[i] = byte(rnd.Uint32())
		}
		require.NoError(t, handlespacetest.Run(program), "seed %d", seed)
	}
}
