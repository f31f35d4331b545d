package core

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// handshake is the state of the active side until ESTABLISHED.
type handshake struct {
	retries  int       // of the INIT or the COOKIE ECHO
	sentAt   time.Time // when either was sent last
	cookie   []byte    // the peer's State Cookie
	preserve uint32    // cookie life extension to ask for, ms
	stale    int       // Stale Cookie errors so far
	tried    attempts
	init     *wire.Init // what Dial sends, nil once it is established
}

// maxStale is how often a stale cookie makes the set-up begin anew.
const maxStale = 3

// Dial opens an association: the INIT is ready in PollTransmit. r, which must not be
// nil, makes the cookies if the peer opens at the same time or restarts. Dial fails
// with ErrNoAddress if ep names no peer.
func Dial(now time.Time, cfg *Config, ep Endpoint, r *Responder) (*Association, error) {
	if len(ep.PeerAddrs) == 0 || !unicast(ep.PeerAddrs[0].Addr().Unmap()) || ep.PeerPort == 0 || ep.LocalPort == 0 {
		return nil, ErrNoAddress
	}
	cfg = cfg.normalized()
	a := newAssociation(cfg, r, identity{localPort: ep.LocalPort, peerPort: ep.PeerPort})
	a.id.localTag = wire.VTag(a.random32())
	a.id.localInitTSN = wire.TSN(a.random32())
	a.tx.out.Init(a.id.localInitTSN)
	a.id.locals = ep.locals()
	pc := cfg.path()
	for _, p := range ep.PeerAddrs {
		p = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
		if len(a.paths.All) < maxPeerAddrs && unicast(p.Addr()) && a.paths.Find(p.Addr()) == nil {
			a.paths.Add(p, a.pick(p.Addr()), path.Active, pc) // §5.4 rule 1
		}
	}
	a.hs = &handshake{}
	a.hs.init = &wire.Init{
		InitiateTag: a.id.localTag,
		ARwnd:       uint32(cfg.RecvBuffer),
		OutStreams:  cfg.OutStreams,
		InStreams:   cfg.MaxInStreams,
		InitialTSN:  a.id.localInitTSN,
		Addrs:       a.id.locals.told,
		ECN:         cfg.ECN,
	}
	// §3.3.2.1.5 is a MAY. With one address it says little, and pion/sctp drops an
	// INIT with it, as with every parameter of this kind that it does not know.
	if len(a.id.locals.told) > 0 {
		a.hs.init.SupportedAddrTypes = ep.families().types()
	}
	a.setState(CookieWait)
	a.sendInit(now)
	return a, nil
}

// sendInit sends the INIT alone, with verification tag 0 (RFC 9260 §8.5.1 A), and
// starts T1-init.
func (a *Association) sendInit(now time.Time) {
	i := *a.hs.init
	if a.hs.preserve > 0 {
		i.CookiePreservative, i.HasPreservative = a.hs.preserve, true
	}
	p := a.paths.Primary()
	a.out.packet(p.Local, p.Remote, lonePacket(a.id.localPort, a.id.peerPort, 0, i.AppendTo))
	a.hs.sentAt = now
	a.hs.tried.note(p)
	a.timers.set(timerT1Init, now.Add(p.RTO.Value()))
}

// onT1Init sends the INIT again, in turns to all addresses that the user named and
// from all that this end has (RFC 9260 §5.1, §6.3.3 for the back-off).
func (a *Association) onT1Init(now time.Time) {
	a.stats.T1Expirations++
	if a.hs.retries++; a.hs.retries > a.cfg.MaxInitRetransmits {
		a.fail(&UnreachableError{Chunk: wire.TypeInit, Sent: a.hs.retries, Addrs: a.hs.tried.all})
		return
	}
	a.stats.ControlRetransmitted++
	p := a.nextTarget(a.paths.Primary(), func(p *path.Path) bool { return p.State == path.Active })
	a.paths.SetPrimary(p.ID)
	a.sendInit(now)
}

