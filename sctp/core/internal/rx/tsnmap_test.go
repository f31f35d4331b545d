package rx

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

func TestGapBlocksOfTheStandard(t *testing.T) { // RFC 9260 §3.3.4, the example
	var m TSNMap
	m.Init(9)
	for _, n := range []wire.TSN{10, 11, 12, 14, 15, 17} {
		require.Equal(t, New, m.Check(n))
		m.Add(n)
	}
	require.Equal(t, wire.TSN(12), m.Cum())
	require.Equal(t, []wire.GapBlock{{Start: 2, End: 3}, {Start: 5, End: 5}}, m.Gaps(nil, 100))
	require.Equal(t, []wire.GapBlock{{Start: 2, End: 3}}, m.Gaps(nil, 1), "the lowest, §6.7")
	require.Empty(t, m.Gaps(nil, 0))
}

func TestWindowOfTSNs(t *testing.T) { // RFC 9260 §3.3.4: a block reaches 65,535 TSNs
	for _, cum := range []wire.TSN{1000, 0, 1<<32 - 1, 1 << 31} {
		var m TSNMap
		m.Init(cum)
		for off, want := range map[uint32]Arrival{
			0: Duplicate, 1: New, 65535: New, 65536: TooFar, 1<<31 - 1: TooFar, 1 << 31: TooFar,
			1<<32 - 1: Duplicate, 1<<32 - maxBehind: Duplicate, 1<<32 - maxBehind - 1: TooFar,
		} {
			require.Equal(t, want, m.Check(cum.Add(off)), "%d above %d", off, cum)
		}
		m.Add(cum.Add(65535))
		require.Equal(t, []wire.GapBlock{{Start: 65535, End: 65535}}, m.Gaps(nil, 9))
		require.Equal(t, Duplicate, m.Check(cum.Add(65535)))
	}
}

// naive is the set of TSNs as a map.
type naive struct {
	cum  wire.TSN
	seen map[wire.TSN]bool
}

func (n *naive) add(t wire.TSN) {
	n.seen[t] = true
	for n.seen[n.cum.Add(1)] {
		n.cum = n.cum.Add(1)
		delete(n.seen, n.cum)
	}
}

func (n *naive) gaps() []wire.GapBlock {
	var out []wire.GapBlock
	left := len(n.seen)
	for off := uint32(1); left > 0; off++ {
		if !n.seen[n.cum.Add(off)] {
			continue
		}
		left--
		if k := len(out); k > 0 && out[k-1].End == uint16(off-1) {
			out[k-1].End = uint16(off)
		} else {
			out = append(out, wire.GapBlock{Start: uint16(off), End: uint16(off)})
		}
	}
	return out
}

func TestMapAgreesWithANaiveSet(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		start := wire.TSN(r.Uint32())
		span := 1 + r.IntN(400)
		if seed%4 == 0 {
			start, span = 0xfffffff0, 1+r.IntN(3000)
		}
		var m TSNMap
		m.Init(start)
		n := naive{cum: start, seen: map[wire.TSN]bool{}}
		for range 1500 {
			tsn := n.cum.Add(uint32(r.IntN(span)))
			fresh := n.cum.Less(tsn) && !n.seen[tsn]
			require.Equal(t, fresh, m.Check(tsn) == New)
			require.Equal(t, !fresh, m.Received(tsn))
			if fresh {
				m.Add(tsn)
				n.add(tsn)
			}
			require.Equal(t, n.cum, m.Cum())
			require.Equal(t, len(n.seen) > 0, m.HasGaps())
			require.Equal(t, n.gaps(), m.Gaps(nil, 1<<16), "seed %d", seed)
			if r.IntN(50) == 0 {
				m.Trim()
			}
		}
	}
}

func TestDuplicatesAreBounded(t *testing.T) { // D15
	var m TSNMap
	m.Init(0)
	for range 1000 {
		m.Duplicate(0)
	}
	require.Len(t, m.Dups, maxDups)
}

// A peer that sends one chunk at the far end of the window makes every packet
// report a gap.
func TestWideGapIsCheapToReport(t *testing.T) {
	var m TSNMap
	m.Init(0)
	m.Add(65535)
	var g []wire.GapBlock
	took := least(5000, func() { g = m.Gaps(g[:0], 360) })
	require.Len(t, g, 1)
	require.Less(t, took, 100*time.Microsecond)
}

// least is the shortest of many runs: what f takes while nobody else has the processor.
func least(runs int, f func()) time.Duration {
	least := time.Hour
	for range runs {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	return least
}
