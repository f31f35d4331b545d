package core

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/rx"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Inbound says where a packet came from. Addresses are unmapped (IPv4 as 4 bytes).
type Inbound struct {
	Local  netip.Addr     // the address it was sent to; zero if unknown
	Remote netip.AddrPort // the sender's address and UDP encapsulation port
	ECN    uint8          // the ECN bits of the IP header
}

// Transmit is packets to send: one if SegmentSize is 0, else several of that size
// (the last may be shorter) back to back, all to one destination.
type Transmit struct {
	Local       netip.Addr // source to use; zero: any
	Remote      netip.AddrPort
	Data        []byte
	SegmentSize int
	ECN         uint8
	MayFragment bool // does not fit the path any more; see carrier.Datagram
}

// Endpoint names both ends of an association to open.
type Endpoint struct {
	LocalPort, PeerPort uint16
	// LocalAddrs is the addresses that this end is bound to. Those that the peer may
	// be able to reach are listed in the INIT if they are at least two; with one the
	// peer takes the packet's source (RFC 9260 §5.1.2 A). Empty: the lower layer
	// chooses the source.
	LocalAddrs []netip.Addr
	// NoIPv4 and NoIPv6 say that this end cannot use addresses of that family, which
	// the INIT tells (§3.3.2.1.5). Neither: LocalAddrs tell, if there are any.
	NoIPv4, NoIPv6 bool
	// PeerAddrs is the peer's addresses with their UDP encapsulation ports. The
	// first gets the INIT and becomes the primary path.
	PeerAddrs []netip.AddrPort
}

// Association is one end of an SCTP association.
type Association struct {
	cfg  *Config
	resp *Responder

	err     error
	id      identity
	now     time.Time // of the last input
	since   time.Time // when it was established
	lastUse int64     // in nanoseconds since 1970
	errors  int       // association error counter, RFC 9260 §8.1

	paths  path.Set
	probes probes
	timers timers
	hs     *handshake // nil unless this end is opening the association
	shut   *shutdown  // nil before
	tx     sender
	rx     receiver
	out    output
	ev     events
	back   *undelivered // nil until there is one
	mtu    discovery
	state  State
	sparse bool // has been idle, and not busy since: see trim
	ecn    ecn
	stats  Stats

	sack *wire.Sack // for decoding and encoding, nil while idle
}

// identity is what names the association on the wire.
type identity struct {
	localPort, peerPort uint16
	localTag, peerTag   wire.VTag
	// Random stand-ins for the tags in the tie-tag fields of a cookie: the real
	// tags would tell them to whoever can make us send a cookie (RFC 5062 §4).
	tieLocal, tiePeer     uint32
	locals                locals
	outStreams, inStreams int
	localInitTSN          wire.TSN
}

// sender is the state of the sending side.
type sender struct {
	queue      tx.Queue
	out        tx.Outstanding
	peerBuffer int      // its receive buffer, from INIT or INIT ACK
	peerRwnd   int      // bytes it has room for now, RFC 9260 §6.2.1
	doubt      doubt    // whether Fast Recovery was for nothing
	exit       wire.TSN // its exit point
	recovery   bool     // in Fast Recovery, §7.2.4
	force      bool     // send one packet of lost chunks whatever cwnd says
	probe      bool     // send a zero window probe
	probing    bool     // the peer's window is closed, or a probe is planned
	blocked    bool     // the user was told ErrWouldBlock
	hurry      bool     // in the middle of a message: do not wait for a full fragment
	dirty      bool     // something was sent since EventAllAcked
}

// receiver is the state of the receiving side.
type receiver struct {
	tsn        rx.TSNMap
	inbox      rx.Inbox
	advertised int // a_rwnd of the last SACK
	sackPath   *path.Path
	packets    int32  // packets with DATA since the last SACK
	eaten      int32  // bytes read since the window was last looked at
	lossy      uint16 // packets with DATA until the path counts as one without loss, see noteLoss
	repeats    uint16 // packets in a row with DATA but nothing new
	sackNow    bool   // a SACK must go out now
	begun      bool   // DATA has arrived before
	gotData    bool   // this packet held DATA
	fresh      bool   // and some of it was new
}

