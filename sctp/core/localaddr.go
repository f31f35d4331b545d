package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// The peer knows this end by the addresses listed in INIT or INIT ACK, or, if none
// are listed, by the source of that packet (RFC 9260 §5.1.2 A). A packet from any
// other address is out of the blue to it, and its answer an ABORT. So this end sends
// from no other, whatever the routes say, and packets that arrive at another are not
// for this association.
//
// Each path has a source address of its own. Which pairs of addresses work is not
// known beforehand: the choice begins with what looks like the same network, then it
// follows where the peer's packets arrive, and it changes when nothing comes back.

// locals is the addresses of this end.
type locals struct {
	told  []netip.Addr // listed to the peer
	own   netip.Addr   // that of the handshake, zero as long as it is not known
	known []netip.Addr // all by which the peer knows this end; nil: the lower layer chooses
	gone  []netip.Addr // those that have vanished
}

// settle takes the address at which the handshake took place.
func (l *locals) settle(own netip.Addr) {
	l.own = own
	switch {
	case !own.IsValid():
		l.known = l.told
	case slices.Contains(l.told, own):
		l.known = l.told
	default:
		l.known = append([]netip.Addr{own}, l.told...)
	}
}

// owns says whether an address of this host belongs to the association. The zero
// address does: the lower layer does not tell.
func (l *locals) owns(a netip.Addr) bool {
	return !a.IsValid() || l.known == nil || slices.Contains(l.known, a)
}

// present is the addresses to list now.
func (l *locals) present() []netip.Addr {
	if len(l.gone) == 0 {
		return l.told
	}
	return slices.DeleteFunc(slices.Clone(l.told), func(a netip.Addr) bool { return slices.Contains(l.gone, a) })
}

// matches says whether packets from l can reach remote: loopback and the link are
// networks of their own.
func matches(l, remote netip.Addr) bool {
	return l.Is4() == remote.Is4() && l.IsLoopback() == remote.IsLoopback() &&
		(l.Is4() || l.IsLinkLocalUnicast() == remote.IsLinkLocalUnicast())
}

// sources is the addresses to send from to remote. If there is none, free says
// whether that is because the lower layer chooses.
func (l *locals) sources(remote netip.Addr) (out []netip.Addr, free bool) {
	for _, a := range l.known {
		if matches(a, remote) && !slices.Contains(l.gone, a) {
			out = append(out, a)
		}
	}
	return out, l.known == nil
}

// reaches says whether this end has, or may have, an address to send from to remote.
func (l *locals) reaches(remote netip.Addr) bool {
	out, free := l.sources(remote)
	return free || len(out) > 0
}

// pick chooses the source of a path that nothing is known of yet: an address that
// seems to be in the network of remote; among several, or if there is none, the one
// that the fewest other paths use, so that the paths have little in common (RFC 9260
// §6.4.1). The zero address leaves it to the lower layer.
func (a *Association) pick(remote netip.Addr) netip.Addr {
	var best netip.Addr
	most, least := -1, 0
	out, _ := a.id.locals.sources(remote)
	for _, l := range out {
		near, uses := nearness(l, remote), 0
		for _, p := range a.paths.All {
			if p.Local == l && p.Remote.Addr() != remote {
				uses++
			}
		}
		if near > most || near == most && uses < least {
			best, most, least = l, near, uses
		}
	}
	return best
}

// nearness is the length of the prefix that two addresses share, or 0 if it is too
// short to be that of a network.
func nearness(l, remote netip.Addr) int {
	n, network := path.CommonBits(l, remote), 48
	if l.Is4() {
		network = 96 + 16
	}
	if n < network {
		return 0
	}
	return n
}

// addPeerAddrs makes unconfirmed paths of the peer's further addresses (RFC 9260
// §5.4 rule 3). Those of a family this end has no address of are left out: there is
// nothing to send from.
func (a *Association) addPeerAddrs(remotes []netip.AddrPort) {
	pc := a.cfg.path()
	for _, remote := range remotes {
		if a.paths.Find(remote.Addr()) == nil && a.id.locals.reaches(remote.Addr()) {
			a.paths.Add(remote, a.pick(remote.Addr()), path.Unconfirmed, pc)
		}
	}
}

// settleSources gives every path a source that the peer knows, now that the handshake
// has shown by which addresses that is, and forgets paths that have none. The one that
// works has one, whatever it looks like.
func (a *Association) settleSources(works *path.Path) {
	l := &a.id.locals
	a.paths.Retain(func(p *path.Path) bool {
		if p == works {
			return true
		}
		out, free := l.sources(p.Remote.Addr())
		if !free && !slices.Contains(out, p.Local) {
			p.Local = a.pick(p.Remote.Addr())
		}
		return free || len(out) > 0
	})
}

