package core_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func bothClosed(a, b *host) func() bool {
	return func() bool { return a.only().State() == core.Closed && b.only().State() == core.Closed }
}

func TestShutdownFromBothEndsAtOnce(t *testing.T) { // RFC 9260 §9.2
	for seed := range uint64(30) {
		w, a, b := connected(t, 300+seed, nil)
		if seed > 0 {
			w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.25})
		}
		require.NoError(t, a.only().Shutdown(w.now))
		require.NoError(t, b.only().Shutdown(w.now))
		a.drain(a.only())
		b.drain(b.only())
		w.until(10*time.Minute, "closed", bothClosed(a, b))
		if seed == 0 {
			require.NoError(t, a.only().Err())
			require.NoError(t, b.only().Err())
		}
	}
}

func TestReaderSeesEOFAfterTheData(t *testing.T) {
	w, a, b := connected(t, 3, nil)
	require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, []byte("last words")))
	require.NoError(t, a.only().Shutdown(w.now))
	require.ErrorIs(t, a.only().Send(w.now, &core.Outgoing{}, []byte("no more")), core.ErrShuttingDown)
	a.drain(a.only())
	w.until(10*time.Second, "closed", bothClosed(a, b))
	require.True(t, b.saw(core.EventPeerShutdown))
	buf := make([]byte, 100)
	_, n, err := b.only().Receive(w.now, buf)
	require.NoError(t, err)
	require.Equal(t, "last words", string(buf[:n]))
	_, _, err = b.only().Receive(w.now, buf)
	require.ErrorIs(t, err, io.EOF)
	_, _, err = a.only().Receive(w.now, buf)
	require.ErrorIs(t, err, io.EOF)
}

func TestShutdownReceivedRefusesNewData(t *testing.T) { // RFC 9260 §9.2
	v, _ := sending(t, 1, 100, nil)
	v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
	require.Equal(t, core.ShutdownReceived, v.as.State())
	require.ErrorIs(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x")), core.ErrShuttingDown)
	require.NoError(t, v.as.Shutdown(v.w.now))
	require.Equal(t, core.ShutdownReceived, v.as.State())
	out := v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN})
	require.Equal(t, core.ShutdownAckSent, v.as.State(), "its Cumulative TSN Ack counts")
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownAck}, chunkTypes(out[0]))
}

func TestE3DuplicatesAreAnswered(t *testing.T) { // RFC 9260 §9.2
	v := attacked(t, nil)
	for range 3 {
		v.w.now = v.w.now.Add(300 * time.Millisecond)
		out := v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
		require.Len(t, out, 1)
		require.Equal(t, []wire.ChunkType{wire.TypeShutdownAck}, chunkTypes(out[0]))
		require.Equal(t, core.ShutdownAckSent, v.as.State())
		when, ok := v.as.NextTimeout()
		require.True(t, ok)
		require.Equal(t, v.as.Paths()[0].RTO, when.Sub(v.w.now), "T2-shutdown is restarted")
	}
	// An INIT now means the SHUTDOWN COMPLETE was lost.
	out := v.inject(0, &wire.Init{InitiateTag: 42, ARwnd: 65536, OutStreams: 1, InStreams: 1, InitialTSN: 1})
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownAck}, chunkTypes(out[0]))
	out = v.inject(v.as.LocalTag(), &wire.ShutdownAck{})
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownComplete}, chunkTypes(out[0]))
	require.Equal(t, core.Closed, v.as.State())
	require.NoError(t, v.as.Err())
	v.b.assocs = nil
	out = v.inject(12345, &wire.ShutdownAck{}) // afterwards: out of the blue
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownComplete}, chunkTypes(out[0]))
	require.Equal(t, wire.VTag(12345), out[0].VTag)
}