func newAssociation(cfg *Config, r *Responder, id identity) *Association {
	a := &Association{cfg: cfg, resp: r, id: id, mtu: discovery{waits: cfg.PathMTUDiscovery}}
	a.id.tieLocal, a.id.tiePeer = a.random32(), a.random32()
	a.rx.inbox.Init(cfg.RecvBuffer)
	a.rx.advertised = cfg.RecvBuffer
	a.rx.lossy = freshPackets
	return a
}

// random32 returns a random number other than 0. Should the source fail, which
// crypto/rand never does, it returns what was read: an association with weak tags
// is better than a panic an attacker may reach.
func (a *Association) random32() uint32 { return random32(a.cfg.Rand) }

func random32(r io.Reader) uint32 {
	var b [4]byte
	for range 4 {
		_, _ = io.ReadFull(r, b[:])
		if n := binary.BigEndian.Uint32(b[:]); n != 0 {
			return n
		}
	}
	return 1
}

// State is the association's state.
func (a *Association) State() State { return a.state }

// Err is why the association ended: nil while it lives and after a graceful
// shutdown, else *AbortError, ErrTimeout or another of this package's errors.
func (a *Association) Err() error { return a.err }

// LocalTag is the verification tag the peer's packets carry.
func (a *Association) LocalTag() wire.VTag { return a.id.localTag }

// PeerTag is the verification tag of the packets sent, 0 while it is unknown.
func (a *Association) PeerTag() wire.VTag { return a.id.peerTag }

// LocalPort is the local SCTP port.
func (a *Association) LocalPort() uint16 { return a.id.localPort }

// PeerPort is the peer's SCTP port.
func (a *Association) PeerPort() uint16 { return a.id.peerPort }

// PeerAddrs is the peer's addresses with UDP encapsulation ports, the primary
// path's first.
func (a *Association) PeerAddrs() []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(a.paths.All))
	if p := a.paths.Primary(); p != nil {
		out = append(out, p.Remote)
	}
	for _, p := range a.paths.All {
		if p != a.paths.Primary() {
			out = append(out, p.Remote)
		}
	}
	return out
}

// ConfirmedAddrs is PeerAddrs without those that the peer has not been shown to have
// (RFC 9260 §5.4).
func (a *Association) ConfirmedAddrs() []netip.AddrPort {
	return slices.DeleteFunc(a.PeerAddrs(), func(r netip.AddrPort) bool {
		p := a.paths.Find(r.Addr())
		return p.State == path.Unconfirmed
	})
}

// LocalAddrs is the addresses by which the peer knows this end and that exist, none if
// the lower layer does not tell.
func (a *Association) LocalAddrs() []netip.Addr {
	l := &a.id.locals
	return slices.DeleteFunc(slices.Clone(l.known), func(x netip.Addr) bool { return slices.Contains(l.gone, x) })
}

// LocalAddr is the source address last used towards the primary path, zero if the
// lower layer does not tell.
func (a *Association) LocalAddr() netip.Addr {
	if p := a.paths.Primary(); p != nil {
		return p.Local
	}
	return netip.Addr{}
}

// OutStreams is the number of outbound streams, 0 until it is negotiated.
func (a *Association) OutStreams() int { return a.id.outStreams }

// InStreams is the number of inbound streams, 0 until it is negotiated.
func (a *Association) InStreams() int { return a.id.inStreams }

// Buffered is the number of bytes in the send buffer: queued or unacknowledged,
// with the overhead charged for each message.
func (a *Association) Buffered() int { return a.tx.queue.Held() }

