package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
)

func TestWriterOfPiecesHearsOfRoom(t *testing.T) { // also where the buffer is smaller than what is kept of the message
	for _, size := range []int{1, 2, 1000} {
		w, a, b := connected(t, 3, func(c *core.Config) { c.SendBuffer = size })
		piece := &core.Outgoing{Partial: true}
		require.NoError(t, a.only().Send(w.now, piece, make([]byte, 3000)))
		require.ErrorIs(t, a.only().Send(w.now, piece, make([]byte, 3000)), core.ErrWouldBlock)
		a.drain(a.only())
		w.until(10*time.Second, "told", func() bool { return a.saw(core.EventWritable) })
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, make([]byte, 3000)), "the end")
		a.drain(a.only())
		w.until(10*time.Second, "arrived", func() bool { return b.only().Held() == 6000 })
	}
}

func TestAMessageBegunWithOneByteGoesOn(t *testing.T) { // RFC 9260 §6.9: no fragment without data
	for _, size := range []int{1, 2, 3, 100} {
		w, a, b := connected(t, 3, func(c *core.Config) { c.SendBuffer = size })
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{Partial: true}, []byte("x")))
		a.drain(a.only())
		w.run(time.Second)
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, []byte("y")), "send buffer of %d", size)
		a.drain(a.only())
		w.until(time.Second, "arrived", func() bool { return b.only().Held() == 2 })
	}
}
