package tx

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

func TestSequenceNumbersByStream(t *testing.T) { // RFC 9260 §6.5, §6.6
	var q Queue
	push := func(stream wire.StreamID, unordered bool) wire.SSN {
		q.Push(Message{Stream: stream, Unordered: unordered}, []byte("x"))
		c := q.Cut(1)
		ssn := c.Msg.SSN
		q.Release(c.Msg)
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
	q.Push(Message{}, []byte("abcdef"))
	q.Push(Message{}, []byte("g"))
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
		require.Equal(t, want.ssn, out[i].Msg.SSN)
	}
	require.Equal(t, 7+2*Overhead, q.Held())
	for i := range out[:2] {
		q.Release(out[i].Msg)
	}
	require.Equal(t, 7+2*Overhead, q.Held(), "the message stays until its last fragment is acknowledged")
	q.Release(out[2].Msg)
	require.Equal(t, 1+Overhead, q.Held())
	q.Release(out[3].Msg)
	require.Zero(t, q.Held())
	require.Zero(t, q.Messages())
}

func TestSequenceNumbersStayUnambiguous(t *testing.T) { // RFC 9260 §6.1: 2^16-1 at most
	var q Queue
	for range 65536 {
		q.Push(Message{}, []byte("x"))
	}
	q.Push(Message{Unordered: true}, []byte("x"))
	var last *Message
	for range 65535 {
		require.False(t, q.SequenceFull(q.Front()))
		last = q.Cut(1).Msg
	}
	require.True(t, q.SequenceFull(q.Front()))
	q.Release(last)
	require.False(t, q.SequenceFull(q.Front()))
}

func TestPoolIsBoundedAndReused(t *testing.T) {
	var q Queue
	for _, n := range []int{1, 64, 65, 1 << 17, 1<<17 + 1, 1 << 20} {
		q.Push(Message{}, make([]byte, n))
		c := q.Cut(n)
		require.Len(t, c.Payload(), n)
		q.Release(c.Msg)
	}
	for range 3000 {
		q.Push(Message{}, make([]byte, 2000))
	}
	for q.Front() != nil {
		q.Release(q.Cut(2000).Msg)
	}
	require.LessOrEqual(t, q.buffers.bytes, maxPooled)
	require.LessOrEqual(t, q.freeLen, maxFree)
	n := testing.AllocsPerRun(200, func() {
		q.Push(Message{}, make([]byte, 0, 1)[:1])
		q.Release(q.Cut(1).Msg)
	})
	require.Zero(t, n)
	q.Trim()
	require.Zero(t, q.buffers.bytes)
	require.Nil(t, q.free)
}
