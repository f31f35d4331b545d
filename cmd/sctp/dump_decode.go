package main

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Ports that carry SCTP, ASAP announcements and ENRP presence in UDP.
const (
	portSCTP = 9899
	portASAP = 3863
	portENRP = 9901
)

// dissector turns captured packets into rows.
type dissector struct {
	packets int
	parts   reassembly
}

func newDissector() *dissector { return &dissector{parts: newReassembly(maxParts)} }

// rows yields the rows of one captured packet, none if it is not about SCTP or
// RSerPool. It survives whatever a decoder makes of the bytes.
func (d *dissector) rows(f frame) iter.Seq[*row] {
	d.packets++
	return func(yield func(*row) bool) {
		ip, ok := readIP(f.link, f.data)
		if !ok {
			return
		}
		base := row{Packet: d.packets, Time: f.at.UTC().Format("15:04:05.000000")}
		src, dst := bracket(ip.src), bracket(ip.dst)
		udp, isUDP := readUDP(&ip)
		switch {
		case ip.fragment && (ip.proto == protoUDP || ip.proto == protoSCTP):
			base.From, base.To, base.Text = src, dst, "IP fragment"
			yield(&base)
		case isUDP && (udp.dst == portASAP || udp.dst == portENRP) && udp.src != portSCTP:
			base.From = fmt.Sprintf("%s:%d", src, udp.src)
			base.To = fmt.Sprintf("%s:%d", dst, udp.dst)
			base.Text = "UDP"
			if base.Cut = f.cut; !f.cut {
				base.Message, base.Error = decodeMessage(int(udp.dst), udp.payload)
			}
			yield(&base)
		case isUDP && (udp.dst == portSCTP || udp.src == portSCTP || looksLikeSCTP(udp.payload)):
			base.From = fmt.Sprintf("%s@%d", src, udp.src)
			base.To = fmt.Sprintf("%s@%d", dst, udp.dst)
			d.chunks(base, whole(udp.payload, udp.length, f.cut), len(udp.payload), yield)
		case ip.proto == protoSCTP:
			base.From, base.To = src, dst
			d.chunks(base, whole(ip.payload, ip.length, f.cut), len(ip.payload), yield)
		}
	}
}

// udpHeader is the size of the UDP header.
const udpHeader = 8

// whole fills a packet that the capture has cut with zeros, so that its chunks can be
// told apart.
func whole(b []byte, length int, cut bool) []byte {
	if !cut || length <= len(b) {
		return b
	}
	return append(bytes.Clone(b), make([]byte, length-len(b))...)
}

// looksLikeSCTP recognizes SCTP on other UDP ports by its checksum.
func looksLikeSCTP(b []byte) bool { return len(b) >= wire.HeaderLen+4 && wire.VerifyChecksum(b) }

func bracket(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// chunks yields a row for each chunk of an SCTP packet, of which the first n bytes were
// captured.
func (d *dissector) chunks(base row, b []byte, n int, yield func(*row) bool) {
	pkt, err := wire.Parse(b)
	problem := ""
	if err != nil {
		problem = err.Error()
		if pkt, err = wire.ParseUnchecked(b); err != nil {
			base.Error, base.Cut = problem, n < len(b)
			yield(&base)
			return
		}
	}
	if n < len(b) {
		problem = "" // the checksum of what is there says nothing
	}
	base.From += fmt.Sprintf(":%d", pkt.SrcPort)
	base.To += fmt.Sprintf(":%d", pkt.DstPort)
	base.Tag = fmt.Sprintf("0x%08x", uint32(pkt.VTag))
	end := wire.HeaderLen
	for c := range pkt.Chunks() {
		end += c.Len()
		r := base
		r.Chunk, r.Error = c.Type().String(), problem
		if r.Cut = end > n; r.Cut {
			r.Text = headOnly(c, n-(end-c.Len()))
		} else {
			d.chunk(&r, &pkt.Header, c)
		}
		if !yield(&r) {
			return
		}
		end += -end & 3
	}
}

// headOnly describes a chunk of which the first n bytes were captured: of DATA, the
// fields before the user data.
func headOnly(c wire.RawChunk, n int) string {
	if c.Type() == wire.TypeData && n >= wire.DataHeaderLen {
		text, _ := describe(c)
		return text
	}
	return fmt.Sprintf("%s len=%d", c.Type(), c.Len())
}

// chunk describes a chunk and the message that it holds or completes.
func (d *dissector) chunk(r *row, h *wire.Header, c wire.RawChunk) {
	text, problem := describe(c)
	r.Text = text
	if problem != "" {
		r.Error = problem
	}
	var data wire.Data
	if c.Type() != wire.TypeData || data.Decode(c) != nil || portOf(data.PPID) == 0 {
		return
	}
	b := data.Payload
	if !data.Begin || !data.End {
		if b, r.Fragments = d.parts.add(h, &data); b == nil {
			return
		}
	}
	r.Message, problem = decodeMessage(portOf(data.PPID), b)
	if r.Error == "" {
		r.Error = problem
	}
}

// portOf maps a payload protocol identifier to the well-known port of its
// protocol, 0 for others.
func portOf(id wire.PPID) int {
	switch uint32(id) {
	case uint32(asap.PPID):
		return portASAP
	case uint32(enrp.PPID):
		return portENRP
	}
	return 0
}

// decodeMessage describes an ASAP or ENRP message, or says what is wrong with it.
func decodeMessage(port int, b []byte) (text, problem string) {
	switch port {
	case portASAP:
		m, err := asap.Decode(b)
		if err != nil {
			return "", err.Error()
		}
		return m.String(), ""
	case portENRP:
		m, err := enrp.Decode(b)
		if err != nil {
			return "", err.Error()
		}
		return m.String(), ""
	}
	return "", ""
}

// describe decodes a chunk and prints it as a person would.
func describe(c wire.RawChunk) (text, problem string) {
	d := decoderFor(c.Type())
	if d == nil {
		return fmt.Sprintf("%s flags=%#02x len=%d", c.Type(), c.Flags(), len(c.Value())), ""
	}
	if err := d.Decode(c); err != nil {
		return c.Type().String(), err.Error()
	}
	return d.String(), ""
}

// decoderFor returns an empty chunk of a type, nil for those of extensions.
func decoderFor(t wire.ChunkType) wire.Chunk {
	switch t {
	case wire.TypeData:
		return &wire.Data{}
	case wire.TypeInit, wire.TypeInitAck:
		return &wire.Init{}
	case wire.TypeSack:
		return &wire.Sack{}
	case wire.TypeHeartbeat, wire.TypeHeartbeatAck:
		return &wire.Heartbeat{}
	case wire.TypeAbort:
		return &wire.Abort{}
	case wire.TypeShutdown:
		return &wire.Shutdown{}
	case wire.TypeShutdownAck:
		return &wire.ShutdownAck{}
	case wire.TypeError:
		return &wire.OperationError{}
	case wire.TypeCookieEcho:
		return &wire.CookieEcho{}
	case wire.TypeCookieAck:
		return &wire.CookieAck{}
	case wire.TypeShutdownComplete:
		return &wire.ShutdownComplete{}
	case wire.TypeECNE:
		return &wire.ECNE{}
	case wire.TypeCWR:
		return &wire.CWR{}
	case wire.TypePad:
		return &wire.Pad{}
	}
	return nil
}
