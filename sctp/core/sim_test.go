package core_test

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/coresim"
)

// simSeeds is the seeds to run: the only one if SIM_SEED is set, else as many as
// SIM_SEEDS says, beginning with SIM_FIRST or 1.
func simSeeds(t *testing.T, fallback uint64) (first, count uint64) {
	number := func(name string, fallback uint64) uint64 {
		v := os.Getenv(name)
		if v == "" {
			return fallback
		}
		n, err := strconv.ParseUint(v, 10, 64)
		require.NoError(t, err, name)
		return n
	}
	if os.Getenv("SIM_SEED") != "" {
		return number("SIM_SEED", 0), 1
	}
	return number("SIM_FIRST", 1), number("SIM_SEEDS", fallback)
}

// eachSeed runs f for the seeds of the environment, or for some, on all
// processors. What fails is reported with the command that repeats it.
func eachSeed(t *testing.T, some uint64, f func(seed uint64) error) {
	first, count := simSeeds(t, some)
	var next, failures atomic.Uint64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for failures.Load() < 5 {
				seed := next.Add(1) - 1 + first
				if seed >= first+count {
					return
				}
				if err := f(seed); err != nil {
					failures.Add(1)
					t.Errorf("%v\nto repeat: SIM_SEED=%d go test -count=1 -run '^%s$' ./sctp/core", err, seed, t.Name())
				}
			}
		})
	}
	group.Wait()
}

// simTrace is where the packets of a single seed are told, if SIM_TRACE is set.
func simTrace() io.Writer {
	if os.Getenv("SIM_SEED") != "" && os.Getenv("SIM_TRACE") != "" {
		return os.Stderr
	}
	return nil
}

func TestSimAssociations(t *testing.T) {
	eachSeed(t, 60, func(seed uint64) error {
		_, err := coresim.Run(seed, simTrace())
		return err
	})
}

// R1: whatever happens at the same instant, and in whatever order. Each seed is a
// hundred tries.
func TestSimR1AllAtTheSameInstant(t *testing.T) {
	eachSeed(t, 50, coresim.Instants)
}

// Seeds among ten thousand that failed once: chunks that waited when a stale cookie ended
// the set-up (4017), a partner born again (7780), a loss probe of a path that failed
// in the same instant (969, 2722).
func TestSeedsThatFailed(t *testing.T) {
	for _, seed := range []uint64{4017, 7780} {
		_, err := coresim.Run(seed, nil)
		require.NoError(t, err)
	}
	for _, seed := range []uint64{969, 2722} {
		require.NoError(t, coresim.Instants(seed))
	}
}

func TestSimIsAFunctionOfItsSeed(t *testing.T) {
	for seed := range uint64(5) {
		one, err := coresim.Run(seed, nil)
		require.NoError(t, err)
		two, err := coresim.Run(seed, nil)
		require.NoError(t, err)
		require.Equal(t, one, two, "seed %d", seed)
	}
}
