package sctp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
)

// takeNotices asks a carrier for ICMP messages, if it has them.
func (s *Stack) takeNotices(l *link) {
	if n, ok := l.Carrier.(carrier.Notifier); ok {
		n.SetNotify(s.notice)
	}
}

// notice leads an ICMP message to the association whose packet it quotes, which
// checks the rest; it runs in the goroutine that reads the carrier. What quotes too
// little, or no packet of ours, is dropped without an answer (RFC 9260 §10 ICMP5, RFC
// 6951 §5.5).
func (s *Stack) notice(n carrier.Notice) {
	s.count.icmpIn.Add(1)
	kind, ok := icmpKind(n.Kind)
	a := s.demux.quoted(n.Remote, n.Quoted)
	if a == nil || !ok {
		s.count.icmpStrays.Add(1)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	now := time.Now()
	if a.tracer != nil {
		a.tracer.icmp(n.Remote, kind, n.MTU)
	}
	a.core.HandleICMP(now, core.ICMP{Kind: kind, Remote: n.Remote, MTU: n.MTU, Quoted: n.Quoted})
	a.turn(now)
}

// icmpKind translates what a carrier says.
func icmpKind(k carrier.NoticeKind) (core.ICMPKind, bool) {
	switch k {
	case carrier.NoticeUnreachable:
		return core.ICMPUnreachable, true
	case carrier.NoticePort:
		return core.ICMPPort, true
	case carrier.NoticeProtocol:
		return core.ICMPProtocol, true
	case carrier.NoticeTooBig:
		return core.ICMPTooBig, true
	}
	return 0, false
}

// quotedLen is how many bytes of a packet must be quoted: ports and tag.
const quotedLen = 8

// quoted returns the association that a quoted packet to remote may be from. The
// tag in it is the peer's, which the table of tags does not have, but ports and
// addresses tell.
func (d *demux) quoted(remote netip.AddrPort, packet []byte) *Association {
	if len(packet) < quotedLen {
		return nil
	}
	t := tuple{remote: remote, ourPort: binary.BigEndian.Uint16(packet), remotePort: binary.BigEndian.Uint16(packet[2:])}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a := d.byTuple[t]; a != nil {
		return a
	}
	return d.claims[t] // of a probe of an address that is not the peer's
}
