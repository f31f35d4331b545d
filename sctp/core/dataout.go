package core

import (
	"math"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// dataPath is where DATA may go now, nil if there is none or no window for it
// allows: lost chunks first (RFC 9260 §6.1 C), then new ones.
func (a *Association) dataPath(now time.Time) *path.Path {
	if !a.state.sendsData() {
		return nil
	}
	t := &a.tx
	if _, c := t.out.NextLost(); c != nil {
		p := a.retransmitPath(c)
		if t.force || p.Window() > 0 {
			return p
		}
		p.Limited = p.InFlight >= p.CC.Window()
		return nil
	}
	t.force = false
	m := a.front(now)
	p := a.pathOf(m)
	if m == nil {
		p.Limited = false
		return nil
	}
	p.Decay(now)
	p.Limited = p.InFlight >= p.CC.Window()
	if p.Window() <= 0 || p.Burst >= a.burst(p) || t.out.Full() ||
		!a.peerHasRoom(now, a.fragmentSize(m)) || a.nagle(m, p) {
		return nil
	}
	return p
}

// burst is Max.Burst in bytes (RFC 9260 §6.1 D). It limits what is sent on one
// occasion in excess of what was acknowledged since the last.
func (a *Association) burst(p *path.Path) int {
	if a.cfg.MaxBurst <= 0 {
		return math.MaxInt32 / 2
	}
	return a.cfg.MaxBurst * p.PMDCS()
}

// retransmitPath is the path for a lost chunk: another one than where it timed out
// (RFC 9260 §6.4), the same for a fast retransmission.
func (a *Association) retransmitPath(c *tx.Chunk) *path.Path {
	if c.Path.Errors > 0 || !c.Path.Usable() {
		return a.paths.Alternate(c.Path)
	}
	return c.Path
}

// nextSize is the size of the DATA chunk that is to be sent next, or of the
// smallest piece of it that may be.
func (a *Association) nextSize() int {
	if _, c := a.tx.out.NextLost(); c != nil {
		return tx.Size(int(c.Len))
	}
	m := a.tx.queue.Front()
	switch {
	case m == nil:
		return 0
	case fitsWhole(m, a.maxFragment()):
		return tx.Size(m.Remaining())
	}
	return tx.Size(min(m.Remaining(), minFragment))
}

// peerHasRoom applies rule A of RFC 9260 §6.1: not more than the peer's window,
// except for a probe when nothing is outstanding.
func (a *Association) peerHasRoom(now time.Time, n int) bool {
	t := &a.tx
	if n <= t.peerRwnd {
		return true
	}
	if t.out.Len() > 0 {
		return false
	}
	if t.probe {
		return true
	}
	if !a.timers.running(timerProbe) {
		t.probing = true
		a.timers.set(timerProbe, now.Add(a.paths.Current().RTO.Value()))
	}
	return false
}

// nagle says whether a small message should wait for more, as long as something is
// unacknowledged and its user did not ask otherwise (RFC 9260 §6.1, SWS
// avoidance of RFC 1122 §4.2.3.4).
func (a *Association) nagle(m *tx.Message, p *path.Path) bool {
	if a.cfg.NoDelay || a.tx.queue.Urgent() || m.Started() || a.tx.out.InFlight() == 0 || a.state != Established {
		return false
	}
	return a.tx.queue.Bytes()+a.tx.queue.Waiting()*(wire.DataHeaderLen+2) < p.Size-wire.HeaderLen
}

// appendData fills a packet that begins at start up to limit bytes with DATA for
// path p: lost chunks, then new ones, in ascending TSN order. Whether the window
// is open for new ones is decided before the first chunk: the packet may exceed it
// (RFC 9260 §6.1 B).
func (a *Association) appendData(now time.Time, b []byte, start int, p *path.Path, limit int) []byte {
	open := p.Window() > 0
	b, full := a.appendLost(now, b, start, p, limit)
	a.tx.force = false
	if full || !open {
		return b
	}
	return a.appendNew(now, b, start, p, limit)
}

// appendLost appends chunks marked for retransmission; full says that one is left
// over, so that no new data may follow (RFC 9260 §6.1 C).
func (a *Association) appendLost(now time.Time, b []byte, start int, p *path.Path, limit int) ([]byte, bool) {
	for {
		t, c := a.tx.out.NextLost()
		if c == nil {
			return b, false
		}
		if a.retransmitPath(c) != p {
			return b, true
		}
		size := tx.Size(int(c.Len))
		// A chunk larger than the path's packets, because their size has shrunk, goes
		// alone and is left to IP fragmentation (§6.9); in a run of segments (start >
		// 0) nothing may exceed the size of the first.
		if len(b)-start+size > limit && (start > 0 || len(b) > wire.HeaderLen) {
			return b, true
		}
		fast := c.Path == p && p.Errors == 0
		p.CC.OnSent(now, size, p.InFlight)
		a.tx.out.Resend(t, p)
		a.tx.peerRwnd = max(0, a.tx.peerRwnd-int(c.Len)) // §6.2.1 B
		probe := p.Tail.Probing && t == p.Tail.TSN
		b = a.appendChunk(b, start, t, c, probe)
		a.ecn.again = true
		a.stats.Retransmitted++
		p.Count.Retransmitted++
		p.Sent(now)
		if a.cfg.Trace.Retransmit != nil {
			a.cfg.Trace.Retransmit(t, fast)
		}
		if t == p.Oldest && !probe {
			p.RestartT3(now) // §6.1: the earliest outstanding chunk is sent again
		} else {
			p.StartT3(now)
		}
	}
}

// appendNew appends new DATA chunks of messages that go to path p.
func (a *Association) appendNew(now time.Time, b []byte, start int, p *path.Path, limit int) []byte {
	t := &a.tx
	longest, usual := a.maxFragment(), a.paths.Current() == p
	for {
		m := a.front(now)
		if m == nil || m.Wishes == nil && !usual || m.Wishes != nil && a.pathOf(m) != p ||
			t.out.Full() || t.queue.SequenceFull(m) {
			return b
		}
		n := a.cutSize(m, limit-(len(b)-start)-wire.DataHeaderLen, longest)
		if n == 0 || n > t.peerRwnd && !(t.probe && t.out.Len() == 0) {
			return b
		}
		b = a.appendFragment(now, b, start, p, n, m)
	}
}

// appendFragment sends the next n bytes of the front message m.
func (a *Association) appendFragment(now time.Time, b []byte, start int, p *path.Path, n int, m *tx.Message) []byte {
	t := &a.tx
	t.probe = false
	p.CC.OnSent(now, tx.Size(n), p.InFlight)
	c := t.queue.Cut(n)
	c.Probe = n > t.peerRwnd
	a.ecn.fresh = !c.Probe
	tsn := t.out.Push(c, p)
	t.peerRwnd = max(0, t.peerRwnd-n) // §6.2.1 B
	p.Burst += tx.Size(n)
	p.Time(now, tsn)
	p.StartT3(now)
	p.Sent(now)
	a.countOut(&c, m, n)
	return a.appendChunk(b, start, tsn, t.out.At(tsn), a.wantsAckNow(p, c, m))
}

// countOut counts a new chunk with n bytes of user data.
func (a *Association) countOut(c *tx.Chunk, m *tx.Message, n int) {
	s := &a.stats
	s.DataOut++
	s.BytesOut += uint64(n)
	if m.Unordered {
		s.UnorderedOut++
	}
	if c.End {
		s.MessagesOut++
	} else if c.Begin {
		s.FragmentedOut++
	}
}

// wantsAckNow decides the I bit of a new chunk (RFC 9260 §6.1).
func (a *Association) wantsAckNow(p *path.Path, c tx.Chunk, m *tx.Message) bool {
	return m.AckEnd() && c.End || a.state == ShutdownPending ||
		p.InFlight >= p.CC.Window() || a.tx.peerRwnd < int(c.Len) || !a.cfg.NoDelay && a.tx.queue.Front() == nil
}

// appendChunk encodes one DATA chunk with its payload and padding.
func (a *Association) appendChunk(b []byte, start int, t wire.TSN, c *tx.Chunk, immediate bool) []byte {
	m := c.Message()
	d := wire.Data{
		TSN: t, Stream: m.Stream, SSN: m.SSN, PPID: m.PPID,
		Unordered: m.Unordered, Begin: c.Begin, End: c.End, Immediate: immediate,
	}
	b = wire.AppendDataHeader(b, &d, int(c.Len))
	b = append(b, c.Payload()...)
	for (len(b)-start)&3 != 0 {
		b = append(b, 0)
	}
	return b
}