func TestE4PeerVanishes(t *testing.T) { // RFC 9260 §9.2, §8.1
	for name, begin := range map[string]func(*victim){
		"SHUTDOWN-SENT":     func(v *victim) { require.NoError(v.t, v.as.Shutdown(v.w.now)) },
		"SHUTDOWN-ACK-SENT": func(v *victim) { v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1}) },
		"SHUTDOWN-PENDING": func(v *victim) {
			require.NoError(v.t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x")))
			require.NoError(v.t, v.as.Shutdown(v.w.now))
		},
		"SHUTDOWN-RECEIVED": func(v *victim) {
			require.NoError(v.t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x")))
			v.b.drain(v.as)
			v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
		},
		"ESTABLISHED": func(v *victim) { require.NoError(v.t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("x"))) },
		"idle":        func(*victim) {},
	} {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, nil)
			v.w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
			begin(v)
			v.b.drain(v.as)
			if name != "idle" {
				require.Equal(t, name, v.as.State().String())
			}
			v.w.run(30 * time.Minute)
			require.Equal(t, core.Closed, v.as.State())
			require.Error(t, v.as.Err())
		})
	}
}

func TestT5BoundsAShutdownThatIsKeptAlive(t *testing.T) { // RFC 9260 §9.2
	v := attacked(t, nil)
	tsn := v.nextTSN()
	require.NoError(t, v.as.Shutdown(v.w.now))
	v.b.drain(v.as)
	start := v.w.now
	for i := 0; v.as.State() != core.Closed; i++ {
		v.w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
		v.w.run(500 * time.Millisecond)
		if v.as.State() != core.Closed {
			v.inject(v.as.LocalTag(), data(tsn+wire.TSN(i), wire.SSN(i), "BE", "more"))
			v.read()
		}
	}
	require.InDelta(t, 300, v.w.now.Sub(start).Seconds(), 1, "five times RTO.Max")
	require.ErrorIs(t, v.as.Err(), core.ErrShutdownTimeout)
}

func TestShutdownAckDuringSetup(t *testing.T) { // RFC 9260 §8.5.1 E, §9.2
	w, a, b := two(t, 5, nil)
	as := a.dial(b)
	var out []wire.Packet
	a.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
	a.receive(addrB, packetTo(5001, 5000, 777, &wire.ShutdownAck{}))
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeShutdownComplete}, chunkTypes(out[0]))
	require.Equal(t, wire.VTag(777), out[0].VTag)
	require.Equal(t, uint8(1), out[0].First().Flags())
	w.until(5*time.Second, "established", func() bool { return as.State() == core.Established })
}

func TestAbortCarriesTheReason(t *testing.T) { // RFC 9260 §9.1
	w, a, b := connected(t, 3, nil)
	require.NoError(t, a.only().Abort(w.now, []byte("because")))
	a.drain(a.only())
	w.until(time.Second, "closed", bothClosed(a, b))
	var e *core.AbortError
	require.ErrorAs(t, b.only().Err(), &e)
	require.False(t, e.Local)
	require.Equal(t, "because", string(e.Reason()))
	require.Contains(t, e.Error(), "abort from peer: User-Initiated Abort")
}

func TestLossOfEachHandshakePacket(t *testing.T) { // RFC 9260 §5.1.4: T1-init, T1-cookie
	for lost := range 4 {
		t.Run(fmt.Sprint("packet ", lost), func(t *testing.T) {
			w, a, b := two(t, 5, nil)
			n := -1
			w.net.SetFilter(func(time.Time, simnet.Packet) bool { n++; return n != lost })
			a.dial(b)
			w.until(2*time.Second, "established", func() bool { return a.only().State() == core.Established })
			w.transfer(time.Minute, newFlow(a, b, 1, 1, 3), newFlow(b, a, 1, 1, 3))
		})
	}
}

func TestNobodyAnswers(t *testing.T) { // RFC 9260 §5.1.4: Max.Init.Retransmits
	w, a, b := two(t, 5, nil)
	inits := 0
	a.tap = func(p wire.Packet) { inits++ }
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	as := a.dial(b)
	w.run(10 * time.Minute)
	require.Equal(t, 9, inits)
	require.ErrorIs(t, as.Err(), core.ErrTimeout)
}

func TestNobodyListens(t *testing.T) { // RFC 9260 §8.4 rule 3
	w, a, b := two(t, 5, nil)
	b.listen = nil
	as := a.dial(b)
	w.run(time.Second)
	var e *core.AbortError
	require.ErrorAs(t, as.Err(), &e)
	require.False(t, e.Local)
}