// follow notes at which of this end's addresses a packet of the peer arrived. This
// end sends from there if the path's own source is in doubt: after an error, or when
// the peer's data comes elsewhere than it used to. The old address may be dead, and an
// end that only receives would never find out by itself. A HEARTBEAT is no such sign:
// the peer probes all addresses of this end.
func (a *Association) follow(now time.Time, in *Inbound, p *path.Path, pkt *wire.Packet) {
	if !in.Local.IsValid() {
		return
	}
	p.Heard |= a.bit(in.Local)
	if p.Local == in.Local {
		p.HeardAt = now
		return
	}
	moved := now.Sub(p.HeardAt) > p.RTO.Value()/2 && hasChunk(*pkt, wire.TypeData)
	if !p.Local.IsValid() || p.Errors > 0 || moved || slices.Contains(a.id.locals.gone, p.Local) {
		a.setSource(p, in.Local)
		p.HeardAt = now
	}
}

// bit is the bit of an address of this end in Path.Heard.
func (a *Association) bit(l netip.Addr) uint64 {
	if i := slices.Index(a.id.locals.known, l); i >= 0 && i < 64 {
		return 1 << i
	}
	return 0
}

// rotate tries another source address after a transmission on p failed, since it may
// be this end of the path that is dead (RFC 9260 §6.4.1). After one error in a row
// only an address at which the peer's packets have arrived will do: in networks that
// are separate no other pair works. With each second error any address gets its
// turn.
func (a *Association) rotate(p *path.Path, anyway bool) {
	out, _ := a.id.locals.sources(p.Remote.Addr())
	i := slices.Index(out, p.Local)
	for n := 1; n <= len(out); n++ {
		l := out[(i+n)%len(out)]
		if l == p.Local {
			return
		}
		if anyway || p.Heard&a.bit(l) != 0 {
			a.setSource(p, l)
			return
		}
	}
}

// setSource changes the source address of a path. That is another way through the
// network, of which nothing is known: congestion control begins anew (RFC 9260
// §7.2.5.2).
func (a *Association) setSource(p *path.Path, l netip.Addr) {
	if p.Local == l {
		return
	}
	if p.Local.IsValid() {
		p.Reroute(a.cfg.path())
		a.mtu.waits = a.cfg.PathMTUDiscovery
		a.stats.SourceChanges++
	}
	p.Local, p.HeardAt = l, time.Time{}
}

// RemoveLocalAddr tells that an address of this end has vanished. It is not used as a
// source any more. What was sent from it and not acknowledged is sent again at once,
// from another address, or where a path has no other, on another path (RFC 9260
// §6.4.1): such a path is inactive.
func (a *Association) RemoveLocalAddr(now time.Time, l netip.Addr) {
	l = l.Unmap()
	if a.state == Closed || slices.Contains(a.id.locals.gone, l) || !slices.Contains(a.id.locals.known, l) {
		return
	}
	now = a.read(now)
	a.id.locals.gone = append(a.id.locals.gone, l)
	for _, p := range a.paths.All {
		if p.Local != l {
			continue
		}
		a.surrender(p) // the SACKs would go to where the data came from
		if next := a.pick(p.Remote.Addr()); next.IsValid() {
			a.setSource(p, next)
		} else if p.Errors = max(p.Errors, p.Settings.MaxRetrans+1); p.State != path.Unconfirmed {
			a.judge(now, p, path.Inactive)
			a.switchOver(p)
		}
	}
}

// AddLocalAddr tells that an address of this end is there again. One that the peer
// does not know, because it was not there when the association was set up, makes no
// difference: telling it later takes RFC 5061.
func (a *Association) AddLocalAddr(now time.Time, l netip.Addr) {
	l = l.Unmap()
	i := slices.Index(a.id.locals.gone, l)
	if a.state == Closed || i < 0 {
		return
	}
	now = a.read(now)
	a.id.locals.gone = slices.Delete(a.id.locals.gone, i, i+1)
	for _, p := range a.paths.All {
		if slices.Contains(a.id.locals.gone, p.Local) && matches(l, p.Remote.Addr()) {
			a.setSource(p, l)
		}
		if p.Local == l && p.State != path.Active && !p.Heartbeat.At.IsZero() {
			p.Heartbeat.At = now // see whether it works again
		}
	}
}
