package congestion_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
)

const pmdcs = 1000

// RFC 9260 §7.2.1: min(4 * PMDCS, max(2 * PMDCS, 4404)), with 4344 for IPv6.
func TestNewRenoInitialWindow(t *testing.T) {
	for _, c := range []struct{ pmdcs, v4, v6 int }{
		{500, 2000, 2000},
		{1086, 4344, 4344},
		{1095, 4380, 4344},
		{1101, 4404, 4344},
		{1432, 4404, 4344},
		{1452, 4404, 4344},
		{2202, 4404, 4404},
		{2203, 4406, 4406},
		{8960, 17920, 17920},
	} {
		require.Equal(t, c.v4, congestion.NewReno(c.pmdcs, 0).Window(), "PMDCS %d, IPv4", c.pmdcs)
		require.Equal(t, c.v6, congestion.NewRenoIPv6(c.pmdcs, 0).Window(), "PMDCS %d, IPv6", c.pmdcs)
	}
	require.Equal(t, 4, congestion.NewReno(-5, 0).Window(), "nonsense gives something that works")
}

// step is one event and the window after it.
type step struct {
	do   func(c congestion.Controller)
	want int
	why  string
}

func run(t *testing.T, c congestion.Controller, steps []step) {
	t.Helper()
	for n, s := range steps {
		s.do(c)
		require.Equal(t, s.want, c.Window(), "step %d: %s", n, s.why)
	}
}

// ack is a SACK for n bytes; change what is not usual.
func ack(n int, change ...func(*congestion.AckEvent)) func(congestion.Controller) {
	return func(c congestion.Controller) {
		e := congestion.AckEvent{Now: start, Bytes: n, CumAdvanced: true, CwndLimited: true, InFlight: c.Window()}
		for _, f := range change {
			f(&e)
		}
		c.OnAck(e)
	}
}

func appLimited(e *congestion.AckEvent)  { e.CwndLimited, e.InFlight = false, e.InFlight-1 }
func recovering(e *congestion.AckEvent)  { e.InRecovery = true }
func cumStays(e *congestion.AckEvent)    { e.CumAdvanced = false }
func flightEmpty(e *congestion.AckEvent) { e.FlightEmpty = true }

func loss(c congestion.Controller) {
	c.OnLoss(congestion.LossEvent{Now: start, InFlight: c.Window(), Bytes: pmdcs})
}
func mark(c congestion.Controller) { c.OnLoss(congestion.LossEvent{Now: start, ECN: true}) }
func timeout(c congestion.Controller) {
	c.OnTimeout(start)
}
func idle(c congestion.Controller) { c.OnIdle(start, time.Second) }
func send(c congestion.Controller) { c.OnSent(start, pmdcs, 0) }

// window grows a new controller, which starts with 4000, to w by slow start.
func window(w int) congestion.Controller {
	c := congestion.NewReno(pmdcs, 0)
	for c.Window() < w {
		ack(min(pmdcs, w-c.Window()))(c)
	}
	return c
}

// RFC 9260 §7.2.1.
func TestNewRenoSlowStart(t *testing.T) {
	run(t, congestion.NewReno(pmdcs, 0), []step{
		{ack(pmdcs), 5000, "by the bytes acknowledged"},
		{ack(300), 5300, "also if they are few"},
		{ack(4 * pmdcs), 6300, "but no more than L * PMDCS, L = 1"},
		{ack(0), 6300, "nothing newly acknowledged"},
		{ack(pmdcs, appLimited), 6300, "only if the window is fully used"},
		{ack(pmdcs, recovering), 6300, "not in Fast Recovery"},
		{ack(pmdcs, cumStays), 7300, "the Cumulative TSN Ack Point need not advance, unlike RFC 4960"},
		{ack(pmdcs, flightEmpty), 8300, "all acknowledged: this SACK still counts"},
	})
}