// HandlePacket processes one packet of this association, or one with an INIT or
// COOKIE ECHO chunk from its peer. Nothing of pkt is kept.
func (a *Association) HandlePacket(now time.Time, in Inbound, pkt wire.Packet) {
	if a.state == Closed {
		a.drop("association is closed")
		return
	}
	now = a.read(now)
	a.stats.PacketsIn++
	a.out.begin()
	defer a.out.end()
	switch pkt.FirstType() {
	case wire.TypeInit:
		a.stats.ControlIn++
		a.handleInit(now, in, pkt)
		return
	case wire.TypeCookieEcho:
		if !a.handleCookieEcho(now, in, pkt) {
			return
		}
	default:
		if !a.acceptTag(&in, &pkt) {
			return
		}
	}
	p := a.source(&in, &pkt)
	if p == nil {
		a.drop("source address is not the peer's")
		return
	}
	if !a.id.locals.owns(in.Local) {
		a.drop("destination address is not the association's")
		return
	}
	a.learn(now, &in, p, &pkt)
	a.touch(now)
	p.Count.PacketsIn++
	a.processChunks(now, &in, p, &pkt)
}

// acceptTag checks the verification tag (RFC 9260 §8.5, §8.5.1).
func (a *Association) acceptTag(in *Inbound, pkt *wire.Packet) bool {
	t := pkt.FirstType()
	if t == wire.TypeData && pkt.VTag == a.id.localTag {
		return true // DATA never goes with an ABORT (§9.1)
	}
	reflected := pkt.First().Flags()&tBit != 0
	switch {
	case t != wire.TypeData && !a.abortFits(*pkt):
	case t == wire.TypeShutdownAck && a.state.setup():
		// §8.5.1 E: treated as out of the blue, so that the peer's old
		// association ends and the retransmitted INIT can begin a new one.
		if !hasChunk(*pkt, wire.TypeAbort) { // §8.4 rule 2
			a.replyShutdownComplete(*in, *pkt)
		}
		return false
	case (t == wire.TypeAbort || t == wire.TypeShutdownComplete) && reflected:
		if pkt.VTag == a.id.peerTag && a.id.peerTag != 0 {
			return true
		}
	case pkt.VTag == a.id.localTag:
		return true
	}
	a.drop("verification tag")
	return false
}

// abortFits says whether the tag is right for an ABORT behind other chunks, if the
// packet holds one: if not, the whole packet is to be discarded (§8.5.1 B).
func (a *Association) abortFits(pkt wire.Packet) bool {
	for c := range pkt.Chunks() {
		if c.Type() == wire.TypeAbort && !a.abortTag(pkt, c) {
			return false
		}
	}
	return true
}

// abortTag says whether the tag is right for the ABORT c: ours, or with the T bit
// the peer's (§8.5.1 B).
func (a *Association) abortTag(pkt wire.Packet, c wire.RawChunk) bool {
	if c.Flags()&tBit != 0 {
		return pkt.VTag == a.id.peerTag && a.id.peerTag != 0
	}
	return pkt.VTag == a.id.localTag
}

// tBit is the flag of ABORT and SHUTDOWN COMPLETE that says that the tag is
// reflected.
const tBit = 1

// learn stores the UDP port the peer's packets come from on this path (RFC 6951
// §5.4) and the address they go to. The tag was checked before.
func (a *Association) learn(now time.Time, in *Inbound, p *path.Path, pkt *wire.Packet) {
	if p.Remote != in.Remote && p.Remote.Addr() == in.Remote.Addr() {
		p.Remote = in.Remote
	}
	a.follow(now, in, p, pkt)
}

// processChunks handles the chunks of an accepted packet in their order.
func (a *Association) processChunks(now time.Time, in *Inbound, p *path.Path, pkt *wire.Packet) {
	a.rx.gotData = false
	a.ecn.met, a.ecn.echoed = in.ECN == congestionMet, false
	first := true
	for rest := pkt.Body(); len(rest) > 0; {
		var c wire.RawChunk
		c, rest = wire.CutChunk(rest)
		if c.Type() != wire.TypeData {
			a.stats.ControlIn++
		}
		if cookie := c.Type() == wire.TypeCookieEcho; cookie && first {
			first = false // handled before
			continue
		} else if cookie {
			a.drop("COOKIE ECHO is not the first chunk") // RFC 9260 §3.3.11
			break
		}
		first = false
		if a.cfg.Trace.ChunkIn != nil {
			a.cfg.Trace.ChunkIn(c)
		}
		if !a.handleChunk(now, in, p, pkt, c) || a.state == Closed {
			break
		}
	}
	if a.state == Closed {
		return
	}
	if a.state == ShutdownSent {
		// §9.2: any packet from the peer clears the count. T2-shutdown is restarted
		// by DATA only: a peer that did not get the SHUTDOWN goes on to send
		// HEARTBEATs, which must not keep us from repeating it.
		a.shut.retries = 0
	}
	if a.rx.gotData {
		a.afterData(now, p)
	}
	a.flushReports(p)
}

