package core_test

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// live is the association between two SCTP ports, nil if there is none.
func (r *replay) live(local, peer uint16) *core.Association {
	for _, as := range r.assocs {
		if as.State() != core.Closed && as.LocalPort() == local && as.PeerPort() == peer {
			return as
		}
	}
	return nil
}

// user does what our user must have done that sample i was sent.
func (r *replay) user(i int) {
	s := &r.samples[i]
	as := r.live(s.pkt.SrcPort, s.pkt.DstPort)
	for c := range s.pkt.Chunks() {
		var d wire.Data
		switch {
		case c.Type() == wire.TypeInit:
			r.dial(s, as)
		case as == nil:
		case d.Decode(c) == nil && d.Begin && !r.began[d.TSN]:
			r.began[d.TSN] = true
			m := core.Outgoing{Stream: d.Stream, PPID: d.PPID, Unordered: d.Unordered, Immediate: d.Immediate && d.End}
			require.NoError(r.t, as.Send(r.now, &m, r.message(i, d)))
		case c.Type() == wire.TypeShutdown && as.State() == core.Established:
			require.NoError(r.t, as.Shutdown(r.now))
		case c.Type() == wire.TypeAbort && c.Flags() == 0:
			r.expected[as] = true
			require.NoError(r.t, as.Abort(r.now, nil))
		}
	}
	if as != nil {
		r.drain(as)
	}
}

// dial opens the association of a captured INIT, unless it is sent again. One that is
// there already ended when its process died.
func (r *replay) dial(s *sample, old *core.Association) {
	var init wire.Init
	require.NoError(r.t, init.Decode(s.pkt.First()))
	if old != nil && old.LocalTag() == init.InitiateTag {
		return
	}
	r.assocs = slices.DeleteFunc(r.assocs, func(as *core.Association) bool { return as == old })
	clear(r.began)
	tag, tsn := drawsOf(r.t, false)
	r.dice.force(tag, uint32(init.InitiateTag))
	r.dice.force(tsn, uint32(init.InitialTSN))
	r.cfg.OutStreams, r.cfg.MaxInStreams = init.OutStreams, init.InStreams
	ep := core.Endpoint{LocalPort: s.pkt.SrcPort, PeerPort: s.pkt.DstPort, PeerAddrs: []netip.AddrPort{s.to}, LocalAddrs: init.Addrs}
	as, err := core.Dial(r.now, &r.cfg, ep, r.resp)
	require.NoError(r.t, err)
	require.Equal(r.t, init.InitiateTag, as.LocalTag())
	r.assocs = append(r.assocs, as)
	r.sentTSN[as] = init.InitialTSN - 1
	r.drain(as)
}

// message is the whole message that begins with d in sample i.
func (r *replay) message(i int, d wire.Data) []byte {
	b := slices.Clone(d.Payload)
	next := d.TSN + 1
	for j := i; !d.End; j++ {
		require.Less(r.t, j, len(r.samples), "the rest of message %d is not in the capture", d.TSN)
		s := &r.samples[j]
		if s.pkt.SrcPort != r.samples[i].pkt.SrcPort {
			continue
		}
		for c := range s.pkt.Chunks() {
			var x wire.Data
			if !d.End && x.Decode(c) == nil && x.TSN == next {
				b, next, d.End = append(b, x.Payload...), next+1, x.End
			}
		}
	}
	return b
}

// peer gives us sample i, unless it acknowledges what we have not sent.
func (r *replay) peer(i int) bool {
	s := r.samples[i]
	as := r.live(s.pkt.DstPort, s.pkt.SrcPort)
	var sack wire.Sack
	var ab wire.Abort
	for c := range s.pkt.Chunks() {
		switch {
		case c.Type() == wire.TypeHeartbeatAck:
			return true // of the original's
		case sack.Decode(c) == nil && as != nil && r.sentTSN[as].Less(sack.CumTSN):
			return false
		case ab.Decode(c) == nil && as != nil:
			r.expected[as] = true
		}
	}
	first := s.pkt.First()
	switch {
	case first.Type() == wire.TypeInit:
		r.promise(i)
	case first.Type() == wire.TypeCookieEcho && r.cookies[s.pkt.SrcPort] != nil:
		b := (&wire.CookieEcho{Cookie: r.cookies[s.pkt.SrcPort]}).AppendTo(s.pkt.Header.AppendTo(nil))
		rest := s.pkt.Bytes()[wire.HeaderLen+(first.Len()+3)&^3:]
		b = append(b, rest...)
		wire.SetChecksum(b)
		s.pkt = mustParse(r.t, b)
	}
	r.say("<", r.show(s.from, s.to, s.pkt))
	r.give(&s)
	return true
}