// nextTarget is the path for a chunk of the handshake that had no answer on p: the
// next that fits. The source of p is another one the next time, should it be dead.
func (a *Association) nextTarget(p *path.Path, fits func(*path.Path) bool) *path.Path {
	p.RTO.Backoff()
	a.rotate(p, true)
	for i := 1; i < len(a.paths.All); i++ {
		if q := a.paths.All[(p.ID+i)%len(a.paths.All)]; fits(q) {
			return q
		}
	}
	return p
}

// source is the path that a packet belongs to. An INIT ACK may come from an address of
// the peer that was not named, if it lists one that was (RFC 9260 §5.1.2 C, D).
func (a *Association) source(in *Inbound, pkt *wire.Packet) *path.Path {
	p := a.paths.Find(in.Remote.Addr())
	if p != nil || a.state != CookieWait || pkt.FirstType() != wire.TypeInitAck {
		return p
	}
	var i wire.Init
	if i.Decode(pkt.First()) != nil {
		return nil
	}
	for _, addr := range i.Addrs {
		if p := a.paths.Find(addr); p != nil && p.State == path.Active {
			return p
		}
	}
	return nil
}

// handleInitAck takes the answer to the INIT (RFC 9260 §5.1 C, §3.3.3).
func (a *Association) handleInitAck(now time.Time, in Inbound, p *path.Path, pkt wire.Packet, c wire.RawChunk) bool {
	if a.state != CookieWait { // §5.2.3
		a.drop("unexpected INIT ACK")
		return false
	}
	if c.Len() != chunksLen(pkt) { // §6.10
		a.drop("bundled INIT ACK")
		return false
	}
	var i wire.Init
	if err := i.Decode(c); err != nil {
		a.drop("malformed INIT ACK")
		return false
	}
	v := checkInit(c, &i)
	switch {
	case v.discard: // §3.3.3: the tag is 0; destroy the TCB, and tell with the T bit
		causes := wire.AppendCause(nil, wire.CauseProtocolViolation, []byte("INIT ACK with tag 0"))
		a.fail(&AbortError{Local: true, Causes: causes})
		a.alone(in, pkt.VTag, (&wire.Abort{T: true, Causes: causes}).AppendTo)
		return false
	case v.abort && v.keep: // §3.3.3: the association stays as it is
		a.replyPacket(abortAnswer(in, pkt, i.InitiateTag, nil, v.code, v.info))
		return false
	}
	a.id.peerTag = i.InitiateTag
	a.paths.SetPrimary(p.ID) // where an ABORT goes, too (§5.1.2 B)
	switch {
	case v.abort:
		a.abortCause(now, v.code, v.info)
		return false
	case !i.HasCookie:
		a.abortCause(now, wire.CauseMissingParam, []byte{0, 0, 0, 1, 0, byte(wire.ParamCookie)})
		return false
	}
	a.id.outStreams = int(min(i.InStreams, a.cfg.OutStreams))
	a.id.inStreams = int(min(i.OutStreams, a.cfg.MaxInStreams))
	a.ecn = ecn{agreed: a.cfg.ECN && i.ECN}
	a.tx.peerBuffer = window(i.ARwnd)
	a.tx.peerRwnd = a.tx.peerBuffer
	a.rx.tsn.Init(i.InitialTSN.Add(^uint32(0)))
	a.id.locals.settle(in.Local)
	if in.Local.IsValid() {
		p.Local, p.HeardAt = in.Local, now
	}
	a.settleSources(p)
	a.addPeerAddrs(peerAddrs(in.Remote, i.Addrs))
	for _, u := range unrecognized(&i) {
		a.report(wire.CauseUnrecognizedParams, u)
	}
	if a.hs.retries == 0 && p == a.hs.tried.to { // §6.3.1 C5
		p.RTO.Measure(now.Sub(a.hs.sentAt))
	}
	a.timers.stop(timerT1Init)
	a.hs.retries, a.hs.tried = 0, attempts{}
	a.hs.cookie = append(a.hs.cookie[:0], i.Cookie...)
	a.setState(CookieEchoed)
	a.sendCookieEcho(now, p)
	return true
}