// handleChunk dispatches one chunk; false ends the processing of the packet.
func (a *Association) handleChunk(now time.Time, in *Inbound, p *path.Path, pkt *wire.Packet, c wire.RawChunk) bool {
	switch c.Type() {
	case wire.TypeData:
		return a.handleData(now, c)
	case wire.TypeSack:
		return a.handleSack(now, c)
	case wire.TypeInitAck:
		return a.handleInitAck(now, *in, p, *pkt, c)
	case wire.TypeHeartbeat:
		return a.handleHeartbeat(*in, p, *pkt, c)
	case wire.TypeHeartbeatAck:
		return a.handleHeartbeatAck(now, c)
	case wire.TypeAbort:
		return a.handleAbort(*pkt, c)
	case wire.TypeShutdown:
		return a.handleShutdown(now, p, c)
	case wire.TypeShutdownAck:
		return a.handleShutdownAck(p, c)
	case wire.TypeError:
		return a.handleError(now, c)
	case wire.TypeCookieAck:
		return a.handleCookieAck(now, p, c)
	case wire.TypeShutdownComplete:
		return a.handleShutdownComplete(*pkt, c)
	case wire.TypeInit:
		a.drop("bundled INIT") // §6.10
		return false
	case wire.TypeECNE:
		return a.handleECNE(now, p, c)
	case wire.TypeCWR:
		return a.handleCWR(c)
	case wire.TypePad: // RFC 4820 §3
		return true
	}
	return a.handleUnknown(c)
}

// handleUnknown treats a chunk of a type that this implementation does not know
// as the two high bits of the type say (RFC 9260 §3.2).
func (a *Association) handleUnknown(c wire.RawChunk) bool {
	if c.Type().ReportUnknown() {
		a.report(wire.CauseUnrecognizedChunk, c.Bytes())
	}
	return c.Type().SkipUnknown()
}

// report adds an error cause to the ERROR chunk that answers the packet being
// processed. What does not fit a packet beside a SACK is not reported.
func (a *Association) report(code wire.CauseCode, info []byte) {
	const cause = wire.ChunkHeaderLen + 3 // its header, and padding of the one before
	room := a.paths.MinSize() - wire.HeaderLen - wire.ChunkHeaderLen - sackLen
	if len(a.out.reports)+cause+len(info) <= room {
		a.out.reports = wire.AppendCause(a.out.reports, code, info)
	}
}

// flushReports queues at most one ERROR chunk for all that was reported.
func (a *Association) flushReports(p *path.Path) {
	if len(a.out.reports) == 0 {
		return
	}
	e := wire.OperationError{Causes: a.out.reports}
	if a.state.setup() {
		// An ERROR may only go along with the COOKIE ECHO (§3.2.2): alone it could
		// arrive first and be answered by an ABORT.
		a.out.bundle(wire.TypeCookieEcho, e.AppendTo(nil))
	} else {
		a.control(p, e.AppendTo(nil))
	}
	a.out.reports = a.out.reports[:0]
}

// handleError takes the peer's ERROR chunk (RFC 9260 §3.3.10).
func (a *Association) handleError(now time.Time, c wire.RawChunk) bool {
	var e wire.OperationError
	if e.Decode(c) != nil {
		a.drop("malformed ERROR")
		return true
	}
	for cause := range wire.Causes(e.Causes) {
		if cause.Code == wire.CauseStaleCookie {
			a.handleStaleCookie(now)
			return a.state != Closed
		}
	}
	if !a.state.setup() {
		a.ev.push(Event{Kind: EventRemoteError, Causes: slices.Clone(e.Causes)})
	}
	return true
}
