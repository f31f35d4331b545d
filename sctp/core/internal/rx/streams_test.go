package rx

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// take gives the inbox a whole message of one byte and reads it.
func take(t *testing.T, x *Inbox, m *TSNMap, id wire.StreamID, ssn wire.SSN) {
	tsn := m.Cum().Add(1)
	d := wire.Data{TSN: tsn, Stream: id, SSN: ssn, Begin: true, End: true, Payload: []byte{1}}
	m.Add(tsn)
	require.Equal(t, Accepted, x.Insert(&d, m))
	_, n, ok := x.ReadStream(id, make([]byte, 8))
	require.True(t, ok)
	require.Equal(t, 1, n)
}

// A peer that uses each of 65,535 streams leaves no more behind than their sequence
// numbers, and goes on where it was.
func TestStreamsThatAreIdleCostTwoBytes(t *testing.T) { // M2
	var before, after runtime.MemStats
	x, m := &Inbox{}, &TSNMap{}
	x.Init(1 << 20)
	m.Init(0)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for round := range wire.SSN(3) {
		for id := range wire.StreamID(65535) {
			take(t, x, m, id, round)
		}
		require.LessOrEqual(t, len(x.streams.table), minSweep)
	}
	for {
		if _, ok := x.TakeReadable(); !ok {
			break
		}
	}
	x.Trim()
	x.woken = queue{}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(400_000))
	require.NoError(t, x.Verify())
	runtime.KeepAlive(x)
}

func TestIdleStreamsAreTheOnesThatShrink(t *testing.T) {
	x, m := &Inbox{}, &TSNMap{}
	x.Init(1 << 20)
	m.Init(0)
	put := func(id wire.StreamID, ssn wire.SSN, flags string) {
		tsn := m.Cum().Add(1)
		d := wire.Data{TSN: tsn, Stream: id, SSN: ssn, Begin: flags != "E", End: flags != "B", Payload: []byte{1}}
		m.Add(tsn)
		require.Equal(t, Accepted, x.Insert(&d, m))
	}
	put(7, 0, "BE") // unread
	put(8, 0, "B")
	require.True(t, x.DeliverPartially(m.Cum()))
	_, _, ok := x.ReadStream(8, make([]byte, 8)) // partially read
	require.True(t, ok)
	put(8, 0, "E")
	put(9, 0, "B")
	require.True(t, x.DeliverPartially(m.Cum()))
	_, _, ok = x.ReadStream(9, make([]byte, 8))
	require.True(t, ok)
	require.NotNil(t, x.partial)
	put(9, 0, "E")
	for id := range wire.StreamID(5000) {
		take(t, x, m, 100+id, 0)
	}
	require.NotNil(t, x.streams.table[7])
	require.NotNil(t, x.streams.table[8])
	for _, id := range []wire.StreamID{7, 8, 9} {
		info, n, ok := x.ReadStream(id, make([]byte, 8))
		require.True(t, ok)
		require.Equal(t, 1, n)
		require.True(t, info.End)
	}
	x.streams.shrink()
	require.Empty(t, x.streams.table)
	require.Nil(t, x.streams.lookup(8))
	take(t, x, m, 8, 1)
	require.NoError(t, x.Verify())
	n := testing.AllocsPerRun(100, func() {
		for id := range wire.StreamID(50) {
			x.streams.get(id * 100)
		}
		x.streams.shrink()
	})
	require.Zero(t, n)
}