// RFC 9260 §7.2.1: ssthresh is arbitrarily high at first. Slow start holds while
// cwnd <= ssthresh, so the last step may pass it.
func TestNewRenoInitialSsthresh(t *testing.T) {
	c := congestion.NewReno(pmdcs, 6000)
	run(t, c, []step{
		{ack(pmdcs), 5000, "slow start"},
		{ack(pmdcs), 6000, "slow start"},
		{ack(pmdcs), 7000, "cwnd equal to ssthresh is slow start"},
		{ack(pmdcs), 7000, "congestion avoidance"},
	})
	run(t, congestion.NewReno(pmdcs, 1500), []step{
		{ack(pmdcs), 5000, "the smallest a_rwnd of all does not forbid slow start"},
		{ack(pmdcs), 5000, "beyond 4 * PMDCS congestion avoidance"},
	})
	require.Equal(t, 1<<20, window(1<<20).Window(), "without limit")
}

// avoiding is a controller in congestion avoidance with a window of 9000 and an
// ssthresh of 8000.
func avoiding(t *testing.T) congestion.Controller {
	c := window(16000)
	loss(c)
	require.Equal(t, 8000, c.Window())
	ack(pmdcs)(c)
	require.Equal(t, 9000, c.Window(), "cwnd equal to ssthresh is slow start")
	return c
}

// RFC 9260 §7.2.2: one PMDCS per cwnd of acknowledged bytes.
func TestNewRenoCongestionAvoidance(t *testing.T) {
	run(t, avoiding(t), []step{
		{ack(8999), 9000, "partial_bytes_acked 8999 < cwnd"},
		{ack(1), 10000, "9000 = cwnd: grows, partial_bytes_acked 0"},
		{ack(9999), 10000, "9999"},
		{ack(501), 11000, "10500 >= 10000: grows, 500 are left"},
		{ack(10499), 11000, "10999"},
		{ack(1), 12000, "11000: the 500 counted"},
		{ack(30000), 13000, "at most one PMDCS for one SACK"},
	})
}

// RFC 9260 §7.2.2: gap acknowledgements count.
func TestNewRenoAvoidanceCountsGapAcks(t *testing.T) {
	run(t, avoiding(t), []step{
		{ack(4500, cumStays), 9000, "half"},
		{ack(4500, cumStays), 10000, "all"},
	})
}

// RFC 9260 §7.2.2: with less than cwnd in flight partial_bytes_acked is capped at
// cwnd, and cwnd grows with the next SACK for a full window.
func TestNewRenoAvoidanceWhileAppLimited(t *testing.T) {
	run(t, avoiding(t), []step{
		{ack(50000, appLimited), 9000, "capped to 9000, no growth"},
		{ack(50000, appLimited), 9000, "again"},
		{ack(1), 10000, "9001 >= 9000: 1 is left"},
		{ack(9998), 10000, "9999: the bytes beyond the cap are forgotten"},
		{ack(1), 11000, "10000"},
	})
	run(t, avoiding(t), []step{
		{ack(5000, appLimited), 9000, "below cwnd they count in full"},
		{ack(4000), 10000, "9000"},
	})
}

// RFC 9260 §7.2.2: all acknowledged resets partial_bytes_acked.
func TestNewRenoFlightEmptyResetsPartialBytesAcked(t *testing.T) {
	run(t, avoiding(t), []step{
		{ack(8000), 9000, "8000"},
		{ack(500, flightEmpty), 9000, "8500, then 0"},
		{ack(8999), 9000, "8999"},
		{ack(1), 10000, "9000"},
		{ack(0, flightEmpty), 10000, "also without news"},
	})
}

// RFC 9260 §7.2.3.
func TestNewRenoLossHalvesCwnd(t *testing.T) {
	for _, event := range []func(congestion.Controller){loss, mark} {
		run(t, window(21000), []step{
			{event, 10500, "max(cwnd / 2, 4 * PMDCS)"},
			{event, 5250, "the next epoch"},
			{event, 4000, "4 * PMDCS"},
			{event, 4000, "4 * PMDCS"},
		})
	}
}