// promise makes our INIT ACK carry the tag and TSN of the one in the capture.
func (r *replay) promise(i int) {
	in := r.samples[i].pkt
	for _, s := range r.samples[i:] {
		var ack wire.Init
		if s.ours && s.pkt.First().Type() == wire.TypeInitAck && s.pkt.DstPort == in.SrcPort && ack.Decode(s.pkt.First()) == nil {
			tag, tsn := drawsOf(r.t, true)
			r.dice.force(tag, uint32(ack.InitiateTag))
			r.dice.force(tsn, uint32(ack.InitialTSN))
			r.cfg.OutStreams, r.cfg.MaxInStreams = ack.OutStreams, ack.InStreams
			clear(r.began)
			return
		}
	}
}

// give lets a packet arrive.
func (r *replay) give(s *sample) {
	in := core.Inbound{Local: s.to.Addr(), Remote: s.from, ECN: s.ecn}
	if as := r.live(s.pkt.DstPort, s.pkt.SrcPort); as != nil {
		as.HandlePacket(r.now, in, s.pkt)
		r.drain(as)
		r.read()
		return
	}
	var l *core.Listening
	if r.listens[s.pkt.DstPort] {
		l = &core.Listening{Config: &r.cfg, LocalAddrs: r.homes(s)}
	}
	t, as := r.resp.HandlePacket(r.now, in, s.pkt, l, r.buf)
	if t.Data != nil {
		r.sent(nil, t)
	}
	if as != nil {
		r.assocs = append(r.assocs, as)
		r.drain(as)
	}
}

// homes is the addresses that the original listed in its INIT ACK.
func (r *replay) homes(s *sample) []netip.Addr {
	for _, x := range r.samples {
		var ack wire.Init
		if x.ours && x.pkt.First().Type() == wire.TypeInitAck && x.pkt.DstPort == s.pkt.SrcPort && ack.Decode(x.pkt.First()) == nil {
			return ack.Addrs
		}
	}
	return nil
}

// readCapture reads the SCTP packets of a capture, in UDP or straight over IP.
func readCapture(t testing.TB, file string, we []string) []sample {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	ng, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var out []sample
	var begin time.Time
	for {
		data, info, err := ng.ReadPacketData()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		if begin.IsZero() {
			begin = info.Timestamp
		}
		s := sample{at: info.Timestamp.Sub(begin)}
		p := gopacket.NewPacket(data, ng.LinkType(), gopacket.Default)
		var src, dst netip.Addr
		payload := []byte(nil)
		if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok {
			src, _ = netip.AddrFromSlice(ip.SrcIP.To4())
			dst, _ = netip.AddrFromSlice(ip.DstIP.To4())
			s.ecn = ip.TOS & 3
			if ip.Protocol == layers.IPProtocolSCTP {
				payload = ip.Payload
			}
		} else if ip, ok := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6); ok {
			src, _ = netip.AddrFromSlice(ip.SrcIP)
			dst, _ = netip.AddrFromSlice(ip.DstIP)
			s.ecn = ip.TrafficClass & 3
		}
		if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && (udp.SrcPort == 9899 || udp.DstPort == 9899) {
			payload = udp.Payload
		}
		if payload == nil {
			continue
		}
		s.from, s.to = netip.AddrPortFrom(src, 9899), netip.AddrPortFrom(dst, 9899)
		s.ours = slices.Contains(we, src.String())
		s.pkt = mustParse(t, payload)
		out = append(out, s)
	}
}
