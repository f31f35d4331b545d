package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func marking(c *core.Config) { c.ECN = true }

// Over a link whose queue marks instead of dropping, nothing is lost, and the senders
// keep the queue short (RFC 3168 §1).
func TestECNAvoidsLoss(t *testing.T) {
	for name, algorithm := range map[string]congestion.Algorithm{"reno": congestion.Reno, "cubic": congestion.Cubic} {
		t.Run(name, func(t *testing.T) {
			link := simnet.Link{Delay: 10 * time.Millisecond, Bandwidth: 1_000_000, Queue: 100_000, MarkAt: 20_000}
			run := func(on bool) (*world, core.Stats) {
				w, a, b := two(t, 1, func(c *core.Config) { c.ECN, c.Congestion = on, algorithm })
				w.net.SetDefaultLink(link)
				a.dial(b)
				w.until(time.Minute, "established", func() bool { return a.only().State() == core.Established && len(b.assocs) == 1 })
				w.transfer(time.Minute, newFlow(a, b, 1, 2, 300))
				require.NoError(t, a.only().Verify())
				return w, a.only().Stats()
			}
			w, s := run(true)
			require.Zero(t, w.net.Count(simnet.QueueFull))
			require.Zero(t, s.Retransmitted)
			require.Positive(t, w.net.Count(simnet.Marked))
			require.Positive(t, s.MarkedWindows)
			require.GreaterOrEqual(t, s.EchoesIn, s.MarkedWindows)
			w, s = run(false)
			require.Zero(t, w.net.Count(simnet.Marked))
			require.Positive(t, w.net.Count(simnet.QueueFull), "without ECN the queue overflows")
			require.Positive(t, s.Retransmitted)
		})
	}
}

// Each mark is a congestion, but no more than one in a round trip; everything arrives
// whatever happens to ECNE and CWR.
func TestECNOverABadNetwork(t *testing.T) {
	for seed := range uint64(4) {
		w, a, b := connected(t, 300+seed, marking)
		w.net.SetDefaultLink(simnet.Link{Delay: 20 * time.Millisecond, Mark: 0.2, Loss: 0.05, Duplicate: 0.05, Reorder: 0.05})
		begin := w.now
		w.transfer(time.Hour, newFlow(a, b, seed, 3, 200), newFlow(b, a, seed+100, 3, 200))
		s := a.only().Stats()
		require.Positive(t, s.MarkedWindows)
		require.LessOrEqual(t, int(s.MarkedWindows), int(w.now.Sub(begin)/(40*time.Millisecond))+1, "once in a round trip")
		require.NoError(t, a.only().Verify())
		require.NoError(t, b.only().Verify())
	}
}

// A peer that agreed to ECN and never sends CWR is told of a mark for a bounded time
// and, after three marks, of no more.
func TestECNEchoIsBounded(t *testing.T) {
	w, a, b := connected(t, 2, marking)
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, Mark: 1})
	w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool {
		pkt, err := wire.Parse(p.Data)
		return err != nil || pkt.First().Type() != wire.TypeCWR
	})
	for range 400 {
		a.say(10)
		w.run(100 * time.Millisecond)
	}
	echoes := b.only().Stats().EchoesOut
	require.Positive(t, echoes)
	for range 400 {
		a.say(10)
		w.run(100 * time.Millisecond)
	}
	require.Equal(t, echoes, b.only().Stats().EchoesOut)
	require.Equal(t, core.Established, a.only().State())
}

// A network that drops all packets that are ECN-capable: the association does without
// after the second timeout.
func TestECNBlackHole(t *testing.T) {
	w, a, b := connected(t, 3, marking)
	w.net.SetFilter(func(_ time.Time, p simnet.Packet) bool { return p.ECN == 0 })
	begin := w.now
	w.transfer(time.Minute, newFlow(a, b, 3, 2, 50))
	require.Less(t, w.now.Sub(begin), 10*time.Second)
}

