package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// minFragment is the smallest piece of a long message that is worth the rest of a
// packet.
const minFragment = 64

// gsoShare is how full the first packet of a run must be, in sixteenths of the
// path's packet size, so that the others are built to its size.
const gsoShare = 14

// PollTransmit builds the next packets for one destination in buf[:0]: one, or up
// to maxSegments of equal size. It returns false when nothing may be sent now. buf
// should have room for maxSegments packets; with less, fewer are built.
func (a *Association) PollTransmit(now time.Time, buf []byte, maxSegments int) (Transmit, bool) {
	if p, ok := a.out.popPacket(); ok {
		a.stats.PacketsOut++
		return Transmit{Local: p.local, Remote: p.remote, Data: append(buf[:0], p.bytes...)}, true
	}
	if a.state == Closed || a.state == CookieWait {
		return Transmit{}, false
	}
	b := buf[:0]
	p, size := a.firstPacket(now, &b)
	if p == nil {
		return Transmit{}, false
	}
	a.stats.PacketsOut++
	t := Transmit{Local: p.Local, Remote: p.Remote}
	if size*16 >= p.Size*gsoShare || a.nextFitsWhole() {
		for n := 1; n < maxSegments && cap(buf)-len(b) >= size; n++ {
			before := len(b)
			if !a.nextPacket(now, &b, p, size) {
				break
			}
			a.stats.PacketsOut++
			t.SegmentSize = size
			if len(b)-before < size {
				break
			}
		}
	}
	t.Data = b
	return t, true
}

// firstPacket builds a packet with whatever is due: control chunks, a SACK, DATA.
func (a *Association) firstPacket(now time.Time, b *[]byte) (*path.Path, int) {
	dataPath := a.dataPath(now)
	p := a.choosePath(dataPath)
	if p == nil {
		return nil, 0
	}
	packet := a.begin(*b)
	packet = a.appendControl(packet, p)
	limit := p.Size
	if a.sackPending() && (a.rx.sackNow || dataPath == p) && a.state != CookieEchoed {
		packet = a.appendSack(packet, limit)
	}
	if dataPath == p && len(packet) < limit {
		packet = a.appendData(now, packet, 0, p, limit)
	}
	if len(packet) == wire.HeaderLen {
		return nil, 0
	}
	wire.SetChecksum(packet)
	*b = packet
	p.LastSent = now
	return p, len(packet)
}

// nextPacket appends another packet with nothing but DATA, at most size bytes.
func (a *Association) nextPacket(now time.Time, b *[]byte, p *path.Path, size int) bool {
	if len(a.out.chunks) > 0 || a.dataPath(now) != p {
		return false
	}
	start := len(*b)
	packet := a.begin(*b)
	packet = a.appendData(now, packet, start, p, size)
	if len(packet) == start+wire.HeaderLen {
		return false
	}
	wire.SetChecksum(packet[start:])
	*b = packet
	return true
}

func (a *Association) begin(b []byte) []byte {
	return wire.Header{SrcPort: a.id.localPort, DstPort: a.id.peerPort, VTag: a.id.peerTag}.AppendTo(b)
}

// choosePath picks the destination of the next packet: that of the oldest control
// chunk, else of DATA, else of the SACK.
func (a *Association) choosePath(data *path.Path) *path.Path {
	switch {
	case len(a.out.chunks) > 0:
		return a.out.chunks[0].to
	case data != nil:
		return data
	case a.rx.sackNow && a.rx.sackPath != nil:
		return a.rx.sackPath
	case a.rx.sackNow:
		return a.paths.Current()
	}
	return nil
}

// appendControl appends the control chunks for path p while they fit.
func (a *Association) appendControl(b []byte, p *path.Path) []byte {
	kept := a.out.chunks[:0]
	for _, c := range a.out.chunks {
		if c.to != p || len(b)+len(c.bytes) > p.Size && len(b) > wire.HeaderLen {
			kept = append(kept, c)
			continue
		}
		b = append(b, c.bytes...)
		a.out.recycle(c.bytes)
	}
	a.out.chunks = kept
	return b
}

// dataPath is where DATA may go now, nil if there is none or no window for it
// allows: lost chunks first (RFC 9260 §6.1 C), then new ones.
func (a *Association) dataPath(now time.Time) *path.Path {
	if !a.state.sendsData() {
		return nil
	}
	if _, c := a.tx.out.NextLost(); c != nil {
		p := a.retransmitPath(c)
		if a.tx.force || p.CC.Window() > p.InFlight {
			return p
		}
		return nil
	}
	a.tx.force = false
	m := a.tx.queue.Front()
	if m == nil {
		return nil
	}
	p := a.paths.Current()
	a.wakePath(now, p)
	if p.Window() <= 0 {
		p.Full = p.Full || p.InFlight >= p.CC.Window()
		return nil
	}
	if !a.peerHasRoom(now, a.fragmentSize(m)) || a.nagle(m, p) {
		return nil
	}
	return p
}

// retransmitPath is the path for a lost chunk: another one than where it timed out
// (RFC 9260 §6.4), the same for a fast retransmission.
func (a *Association) retransmitPath(c *tx.Chunk) *path.Path {
	if c.Path.Errors > 0 || !c.Path.Usable() {
		return a.paths.Alternate(c.Path)
	}
	return c.Path
}

// wakePath prepares a path on which nothing is in flight: the window decays while
// idle (RFC 9260 §7.2.1), and the first burst has its own limit.
func (a *Association) wakePath(now time.Time, p *path.Path) {
	if p.InFlight > 0 {
		return
	}
	if rto := p.RTO.Value(); !p.LastData.IsZero() && now.Sub(p.LastData) >= rto {
		p.CC.OnIdle(now, now.Sub(p.LastData))
		p.LastData = now
	}
	p.Burst = max(p.Burst, a.burst(p))
}

