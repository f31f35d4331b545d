package core_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func data(tsn wire.TSN, ssn wire.SSN, flags string, payload string) *wire.Data {
	d := &wire.Data{TSN: tsn, SSN: ssn, Payload: []byte(payload)}
	for _, f := range flags {
		switch f {
		case 'B':
			d.Begin = true
		case 'E':
			d.End = true
		case 'U':
			d.Unordered = true
		case 'I':
			d.Immediate = true
		}
	}
	return d
}

// read returns all messages that wait, whole.
func (v *victim) read() []string {
	var out []string
	buf := make([]byte, 1<<16)
	for {
		_, n, err := v.as.Receive(v.w.now, buf)
		if err != nil {
			require.True(v.t, errors.Is(err, core.ErrNoMessage), "%v", err)
			v.b.drain(v.as)
			return out
		}
		out = append(out, string(buf[:n]))
	}
}

func sackOf(t testing.TB, p wire.Packet) wire.Sack {
	for c := range p.Chunks() {
		var s wire.Sack
		if c.Type() == wire.TypeSack {
			require.NoError(t, s.Decode(c))
			return s
		}
	}
	require.Fail(t, "no SACK in "+p.String())
	return wire.Sack{}
}

func TestD1EmptyData(t *testing.T) { // RFC 9260 §6.2, §3.3.10.9
	v := attacked(t, nil)
	out := v.inject(v.as.LocalTag(), data(v.nextTSN(), 0, "BE", ""))
	v.aborted(out, wire.CauseNoUserData)
}

func TestD2DataOutsideOfDataStates(t *testing.T) { // RFC 9260 §6
	t.Run("SHUTDOWN-ACK-SENT", func(t *testing.T) {
		v := attacked(t, nil)
		tsn := v.nextTSN()
		v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
		require.Equal(t, core.ShutdownAckSent, v.as.State())
		v.inject(v.as.LocalTag(), data(tsn, 0, "BE", "late"))
		require.Equal(t, core.ShutdownAckSent, v.as.State())
		buf := make([]byte, 10)
		_, _, err := v.as.Receive(v.w.now, buf)
		require.Error(t, err)
	})
	t.Run("SHUTDOWN-RECEIVED", func(t *testing.T) {
		v := attacked(t, nil)
		tsn := v.nextTSN()
		require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("held back")))
		v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
		require.Equal(t, core.ShutdownReceived, v.as.State())
		before := v.as.Stats()
		require.Empty(t, v.inject(v.as.LocalTag(), data(tsn, 0, "BE", "late")))
		require.Equal(t, core.ShutdownReceived, v.as.State())
		require.Equal(t, before.Dropped+1, v.as.Stats().Dropped)
		require.Zero(t, v.as.Held())
	})
	t.Run("COOKIE-WAIT and COOKIE-ECHOED", func(t *testing.T) {
		for _, state := range []core.State{core.CookieWait, core.CookieEchoed} {
			w, a, b := two(t, 5, nil)
			as := a.dial(b)
			w.until(time.Second, "state", func() bool { return as.State() == state })
			before := a.sent
			a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), data(1, 0, "BE", "early")))
			require.Equal(t, state, as.State())
			require.Equal(t, before, a.sent)
		}
	})
	t.Run("SHUTDOWN-SENT", func(t *testing.T) { // §9.2: each packet is answered by SHUTDOWN
		v := attacked(t, nil)
		tsn := v.nextTSN()
		require.NoError(t, v.as.Shutdown(v.w.now))
		v.b.drain(v.as)
		out := v.inject(v.as.LocalTag(), data(tsn, 0, "BE", "still coming"))
		require.Len(t, out, 1)
		var s wire.Shutdown
		require.NoError(t, s.Decode(out[0].First()))
		require.Equal(t, tsn, s.CumTSN)
		out = v.inject(v.as.LocalTag(), data(tsn+2, 2, "BE", "a gap"))
		require.Len(t, out, 1)
		require.ElementsMatch(t, []wire.ChunkType{wire.TypeShutdown, wire.TypeSack}, chunkTypes(out[0]))
	})
}

func TestD3InvalidStream(t *testing.T) { // RFC 9260 §6.5
	v := attacked(t, nil)
	for _, sid := range []wire.StreamID{64, 1000, 65535} {
		tsn := v.nextTSN()
		d := data(tsn, 0, "BE", "x")
		d.Stream = sid
		out := v.inject(v.as.LocalTag(), d)
		require.Len(t, out, 1)
		require.Equal(t, tsn, sackOf(t, out[0]).CumTSN, "acknowledged all the same")
		causes := causesOf(t, out[0])
		require.Len(t, causes, 1)
		require.Equal(t, wire.CauseInvalidStream, causes[0].Code)
		require.Equal(t, []byte{byte(sid >> 8), byte(sid), 0, 0}, causes[0].Info)
	}
	require.Empty(t, v.read())
	require.Equal(t, core.Established, v.as.State())
}