// A network that clears the bits is no harm.
func TestECNBleached(t *testing.T) {
	w, a, b := connected(t, 4, marking)
	for _, h := range []*host{a, b} {
		h.bleach = true
	}
	w.net.SetDefaultLink(simnet.Link{Delay: 5 * time.Millisecond, Bandwidth: 1_000_000, Queue: 30_000, MarkAt: 1000})
	w.transfer(time.Minute, newFlow(a, b, 4, 2, 300))
	require.Zero(t, a.only().Stats().EchoesIn)
}

// RFC 3168 §6.1.2: marks on every packet reduce the window down to one packet, and then
// the rate below one packet in a round trip. Who marks for ever is not believed: from
// then on packets are such as can only be dropped.
func TestECNMarksOnEveryPacket(t *testing.T) {
	w, a, b := connected(t, 5, func(c *core.Config) { c.ECN, c.Congestion = true, congestion.Cubic })
	w.net.SetDefaultLink(simnet.Link{Delay: 50 * time.Millisecond, Mark: 1})
	f := newFlow(a, b, 5, 1, 60)
	begin, limit := w.now, w.now.Add(30*time.Second)
	for !f.done() {
		f.pump()
		require.True(t, w.step(limit), "%v", f)
		require.NoError(t, a.only().Verify())
	}
	require.Greater(t, w.now.Sub(begin), 5*time.Second, "one packet for each RTO, for a while")
	require.Zero(t, a.only().Stats().T3Expirations)
	marked := w.net.Count(simnet.Marked)
	w.transfer(2*time.Second, newFlow(a, b, 5, 1, 60))
	require.Equal(t, marked, w.net.Count(simnet.Marked))
}

// K10: ECNE and CWR that nobody asked for, for TSNs of all kinds, thousands of them,
// change nothing but the window, and that once.
func TestECNHostile(t *testing.T) {
	w, a, b := connected(t, 6, marking)
	f := newFlow(a, b, 6, 1, 100)
	f.pump()
	cwnd := a.only().Paths()[0].Cwnd
	next := a.firstTSN + wire.TSN(a.only().Stats().DataOut)
	for n := range 3000 {
		tsn := a.firstTSN + wire.TSN(n*7919)
		if n%3 == 0 {
			tsn = next - 1
		}
		a.receive(addrB, packetTo(5001, 5000, a.only().LocalTag(), &wire.ECNE{LowestTSN: tsn}, &wire.CWR{LowestTSN: tsn}))
	}
	require.GreaterOrEqual(t, a.only().Paths()[0].Cwnd, cwnd/2)
	require.EqualValues(t, 1, a.only().Stats().MarkedWindows)
	w.transfer(time.Minute, f)

	// Nobody agreed to ECN.
	w, a, b = connected(t, 7, nil)
	f = newFlow(a, b, 7, 1, 100)
	f.pump()
	sent := a.sent
	a.receive(addrB, packetTo(5001, 5000, a.only().LocalTag(), &wire.ECNE{LowestTSN: a.firstTSN}, &wire.CWR{LowestTSN: 1}))
	require.Equal(t, sent, a.sent)
	require.Zero(t, a.only().Stats().MarkedWindows)
	w.transfer(time.Minute, f)
}

// ECN is negotiated anew when the peer restarts, and when both ends open at once.
func TestECNAfterARestart(t *testing.T) {
	w, a, b := connected(t, 8, marking)
	a.assocs = nil
	a.cfg.ECN = false
	a.dial(b)
	w.until(time.Minute, "restarted", func() bool { return a.only().State() == core.Established && b.saw(core.EventRestart) })
	capable := 0
	w.net.Observe(func(e simnet.Event) {
		if e.Packet.ECN != 0 {
			capable++
		}
	})
	b.say(10)
	w.run(time.Second)
	require.Zero(t, capable)
}
