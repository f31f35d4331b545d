package scenario

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// scriptAddr is where the script lives when it plays a peer.
var scriptAddr = netip.MustParseAddrPort("192.0.2.99:9899")

// host is a machine with at most one association.
type host struct {
	s      *sctp
	name   string
	addr   netip.AddrPort
	homes  []netip.Addr   // its addresses, addr first, if it has several
	peer   netip.AddrPort // where the association should lead
	cfg    core.Config
	resp   *core.Responder
	listen *core.Listening
	as     *core.Association

	peerTag wire.VTag             // the tag that the script chose last
	ecn     uint8                 // the ECN bits of the packet being injected
	from    netip.Addr            // where the packet being injected comes from, if the script says so
	cookies []cookie              // that this host handed out
	beats   map[netip.Addr][]byte // info of its last HEARTBEAT to each address; the zero one: to any
}

// cookie is a State Cookie and the tag in the INIT ACK that it came with.
type cookie struct {
	tag   wire.VTag
	bytes []byte
}

// dice is a seeded io.Reader.
type dice struct{ *rand.Rand }

func (d dice) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return len(b), nil
}

func newHost(s *sctp, name string, n int) *host {
	h := &host{s: s, name: name, cfg: core.DefaultConfig(), peer: scriptAddr}
	h.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 9899)
	h.cfg.Rand = dice{rand.New(rand.NewPCG(uint64(n), 0))}
	h.boot()
	return h
}

// boot gives the host new cookie keys.
func (h *host) boot() {
	r, err := core.NewResponder(h.s.now, h.cfg.Rand)
	if err != nil {
		h.s.t.Fatal(err)
	}
	h.resp = r
	h.as = nil
	h.beats = map[netip.Addr][]byte{}
}

// drain is the caller's part of the contract in core's package comment.
func (h *host) drain() {
	if h.as == nil {
		return
	}
	for i := 0; ; i++ {
		if i > 100_000 {
			h.s.t.Fatal("PollTransmit does not end")
		}
		t, ok := h.as.PollTransmit(h.s.now, h.s.buf, 1)
		if !ok {
			break
		}
		h.emit(t)
	}
	for {
		e, ok := h.as.PollEvent()
		if !ok {
			return
		}
		if e.Kind == core.EventUndelivered {
			h.takeUndelivered()
			continue
		}
		h.s.say(h, "!", "%s", h.showEvent(e))
	}
}

// emit sends one packet.
func (h *host) emit(t core.Transmit) {
	pkt, err := wire.Parse(t.Data)
	if err != nil {
		h.s.t.Fatalf("%s sent a malformed packet: %v", h.name, err)
	}
	h.note(t.Remote, pkt)
	h.s.transmit(h, t, pkt)
}

// note remembers what the script may want to answer.
func (h *host) note(to netip.AddrPort, pkt wire.Packet) {
	for c := range pkt.Chunks() {
		switch c.Type() {
		case wire.TypeInit, wire.TypeInitAck:
			var i wire.Init
			if i.Decode(c) != nil {
				continue
			}
			h.s.names.learn(i.InitiateTag, h.name, i.InitialTSN)
			if i.HasCookie {
				h.cookies = append(h.cookies, cookie{i.InitiateTag, append([]byte(nil), i.Cookie...)})
			}
		case wire.TypeHeartbeat:
			var hb wire.Heartbeat
			if hb.Decode(c) == nil {
				info := append([]byte(nil), hb.Info...)
				h.beats[to.Addr()], h.beats[netip.Addr{}] = info, info
			}
		}
	}
}

// receive processes a packet as a stack does that knows one association.
func (h *host) receive(from netip.AddrPort, at netip.Addr, data []byte) {
	pkt, err := wire.Parse(data)
	if err != nil {
		h.s.say(h, "=", "unreadable: %v", err)
		return
	}
	in := core.Inbound{Local: at, Remote: from, ECN: h.ecn}
	h.ecn = 0
	if h.as != nil && h.as.State() != core.Closed {
		before := h.as.Stats().Dropped
		h.as.HandlePacket(h.s.now, in, pkt)
		if h.as.Stats().Dropped > before {
			h.s.say(h, "=", "dropped")
		}
		h.drain()
		return
	}
	t, as := h.resp.HandlePacket(h.s.now, in, pkt, h.listen, h.s.buf)
	if t.Data != nil {
		h.emit(t)
	}
	if as != nil {
		h.as = as
		h.drain()
	}
}

// timeout serves the timers that are due.
func (h *host) timeout() {
	if h.as == nil {
		return
	}
	if when, ok := h.as.NextTimeout(); ok && !when.After(h.s.now) {
		h.as.HandleTimeout(h.s.now)
		h.drain()
	}
}

// inject gives the host a packet in the name of its peer.
func (h *host) inject(text string) error {
	from, at := h.peer, h.addr.Addr()
	h.from, h.ecn = netip.Addr{}, 0
	var chunks []byte
	hdr := wire.Header{SrcPort: port, DstPort: port, VTag: h.localTag()}
	for i, part := range strings.Split(text, "|") {
		f := splitFields(part)
		vtag, tagged := f.value("vtag")
		if v, ok := f.value("from"); ok {
			a, err := netip.ParseAddrPort(v)
			if err != nil {
				return err
			}
			from, h.from = a, a.Addr()
		}
		if v, ok := f.value("ecn"); ok {
			n, err := strconv.ParseUint(v, 10, 2)
			if err != nil {
				return err
			}
			h.ecn = uint8(n)
		}
		if v, ok := f.value("at"); ok {
			a, err := netip.ParseAddr(v)
			if err != nil {
				return err
			}
			at = a
		}
		c, tag, err := h.chunk(&f)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(part), err)
		}
		if i == 0 && tag != nil {
			hdr.VTag = *tag
		}
		if tagged {
			hdr.VTag = h.s.names.tag(vtag)
		}
		for len(chunks)%4 != 0 {
			chunks = append(chunks, 0)
		}
		chunks = append(chunks, c...)
	}
	b := append(hdr.AppendTo(nil), chunks...)
	wire.SetChecksum(b)
	h.receive(from, at, b)
	return nil
}

// localTag is the tag that the host's peer should use.
func (h *host) localTag() wire.VTag {
	if h.as != nil {
		return h.as.LocalTag()
	}
	if n := len(h.cookies); n > 0 {
		return h.cookies[n-1].tag
	}
	return 0
}

// remoteTag is the tag that the host uses towards its peer.
func (h *host) remoteTag() wire.VTag {
	if h.as != nil && h.as.PeerTag() != 0 {
		return h.as.PeerTag()
	}
	return h.peerTag
}