func TestD4TSNOutsideOfTheWindow(t *testing.T) {
	v := attacked(t, nil)
	next := v.nextTSN()
	for _, off := range []uint32{1 << 31, 1<<31 - 1, 1<<31 + 1, 100000, 65536} {
		out := v.inject(v.as.LocalTag(), data(next.Add(off), 0, "BE", "far"))
		require.Len(t, out, 1)
		s := sackOf(t, out[0])
		require.Equal(t, next-1, s.CumTSN)
		require.Empty(t, s.Gaps, "offset %d", off)
	}
	require.Equal(t, core.Established, v.as.State())
	v.alive()
}

func TestD5NumbersWrap(t *testing.T) {
	// 70,000 messages on one stream wrap the SSN; a TSN that begins just below
	// 2^32 wraps at once. With loss, and in every order the network likes.
	w, a, b := two(t, 21, func(c *core.Config) {
		c.RTOMin = 50 * time.Millisecond
		r := newSeeded(3)
		n := 0
		c.Rand = readerFunc(func(p []byte) (int, error) {
			_, _ = r.Read(p)
			if n++; len(p) == 4 && n < 40 {
				copy(p, []byte{0xff, 0xff, 0xff, 0xf0}) // tags and TSNs alike
			}
			return len(p), nil
		})
	})
	w.segs = 44
	a.dial(b)
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	require.Equal(t, wire.TSN(0xfffffff0), a.firstTSN)
	w.net.SetDefaultLink(simnet.Link{Delay: time.Millisecond, Loss: 0.01, Reorder: 0.01, ReorderDelay: 2 * time.Millisecond})
	buf := make([]byte, 64)
	sent, got := 0, 0
	for limit := w.now.Add(time.Hour); got < 70000; {
		for sent < 70000 && a.only().Send(w.now, &core.Outgoing{}, fmt.Appendf(nil, "%d", sent)) == nil {
			sent++
		}
		a.drain(a.only())
		require.True(t, w.step(limit))
		for {
			_, n, err := b.only().Receive(w.now, buf)
			if err != nil {
				break
			}
			require.Equal(t, fmt.Sprint(got), string(buf[:n]))
			got++
		}
		b.drain(b.only())
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestD6ContradictingFragments(t *testing.T) { // RFC 9260 §6.9
	with := func(d *wire.Data, f func(*wire.Data)) *wire.Data { f(d); return d }
	for name, chunks := range map[string]func(wire.TSN) []*wire.Data{
		"B after B": func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 0, "B", "a"), data(n+1, 0, "B", "b")} },
		"B after middle": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n, 0, "B", "a"), data(n+1, 0, "", "b"), data(n+2, 0, "BE", "c")}
		},
		"E before B":     func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n+1, 0, "E", "b"), data(n, 0, "BE", "a")} },
		"middle after E": func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 0, "BE", "a"), data(n+1, 0, "", "b")} },
		"two E": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n, 0, "B", "a"), data(n+1, 0, "E", "b"), data(n+2, 0, "E", "c")}
		},
		"middle, other SSN": func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 0, "B", "a"), data(n+1, 1, "", "b")} },
		"middle, other PPID": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n, 0, "B", "a"), with(data(n+1, 0, "", "b"), func(d *wire.Data) { d.PPID = 9 })}
		},
		"middle, other U": func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 0, "B", "a"), data(n+1, 0, "U", "b")} },
		"middle, other stream": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n, 0, "B", "a"), with(data(n+1, 0, "", "b"), func(d *wire.Data) { d.Stream = 1 })}
		},
		"hole filled wrongly": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n+2, 0, "E", "c"), data(n, 0, "B", "a"), data(n+1, 1, "", "b")}
		},
		"whole message in a hole of another": func(n wire.TSN) []*wire.Data {
			return []*wire.Data{data(n+2, 0, "E", "c"), data(n, 0, "B", "a"), data(n+1, 1, "BE", "b")}
		},
		"begin before a whole message": func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n+1, 0, "BE", "a"), data(n, 0, "B", "b")} },
		"SSN used twice":               func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 0, "BE", "a"), data(n+1, 0, "BE", "b")} },
		"SSN used twice, early":        func(n wire.TSN) []*wire.Data { return []*wire.Data{data(n, 5, "BE", "a"), data(n+1, 5, "BE", "b")} },
	} {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, nil)
			var out []wire.Packet
			for _, d := range chunks(v.nextTSN()) {
				if v.as.State() == core.Established {
					out = v.inject(v.as.LocalTag(), d)
				}
			}
			v.aborted(out, wire.CauseProtocolViolation)
		})
	}
}

