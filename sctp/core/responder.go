package core

import (
	"io"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Listening is the socket side of a port that accepts associations.
type Listening struct {
	Config *Config
	// LocalAddrs is the addresses that the socket is bound to, as in Endpoint. It must
	// not be modified; a new one takes effect for INITs that come later.
	LocalAddrs []netip.Addr
}

// Responder answers packets that belong to no association, without state (RFC
// 9260 §5.1, §8.4). It is shared by all associations of a stack.
type Responder struct {
	rand io.Reader
	keys keyring
}

// NewResponder returns a responder with fresh cookie keys. It fails only if the
// random source does.
func NewResponder(now time.Time, rand io.Reader) (*Responder, error) {
	r := &Responder{rand: rand}
	if err := r.keys.init(now, rand); err != nil {
		return nil, err
	}
	return r, nil
}

// maxPeerAddrs bounds the addresses taken from an INIT or INIT ACK (RFC 5062 §3.2,
// address bombing).
const maxPeerAddrs = 16

// maxUnrecognized bounds the bytes of unrecognized parameters that an INIT ACK
// returns, so that it is never much larger than the INIT.
const maxUnrecognized = 512

// HandlePacket answers a packet that matches no association. l is the listener of
// its destination port, nil if there is none. At most one packet is the answer: it
// is built in buf[:0] and Data of the Transmit is nil if there is none. A valid
// COOKIE ECHO gives a new association instead, which has processed the rest of the
// packet and must be drained.
func (r *Responder) HandlePacket(now time.Time, in Inbound, pkt wire.Packet, l *Listening, buf []byte) (Transmit, *Association) {
	return r.handle(now, in, pkt, l, nil, buf)
}

// Refuse is HandlePacket for who listens but has no room for another association: INIT
// and a COOKIE ECHO with a valid cookie are answered by an ABORT with the cause Out of
// Resource (RFC 9260 §5.1, §3.3.10.4).
func (r *Responder) Refuse(now time.Time, in Inbound, pkt wire.Packet, buf []byte) Transmit {
	t, _ := r.handle(now, in, pkt, nil, wire.AppendCause(nil, wire.CauseOutOfResource), buf)
	return t
}

// handle is HandlePacket; without l the refusal goes into the ABORT.
func (r *Responder) handle(now time.Time, in Inbound, pkt wire.Packet, l *Listening, refusal, buf []byte) (Transmit, *Association) {
	if !unicast(in.Remote.Addr()) || in.Local.IsMulticast() {
		return Transmit{}, nil // §8.4 rule 1
	}
	first := pkt.First()
	switch {
	case hasChunk(pkt, wire.TypeAbort): // rule 2
		return Transmit{}, nil
	case first.Type() == wire.TypeInit: // rule 3
		return r.handleInit(now, in, pkt, l, refusal, buf), nil
	case pkt.VTag == 0: // §8.5.1 A: it may hold nothing but an INIT
		return Transmit{}, nil
	case first.Type() == wire.TypeCookieEcho: // rule 4
		return r.handleCookieEcho(now, in, pkt, l, refusal, buf)
	case hasChunk(pkt, wire.TypeInit): // bundled: §6.10
		return Transmit{}, nil
	case hasChunk(pkt, wire.TypeShutdownAck): // rule 5
		c := wire.ShutdownComplete{T: true}
		return answer(in, pkt, pkt.VTag, buf, c.AppendTo), nil
	case hasChunk(pkt, wire.TypeShutdownComplete), hasChunk(pkt, wire.TypeCookieAck), hasStaleCookie(pkt): // rules 6, 7
		return Transmit{}, nil
	}
	c := wire.Abort{T: true} // rule 8
	return answer(in, pkt, pkt.VTag, buf, c.AppendTo), nil
}

// answer builds the one packet that answers pkt.
func answer(in Inbound, pkt wire.Packet, tag wire.VTag, buf []byte, chunk func([]byte) []byte) Transmit {
	b := wire.Header{SrcPort: pkt.DstPort, DstPort: pkt.SrcPort, VTag: tag}.AppendTo(buf[:0])
	b = chunk(b)
	wire.SetChecksum(b)
	return Transmit{Local: in.Local, Remote: in.Remote, Data: b, MayFragment: len(b) > path.SmallestSize}
}

func abortAnswer(in Inbound, pkt wire.Packet, tag wire.VTag, buf []byte, code wire.CauseCode, info ...[]byte) Transmit {
	c := wire.Abort{Causes: wire.AppendCause(nil, code, info...)}
	return answer(in, pkt, tag, buf, c.AppendTo)
}

func hasChunk(pkt wire.Packet, t wire.ChunkType) bool {
	for c := range pkt.Chunks() {
		if c.Type() == t {
			return true
		}
	}
	return false
}

func hasStaleCookie(pkt wire.Packet) bool {
	for c := range pkt.Chunks() {
		var e wire.OperationError
		if c.Type() != wire.TypeError || e.Decode(c) != nil {
			continue
		}
		for cause := range wire.Causes(e.Causes) {
			if cause.Code == wire.CauseStaleCookie {
				return true
			}
		}
	}
	return false
}

func unicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// verdict is what a check of an INIT or INIT ACK says: abort with code, or go on.
type verdict struct {
	discard bool // the tag is 0
	abort   bool
	keep    bool // the association that the chunk is for must not change
	code    wire.CauseCode
	info    []byte
}

// minWindow is the least that a_rwnd may be in an INIT or INIT ACK.
const minWindow = 1500

// checkInit applies the rules for the fixed fields and the host name parameter of
// c, decoded into i (RFC 9260 §3.3.2, §3.3.3, §5.1.2 B).
func checkInit(c wire.RawChunk, i *wire.Init) verdict {
	switch {
	case i.InitiateTag == 0:
		return verdict{discard: true}
	case i.ARwnd < minWindow:
		return verdict{abort: true, keep: true, code: wire.CauseInvalidParam}
	case i.OutStreams == 0, i.InStreams == 0:
		return verdict{abort: true, code: wire.CauseInvalidParam}
	case i.HostName:
		return verdict{abort: true, code: wire.CauseUnresolvableAddr, info: hostName(c)}
	}
	return verdict{}
}

// maxHostName bounds what is quoted of a host name, which has at most 255 bytes.
const maxHostName = 260

// hostName is the Host Name Address parameter of an INIT or INIT ACK.
func hostName(c wire.RawChunk) []byte {
	r := tlv.NewReader(c.Value())
	r.Bytes(initFields)
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		if wire.ParamType(p.Type) == wire.ParamHostName && len(p.Whole) <= maxHostName {
			return p.Whole
		}
	}
	return nil
}

