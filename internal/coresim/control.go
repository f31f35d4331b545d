package coresim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// control lets a user turn the knobs of an association.
func (s *story) control() {
	r := s.r
	h := pick(r, s.a, s.b)
	if len(h.Ends) == 0 {
		return
	}
	e := pick(r, h.Ends...)
	at := netip.MustParseAddr("192.0.2.99")
	if n := len(e.Paths()); n > 0 && r.IntN(8) > 0 {
		at = e.Paths()[r.IntN(n)].Remote.Addr()
	}
	var err error
	switch r.IntN(4) {
	case 0:
		err = e.SetPrimary(h.now(), at)
	case 1:
		err = e.RequestHeartbeat(h.now(), at)
	case 2:
		if r.IntN(3) == 0 {
			at = netip.Addr{}
		}
		err = e.SetPathSettings(h.now(), at, core.PathSettings{
			MaxRetrans: r.IntN(8), PotentiallyFailed: r.IntN(2) == 0, PFMaxRetrans: r.IntN(4),
			HeartbeatInterval: time.Duration(1+r.IntN(20)) * time.Second,
		})
	case 3:
		p := e.Parameters()
		p.RTOMin = pick(r, 20*time.Millisecond, 100*time.Millisecond, time.Second)
		p.SackDelay = time.Duration(r.IntN(500)) * time.Millisecond
		p.SackFrequency, p.MaxBurst, p.NoDelay, p.HeartbeatMaxBurst = 1+r.IntN(4), r.IntN(6), r.IntN(2) == 0, 1+r.IntN(3)
		err = e.SetParameters(h.now(), p)
	}
	e.drain()
	if known := at != netip.MustParseAddr("192.0.2.99"); err != nil && known && e.State() == core.Established {
		fail("%v: %v", e, err)
	} else if !known && err != nil && !errors.Is(err, core.ErrNoPath) && e.State() == core.Established {
		fail("%v: %v", e, err)
	}
}

// tooBig tells the sender of a packet that met a smaller link, when the step is over.
func (s *story) tooBig(e simnet.Event) {
	if e.Kind == simnet.TooBig {
		h := s.w.byAddr[e.Packet.From.Addr()]
		s.w.notices = append(s.w.notices, notice{h, core.ICMP{Kind: core.ICMPTooBig, Remote: e.Packet.To, MTU: e.MTU, Quoted: bytes.Clone(e.Packet.Data)}})
	}
}

// icmp sends a host ICMP messages about packets that it sent, or seems to have: with
// the wrong tag they must do nothing, with the right one they are hints.
func (s *story) icmp() {
	r := s.r
	for range 1 + r.IntN(8) {
		p := &s.heard[r.IntN(len(s.heard))]
		if p.from == nil {
			continue
		}
		m := core.ICMP{Kind: core.ICMPKind(r.IntN(4)), Remote: p.to, MTU: pick(r, 0, 68, 576, 1280, 9000, 1<<20), Quoted: p.data[:min(len(p.data), 8+r.IntN(60))]}
		e := p.from.Live(binary.BigEndian.Uint16(p.data), binary.BigEndian.Uint16(p.data[2:]))
		if e == nil {
			continue
		}
		if forged := r.IntN(2) == 0; forged {
			m.Quoted = append([]byte(nil), m.Quoted...)
			m.Quoted[4+r.IntN(4)] ^= byte(1 + r.IntN(255))
		} else if !s.mortal && (m.Kind == core.ICMPProtocol || m.Kind == core.ICMPPort) {
			m.Kind = core.ICMPUnreachable // the others may end the association, and rightly
		}
		e.HandleICMP(p.from.now(), m)
		e.drain()
	}
}

// notice is an ICMP message for a host.
type notice struct {
	to *Host
	m  core.ICMP
}

// notify delivers the ICMP messages that are under way.
func (w *World) notify() {
	for len(w.notices) > 0 {
		n := w.notices[0]
		w.notices = w.notices[1:]
		if b := n.m.Quoted; n.to != nil && len(b) >= 4 {
			if e := n.to.Live(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])); e != nil {
				e.HandleICMP(n.to.now(), n.m)
				e.drain()
			}
		}
	}
}
