package core

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// discovery is what path MTU discovery (RFC 9260 §7.3, RFC 8899) keeps for the whole
// association; each path has a search of its own.
type discovery struct {
	due   bool // a probe is to be sent on some path
	waits bool // a search waits for more than a little data to be sent
}

// wakeDiscovery begins the searches that waited for data to be sent, if there is
// more of it than fits packets of which the size is not in doubt. All working paths are
// searched, since the smallest of them limits all fragments.
func (a *Association) wakeDiscovery() {
	const enough = path.SmallestSize - wire.HeaderLen - wire.DataHeaderLen
	if !a.state.sendsData() || a.tx.queue.Bytes() <= enough {
		return
	}
	a.mtu.waits = false
	for _, p := range a.paths.All {
		switch {
		case p.State == path.Unconfirmed || p.State == path.Inactive:
			continue
		case p.Discovery.Asleep:
			p.Resume()
		default:
			p.StartDiscovery()
		}
		a.discovered(p, p.Size)
	}
}

// discovered follows up on what an event did to the search of a path whose size
// was before.
func (a *Association) discovered(p *path.Path, before int) {
	a.mtu.due = a.mtu.due || p.Discovery.Due
	a.mtu.waits = a.mtu.waits || p.Discovery.Asleep
	if p.Size != before && a.cfg.Trace.SizeChange != nil {
		a.cfg.Trace.SizeChange(p.Remote, p.Size)
	}
}

// resendLarge marks for retransmission what was sent in packets of more than size
// bytes, which have turned out to be too large, instead of waiting for T3-rtx. It was
// not congestion that they met, so the window stays as it is. After a timeout there is
// but one packet in flight (RFC 9260 §7.2.3), which may be large for the number of its
// chunks.
func (a *Association) resendLarge(p *path.Path, size int) {
	t := &a.tx
	if p.Alone || size == 0 {
		a.surrender(p)
		return
	}
	before := t.out.InFlight()
	t.out.MarkLargeLost(p, size)
	t.peerRwnd += before - t.out.InFlight() // §6.2.1 C
	if p.InFlight == 0 {
		p.StopT3()
	}
	t.out.Settle(p)
	t.force = t.force || t.out.Lost() > 0
}

// connectivity begins or ends the search when a path has changed its state (RFC
// 8899 §5.2). After an outage what probes had told counts for nothing.
func (a *Association) connectivity(p *path.Path) {
	if !a.cfg.PathMTUDiscovery {
		return
	}
	if p.State == path.Inactive {
		p.StopDiscovery()
	}
	a.mtu.waits = true
}

// revived is told when a path is answered that had failed.
func (a *Association) revived(p *path.Path) {
	before := p.Size
	p.Revive()
	a.discovered(p, before)
}

// probePacket builds a probe: a HEARTBEAT with a nonce of its own and as much
// padding as the size to try leaves room for (RFC 8899 §6.2.1.2). It carries no
// user data and its loss counts for nothing but the search.
func (a *Association) probePacket(now time.Time, buf []byte) (Transmit, bool) {
	if !a.mtu.due {
		return Transmit{}, false
	}
	for _, p := range a.paths.All {
		d := &p.Discovery
		if !d.Due {
			continue
		}
		var info [heartbeatInfoLen]byte
		if _, err := io.ReadFull(a.cfg.Rand, info[:8]); err != nil {
			break
		}
		binary.BigEndian.PutUint32(info[8:], uint32(p.ID))
		hb := wire.Heartbeat{Info: info[:]}
		b := hb.AppendTo(a.begin(buf[:0]))
		pad := wire.Pad{Data: d.Probed - len(b) - wire.ChunkHeaderLen}
		b = pad.AppendTo(b)
		wire.SetChecksum(b)
		d.Sent = a.stats.DataOut
		p.ProbeSent(now, binary.BigEndian.Uint64(info[:]))
		a.stats.MTUProbes++
		a.stats.PacketsOut++
		a.stats.ControlOut += 2
		p.Count.PacketsOut++
		return Transmit{Local: p.Local, Remote: p.Remote, Data: b}, true
	}
	a.mtu.due = false
	return Transmit{}, false
}

// probeAnswered takes a HEARTBEAT ACK if it answers the probe of a path: the path
// carries this size, and it works (RFC 8899 §6.2.1.2).
func (a *Association) probeAnswered(now time.Time, p *path.Path, nonce uint64) bool {
	d := &p.Discovery
	if d.SentAt.IsZero() || d.Nonce != nonce {
		return false
	}
	before := p.Size
	p.RTO.Measure(now.Sub(d.SentAt))
	p.ProbeAcked(now)
	if a.tx.out.Len() == 0 {
		a.errors = 0 // §8.1: kept while data is unacknowledged
	}
	a.pathAnswered(p)
	a.discovered(p, before)
	return true
}

// onDiscoveryTimer does what is due for the search of a path.
func (a *Association) onDiscoveryTimer(now time.Time, p *path.Path) {
	if d := &p.Discovery; d.At.IsZero() || d.At.After(now) {
		return
	}
	before, whole := p.Size, !p.Discovery.Fragment
	p.DiscoveryTimer(now, a.stats.DataOut != p.Discovery.Sent)
	switch {
	case whole && p.Discovery.Fragment:
		a.resendLarge(p, 0)
	case p.Size < before:
		a.resendLarge(p, p.Size)
	}
	a.discovered(p, before)
}

// tooBig takes an ICMP message that says the MTU of a link on the path (RFC 8899
// §4.6.2). Without discovery the network layer looks after that.
func (a *Association) tooBig(now time.Time, p *path.Path, mtu int) {
	size := path.PacketSize(p.Remote.Addr(), mtu, a.cfg.EncapOverhead)
	before := p.Size
	if mtu <= 0 || mtu > maxMTU || !p.TooBig(now, size) {
		a.drop("ICMP message about an impossible size")
		return
	}
	if p.Size < before {
		a.resendLarge(p, size)
	}
	a.discovered(p, before)
}

// passed takes note of the largest packet that a SACK shows to have passed, of those
// whose size is in doubt; flight was outstanding on the path before.
func (a *Association) passed(p *path.Path, flight int) {
	if n := wire.HeaderLen + flight; p.Alone && p.InFlight == 0 && p.Large(n) {
		p.Largest = max(p.Largest, n)
	}
	if p.Largest > 0 {
		p.Passed(p.Largest)
	}
}

// suspectBlackHole looks, at an expiry of T3-rtx, whether large packets get lost
// because they are large (RFC 8899 §4.3): the second time in a row that either a
// large chunk or packet was the oldest, with none as large acknowledged in between, or
// nothing at all came through. It comes before the chunks are marked as lost.
func (a *Association) suspectBlackHole(p *path.Path) {
	if a.tx.out.Len() == 0 || p.InFlight == 0 {
		return
	}
	suspects := 0
	n := wire.HeaderLen + tx.Size(int(a.tx.out.At(p.Oldest).Len))
	if p.Alone { // after a timeout: all that is in flight was one packet
		n = wire.HeaderLen + p.InFlight
	}
	if p.Large(n) {
		suspects = p.Suspect(n)
	}
	silence := p.Errors > 0 && p.Large(min(wire.HeaderLen+p.InFlight, p.Size))
	if suspects < 2 && !silence {
		return
	}
	p.Acquit()
	before := p.Size
	if p.BlackHole() {
		a.stats.BlackHoles++
		a.discovered(p, before)
	}
}
