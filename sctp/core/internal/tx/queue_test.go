package tx

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

func TestSequenceNumbersByStream(t *testing.T) { // RFC 9260 §6.5, §6.6
	var q Queue
	push := func(stream wire.StreamID, unordered bool) wire.SSN {
		q.Push(&Props{Stream: stream, Unordered: unordered}, []byte("x"))
		c := q.Cut(1)
		ssn := c.Message().SSN
		q.Release(&c)
		return ssn
	}
	require.Equal(t, wire.SSN(0), push(3, false))
	require.Equal(t, wire.SSN(0), push(0, false))
	require.Equal(t, wire.SSN(0), push(3, true), "unordered messages have none")
	require.Equal(t, wire.SSN(1), push(3, false))
	for n := 2; n < 65536; n++ {
		require.Equal(t, wire.SSN(n), push(3, false))
	}
	require.Equal(t, wire.SSN(0), push(3, false), "after 65535 comes 0")
	require.Equal(t, wire.SSN(1), push(0, false))
}

func TestFragmentsCarryBeginAndEnd(t *testing.T) { // RFC 9260 §6.9
	var q Queue
	q.Push(&Props{}, []byte("abcdef"))
	q.Push(&Props{}, []byte("g"))
	require.Equal(t, 2, q.Waiting())
	require.Equal(t, 7, q.Bytes())
	var out []Chunk
	for _, n := range []int{2, 3, 1, 1} {
		out = append(out, q.Cut(n))
	}
	require.Nil(t, q.Front())
	require.Zero(t, q.Waiting())
	require.Zero(t, q.Bytes())
	for i, want := range []struct {
		text       string
		begin, end bool
		ssn        wire.SSN
	}{{"ab", true, false, 0}, {"cde", false, false, 0}, {"f", false, true, 0}, {"g", true, true, 1}} {
		require.Equal(t, want.text, string(out[i].Payload()))
		require.Equal(t, want.begin, out[i].Begin)
		require.Equal(t, want.end, out[i].End)
		require.Equal(t, want.ssn, out[i].Message().SSN)
	}
	require.Equal(t, 7+2*Overhead, q.Held())
	for i := range out[:2] {
		q.Release(&out[i])
	}
	require.Equal(t, 2+2*Overhead, q.Held(), "fragments that are acknowledged do not count")
	require.Equal(t, 2, q.Messages())
	q.Release(&out[2])
	require.Equal(t, 1+Overhead, q.Held())
	q.Release(&out[3])
	require.Zero(t, q.Held())
	require.Zero(t, q.Messages())
}

func TestSequenceNumbersStayUnambiguous(t *testing.T) { // RFC 9260 §6.1: 2^16-1 at most
	var q Queue
	for range 65536 {
		q.Push(&Props{}, []byte("x"))
	}
	q.Push(&Props{Unordered: true}, []byte("x"))
	var last Chunk
	for range 65535 {
		require.False(t, q.SequenceFull(q.Front()))
		last = q.Cut(1)
	}
	require.True(t, q.SequenceFull(q.Front()))
	q.Release(&last)
	require.False(t, q.SequenceFull(q.Front()))
}

// drain sends and acknowledges all that can be sent in fragments of at most n.
func (q *Queue) drain(n int) {
	for q.Front() != nil {
		m := q.Front()
		c := q.Cut(min(n, m.Contiguous()))
		q.Release(&c)
	}
}

func TestPoolIsBoundedAndReused(t *testing.T) {
	var q Queue
	for _, n := range []int{1, 64, 65, 1 << 16, 1<<16 + 1, 1 << 17, 1<<17 + 1, 1 << 20} {
		q.Push(&Props{}, make([]byte, n))
		require.Equal(t, n+Overhead, q.Held())
		q.drain(1 << 20)
		require.Zero(t, q.Held())
	}
	for range 3000 {
		q.Push(&Props{}, make([]byte, 2000))
	}
	q.drain(2000)
	require.LessOrEqual(t, q.spare.buffers.bytes, maxPooled)
	require.LessOrEqual(t, q.spare.freeLen, maxFree)
	for _, data := range [][]byte{make([]byte, 1), make([]byte, 1<<20)} {
		n := testing.AllocsPerRun(200, func() {
			q.Push(&Props{}, data)
			q.drain(1400)
		})
		require.Zero(t, n)
	}
	q.Trim()
	require.Nil(t, q.spare)
}

func TestUnusedStreamsCostNothing(t *testing.T) {
	var q Queue
	cost := func(ids ...wire.StreamID) float64 {
		q = Queue{}
		return testing.AllocsPerRun(1, func() {
			q = Queue{}
			for _, id := range ids {
				q.sequence.next(id)
			}
		})
	}
	require.LessOrEqual(t, cost(0, 255, 65534), 5.0)
	pages := 0
	for _, p := range q.sequence.pages {
		if p != nil {
			pages++
		}
	}
	require.Equal(t, 2, pages)
	require.Equal(t, wire.SSN(1), q.sequence.next(65534))
}
