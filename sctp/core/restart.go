package core

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// handleInit answers an INIT from the peer of an existing association: both ends
// opened at once, or the peer restarted (RFC 9260 §5.2.1, §5.2.2). The association
// itself does not change.
func (a *Association) handleInit(now time.Time, in Inbound, pkt wire.Packet) {
	var i wire.Init
	c := pkt.First()
	if pkt.VTag != 0 || c.Len() != chunksLen(pkt) || i.Decode(c) != nil {
		a.drop("malformed INIT")
		return
	}
	switch v := checkInit(c, &i); {
	case v.discard:
		a.drop("INIT with tag 0")
		return
	case v.abort:
		a.replyPacket(abortAnswer(in, pkt, i.InitiateTag, nil, v.code, v.info))
		return
	}
	p := a.paths.Find(in.Remote.Addr())
	if a.state == CookieWait && (p == nil || p.State != path.Active) {
		p, in = a.namedBy(&i, in)
	}
	switch {
	case a.state == ShutdownAckSent: // §9.2: the SHUTDOWN COMPLETE may be lost
		a.repeatShutdownAck(a.paths.Current())
		return
	case p == nil && a.state == CookieWait:
		a.drop("INIT from an address that was not called") // §5.2.1 rule 1
		return
	case p != nil && p.Remote.Port() != in.Remote.Port():
		// draft-tuexen-tsvwg-sctp-udp-encaps-cons §4 rule 7: whoever shares the
		// peer's address must not take its place.
		a.replyPacket(abortAnswer(in, pkt, i.InitiateTag, nil, wire.CauseRestartNewEncapsPort, ports(p.Remote, in.Remote)))
		return
	}
	if a.state != CookieWait {
		if added := a.addedAddrs(in.Remote, i.Addrs); len(added) > 0 {
			a.replyPacket(abortAnswer(in, pkt, i.InitiateTag, nil, wire.CauseRestartNewAddrs, wire.AppendAddrs(nil, added...)))
			return
		}
	}
	own := wire.Init{
		Ack:        true,
		ARwnd:      uint32(a.cfg.RecvBuffer),
		OutStreams: a.cfg.OutStreams,
		InStreams:  a.cfg.MaxInStreams,
		ECN:        a.cfg.ECN,
		Addrs:      a.id.locals.present(),
	}
	k := cookie{created: now, life: a.cfg.CookieLife}
	if i.HasPreservative {
		k.life += preserve(i.CookiePreservative)
	}
	if a.state.setup() {
		// §5.2.1: the same tag and TSN as in our INIT.
		own.InitiateTag, own.InitialTSN = a.id.localTag, a.id.localInitTSN
	} else {
		own.InitiateTag = wire.VTag(a.random32())
		own.InitialTSN = wire.TSN(a.random32())
	}
	if a.state != CookieWait {
		k.tieLocal, k.tiePeer = a.id.tieLocal, a.id.tiePeer
	}
	a.replyPacket(a.resp.initAck(in, pkt, &i, &own, &k, nil))
}

// namedBy finds where the INIT ACK goes if an INIT comes, while the first one of this
// end has no answer, from an address that the user did not name: to an address that the
// user named and the INIT lists (§5.2.1 rules 1, 2). The result is in as if it had come
// from there; its source joins the list. No path: there is none.
func (a *Association) namedBy(i *wire.Init, in Inbound) (*path.Path, Inbound) {
	for _, listed := range peerAddrs(in.Remote, i.Addrs)[1:] {
		if p := a.paths.Find(listed.Addr()); p != nil && p.State == path.Active {
			i.Addrs = append(i.Addrs, in.Remote.Addr())
			return p, Inbound{Local: p.Local, Remote: p.Remote, ECN: in.ECN}
		}
	}
	return nil, in
}

// ports is the current and the new UDP port of a peer, as an error cause tells.
func ports(now, then netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, now.Port()), then.Port())
}

// replyPacket queues a packet built by the responder's functions.
func (a *Association) replyPacket(t Transmit) {
	a.out.packet(t.Local, t.Remote, t.Data)
}

// addedAddrs is the addresses of an INIT that the association does not have.
func (a *Association) addedAddrs(source netip.AddrPort, addrs []netip.Addr) []netip.Addr {
	var added []netip.Addr
	for _, p := range peerAddrs(source, addrs) {
		if a.paths.Find(p.Addr()) == nil && a.id.locals.reaches(p.Addr()) {
			added = append(added, p.Addr())
		}
	}
	return added
}