// sendCookieEcho sends the COOKIE ECHO and starts T1-cookie. To an address that is not
// verified it goes with a HEARTBEAT (RFC 9260 §5.4).
func (a *Association) sendCookieEcho(now time.Time, p *path.Path) {
	a.hs.sentAt = now
	a.hs.tried.note(p)
	a.out.remove(wire.TypeCookieEcho)
	a.out.control(p, (&wire.CookieEcho{Cookie: a.hs.cookie}).AppendTo(nil))
	if p.State == path.Unconfirmed {
		a.sendHeartbeat(now, p)
	}
	a.timers.set(timerT1Cookie, now.Add(p.RTO.Value()))
}

// onT1Cookie sends the COOKIE ECHO again (RFC 9260 §5.1.4), in turns to all addresses
// of the peer (§5.1); to those that are not verified only if there is room for the
// HEARTBEAT that must go with it (§5.4).
func (a *Association) onT1Cookie(now time.Time) {
	a.stats.T1Expirations++
	if a.hs.retries++; a.hs.retries > a.cfg.MaxInitRetransmits {
		a.fail(&UnreachableError{Chunk: wire.TypeCookieEcho, Sent: a.hs.retries, Addrs: a.hs.tried.all})
		return
	}
	a.stats.ControlRetransmitted++
	size := wire.HeaderLen + wire.ChunkHeaderLen + (len(a.hs.cookie)+3)&^3 + heartbeatLen
	a.sendCookieEcho(now, a.nextTarget(a.hs.tried.to, func(p *path.Path) bool {
		return p.State == path.Active || p.State == path.Unconfirmed && size <= p.Size
	}))
}

// handleCookieAck completes the set-up; elsewhere it is ignored (§5.2.5).
func (a *Association) handleCookieAck(now time.Time, p *path.Path, c wire.RawChunk) bool {
	if (&wire.CookieAck{}).Decode(c) != nil {
		a.drop("malformed COOKIE ACK")
		return true
	}
	if a.state == CookieEchoed {
		switch {
		case a.hs.retries == 0 && p == a.hs.tried.to:
			p.RTO.Measure(now.Sub(a.hs.sentAt))
		case a.hs.retries > 0 && p.State == path.Active:
			a.paths.SetPrimary(p.ID) // this one works; the one that gave the cookie may not
		}
		a.establish(now)
	}
	return true
}

// establish enters ESTABLISHED and starts path supervision.
func (a *Association) establish(now time.Time) {
	if a.state == Established {
		return
	}
	a.timers.stop(timerT1Init)
	a.timers.stop(timerT1Cookie)
	a.out.remove(wire.TypeCookieEcho) // its answer came before it left: a collision
	a.out.shrink()
	a.hs = nil
	a.errors = 0
	for _, p := range a.paths.All {
		p.Errors = 0
		a.startHeartbeat(now, p)
	}
	a.since = now
	a.setState(Established)
	a.ev.push(Event{Kind: EventEstablished})
}

// handleStaleCookie begins the set-up anew and asks for a longer cookie life (RFC
// 9260 §5.2.6, third alternative).
func (a *Association) handleStaleCookie(now time.Time) {
	if a.state != CookieEchoed {
		a.drop("unexpected Stale Cookie")
		return
	}
	if a.hs.stale++; a.hs.stale > maxStale {
		a.fail(&UnreachableError{Chunk: wire.TypeCookieEcho, Sent: a.hs.stale, Addrs: a.hs.tried.all, Stale: true})
		return
	}
	// The round trip of the exchange, and no more than a second beyond it.
	a.hs.preserve = uint32(min(now.Sub(a.hs.sentAt)+time.Second, time.Minute).Milliseconds())
	a.hs.retries, a.hs.tried = 0, attempts{}
	a.timers.stop(timerT1Cookie)
	a.stopHeartbeats()
	a.out.chunks = nil // an INIT goes alone, and they are for the tag that ends here
	a.id.peerTag = 0
	a.setState(CookieWait)
	a.sendInit(now)
}
