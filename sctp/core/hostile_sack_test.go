package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// sending is a victim with n chunks of a size in flight, whose peer is mute.
func sending(t testing.TB, n, size int, change func(*core.Config)) (*victim, wire.TSN) {
	v := attacked(t, change)
	v.w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	for range n {
		require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, make([]byte, size)))
	}
	v.b.drain(v.as)
	return v, v.b.firstTSN
}

// chunk100 is what 100 bytes take of the congestion window: with the header of
// the DATA chunk (RFC 9260 §7.2).
const chunk100 = 116

func (v *victim) cwnd() int { return v.as.Paths()[0].Cwnd }

func TestK1OptimisticAck(t *testing.T) { // RFC 5062 §5.3
	v, first := sending(t, 2, 100, nil)
	out := v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first + 2, ARwnd: 1 << 20})
	v.aborted(out, wire.CauseProtocolViolation)
}

func TestK1ShutdownAcksTheFuture(t *testing.T) { // E1
	v, first := sending(t, 2, 100, nil)
	out := v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: first + 2})
	v.aborted(out, wire.CauseProtocolViolation)
}

func TestK2OldSackIsDropped(t *testing.T) { // RFC 9260 §6.2.1 D i
	v, first := sending(t, 3, 100, nil)
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first + 1, ARwnd: 1 << 20})
	require.Equal(t, chunk100, v.as.Paths()[0].InFlight)
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first, ARwnd: 0})
	require.Equal(t, chunk100, v.as.Paths()[0].InFlight)
	require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x")))
	v.out = nil
	v.b.drain(v.as)
	require.Len(t, v.out, 1, "the old window of 0 was not believed")
}

func TestK3CountsBeyondTheChunk(t *testing.T) {
	v, first := sending(t, 3, 100, nil)
	s := (&wire.Sack{CumTSN: first + 2, ARwnd: 1 << 20}).AppendTo(nil)
	for _, at := range []int{12, 14} {
		bad := append([]byte(nil), s...)
		bad[at+1] = 7
		v.inject(v.as.LocalTag(), rawChunk(bad))
		require.Equal(t, 3*chunk100, v.as.Paths()[0].InFlight)
	}
}

func TestK4AbsurdGapBlocks(t *testing.T) {
	v, first := sending(t, 4, 100, nil)
	for _, gaps := range [][]wire.GapBlock{
		{{Start: 2, End: 65535}},
		{{Start: 3, End: 2}},
		{{Start: 0, End: 0}},
		{{Start: 0, End: 3}},
		{{Start: 65535, End: 65535}},
		{{Start: 5, End: 9}},
	} {
		v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 1 << 20, Gaps: gaps})
		require.Equal(t, core.Established, v.as.State())
		require.Equal(t, 4*chunk100, v.as.Paths()[0].InFlight, "%v", gaps)
	}
	// Overlapping: what the second covers besides counts.
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 1 << 20, Gaps: []wire.GapBlock{{Start: 2, End: 3}, {Start: 3, End: 4}}})
	require.Equal(t, chunk100, v.as.Paths()[0].InFlight)
	many := make([]wire.GapBlock, 16000)
	for i := range many {
		many[i] = wire.GapBlock{Start: uint16(i*4 + 1), End: uint16(i*4 + 2)}
	}
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 1 << 20, Gaps: many})
	require.Equal(t, core.Established, v.as.State())
}

func TestK7Reneging(t *testing.T) { // RFC 9260 §6.2.1 D iii
	v, first := sending(t, 4, 100, nil)
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first, ARwnd: 1 << 20, Gaps: []wire.GapBlock{{Start: 2, End: 3}}})
	require.Equal(t, chunk100, v.as.Paths()[0].InFlight)
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first, ARwnd: 1 << 20})
	require.Equal(t, 3*chunk100, v.as.Paths()[0].InFlight, "in flight again")
	v.out = nil
	v.w.run(2 * time.Second)
	require.NotEmpty(t, v.out, "and sent again")
}

// K8: four chunks, acknowledged one by one, open the window by their bytes, however
// small these are (RFC 9260 §7.2.1), and not by a packet for each SACK.
func TestK8AckSplitting(t *testing.T) {
	for _, size := range []int{100, 1000} {
		// Small chunks in a full window: many of them, of which the first few count.
		v, first := sending(t, 5000/size, size, func(c *core.Config) { c.MaxBurst = 0 })
		before := v.cwnd()
		for i := range wire.TSN(4) {
			v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first + i, ARwnd: 1 << 20})
		}
		require.Greater(t, v.cwnd(), before, "%d bytes: the window was full", size)
		require.LessOrEqual(t, v.cwnd()-before, 4*(size+16), "%d bytes", size)
	}
}