// initFields is the size of the fixed fields of an INIT.
const initFields = 16

// handleInit answers an INIT with an INIT ACK that carries all state in its
// cookie (RFC 9260 §5.1 B).
func (r *Responder) handleInit(now time.Time, in Inbound, pkt wire.Packet, l *Listening, refusal, buf []byte) Transmit {
	var i wire.Init
	if pkt.VTag != 0 || pkt.First().Len() != chunksLen(pkt) {
		return Transmit{} // §8.5.1 A; §6.10: INIT is never bundled
	}
	if err := i.Decode(pkt.First()); err != nil {
		return Transmit{}
	}
	switch v := checkInit(pkt.First(), &i); {
	case v.discard:
		return Transmit{}
	case v.abort:
		return abortAnswer(in, pkt, i.InitiateTag, buf, v.code, v.info)
	case l == nil: // §5.1: nobody listens
		c := wire.Abort{Causes: refusal}
		return answer(in, pkt, i.InitiateTag, buf, c.AppendTo)
	}
	own := wire.Init{
		Ack:         true,
		InitiateTag: wire.VTag(random32(r.rand)),
		ARwnd:       uint32(l.Config.recvBuffer()),
		OutStreams:  max(l.Config.OutStreams, 1),
		InStreams:   max(l.Config.MaxInStreams, 1),
		InitialTSN:  wire.TSN(random32(r.rand)),
		ECN:         l.Config.ECN,
		Addrs:       tell(l.LocalAddrs, in.Local, scopeOf(in.Remote.Addr()), supported(&i, in.Remote.Addr())),
	}
	c := cookie{created: now, life: max(l.Config.CookieLife, 0)}
	if i.HasPreservative {
		c.life += preserve(i.CookiePreservative)
	}
	return r.initAck(in, pkt, &i, &own, &c, buf)
}

// chunksLen is the bytes of all chunks of a packet, less the padding of a lone
// one.
func chunksLen(pkt wire.Packet) int {
	n := 0
	for c := range pkt.Chunks() {
		n += c.Len()
	}
	return n
}

// preserve bounds a suggested extension of the cookie's life (RFC 9260 §3.3.2.1:
// the receiver may ignore it; a long life invites replay).
func preserve(ms uint32) time.Duration {
	return min(time.Duration(ms)*time.Millisecond, maxPreserve)
}

// maxPreserve is the longest extension of a cookie's life.
const maxPreserve = 10 * time.Second