// handleCookieEcho decides what a COOKIE ECHO means for this association (RFC 9260
// §5.2.4, Table 12). True: go on with the other chunks of the packet.
func (a *Association) handleCookieEcho(now time.Time, in Inbound, pkt wire.Packet) bool {
	var e wire.CookieEcho
	if e.Decode(pkt.First()) != nil {
		a.drop("malformed COOKIE ECHO")
		return false
	}
	c, ok := a.resp.keys.open(now, e.Cookie)
	if !ok || c.localPort != a.id.localPort || c.peerPort != a.id.peerPort || c.localTag != pkt.VTag {
		a.drop("cookie is not ours")
		return false
	}
	c.place(in.Remote.Addr())
	local := c.localTag == a.id.localTag
	peer := c.peerTag == a.id.peerTag && a.id.peerTag != 0
	if late := now.Sub(c.created) - c.life; late > 0 && !(local && peer) {
		a.replyPacket(staleAnswer(in, pkt, c.peerTag, late, nil))
		return false
	}
	tied := c.tieLocal == a.id.tieLocal && c.tiePeer == a.id.tiePeer
	switch {
	case !local && !peer && tied:
		return a.restart(now, in, c) // action A
	case local && !peer:
		return a.collide(now, in, c) // action B
	case local && peer:
		a.confirmCookie(now, in) // action D
		return true
	}
	a.drop("late cookie") // action C, and all that the table does not show
	return false
}

// restart is action A: the peer lost its state and began anew.
func (a *Association) restart(now time.Time, in Inbound, c *cookie) bool {
	if a.state == ShutdownAckSent {
		// Not before this association has ended.
		a.repeatShutdownAck(a.paths.Current())
		e := wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseCookieWhileShutdown)}
		a.replace(a.paths.Current(), e.AppendTo(nil))
		return false
	}
	if added := a.addedAddrs(c.peers[0], addrsOf(c.peers[1:])); len(added) > 0 {
		a.drop("restart with new addresses")
		return false
	}
	a.stats.Restarts++
	a.timers.stopAll()
	a.out = output{}
	a.giveBackAll(ErrRestarted)
	a.tx = sender{dirty: a.tx.dirty, blocked: a.tx.blocked}
	a.tear()
	inbox := a.rx.inbox
	inbox.Restart()
	a.rx = receiver{inbox: inbox, advertised: a.cfg.RecvBuffer}
	a.shut, a.hs = nil, nil
	a.adopt(c, in)
	a.errors = 0
	for _, p := range a.paths.All {
		a.startHeartbeat(now, p)
	}
	a.since = now
	a.setState(Established)
	a.ev.push(Event{Kind: EventRestart})
	if a.tx.blocked {
		a.tx.blocked = false
		a.ev.push(Event{Kind: EventWritable})
	}
	a.sendCookieAck(in)
	return true
}

// sendCookieAck acknowledges a cookie. COOKIE ACK comes first in its packet
// (§5.1.5 step 6).
func (a *Association) sendCookieAck(in Inbound) {
	waiting := a.out.chunks
	a.out.chunks = nil
	p := a.paths.Find(in.Remote.Addr())
	if p == nil {
		p = a.paths.Current()
	}
	a.out.control(p, (&wire.CookieAck{}).AppendTo(nil))
	if p.State == path.Unconfirmed { // §5.4: only together with a HEARTBEAT
		a.sendHeartbeat(a.now, p)
	}
	for _, c := range waiting {
		if t := wire.ChunkType(c.bytes[0]); t != wire.TypeCookieAck && t != wire.TypeCookieEcho {
			a.out.chunks = append(a.out.chunks, c)
		}
	}
}

func addrsOf(ap []netip.AddrPort) []netip.Addr {
	out := make([]netip.Addr, 0, len(ap))
	for _, p := range ap {
		out = append(out, p.Addr())
	}
	return out
}

// collide is action B: both ends opened at once, and the peer's INIT carries its
// final tag.
func (a *Association) collide(now time.Time, in Inbound, c *cookie) bool {
	if a.state.setup() {
		old := a.paths
		a.out.chunks = nil // they belong to the old paths
		a.adopt(c, in)
		for _, p := range a.paths.All {
			// §5.4 rule 1: what our user named is verified.
			if q := old.Find(p.Remote.Addr()); q != nil && q.State == path.Active {
				p.State = path.Active
			}
		}
		if p := a.paths.Find(old.Primary().Remote.Addr()); p != nil && p.Usable() {
			a.paths.SetPrimary(p.ID)
		}
	} else {
		// Data may have been exchanged already: only the tag is news.
		a.id.peerTag = c.peerTag
	}
	a.confirmCookie(now, in)
	return true
}

// confirmCookie acknowledges a cookie of this very association (action D).
func (a *Association) confirmCookie(now time.Time, in Inbound) {
	if a.state.setup() {
		a.establish(now)
	}
	a.sendCookieAck(in)
}
