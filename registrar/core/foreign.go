package core

import (
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// What registrars of other implementations do not survive is kept from them. rsplib
// aborts on pool handles of more than 32 bytes, and when it is asked for its handle
// table while it has an element that does not go into a page of 1,400 bytes; it
// has room for 64 addresses, and refuses, with all else in the same message, elements
// without ASAP transport, with a user transport that it does not know, or where no
// address is left when it has dropped those of loopback and link-local scope.
const (
	maxForeignPage  = 1_350 // bytes of a HANDLE_TABLE_RESPONSE
	maxForeignAddrs = 64    // of one transport
)

// isForeign reports whether a peer is, or may be, of another implementation: it has
// said so, or nothing yet.
func (p *peer) isForeign() bool { return p.foreign || p.info == nil }

// portable reports whether peers of other implementations take an element whose
// Pool Element parameter has the given size in bytes.
func portable(h rserpool.PoolHandle, pe *rserpool.PoolElement, bytes int) bool {
	switch pe.User.Protocol {
	case rserpool.ProtoSCTP, rserpool.ProtoTCP, rserpool.ProtoUDP:
	default:
		return false
	}
	return len(h) <= rserpool.MaxPoolHandleRsplib && pe.ASAP != nil && pe.Policy.Type.Known() &&
		bytes <= maxForeignPage-rserpool.MaxPoolHandleRsplib-4 &&
		portableAddrs(pe.User.Addrs) && portableAddrs(pe.ASAP.Addrs)
}

func portableAddrs(addrs []netip.Addr) bool {
	return len(addrs) <= maxForeignAddrs && slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return !a.IsLoopback() && !a.IsLinkLocalUnicast()
	})
}

// takes reports whether a peer takes an element.
func (p *peer) takes(h rserpool.PoolHandle, pe *rserpool.PoolElement) bool {
	return !p.isForeign() || portable(h, pe, len(pe.AppendTo(nil)))
}

// forPeer is an element as a peer is told of it. Peers of other implementations do
// not know the UDP Port parameter; it is left out where it says nothing new.
func (r *Registrar) forPeer(pe rserpool.PoolElement, p *peer) rserpool.PoolElement {
	if !p.isForeign() {
		return pe
	}
	pe.Life = lifeForForeign(r.profile.LifeUnit, pe.Life)
	if pe.User.UDPPort == rserpool.DefaultUDPPort {
		pe.User.UDPPort = 0
	}
	if pe.ASAP != nil && pe.ASAP.UDPPort == rserpool.DefaultUDPPort {
		t := *pe.ASAP
		t.UDPPort = 0
		pe.ASAP = &t
	}
	return pe
}

// updateFor is what a peer is told of a change; false if it is told nothing. An
// element that it does not take any more is removed from it, and described by no
// more than it takes.
func (r *Registrar) updateFor(p *peer, action enrp.UpdateAction, el handlespace.Element) (enrp.UpdateAction, rserpool.PoolElement, bool) {
	pe := el.PoolElement
	if p.takes(el.Handle, &pe) {
		return action, r.forPeer(pe, p), true
	}
	// Which addresses it has had does not matter for that, but it wants some.
	somewhere := []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})} // RFC 5737: nobody's
	pe.User = rserpool.Transport{Protocol: pe.User.Protocol, Port: pe.User.Port, Use: pe.User.Use, Addrs: somewhere}
	if pe.ASAP != nil {
		pe.ASAP = &rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: pe.ASAP.Port, Addrs: somewhere}
	}
	return enrp.DelPE, r.forPeer(pe, p), p.takes(el.Handle, &pe)
}

// ownChecksum is the checksum of the owned elements to tell a peer: rsplib loses
// carries where there are many elements, and has not been told of all.
func (r *Registrar) ownChecksum(with *peer) uint16 {
	if with != nil && with.isForeign() {
		return r.space.ChecksumPortable(r.id)
	}
	return r.space.Checksum(r.id)
}

// agrees reports whether a peer's checksum is that of its elements here.
func (r *Registrar) agrees(p *peer, sum uint16) bool {
	return r.space.Checksum(p.id) == sum || p.foreign && r.space.ChecksumRsplib(p.id) == sum
}
