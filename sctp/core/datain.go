package core

import (
	"encoding/binary"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/rx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// handleData takes one DATA chunk (RFC 9260 §6.2); false ends the packet.
func (a *Association) handleData(now time.Time, c wire.RawChunk) bool {
	var d wire.Data
	if d.Decode(c) != nil {
		a.drop("malformed DATA")
		return true
	}
	if !a.state.receivesData() {
		a.drop("DATA in a state without data transfer")
		return true
	}
	if len(d.Payload) == 0 {
		a.abortCause(now, wire.CauseNoUserData, binary.BigEndian.AppendUint32(nil, uint32(d.TSN)))
		return false
	}
	a.rx.gotData = true
	if d.Immediate || !a.rx.begun || a.rx.tsn.HasGaps() {
		// The I bit; the first DATA of the association (§5.1); and what may fill a gap
		// (RFC 5681 §4.2) are acknowledged at once.
		a.rx.begun, a.rx.sackNow = true, true
	}
	switch a.rx.tsn.Check(d.TSN) {
	case rx.TooFar:
		a.drop("TSN outside of the window")
		a.rx.sackNow = true
		return true
	case rx.Duplicate:
		a.stats.DuplicatesIn++
		a.rx.tsn.Duplicate(d.TSN)
		a.rx.sackNow = true
		return true
	}
	if !a.rx.inbox.HasRoom(d.TSN, len(d.Payload), &a.rx.tsn) {
		a.stats.NoRoom++
		a.rx.sackNow = true // §6.2: a dropped chunk is answered at once
		return true
	}
	a.rx.tsn.Add(d.TSN)
	a.rx.fresh = true
	a.markedData(now, d.TSN)
	a.stats.DataIn++
	if d.Unordered {
		a.stats.UnorderedIn++
	}
	if int(d.Stream) >= a.id.inStreams && a.rx.inbox.Skip(d.TSN) == rx.Accepted {
		// §6.5: acknowledged, discarded, reported.
		a.report(wire.CauseInvalidStream, []byte{byte(d.Stream >> 8), byte(d.Stream), 0, 0})
		a.rx.sackNow = true
		return true
	}
	a.stats.BytesIn += uint64(len(d.Payload))
	if int(d.Stream) >= a.id.inStreams || a.rx.inbox.Insert(&d, &a.rx.tsn) == rx.Violation {
		a.protocolViolation(now, "DATA chunk contradicts the others of its message")
		return false
	}
	return true
}

// afterData decides when the packet just processed is acknowledged (RFC 9260
// §6.2) and relieves the reassembly buffers.
func (a *Association) afterData(now time.Time, p *path.Path) {
	a.rx.packets++
	a.noteLoss()
	a.rx.sackPath = a.sackPath(p)
	a.relieve()
	switch {
	case a.state == ShutdownSent:
		// §9.2: each packet with DATA is answered by SHUTDOWN. The SACK beside it
		// tells gaps and duplicates, and the window, which the peer needs to go on.
		a.rx.packets = 0
		a.timers.stop(timerSack)
		a.rx.sackNow = true
		a.sendShutdown(now, p)
	case a.rx.tsn.HasGaps(), int(a.rx.packets) >= a.cfg.SackFrequency, a.cfg.SackDelay == 0:
		a.rx.sackNow = true
	case !a.rx.sackNow && !a.timers.running(timerSack):
		a.timers.set(timerSack, now.Add(a.cfg.SackDelay))
	}
}

// sackPath is where to send the SACK for a packet that came over path p: back, as
// long as it brings anything new (RFC 9260 §6.4). If a peer goes on to repeat what was
// acknowledged, the way back may be the one that is broken, so every other such packet
// is answered elsewhere.
func (a *Association) sackPath(p *path.Path) *path.Path {
	p = a.verified(p)
	if a.rx.fresh {
		a.rx.fresh, a.rx.repeats = false, 0
		return p
	}
	if a.rx.repeats++; a.rx.repeats%2 == 0 {
		return a.paths.Alternate(p)
	}
	return p
}

// relieve begins to deliver a message that is not complete when the buffer fills
// and there is nothing else to read, or when it is full: whoever should read what
// else there is may wait for this one (RFC 9260 §6.9).
func (a *Association) relieve() {
	x := &a.rx.inbox
	if x.Tight() && a.state.receivesData() && (x.Readable() == 0 || x.Window() == 0) {
		x.DeliverPartially(a.rx.tsn.Cum())
	}
}

// sackScratch is where SACKs are decoded and made, so that they cost no allocation.
func (a *Association) sackScratch() *wire.Sack {
	if a.sack == nil {
		a.sack = new(wire.Sack)
	}
	return a.sack
}

// appendSack appends the SACK that is due, with as many Gap Ack Blocks and
// duplicates as fit limit, and resets what called for it.
func (a *Association) appendSack(b []byte, limit int) []byte {
	room := limit - len(b) - sackLen
	s := a.sackScratch()
	s.CumTSN = a.rx.tsn.Cum()
	window := a.rx.inbox.Window()
	s.ARwnd = uint32(window)
	s.Gaps, s.Dups = s.Gaps[:0], s.Dups[:0]
	if a.rx.tsn.HasGaps() {
		s.Gaps = a.rx.tsn.Gaps(s.Gaps, max(room/4, 0))
		room -= 4 * len(s.Gaps)
	}
	s.Dups = append(s.Dups, a.rx.tsn.Dups[:min(len(a.rx.tsn.Dups), max(room/4, 0))]...)
	a.rx.tsn.Dups = a.rx.tsn.Dups[:0]
	a.rx.advertised = window
	a.rx.sackNow = false
	a.rx.packets = 0
	a.timers.stop(timerSack)
	a.stats.SacksOut++
	a.stats.ControlOut++
	return s.AppendTo(b)
}
