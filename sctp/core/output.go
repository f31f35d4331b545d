package core

import (
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// maxControl bounds the control chunks and lone packets that wait to be sent. All
// but a few are answers to packets, and PollTransmit empties the queue after each.
const maxControl = 64

// output is what waits to be sent besides SACK and DATA.
type output struct {
	chunks  []control // may be bundled
	packets []packet  // must go alone
	reports []byte    // causes of the ERROR chunk being collected
	free    [][]byte  // buffers of chunks sent, for reuse
	answer  answering
}

// answering is what the packet being processed has brought about so far.
type answering struct {
	on    bool
	to    *path.Path
	bytes int
}

// begin says that a packet is being processed. The answer to it, SACK and DATA apart,
// is one packet at most: chunks that do not fit or should go elsewhere are dropped (RFC
// 9260 §12.4, RFC 5062 §8, §10).
func (o *output) begin() { o.answer = answering{on: true} }

// end says that it has been processed.
func (o *output) end() { o.answer = answering{} }

// fits says whether a chunk may be part of the answer.
func (w *answering) fits(to *path.Path, chunk []byte) bool {
	if !w.on {
		return true
	}
	if w.to == nil {
		w.to = to
	}
	if to != w.to || w.bytes > 0 && w.bytes+len(chunk) > to.Size-wire.HeaderLen {
		return false
	}
	w.bytes += len(chunk)
	return true
}

// control is one encoded control chunk and the path it takes.
type control struct {
	bytes []byte
	to    *path.Path
}

// packet is one whole packet with its checksum.
type packet struct {
	bytes  []byte
	local  netip.Addr
	remote netip.AddrPort
}

// verified is path p, or the current one if there is no such path or it must not be
// used: nothing but heartbeats goes to an address that is not verified yet (RFC
// 9260 §5.4).
func (a *Association) verified(p *path.Path) *path.Path {
	if p == nil || p.State == path.Unconfirmed {
		return a.paths.Current()
	}
	return p
}

// control queues a chunk for a path, or for the current one if that is not verified.
func (a *Association) control(to *path.Path, chunk []byte) {
	a.out.control(a.verified(to), chunk)
}

// replace is control for a chunk of which one per packet is enough: it takes the
// place of those of its type, or of another type, that wait already.
func (a *Association) replace(to *path.Path, chunk []byte, old ...wire.ChunkType) {
	a.out.remove(append(old, wire.ChunkType(chunk[0]))...)
	a.control(to, chunk)
}

// control queues a chunk.
func (o *output) control(to *path.Path, chunk []byte) {
	if len(o.chunks) < maxControl && o.answer.fits(to, chunk) {
		o.chunks = append(o.chunks, control{bytes: chunk, to: to})
	}
}

// remove drops the chunks of these types that wait.
func (o *output) remove(types ...wire.ChunkType) {
	o.chunks = slices.DeleteFunc(o.chunks, func(c control) bool {
		return slices.Contains(types, wire.ChunkType(c.bytes[0]))
	})
}

// bundle queues a chunk that may only travel behind one of type with, which waits
// as well; it is dropped if there is none or it does not fit.
func (o *output) bundle(with wire.ChunkType, chunk []byte) {
	for _, c := range o.chunks {
		if wire.ChunkType(c.bytes[0]) == with && wire.HeaderLen+len(c.bytes)+len(chunk) <= c.to.Size {
			o.control(c.to, chunk)
			return
		}
	}
}

// buffer returns an empty buffer for a control chunk.
func (o *output) buffer() []byte {
	if n := len(o.free); n > 0 {
		b := o.free[n-1]
		o.free = o.free[:n-1]
		return b[:0]
	}
	return make([]byte, 0, 256)
}

// packet queues a whole packet.
func (o *output) packet(local netip.Addr, remote netip.AddrPort, b []byte) {
	if len(o.packets) < maxControl {
		o.packets = append(o.packets, packet{bytes: b, local: local, remote: remote})
	}
}

// popPacket takes the oldest lone packet.
func (o *output) popPacket() (packet, bool) {
	if len(o.packets) == 0 {
		return packet{}, false
	}
	p := o.packets[0]
	if o.packets = o.packets[1:]; len(o.packets) == 0 {
		o.packets = nil // these are rare
	}
	return p, true
}

// shrink gives memory back that was used during the handshake.
func (o *output) shrink() {
	o.free = nil
	if len(o.chunks) == 0 {
		o.chunks = nil
	}
}

// recycle keeps the buffer of a chunk that was sent for another one.
func (o *output) recycle(b []byte) {
	if len(o.free) < 4 && cap(b) <= 2048 {
		o.free = append(o.free, b)
	}
}

// lonePacket builds a packet around one chunk.
func lonePacket(src, dst uint16, tag wire.VTag, chunk func([]byte) []byte) []byte {
	b := wire.Header{SrcPort: src, DstPort: dst, VTag: tag}.AppendTo(make([]byte, 0, 128))
	b = chunk(b)
	wire.SetChecksum(b)
	return b
}

// alone queues a packet of this association that holds one chunk.
func (a *Association) alone(in Inbound, tag wire.VTag, chunk func([]byte) []byte) {
	a.out.packet(in.Local, in.Remote, lonePacket(a.id.localPort, a.id.peerPort, tag, chunk))
}
