package coresim_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/coresim"
)

func TestSimRandomPrograms(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		code := make([]byte, r.IntN(1500))
		for i := range code {
			code[i] = byte(r.Uint32())
		}
		require.NoError(t, coresim.Play(code, nil), "program of seed %d", seed)
	}
}
