package pattern_test

import (
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/interop/pattern"
)

// The values are those of xfer.h: `xfer pattern SEED STREAM INDEX` prints them.
func TestPatternIsTheOneOfTheCPrograms(t *testing.T) {
	for _, c := range []struct {
		m    pattern.Message
		size int
		ppid uint32
		fnv  uint64
	}{
		{pattern.Message{Seed: 1, Stream: 0, Index: 0}, 144, 0x7e89025c, 0xc1810ea07d35b992},
		{pattern.Message{Seed: 1, Stream: 0, Index: 1}, 170, 0x7e658eec, 0x36c84c359bd793ac},
		{pattern.Message{Seed: 1, Stream: 3, Index: 7}, 168, 0x7e7461d9, 0xebf997330f809041},
		{pattern.Message{Seed: 1<<64 - 1, Stream: 9, Index: 99999}, 117, 0x7e83b937, 0xf890684e6ab25907},
		{pattern.Message{Seed: 12345, Stream: 65535, Index: 1<<32 - 1}, 26, 0x7eb61c53, 0xf81f858a2373de5e},
		{pattern.Message{Seed: 2, Stream: 4, Index: 2}, 12840, 0x7e6c9ad3, 0xec9b9be0500d76a8},
		{pattern.Message{Seed: 2, Stream: 1, Index: 508}, 61514, 0x7ec0b91a, 0xa7727c38506d75f7},
	} {
		b := c.m.AppendTo(nil)
		require.Len(t, b, c.size, c.m)
		require.Equal(t, c.size, c.m.Size(), c.m)
		require.Equal(t, c.ppid, c.m.PPID(), c.m)
		h := fnv.New64a()
		h.Write(b)
		require.Equal(t, c.fnv, h.Sum64(), c.m)
	}
}

func TestSizesAreMixed(t *testing.T) {
	classes := [4]int{}
	sum := 0
	for n := range 100_000 {
		size := pattern.At(1, 8, n).Size()
		require.GreaterOrEqual(t, size, pattern.MinSize)
		require.LessOrEqual(t, size, pattern.MaxSize)
		sum += size
		switch {
		case size <= 200:
			classes[0]++
		case size <= 1400:
			classes[1]++
		case size <= 16000:
			classes[2]++
		default:
			classes[3]++
		}
	}
	require.InDelta(t, 90_000, classes[0], 500)
	require.InDelta(t, 9_000, classes[1], 500)
	require.InDelta(t, 900, classes[2], 150)
	require.InDelta(t, 100, classes[3], 50)
	require.Equal(t, 27512362, sum, "what the C programs report for this transfer")
}

func TestStreamsTakeTurns(t *testing.T) {
	require.Equal(t, pattern.Message{Seed: 5, Stream: 0, Index: 0}, pattern.At(5, 3, 0))
	require.Equal(t, pattern.Message{Seed: 5, Stream: 2, Index: 0}, pattern.At(5, 3, 2))
	require.Equal(t, pattern.Message{Seed: 5, Stream: 1, Index: 4}, pattern.At(5, 3, 13))
}

func give(c *pattern.Checker, m pattern.Message) error {
	return c.Check(m.Stream, m.PPID(), c.Unordered(m.Stream), m.AppendTo(nil))
}

func TestCheckerTakesAnyOrderThatTheStreamsAllow(t *testing.T) {
	const streams, count = 4, 400
	rng := rand.New(rand.NewPCG(1, 2))
	queues := make([][]pattern.Message, streams)
	for n := range count {
		m := pattern.At(7, streams, n)
		queues[m.Stream] = append(queues[m.Stream], m)
	}
	last := queues[streams-1] // unordered
	rng.Shuffle(len(last), func(i, j int) { last[i], last[j] = last[j], last[i] })
	c := pattern.NewChecker(7, streams, count, true)
	for !c.Done() {
		if s := rng.IntN(streams); len(queues[s]) > 0 {
			require.NoError(t, give(c, queues[s][0]))
			queues[s] = queues[s][1:]
		}
	}
	require.Equal(t, count, c.Received())
	require.ErrorContains(t, give(c, pattern.At(7, streams, 3)), "came twice")
	require.ErrorContains(t, give(c, pattern.At(7, streams, count)), "past the end")
}

func TestCheckerRefusesWhatIsNotThePattern(t *testing.T) {
	first := pattern.At(7, 2, 0)
	body := first.AppendTo(nil)
	flipped := append([]byte(nil), body...)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		stream    uint16
		ppid      uint32
		unordered bool
		data      []byte
		want      string
	}{
		"stream":      {2, first.PPID(), false, body, "on stream 2 of 2"},
		"short":       {0, first.PPID(), false, body[:7], "7 bytes"},
		"ppid":        {0, first.PPID() + 1, false, body, "ppid"},
		"flag":        {0, first.PPID(), true, body, "unordered is true"},
		"truncated":   {0, first.PPID(), false, body[:len(body)-1], "bytes, not"},
		"longer":      {0, first.PPID(), false, append(body[:len(body):len(body)], 0), "bytes, not"},
		"flipped bit": {0, first.PPID(), false, flipped, "wrong content"},
		"gap":         {0, pattern.At(7, 2, 2).PPID(), false, pattern.At(7, 2, 2).AppendTo(nil), "index 0 was due"},
	} {
		t.Run(name, func(t *testing.T) {
			checker := pattern.NewChecker(7, 2, 100, true)
			require.ErrorContains(t, checker.Check(c.stream, c.ppid, c.unordered, c.data), c.want)
		})
	}
}