// fragmentSize is the size of the next chunk of a message, were it to start a
// packet.
func (a *Association) fragmentSize(m *tx.Message) int {
	return min(m.Remaining(), a.maxFragment())
}

// maxFragment is the user data that fits one packet on every path.
func (a *Association) maxFragment() int {
	return a.paths.MinSize() - wire.HeaderLen - wire.DataHeaderLen
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
	if a.cfg.NoDelay || m.Immediate || m.Started() || a.tx.out.InFlight() == 0 || a.state != Established {
		return false
	}
	return a.tx.queue.Bytes()+a.tx.queue.Waiting()*(wire.DataHeaderLen+2) < p.Size-wire.HeaderLen
}

// appendData fills a packet that begins at start up to limit bytes with DATA for
// path p: lost chunks, then new ones, in ascending TSN order.
func (a *Association) appendData(now time.Time, b []byte, start int, p *path.Path, limit int) []byte {
	b, full := a.appendLost(now, b, start, p, limit)
	a.tx.force = false
	if full {
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
		size := wire.DataHeaderLen + int(c.Len)
		// A chunk larger than the path's packets, because their size has shrunk, goes
		// alone and is left to IP fragmentation (§6.9); in a run of segments (start >
		// 0) nothing may exceed the size of the first.
		if len(b)-start+size > limit && (start > 0 || len(b) > wire.HeaderLen) {
			return b, true
		}
		earliest := c.Path == p && t == p.Oldest && p.InFlight > 0 || p.InFlight == 0
		fast := c.Path == p && p.Errors == 0
		a.tx.out.Resend(t, p)
		a.tx.peerRwnd = max(0, a.tx.peerRwnd-int(c.Len))
		b = a.appendChunk(b, start, t, c, false)
		a.stats.Retransmitted++
		p.LastData = now
		if a.cfg.Trace.Retransmit != nil {
			a.cfg.Trace.Retransmit(t, fast)
		}
		if earliest || t == p.Oldest {
			p.RestartT3(now) // §6.1: the earliest outstanding chunk is sent again
		} else {
			p.StartT3(now)
		}
	}
}

// appendNew appends new DATA chunks.
func (a *Association) appendNew(now time.Time, b []byte, start int, p *path.Path, limit int) []byte {
	t := &a.tx
	longest := a.maxFragment()
	if p != a.paths.Current() {
		return b
	}
	for {
		m := t.queue.Front()
		if m == nil {
			return b
		}
		empty := len(b)-start == wire.HeaderLen
		space := limit - (len(b) - start) - wire.DataHeaderLen
		n := m.Remaining()
		if n > space {
			// A message that fits a packet is not fragmented; a longer one fills
			// what is left of this one.
			if space = min(space, longest) &^ 3; !m.Started() && n <= longest || space < minFragment {
				return b
			}
			n = space
		}
		if n > t.peerRwnd && !(t.probe && t.out.Len() == 0) {
			return b
		}
		if !empty && p.Window() <= 0 {
			// The breach of cwnd is one packet only (§6.1 B), and this is still it.
			if p.InFlight >= p.CC.Window()+p.PMDCS()-1 {
				p.Full = true
				return b
			}
		}
		if t.queue.SequenceFull(m) {
			return b
		}
		b = a.appendFragment(now, b, start, p, n, m)
	}
}

// appendFragment sends the next n bytes of the front message m.
func (a *Association) appendFragment(now time.Time, b []byte, start int, p *path.Path, n int, m *tx.Message) []byte {
	t := &a.tx
	t.probe = false
	c := t.queue.Cut(n)
	tsn := t.out.Push(c, p)
	t.peerRwnd = max(0, t.peerRwnd-n)
	p.Burst -= n
	p.Time(now, tsn)
	p.StartT3(now)
	p.LastData = now
	p.CC.OnSent(now, n, p.InFlight)
	a.stats.DataOut++
	a.stats.BytesOut += uint64(n)
	return a.appendChunk(b, start, tsn, t.out.At(tsn), a.wantsAckNow(p, c, m))
}

// wantsAckNow decides the I bit of a new chunk (RFC 9260 §6.1).
func (a *Association) wantsAckNow(p *path.Path, c tx.Chunk, m *tx.Message) bool {
	return m.Immediate && c.End || a.state == ShutdownPending ||
		p.InFlight >= p.CC.Window() || !a.cfg.NoDelay && a.tx.queue.Front() == nil
}

// appendChunk encodes one DATA chunk with its payload and padding.
func (a *Association) appendChunk(b []byte, start int, t wire.TSN, c *tx.Chunk, immediate bool) []byte {
	d := wire.Data{
		TSN: t, Stream: c.Msg.Stream, SSN: c.Msg.SSN, PPID: c.Msg.PPID,
		Unordered: c.Msg.Unordered, Begin: c.Begin, End: c.End, Immediate: immediate,
	}
	b = wire.AppendDataHeader(b, &d, int(c.Len))
	b = append(b, c.Payload()...)
	for (len(b)-start)&3 != 0 {
		b = append(b, 0)
	}
	return b
}

// nextFitsWhole says that the next message is not fragmented whatever the size of
// the packet, so that a run of smaller packets wastes nothing.
func (a *Association) nextFitsWhole() bool {
	m := a.tx.queue.Front()
	return m != nil && !m.Started() && m.Remaining() <= a.maxFragment()
}