func TestReassemblyInEveryOrder(t *testing.T) { // RFC 9260 §6.9
	perms := func(n int) (out [][]int) {
		var rec func(p []int, left []int)
		rec = func(p, left []int) {
			if len(left) == 0 {
				out = append(out, append([]int(nil), p...))
			}
			for i := range left {
				rest := append(append([]int(nil), left[:i]...), left[i+1:]...)
				rec(append(p, left[i]), rest)
			}
		}
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		rec(nil, all)
		return out
	}
	for _, order := range perms(5) {
		v := attacked(t, nil)
		n := v.nextTSN()
		chunks := []*wire.Data{data(n, 0, "B", "one "), data(n+1, 0, "", "two "), data(n+2, 0, "E", "three"), data(n+3, 1, "BE", "four"), data(n+4, 2, "BEU", "five")}
		for _, i := range order {
			v.inject(v.as.LocalTag(), chunks[i])
		}
		require.ElementsMatch(t, []string{"one two three", "four", "five"}, v.read(), "%v", order)
	}
}

func TestD15DuplicateFlood(t *testing.T) {
	v := attacked(t, nil)
	tsn := v.nextTSN()
	v.inject(v.as.LocalTag(), data(tsn, 0, "BE", "once"))
	var chunks []appender
	for range 70 {
		chunks = append(chunks, data(tsn, 0, "BE", "x"))
	}
	for range 200 {
		out := v.inject(v.as.LocalTag(), chunks...)
		require.Len(t, out, 1)
		require.LessOrEqual(t, len(sackOf(t, out[0]).Dups), 32)
	}
	require.Equal(t, []string{"once"}, v.read())
}

func TestD10IDataIsAnUnknownChunkHere(t *testing.T) { // RFC 9260 §3.2: 0x40 reports and stops
	v := attacked(t, nil)
	out := v.inject(v.as.LocalTag(), rawChunk{0x40, 3, 0, 21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0})
	require.Len(t, out, 1)
	require.Equal(t, wire.CauseUnrecognizedChunk, causesOf(t, out[0])[0].Code)
	v.alive()
}

func TestP9UnknownChunks(t *testing.T) { // RFC 9260 §3.2
	for _, c := range []struct {
		typ          byte
		skip, report bool
	}{{0x3e, false, false}, {0x7e, false, true}, {0xbe, true, false}, {0xfe, true, true}} {
		for _, position := range []string{"first", "middle"} {
			t.Run(fmt.Sprintf("%#x %s", c.typ, position), func(t *testing.T) {
				v := attacked(t, nil)
				tsn := v.nextTSN()
				unknown := rawChunk{c.typ, 0, 0, 7, 1, 2, 3, 0}
				chunks := []appender{unknown, data(tsn, 0, "BE", "behind")}
				if position == "middle" {
					chunks = []appender{&wire.Heartbeat{Info: []byte("hb")}, unknown, data(tsn, 0, "BE", "behind")}
				}
				out := v.inject(v.as.LocalTag(), chunks...)
				reports := 0
				for _, p := range out {
					for _, cause := range causesOf(t, p) {
						require.Equal(t, wire.CauseUnrecognizedChunk, cause.Code)
						require.Equal(t, []byte(unknown[:7]), cause.Info)
						reports++
					}
				}
				require.Equal(t, c.report, reports == 1)
				require.Equal(t, c.skip, len(v.read()) == 1)
				require.LessOrEqual(t, len(out), 1, "one packet at most")
			})
		}
	}
}

func TestP10ManyUnknownChunksOneError(t *testing.T) {
	v := attacked(t, nil)
	var chunks []appender
	for range 300 {
		chunks = append(chunks, rawChunk{0xfe, 0, 0, 4})
	}
	out := v.inject(v.as.LocalTag(), chunks...)
	require.Len(t, out, 1)
	require.LessOrEqual(t, len(out[0].Bytes()), 1472)
	v.alive()
}

func TestP1TruncatedChunksAreDropped(t *testing.T) {
	for name, c := range everyChunk(1) {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, nil)
			whole := c.AppendTo(nil)
			for n := 4; n < len(whole); n++ {
				cut := append([]byte(nil), whole[:n]...)
				cut[2], cut[3] = byte(n>>8), byte(n) // the length says what is there
				for len(cut)%4 != 0 {
					cut = append(cut, 0)
				}
				out := v.inject(v.as.LocalTag(), rawChunk(cut))
				require.LessOrEqual(t, len(out), 1)
				if v.as.State() == core.Closed {
					v = attacked(t, nil) // ABORT and empty DATA do their work when cut
				}
			}
		})
	}
}