// initAck completes the cookie c and builds an INIT ACK with the parameters own.
func (r *Responder) initAck(in Inbound, pkt wire.Packet, i, own *wire.Init, c *cookie, buf []byte) Transmit {
	c.localPort, c.peerPort = pkt.DstPort, pkt.SrcPort
	c.localTag, c.peerTag = own.InitiateTag, i.InitiateTag
	c.localTSN, c.peerTSN = own.InitialTSN, i.InitialTSN
	c.peerRwnd = i.ARwnd
	c.outStreams = min(own.OutStreams, i.InStreams)
	c.inStreams = min(i.OutStreams, own.InStreams)
	c.local, c.told, c.families = in.Local, digest(own.Addrs), supported(i, in.Remote.Addr())
	c.peers = peerAddrs(in.Remote, i.Addrs)
	own.ECN = own.ECN && i.ECN
	c.ecn = own.ECN
	own.HasCookie = true
	own.Cookie = r.keys.seal(c, nil)
	size := 0
	for _, u := range unrecognized(i) {
		if size += len(u) + 8; size > maxUnrecognized {
			break
		}
		own.Unrecognized = append(own.Unrecognized, u)
	}
	return answer(in, pkt, i.InitiateTag, buf, own.AppendTo)
}

// unrecognized is the parameters of an INIT or INIT ACK to report (RFC 9260
// §3.2.2). RFC 3758 §3.3.1 wants Forward-TSN-Supported among them from those who do
// not implement it, and the codec knows it; other extensions that it knows have types
// that are not reported.
func unrecognized(i *wire.Init) [][]byte {
	if !i.ForwardTSN {
		return i.Unrecognized
	}
	return append(slices.Clip(i.Unrecognized), []byte{byte(wire.ParamForwardTSN >> 8), byte(wire.ParamForwardTSN & 0xff), 0, 4})
}

// handleCookieEcho makes an association of a cookie that was sealed here (RFC 9260
// §5.1.5).
func (r *Responder) handleCookieEcho(now time.Time, in Inbound, pkt wire.Packet, l *Listening, refusal, buf []byte) (Transmit, *Association) {
	var e wire.CookieEcho
	if e.Decode(pkt.First()) != nil {
		return Transmit{}, nil
	}
	c, ok := r.keys.open(now, e.Cookie)
	if !ok || c.localPort != pkt.DstPort || c.peerPort != pkt.SrcPort || c.localTag != pkt.VTag {
		return Transmit{}, nil
	}
	c.place(in.Remote.Addr())
	if late := now.Sub(c.created) - c.life; late > 0 {
		return staleAnswer(in, pkt, c.peerTag, late, buf), nil
	}
	if l == nil { // the listener is gone since the INIT: §5.1
		abort := wire.Abort{Causes: refusal}
		return answer(in, pkt, c.peerTag, buf, abort.AppendTo), nil
	}
	a := newAssociation(l.Config.normalized(), r, identity{localPort: c.localPort, peerPort: c.peerPort})
	// Should the addresses have changed since the INIT ACK, the peer knows only that
	// one which it talks to.
	if told := tell(l.LocalAddrs, c.local, scopeOf(c.peers[0].Addr()), c.families); c.told != 0 && digest(told) == c.told {
		a.id.locals.told = told
	}
	a.adopt(c, in)
	now = a.read(now)
	a.establish(now)
	a.sendCookieAck(in)
	a.stats.PacketsIn++
	a.touch(now)
	if p := a.paths.Find(in.Remote.Addr()); p != nil {
		p.Count.PacketsIn++
		a.processChunks(now, &in, p, &pkt)
	}
	return Transmit{}, a
}

// staleAnswer tells how much too late a cookie came, rounded up in microseconds
// (RFC 9260 §3.3.10.3).
func staleAnswer(in Inbound, pkt wire.Packet, tag wire.VTag, late time.Duration, buf []byte) Transmit {
	us := uint32(min((late-1).Microseconds()+1, math.MaxUint32))
	e := wire.OperationError{Causes: wire.AppendStaleCookie(nil, us)}
	return answer(in, pkt, tag, buf, e.AppendTo)
}

// adopt takes over what the cookie says of the association.
func (a *Association) adopt(c *cookie, in Inbound) {
	a.id.localTag, a.id.peerTag = c.localTag, c.peerTag
	a.id.outStreams, a.id.inStreams = int(c.outStreams), int(c.inStreams)
	a.id.localInitTSN = c.localTSN
	a.ecn = ecn{agreed: c.ecn}
	a.tx.out.Init(c.localTSN)
	a.tx.peerBuffer = window(c.peerRwnd)
	a.tx.peerRwnd = a.tx.peerBuffer
	a.rx.tsn.Init(c.peerTSN.Add(^uint32(0)))
	a.id.locals.settle(c.local)
	// RFC 9260 §5.4 rule 2: only where the INIT ACK went is confirmed.
	a.paths = path.Set{}
	a.paths.Add(c.peers[0], c.local, path.Active, a.cfg.path())
	a.addPeerAddrs(c.peers[1:])
	if p := a.paths.Find(in.Remote.Addr()); p != nil && p.Remote.Port() != in.Remote.Port() {
		p.Remote = in.Remote
	}
}
