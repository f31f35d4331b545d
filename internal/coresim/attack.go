package coresim

import (
	"net/netip"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/wire"
)

// heard is a packet that somebody on the way has kept.
type heard struct {
	from *Host
	to   netip.AddrPort
	data []byte
}

// replay sends packets again that were sent before, be it minutes ago or in an
// earlier life.
func (s *story) replay() {
	for range 1 + s.r.IntN(20) {
		p := &s.heard[s.r.IntN(len(s.heard))]
		if p.from == nil {
			continue
		}
		from := p.from.source(p.to.Addr())
		s.w.Net.Send(s.w.Now, netip.AddrPortFrom(from, p.from.port), carrier.Datagram{Local: from, Remote: p.to, Data: append([]byte(nil), p.data...)})
	}
}

// forge sends packets in the name of a host whose addresses and ports are known,
// but not the tags (RFC 9260 §8.5): nothing may come of them.
func (s *story) forge() {
	r := s.r
	victim, peer := s.a, s.b
	if r.IntN(2) == 0 {
		victim, peer = peer, victim
	}
	for range 1 + r.IntN(10) {
		h := wire.Header{SrcPort: Port, DstPort: 5000, VTag: wire.VTag(r.Uint32())}
		if victim == s.b {
			h.SrcPort, h.DstPort = 5000, Port
		}
		tsn := wire.TSN(r.Uint32())
		c := pick[wire.Chunk](r,
			&wire.Data{TSN: tsn, Begin: true, End: true, Payload: []byte("forged")},
			&wire.Sack{CumTSN: tsn, ARwnd: r.Uint32()},
			&wire.Init{InitiateTag: 7, ARwnd: 9000, OutStreams: 1, InStreams: 1},
			&wire.Init{Ack: true, InitiateTag: 7, ARwnd: 9000, OutStreams: 1, InStreams: 1, HasCookie: true, Cookie: []byte("cookie")},
			&wire.Abort{}, &wire.Abort{T: true}, &wire.Shutdown{CumTSN: tsn}, &wire.ShutdownAck{}, &wire.ShutdownComplete{}, &wire.ShutdownComplete{T: true},
			&wire.CookieEcho{Cookie: make([]byte, 100)}, &wire.CookieAck{}, &wire.Heartbeat{Info: []byte("12345678")},
			&wire.OperationError{Causes: wire.AppendStaleCookie(nil, 7)},
		)
		if i, ok := c.(*wire.Init); ok && !i.Ack {
			h.VTag = 0
		}
		b := c.AppendTo(h.AppendTo(nil))
		wire.SetChecksum(b)
		to := victim.addrs[r.IntN(len(victim.addrs))]
		from := peer.source(to)
		if from.IsValid() {
			s.w.Net.Send(s.w.Now, netip.AddrPortFrom(from, peer.port), carrier.Datagram{Local: from, Remote: netip.AddrPortFrom(to, victim.port), Data: b})
		}
	}
}
