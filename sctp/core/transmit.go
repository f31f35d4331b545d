package core

import (
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// gsoShare is how full the first packet of a run must be, in sixteenths of the
// path's packet size, so that the others are built to its size.
const gsoShare = 14

// sackLen is the size of a SACK without Gap Ack Blocks and duplicates.
const sackLen = 16

// PollTransmit builds the next packets for one destination in buf[:0]: one, or up
// to maxSegments of equal size. It returns false when nothing may be sent now. buf
// should have room for maxSegments packets; with less, fewer are built.
func (a *Association) PollTransmit(now time.Time, buf []byte, maxSegments int) (Transmit, bool) {
	if p, ok := a.out.popPacket(); ok {
		a.stats.PacketsOut++
		a.stats.ControlOut++
		if to := a.paths.Find(p.remote.Addr()); to != nil {
			to.Count.PacketsOut++
		}
		return Transmit{Local: p.local, Remote: p.remote, Data: append(buf[:0], p.bytes...), MayFragment: len(p.bytes) > path.SmallestSize}, true
	}
	if a.state == Closed || a.state == CookieWait {
		return Transmit{}, false
	}
	now = a.read(now)
	a.ecn.fresh, a.ecn.again = false, false
	if a.mtu.waits {
		a.wakeDiscovery()
	}
	b := buf[:0]
	p, size := a.firstPacket(now, &b)
	if p == nil {
		if t, ok := a.probePacket(now, buf); ok {
			return t, true
		}
		for _, p := range a.paths.All {
			p.Pause()
		}
		return Transmit{}, false
	}
	packets := uint64(1)
	t := Transmit{Local: p.Local, Remote: p.Remote, ECN: a.ecn.codepoint(), MayFragment: size > p.Size || p.Discovery.Fragment}
	if size <= p.Size && (size*16 >= p.Size*gsoShare || a.nextFitsWhole()) {
		for n := 1; n < maxSegments && cap(buf)-len(b) >= size; n++ {
			before := len(b)
			if !a.nextPacket(now, &b, p, size) {
				break
			}
			packets++
			t.SegmentSize = size
			if len(b)-before < size {
				break
			}
		}
	}
	a.stats.PacketsOut += packets
	p.Count.PacketsOut += packets
	if p.LastData.Equal(now) {
		a.awaitLossProbe(now, p)
	}
	t.Data = b
	return t, true
}

// nextFitsWhole says that the next message is not fragmented whatever the size of
// the packet, so that a run of smaller packets wastes nothing.
func (a *Association) nextFitsWhole() bool {
	m := a.tx.queue.Front()
	return m != nil && fitsWhole(m, a.maxFragment())
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
	if a.sackBelongs(len(packet), p, dataPath) {
		packet = a.appendSack(a.appendEcho(now, packet, p.Size), p.Size)
	}
	if dataPath == p && len(packet) < p.Size {
		packet = a.appendData(now, packet, 0, p, p.Size)
	}
	if len(packet) == wire.HeaderLen {
		return nil, 0
	}
	wire.SetChecksum(packet)
	*b = packet
	return p, len(packet)
}

// sackBelongs says whether a SACK goes into a packet that is n bytes long so far:
// if one is due, or if data was received and the DATA for the packet leaves room
// for acknowledging it (RFC 9260 §6.1). None goes to an address that is not verified
// (§5.4).
func (a *Association) sackBelongs(n int, p, dataPath *path.Path) bool {
	if n+sackLen > p.Size || a.state == CookieEchoed || p.State == path.Unconfirmed {
		return false
	}
	return a.rx.sackNow || a.rx.packets > 0 && dataPath == p && a.nextSize() <= p.Size-n-sackLen
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
// chunk, else of DATA, else of the SACK, which goes where DATA last came from
// (RFC 9260 §6.7).
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

// appendControl appends the control chunks for path p while they fit. A chunk that
// is too long for any packet goes alone, which leaves it to IP fragmentation.
func (a *Association) appendControl(b []byte, p *path.Path) []byte {
	kept := a.out.chunks[:0]
	for _, c := range a.out.chunks {
		if c.to != p || len(b)+len(c.bytes) > p.Size && len(b) > wire.HeaderLen {
			kept = append(kept, c)
			continue
		}
		b = append(b, c.bytes...)
		a.stats.ControlOut++
		a.out.recycle(c.bytes)
	}
	clear(a.out.chunks[len(kept):])
	a.out.chunks = kept
	return b
}
