package core

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

// ICMPKind is what an ICMP or ICMPv6 message says, as far as SCTP cares (RFC 9260
// §10).
type ICMPKind uint8

// Kinds of ICMP messages.
const (
	// ICMPUnreachable: the host or network cannot be reached, or it is
	// administratively prohibited.
	ICMPUnreachable ICMPKind = iota
	// ICMPPort: port unreachable, which UDP says where nobody has opened the
	// encapsulation port (RFC 6951 §5.5).
	ICMPPort
	// ICMPProtocol: protocol unreachable, or in ICMPv6 an unrecognized next header.
	ICMPProtocol
	// ICMPTooBig: fragmentation needed, or in ICMPv6 packet too big.
	ICMPTooBig
)

// String is the kind in lower case.
func (k ICMPKind) String() string {
	names := [...]string{"unreachable", "port-unreachable", "protocol-unreachable", "too-big"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// ICMP is one message about a packet that was sent.
type ICMP struct {
	Kind ICMPKind
	// Remote is where the packet that is quoted was sent to.
	Remote netip.AddrPort
	// MTU is the IP MTU of the next hop in bytes, 0 if the message does not tell;
	// for ICMPTooBig only.
	MTU int
	// Quoted is the SCTP packet that was sent, from its common header on, as far as
	// the message quotes it. It is not kept.
	Quoted []byte
}

// HandleICMP takes an ICMP message about a packet of this association (RFC 9260
// §10, RFC 6951 §5.5). Anybody can send one, so it counts only if it quotes the
// ports and the verification tag of this association; all others are ignored and
// counted in Stats.ICMPIgnored. The caller drains the outputs as after a packet.
func (a *Association) HandleICMP(now time.Time, m ICMP) {
	if a.state == Closed {
		return
	}
	now = a.read(now)
	p := a.paths.Find(m.Remote.Addr())
	if p == nil || !a.quoted(m.Quoted) {
		a.stats.ICMPIgnored++
		return
	}
	a.stats.ICMPIn++
	switch m.Kind {
	case ICMPProtocol:
		// ICMP8: as an ABORT with the T bit. The packet with an INIT is one of ours in
		// COOKIE-WAIT, or quoted would not have let it pass.
		a.fail(ErrProtocolUnreachable)
	case ICMPTooBig:
		a.tooBig(now, p, m.MTU) // ICMP7
	case ICMPPort, ICMPUnreachable:
		a.hintUnreachable(now, p, &m)
	}
}

// quoted says whether a quotation proves that its sender saw a packet of this
// association: ports and verification tag, and for an INIT, whose tag is 0, its
// Initiate Tag (ICMP5, ICMP6).
func (a *Association) quoted(b []byte) bool {
	const tagEnd = 8
	if len(b) < tagEnd || binary.BigEndian.Uint16(b) != a.id.localPort || binary.BigEndian.Uint16(b[2:]) != a.id.peerPort {
		return false
	}
	if tag := wire.VTag(binary.BigEndian.Uint32(b[4:])); tag != 0 {
		return tag == a.id.peerTag
	}
	c := chunkQuoted(b, wire.TypeInit, 4)
	return c != nil && a.state == CookieWait && wire.VTag(binary.BigEndian.Uint32(c)) == a.id.localTag
}

// chunkQuoted is the value of the first chunk of a quoted packet, if that has type
// t and at least n bytes of the value are there; else nil.
func chunkQuoted(b []byte, t wire.ChunkType, n int) []byte {
	const begin = wire.HeaderLen + wire.ChunkHeaderLen
	if len(b) < begin+n || wire.ChunkType(b[wire.HeaderLen]) != t {
		return nil
	}
	return b[begin:]
}

// hintUnreachable takes the word of some router, or of the peer's host, that p does
// not work, for what it is: a hint. RFC 6951 §5.5 has a port unreachable end the
// association, as ICMP8 wants for a protocol unreachable. But firewalls say the
// same of what they do not let pass, and whoever has seen one packet knows the
// tag. So the path is probed first, and only a message that quotes the nonce of
// that probe is believed.
func (a *Association) hintUnreachable(now time.Time, p *path.Path, m *ICMP) {
	switch {
	case m.Kind == ICMPPort && a.cfg.EncapOverhead == 0:
		return // ICMP3: SCTP has no port unreachable
	case m.Kind == ICMPPort && a.state == CookieWait:
		a.initRefused(now, p)
		return
	case a.state.setup() || a.state == ShutdownSent || a.state == ShutdownAckSent:
		return // T1 and T2 look after that
	case !a.quotesProbe(p, m.Quoted):
		p.Hinted = true
		if p.Heartbeat.Expires.IsZero() { // one probe per RTO, however many messages come
			a.sendHeartbeat(now, p)
		}
		return
	}
	p.Heartbeat.Expires, p.Heartbeat.SentAt = time.Time{}, time.Time{}
	if p.State != path.Unconfirmed { // ICMP9
		p.Errors = p.Settings.MaxRetrans + 1
		if p.State != path.Inactive {
			a.setPathState(p, path.Inactive)
		}
	}
	p.Refused = m.Kind == ICMPPort
	if p.Refused && !a.paths.Current().Usable() && !a.verifying(now) {
		a.fail(ErrPortUnreachable) // ICMP8 by way of RFC 6951 §5.5
	}
}

// probeHinted has a HEARTBEAT lead what T3-rtx sends on a path that is said to be
// unreachable. Hosts answer one packet a second or so: the answer to a retransmission of
// DATA alone would say nothing new, and leave none for the probe behind it.
func (a *Association) probeHinted(now time.Time, p *path.Path) {
	if p.Hinted && a.state != Closed {
		a.sendHeartbeat(now, p)
	}
}

// verifying reports whether an address that has yet to be confirmed (RFC 9260 §5.4) may
// still answer, and has it probed at once: the peer may live on there.
func (a *Association) verifying(now time.Time) (any bool) {
	for _, q := range a.paths.All {
		if q.State != path.Unconfirmed || q.Refused || q.Errors > 0 {
			continue
		}
		any = true
		if q.Heartbeat.Expires.IsZero() {
			a.sendHeartbeat(now, q)
		}
	}
	return any
}

// initRefused takes a port unreachable in answer to the INIT: as an ABORT (ICMP8 by way
// of RFC 6951 §5.5), once all addresses that the user named have refused it. Until then
// the next of them gets its INIT, without waiting for T1-init. Only who saw the INIT can
// quote its Initiate Tag, and nothing is lost that exists.
func (a *Association) initRefused(now time.Time, p *path.Path) {
	p.Refused = true
	for _, q := range a.paths.All {
		if q.Refused || q.State != path.Active {
			continue
		}
		if p == a.paths.Primary() {
			a.paths.SetPrimary(q.ID)
			a.sendInit(now)
		}
		return
	}
	a.fail(ErrPortUnreachable)
}

// quotesProbe says whether a quoted packet is the pending HEARTBEAT of p, which
// holds a nonce that nobody can guess.
func (a *Association) quotesProbe(p *path.Path, b []byte) bool {
	c := chunkQuoted(b, wire.TypeHeartbeat, tlv.HeaderLen+heartbeatInfoLen)
	return c != nil && !p.Heartbeat.SentAt.IsZero() && binary.BigEndian.Uint64(c[tlv.HeaderLen:]) == p.Heartbeat.Nonce
}
