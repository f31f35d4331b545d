package core_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/coresim"
	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// bulkMiB is how much the large transfers move: some MiB, or what BULK_MIB says.
func bulkMiB(t *testing.T, fallback int64) int64 {
	if v := os.Getenv("BULK_MIB"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		require.NoError(t, err)
		return n
	}
	return fallback
}

// F1: much data through a network that loses and reorders every fifth packet,
// doubles every fiftieth and damages some arrives whole.
func TestSimF1BulkThroughABadNetwork(t *testing.T) {
	cfg := core.DefaultConfig()
	cfg.AssociationMaxRetrans, cfg.MaxInitRetransmits = 100, 100
	b := coresim.Bulk{
		Bytes: bulkMiB(t, 2) << 20, Message: 60_000, Seed: 1, Config: cfg,
		Link: simnet.Link{Delay: 10 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.2, Reorder: 0.2, ReorderDelay: 15 * time.Millisecond, Duplicate: 0.02, Corrupt: 0.001},
	}
	res, err := b.Run()
	require.NoError(t, err)
	t.Logf("%d MiB in %v of simulated time: %d packets, %d chunks sent again", b.Bytes>>20, res.Took.Round(time.Second), res.Packets, res.Retransmitted)
}
