package path

import (
	"time"

	"github.com/rserpool/rserpool/sctp/wire"
)

// Tail is the state of loss probes (RFC 8985 §7): when nothing was acknowledged for a
// while, a chunk that is sent again tells sooner than T3-rtx what was lost.
type Tail struct {
	// gap is how long before T3-rtx expires a probe is due, 0 if none is; while one is
	// under way it is how long before LastData that left.
	gap     time.Duration
	TSN     wire.TSN // that was the probe
	Probing bool     // it is under way
}

// stop takes back the plan for a probe.
func (t *Tail) stop() {
	if !t.Probing {
		t.gap = 0
	}
}

// Answered says that no probe is under way any more.
func (t *Tail) Answered() { t.gap, t.Probing = 0, false }

// minSilence is the shortest wait for a loss probe: hosts have other things to do, too.
const minSilence = 10 * time.Millisecond

// silence is how long nothing must have been acknowledged before a loss probe (RFC 8985
// §7.2). A single packet may be one that the peer does not acknowledge yet; where that is
// usual SRTT holds the delay already.
func (p *Path) silence(sackDelay time.Duration) time.Duration {
	srtt := p.RTO.SRTT()
	if p.InFlight <= p.PMDCS() {
		return max(2*srtt, srtt*3/2+sackDelay+minSilence)
	}
	return max(2*srtt, minSilence)
}

// AwaitLossProbe plans a loss probe for when nothing has been heard since a time, unless
// one is planned for earlier or T3-rtx expires before an answer can be there. None may be
// under way.
func (p *Path) AwaitLossProbe(since time.Time, sackDelay time.Duration) {
	if gap := p.T3.Sub(since) - p.silence(sackDelay); gap > p.RTO.SRTT() {
		p.Tail.gap = max(p.Tail.gap, gap)
	}
}

// StopLossProbe takes back the plan for a loss probe.
func (p *Path) StopLossProbe() { p.Tail.stop() }

// LossProbeAt is when a loss probe is due, the zero time if none is.
func (p *Path) LossProbeAt() time.Time {
	if p.Tail.Probing || p.Tail.gap == 0 {
		return time.Time{}
	}
	return p.T3.Add(-p.Tail.gap)
}

// LossProbeSent notes that a loss probe leaves now, before Sent.
func (p *Path) LossProbeSent(now time.Time, tsn wire.TSN) {
	p.Tail = Tail{TSN: tsn, Probing: true, gap: p.LastData.Sub(now)}
}

// SinceLossProbe is how long the probe under way has been.
func (p *Path) SinceLossProbe(now time.Time) time.Duration { return now.Sub(p.LastData) + p.Tail.gap }
