package core_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// writer is a user that writes messages on one stream, some of them piece by piece.
type writer struct {
	rng    *rand.Rand
	stream wire.StreamID
	left   int // messages
	size   int // of the current one; 0: none is begun
	at     int // bytes of it written
	piece  int // size of the one to write, which may have been refused
	sent   []int
	lazy   bool // it takes its time between pieces
}

// content is byte i of message n of a stream.
func content(stream wire.StreamID, n, i int) byte {
	return byte(i) ^ byte(i>>8) ^ byte(n*31) ^ byte(stream)
}

// write sends the next piece; false if there is no room or nothing to do.
func (p *writer) write(h *host, a *core.Association) bool {
	switch {
	case p.left == 0 || p.lazy && p.at > 0 && p.rng.IntN(10) > 0:
		return false
	case p.size == 0:
		p.size = 1 + p.rng.IntN(100)
		if p.rng.IntN(3) == 0 {
			p.size = 1 + p.rng.IntN(60_000)
		}
	}
	if p.piece == 0 {
		p.piece = min(1+p.rng.IntN(8000), p.size-p.at)
	}
	end := p.at+p.piece == p.size
	data := make([]byte, p.piece)
	for i := range data {
		data[i] = content(p.stream, len(p.sent), p.at+i)
	}
	m := core.Outgoing{Stream: p.stream, PPID: wire.PPID(len(p.sent)), Partial: !end, Unordered: p.stream%4 == 3}
	err := a.Send(h.now(), &m, data)
	if errors.Is(err, core.ErrWouldBlock) {
		return false
	}
	require.NoError(h.w.t, err)
	p.at, p.piece = p.at+p.piece, 0
	if end {
		p.sent = append(p.sent, p.size)
		p.at, p.size = 0, 0
		p.left--
	}
	return true
}

// Several users write on streams of their own, some slowly; the send buffer is
// smaller than many messages. All that is written arrives whole, in the order of its
// stream, and nobody waits for ever.
func TestPiecesOfManyUsersArrive(t *testing.T) { // RFC 9260 §6.9; F3
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 9))
			w, a, b := connected(t, 300+seed, func(c *core.Config) {
				c.RTOMin = 100 * time.Millisecond
				c.SendBuffer = 1 << (6 + rng.IntN(12))
				c.RecvBuffer = 8000 << rng.IntN(4)
				c.NoDelay = seed%3 > 0
			})
			w.segs = 1 + int(seed%2)*43
			w.net.SetDefaultLink(simnet.Link{Delay: 3 * time.Millisecond, Loss: 0.02 * float64(seed%2)})
			x, y := a.only(), b.only()
			var users []*writer
			for s := range 8 {
				users = append(users, &writer{rng: rng, stream: wire.StreamID(s), left: 6, lazy: s%3 == 1})
			}
			got := make([][]byte, len(users))
			count := make([]int, len(users))
			buf := make([]byte, 3000)
			total := 0
			for limit := w.now.Add(24 * time.Hour); total < 6*len(users); {
				wrote := false
				for _, i := range rng.Perm(len(users)) {
					wrote = users[i].write(a, x) || wrote
				}
				a.drain(x)
				require.LessOrEqual(t, x.Buffered(), 3*a.cfg.SendBuffer+8000+20*64)
				for {
					info, n, err := y.Receive(b.now(), buf)
					if err != nil {
						break
					}
					s := int(info.Stream)
					got[s] = append(got[s], buf[:n]...)
					require.Equal(t, s%4 == 3, info.Unordered)
					if !info.End {
						continue
					}
					nth := int(info.PPID) // of the first piece
					if !info.Unordered {
						require.Equal(t, count[s], nth)
					}
					require.Len(t, got[s], users[s].sent[nth])
					users[s].sent[nth] = -1
					for i, c := range got[s] {
						if want := content(info.Stream, nth, i); c != want {
							require.Equal(t, want, c)
						}
					}
					got[s], count[s] = got[s][:0], count[s]+1
					total++
				}
				b.drain(y)
				if !w.step(limit) {
					require.FailNow(t, "stuck", "%d messages arrived", total)
				}
				if !wrote {
					w.now = w.now.Add(time.Millisecond)
				}
			}
			a.drain(x)
			w.run(10 * time.Second)
			require.Zero(t, x.Buffered())
			require.NoError(t, x.Shutdown(w.now))
		})
	}
}

func TestAMessageOfAnyLengthNeedsLittleMemory(t *testing.T) { // RFC 9260 §6.9: partial delivery
	const total, piece = 24 << 20, 50_000
	w, a, b := connected(t, 5, func(c *core.Config) { c.SendBuffer, c.RecvBuffer = 1<<18, 1<<18 })
	w.segs = 44
	w.net.SetDefaultLink(simnet.Link{Delay: time.Millisecond})
	x, y := a.only(), b.only()
	data, buf := make([]byte, piece), make([]byte, piece)
	sent, got, ended := 0, 0, false
	for limit := w.now.Add(time.Hour); !ended; {
		for sent < total {
			n := min(piece, total-sent)
			for i := 0; i+8 <= n; i += 8 {
				binary.BigEndian.PutUint64(data[i:], uint64(sent+i))
			}
			if x.Send(w.now, &core.Outgoing{Stream: 1, Partial: sent+n < total}, data[:n]) != nil {
				break
			}
			sent += n
		}
		a.drain(x)
		for {
			info, n, err := y.Receive(w.now, buf)
			if err != nil {
				break
			}
			require.False(t, ended)
			for i := (got+7)&^7 - got; i+8 <= n; i += 8 {
				if v := binary.BigEndian.Uint64(buf[i:]); v != uint64(got+i) {
					require.Equal(t, got+i, int(v))
				}
			}
			got += n
			ended = info.End
		}
		b.drain(y)
		require.LessOrEqual(t, x.Buffered(), 1<<18+64)
		require.LessOrEqual(t, y.Held(), 1<<18)
		require.True(t, w.step(limit), "%d of %d bytes", got, total)
	}
	require.Equal(t, total, got)
	require.Equal(t, uint64(1), y.Stats().MessagesIn)
	require.Zero(t, y.Stats().NoRoom)
}

func TestSendPieceErrors(t *testing.T) {
	w, a, b := connected(t, 1, func(c *core.Config) { c.MaxMessageSize = 5000 })
	x := a.only()
	require.ErrorIs(t, x.Send(w.now, &core.Outgoing{Partial: true}, nil), core.ErrEmptyMessage, "nothing to begin with")
	require.NoError(t, x.Send(w.now, &core.Outgoing{Partial: true}, make([]byte, 5000)))
	require.True(t, x.Writing(0))
	require.ErrorIs(t, x.Send(w.now, &core.Outgoing{Partial: true}, nil), core.ErrEmptyMessage, "neither data nor the end")
	require.ErrorIs(t, x.Send(w.now, &core.Outgoing{Partial: true}, make([]byte, 5001)), core.ErrMessageTooLarge, "the bound is for what is given at a time")
	require.NoError(t, x.Send(w.now, &core.Outgoing{Partial: true}, make([]byte, 5000)))
	require.NoError(t, x.Cancel(w.now, 0))
	require.NoError(t, x.Cancel(w.now, 0), "nothing is being written")
	require.False(t, x.Writing(0))
	require.Zero(t, x.Buffered())
	require.NoError(t, x.Send(w.now, &core.Outgoing{}, []byte("whole")))
	a.drain(x)
	w.run(time.Second)
	require.Equal(t, 5, b.only().Held())
}
