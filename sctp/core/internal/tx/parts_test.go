package tx

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// verify checks the queue against itself, with nothing outstanding.
func (q *Queue) verify(t *testing.T) {
	t.Helper()
	var o Outstanding
	o.Init(1)
	require.NoError(t, Verify(q, &o, nil))
}

func TestPiecesMakeOneMessage(t *testing.T) { // RFC 9260 §6.9; RFC 6458 §8.1.26
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var q Queue
		var o Outstanding
		o.Init(1)
		p := newPath(0)
		m := q.Compose(&Props{Stream: 3}, []byte{0})
		require.Same(t, m, q.Open(3))
		require.Nil(t, q.Front(), "parked")
		sent, got := []byte{0}, []byte{}
		var chunks []Chunk
		for {
			last := rng.IntN(20) == 0
			piece := make([]byte, rng.IntN(3)*rng.IntN(70000)+rng.IntN(10))
			for i := range piece {
				piece[i] = byte(len(sent) + i)
			}
			sent = append(sent, piece...)
			q.Continue(m, piece, last, last)
			if rng.IntN(3) == 0 {
				q.Ready(m)
			}
			for q.Front() != nil && m.Remaining() > 1 && rng.IntN(10) > 0 {
				c := q.Cut(min(1+rng.IntN(30000), m.Contiguous(), m.Remaining()-1))
				got = append(got, c.Payload()...)
				o.Push(c, p)
				chunks = append(chunks, c)
				if rng.IntN(2) == 0 {
					var a Acked
					o.AckCum(o.Next()-1, &q, &a)
				}
			}
			require.NoError(t, Verify(&q, &o, []*path.Path{p}))
			if last {
				break
			}
		}
		require.Nil(t, q.Open(3))
		for q.Front() != nil {
			c := q.Cut(min(1+rng.IntN(30000), m.Contiguous()))
			require.True(t, m == c.Message() && m.AckEnd())
			got = append(got, c.Payload()...)
			chunks = append(chunks, c)
			o.Push(c, p)
		}
		require.True(t, bytes.Equal(sent, got))
		for i, c := range chunks {
			require.Equal(t, i == 0, c.Begin)
			require.Equal(t, i == len(chunks)-1, c.End)
		}
		var a Acked
		o.AckCum(o.Next()-1, &q, &a)
		require.NoError(t, Verify(&q, &o, []*path.Path{p}))
		require.Zero(t, q.Held())
		require.Zero(t, q.Messages())
	}
}

func TestExpiredMessagesLeaveTheQueue(t *testing.T) { // RFC 9260 §11.1.5
	now := time.Unix(1000, 0)
	var q Queue
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	for i, s := range []int{3, 1, 0, 2, 1} {
		p := Props{Stream: wire.StreamID(i), NoBundle: i == 1}
		if s > 0 {
			p.Wishes = &Wishes{Expires: at(s)}
		}
		q.Push(&p, []byte{byte(i)})
	}
	open := q.Compose(&Props{Stream: 9, Wishes: &Wishes{Expires: at(1)}}, []byte("parked"))
	queued := q.Compose(&Props{Stream: 10, Wishes: &Wishes{Expires: at(1)}}, []byte("in the queue"))
	q.Ready(queued)
	require.True(t, q.Timed())
	require.True(t, q.Urgent())
	q.verify(t)

	var gone []wire.StreamID
	drop := func(m *Message) {
		data, acked := m.Unacknowledged()
		require.NotEmpty(t, data)
		require.Zero(t, acked)
		gone = append(gone, m.Stream)
	}
	require.Equal(t, at(1), q.Expire(now, drop))
	require.Empty(t, gone)
	require.Equal(t, at(2), q.Expire(at(1), drop))
	require.Equal(t, []wire.StreamID{1, 4, 10, 9}, gone)
	require.False(t, q.Urgent())
	require.True(t, open.Dropped() && queued.Dropped())
	require.Same(t, open, q.Open(9), "its user must hear of it")
	require.False(t, q.Composing())
	q.Forget(open)
	q.Forget(queued)
	require.Nil(t, q.Open(9))
	q.verify(t)

	q.Shift(-time.Second)
	require.Equal(t, at(1).Add(time.Second), q.Expire(at(1), drop), "the clock was set back by a second")
	c := q.Cut(1)
	require.Equal(t, wire.StreamID(0), c.Message().Stream)
	require.Zero(t, q.Expire(at(100), drop), "what is begun is sent")
	require.Equal(t, []wire.StreamID{1, 4, 10, 9, 3}, gone)
	require.Equal(t, wire.StreamID(2), q.Front().Stream)
	q.Push(&Props{}, []byte("behind"))
	require.Equal(t, 2, q.Waiting(), "the end of the list is in order")
	q.Release(&c)
	q.verify(t)
}

func TestUndeliveredMessagesInTheirOrder(t *testing.T) { // RFC 9260 §11.1.14, §11.1.15
	var q Queue
	var o Outstanding
	o.Init(1)
	p := newPath(0)
	q.Push(&Props{Context: 1}, []byte("one"))
	q.Push(&Props{Context: 2}, bytes.Repeat([]byte("2"), 70000))
	q.Push(&Props{Context: 3}, []byte("three"))
	for _, n := range []int{3, 30000, 30000} {
		o.Push(q.Cut(n), p)
	}
	m := q.Compose(&Props{Stream: 7, Context: 5}, []byte("open"))
	q.Compose(&Props{Stream: 6, Context: 4}, []byte("open"))
	var a Acked
	o.AckCum(2, &q, &a)
	o.Settle(p)
	require.NoError(t, Verify(&q, &o, []*path.Path{p}))
	var order []uint32
	q.Undelivered(&o, func(m *Message) {
		order = append(order, m.Context)
		data, acked := m.Unacknowledged()
		if m.Context == 2 {
			require.Equal(t, uint64(30000), acked)
			require.Len(t, data, 40000)
			require.True(t, m.Started())
		}
	})
	require.Equal(t, []uint32{2, 3, 4, 5}, order)
	q.Cancel(m)
	require.Nil(t, q.Open(7))
	q.CancelAll(func(m *Message) { order = append(order, m.Context) })
	require.Equal(t, []uint32{2, 3, 4, 5, 4}, order)
	require.NoError(t, Verify(&q, &o, []*path.Path{p}))
}
