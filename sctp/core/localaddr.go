package core

import (
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// The peer knows this end by the addresses listed in INIT or INIT ACK, or, if none
// are listed, by the source of that packet (RFC 9260 §5.1.2 A). A packet from any
// other address is out of the blue to it, and its answer an ABORT. So a
// single-homed end keeps to one source address, whatever the routes say, and packets
// that arrive at another address are not for this association.

// owns says whether an address of this host belongs to the association. The zero
// address does: the lower layer does not tell.
func (a *Association) owns(local netip.Addr) bool {
	switch {
	case !local.IsValid():
		return true
	case len(a.id.localAddrs) >= 2:
		return local == a.id.local || slices.Contains(a.id.localAddrs, local)
	}
	return !a.id.local.IsValid() || local == a.id.local
}

// addPeerAddrs makes unconfirmed paths of the peer's further addresses (RFC 9260
// §5.4 rule 3). Those of a family this end has no address of are left out: there is
// nothing to send from.
func (a *Association) addPeerAddrs(remotes []netip.AddrPort) {
	pc := a.cfg.path()
	for _, remote := range remotes {
		if a.paths.Find(remote.Addr()) == nil && a.reaches(remote.Addr()) {
			a.paths.Add(remote, a.sourceTo(remote.Addr()), path.Unconfirmed, pc)
		}
	}
}

// reaches says whether this end has, or may have, an address of remote's family.
func (a *Association) reaches(remote netip.Addr) bool {
	if len(a.id.localAddrs) >= 2 {
		return slices.ContainsFunc(a.id.localAddrs, func(l netip.Addr) bool { return l.Is4() == remote.Is4() })
	}
	return !a.id.local.IsValid() || a.id.local.Is4() == remote.Is4()
}

// sourceTo is the address to send from: a multi-homed end leaves the choice among
// its bound addresses to the routes.
func (a *Association) sourceTo(remote netip.Addr) netip.Addr {
	if len(a.id.localAddrs) < 2 && a.id.local.IsValid() && a.id.local.Is4() == remote.Is4() {
		return a.id.local
	}
	return netip.Addr{}
}