// RFC 9260 §7.2.3: partial_bytes_acked starts over.
func TestNewRenoLossResetsPartialBytesAcked(t *testing.T) {
	c := avoiding(t) // 9000
	run(t, c, []step{
		{ack(8999), 9000, "one byte short of growing"},
		{loss, 4500, "halved"},
		{ack(pmdcs), 5500, "cwnd = ssthresh: slow start, once"},
		{ack(5499), 5500, "congestion avoidance from 0"},
		{ack(1), 6500, "5500"},
	})
}

// RFC 9260 §7.2.3: slow start after T3-rtx up to the new ssthresh.
func TestNewRenoTimeoutCollapsesCwndToOnePMDCS(t *testing.T) {
	run(t, window(12000), []step{
		{timeout, 1000, "one packet"},
		{ack(pmdcs), 2000, "slow start"},
		{ack(pmdcs), 3000, ""},
		{ack(pmdcs), 4000, ""},
		{ack(pmdcs), 5000, ""},
		{ack(pmdcs), 6000, "ssthresh is 12000 / 2"},
		{ack(pmdcs), 7000, "the last step of slow start"},
		{ack(6999), 7000, "congestion avoidance, partial_bytes_acked from 0"},
		{ack(1), 8000, ""},
	})
	run(t, window(12000), []step{
		{timeout, 1000, ""},
		{timeout, 1000, "ssthresh is 4 * PMDCS now"},
		{ack(pmdcs), 2000, ""},
		{ack(pmdcs), 3000, ""},
		{ack(pmdcs), 4000, ""},
		{ack(pmdcs), 5000, "the last step of slow start"},
		{ack(pmdcs), 5000, "congestion avoidance"},
	})
}

// RFC 9260 §7.2.1: max(cwnd / 2, 4 * PMDCS) once per RTO, and ssthresh remembers
// the cwnd before the first adjustment.
func TestNewRenoIdleDecay(t *testing.T) {
	c := window(24000)
	loss(c) // ssthresh 12000
	run(t, c, []step{
		{ack(pmdcs), 13000, ""},
		{send, 13000, ""},
		{idle, 6500, "ssthresh is 13000"},
		{idle, 4000, "ssthresh stays 13000"},
		{idle, 4000, "no lower"},
		{send, 4000, ""},
	})
	for w := 5000; w <= 14000; w += pmdcs {
		run(t, c, []step{{ack(pmdcs), w, "slow start up to 13000, and one step over"}})
	}
	run(t, c, []step{
		{ack(pmdcs), 14000, "congestion avoidance"},
		{idle, 7000, "another idle period: ssthresh is 14000"},
	})
	for w := 8000; w <= 15000; w += pmdcs {
		run(t, c, []step{{ack(pmdcs), w, "slow start up to 14000, and one step over"}})
	}
	run(t, c, []step{{ack(pmdcs), 15000, "congestion avoidance"}})
}

// RFC 9260 §7.1: idleness is no reason to send more after a timeout.
func TestNewRenoIdleDoesNotUndoTimeout(t *testing.T) {
	run(t, window(12000), []step{
		{timeout, 1000, ""},
		{idle, 1000, "less than 4 * PMDCS stays"},
		{ack(pmdcs), 2000, "ssthresh is still 6000: slow start"},
	})
}

// A new PMDCS counts from the next event on; cwnd never is below it.
func TestNewRenoSetMTU(t *testing.T) {
	mtu := func(n int) func(congestion.Controller) {
		return func(c congestion.Controller) { c.SetMTU(n) }
	}
	run(t, window(10000), []step{
		{mtu(500), 10000, "cwnd stays"},
		{ack(2000), 10500, "slow start by at most the new PMDCS"},
		{timeout, 500, "the new PMDCS"},
		{mtu(9000), 9000, "one packet must fit"},
		{loss, 36000, "4 * PMDCS"},
		{mtu(0), 36000, "nonsense is harmless"},
	})
}

func BenchmarkNewRenoOnAck(b *testing.B) {
	c := congestion.NewReno(1452, 0)
	e := congestion.AckEvent{Now: start, Bytes: 2904, CumAdvanced: true, CwndLimited: true}
	b.ReportAllocs()
	for b.Loop() {
		c.OnSent(start, 1452, 0)
		c.OnAck(e)
	}
}