func TestK9WindowClosedForLong(t *testing.T) { // RFC 9260 §6.1 A
	v := attacked(t, func(c *core.Config) { c.AssociationMaxRetrans = 3; c.PathMaxRetrans = 2 })
	first := v.b.firstTSN
	v.w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 0})
	require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("waits")))
	v.out = nil
	v.b.drain(v.as)
	require.Empty(t, v.out)
	// A peer that answers each probe with a closed window is alive for ever.
	probes := 0
	for range 2000 {
		v.out = nil
		v.w.run(time.Second)
		for range v.out {
			probes++
			v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 0})
		}
		require.Equal(t, core.Established, v.as.State())
	}
	require.Less(t, probes, 200, "with back-off")
	require.Greater(t, probes, 10)
	// 4 GiB at once is no overflow.
	v.inject(v.as.LocalTag(), &wire.Sack{CumTSN: first - 1, ARwnd: 1<<32 - 1})
	require.Equal(t, core.Established, v.as.State())
	// One that does not answer at all is dead.
	v.w.run(10 * time.Minute)
	require.ErrorIs(t, v.as.Err(), core.ErrTimeout)
}

func TestZeroWindowReaderComesBack(t *testing.T) { // RFC 9260 §6.1 A, §6.2; M6
	for _, lossy := range []bool{false, true} {
		w, a, b := connected(t, 31, func(c *core.Config) { c.RecvBuffer = 8000; c.RTOMin = 100 * time.Millisecond })
		if lossy {
			w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.2})
		}
		f := newFlow(a, b, 3, 1, 300)
		for range 300 { // the reader sleeps, the sender does not
			for f.next < 300 {
				if a.only().Send(w.now, &core.Outgoing{PPID: 7}, pattern(3, 0, f.next)) != nil {
					break
				}
				f.next++
			}
			a.drain(a.only())
			w.run(100 * time.Millisecond)
		}
		require.Equal(t, core.Established, a.only().State())
		require.LessOrEqual(t, b.only().Held(), 2*8000, "M2, M6: bounded by the buffer")
		w.transfer(time.Hour, f)
	}
}

func TestM2PeerIgnoresTheWindow(t *testing.T) {
	for _, size := range []int{1, 100, 1400} {
		v := attacked(t, func(c *core.Config) { c.RecvBuffer = 20000 })
		next := v.nextTSN()
		for i := range wire.TSN(4000) {
			v.inject(v.as.LocalTag(), data(next+i, wire.SSN(i), "BE", string(make([]byte, size))))
		}
		require.LessOrEqual(t, v.as.Held(), 25000)
		require.Greater(t, v.as.Stats().NoRoom, uint64(1000))
		require.Equal(t, core.Established, v.as.State())
		// The same with a hole in front, which lets through what fills it.
		v = attacked(t, func(c *core.Config) { c.RecvBuffer = 20000 })
		next = v.nextTSN()
		for i := range wire.TSN(4000) {
			v.inject(v.as.LocalTag(), data(next+4000-i, wire.SSN(4000-i), "BE", string(make([]byte, size))))
		}
		require.LessOrEqual(t, v.as.Held(), 25000)
	}
}

func TestM4ForgedRoundTripTimes(t *testing.T) { // RFC 9260 §6.3.1 C6, C7
	w, a, b := connected(t, 5, nil)
	w.now = w.now.Add(-time.Hour) // the clock is set back
	w.transfer(3*time.Hour, newFlow(a, b, 1, 1, 10))
	for _, p := range a.only().Paths() {
		require.GreaterOrEqual(t, p.RTO, time.Second)
		require.LessOrEqual(t, p.RTO, time.Minute)
		require.GreaterOrEqual(t, p.SRTT, time.Duration(0))
	}
	v := attacked(t, nil)
	for i := range 100 {
		info := make([]byte, 12)
		info[i%12] = byte(i)
		v.inject(v.as.LocalTag(), &wire.Heartbeat{Ack: true, Info: info})
	}
	require.Less(t, v.as.Paths()[0].SRTT, time.Second)
	v.alive()
}

func TestM1AbortedHandshakesLeaveNothing(t *testing.T) {
	w, a, b := two(t, 3, nil)
	for stage := range 4 {
		for range 50 {
			as := a.dial(b)
			for range stage {
				w.step(w.now.Add(time.Second))
			}
			require.NoError(t, as.Abort(w.now, []byte("changed my mind")))
			a.drain(as)
			w.run(time.Second)
			require.Equal(t, core.Closed, as.State())
			_, running := as.NextTimeout()
			require.False(t, running)
			for _, other := range b.assocs {
				if other.State() == core.Closed {
					_, running = other.NextTimeout()
					require.False(t, running)
				}
			}
			a.assocs, b.assocs = nil, nil
		}
	}
}
