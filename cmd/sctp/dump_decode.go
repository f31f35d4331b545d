package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// frame is one captured packet.
type frame struct {
	data []byte
	at   time.Time
	link layers.LinkType
}

// Ports that carry SCTP, ASAP announcements and ENRP presence in UDP.
const (
	portSCTP = 9899
	portASAP = 3863
	portENRP = 9901
)

// openCapture reads pcap and pcapng files.
func openCapture(in io.Reader) (func() (frame, error), error) {
	b := bufio.NewReader(in)
	magic, err := b.Peek(4)
	if err != nil {
		return nil, errors.New("dump: not a capture file: too short")
	}
	if magic[0] == 0x0a && magic[1] == 0x0d {
		r, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, fmt.Errorf("dump: %w", err)
		}
		return func() (frame, error) {
			d, ci, err := r.ReadPacketData()
			if err != nil {
				return frame{}, err
			}
			link := r.LinkType()
			if len(ci.AncillaryData) > 0 {
				if l, ok := ci.AncillaryData[0].(layers.LinkType); ok {
					link = l
				}
			}
			return frame{d, ci.Timestamp, link}, nil
		}, nil
	}
	r, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	return func() (frame, error) {
		d, ci, err := r.ReadPacketData()
		return frame{d, ci.Timestamp, r.LinkType()}, err
	}, nil
}

// decodeFrame yields the rows of one captured packet, none if it is not about
// SCTP or RSerPool. It survives whatever a decoder makes of the bytes.
func decodeFrame(f frame) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		p := gopacket.NewPacket(f.data, f.link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		base := row{Time: f.at.UTC().Format("15:04:05.000000")}
		var sctpBytes []byte
		network := p.NetworkLayer()
		if network == nil {
			return
		}
		src, dst := network.NetworkFlow().Endpoints()
		udp, _ := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		switch {
		case udp != nil && (udp.DstPort == portSCTP || udp.SrcPort == portSCTP || looksLikeSCTP(udp.Payload)):
			base.From = fmt.Sprintf("%s@%d", bracket(src), udp.SrcPort)
			base.To = fmt.Sprintf("%s@%d", bracket(dst), udp.DstPort)
			sctpBytes = udp.Payload
		case udp != nil && (udp.DstPort == portASAP || udp.DstPort == portENRP):
			base.From = fmt.Sprintf("%s:%d", bracket(src), udp.SrcPort)
			base.To = fmt.Sprintf("%s:%d", bracket(dst), udp.DstPort)
			base.Text = "UDP"
			base.Message, base.Error = decodeMessage(int(udp.DstPort), udp.Payload)
			yield(&base)
			return
		case protocol(network) == layers.IPProtocolSCTP:
			base.From, base.To = bracket(src), bracket(dst)
			sctpBytes = network.LayerPayload()
		default:
			return
		}
		yieldChunks(base, sctpBytes, yield)
	}
}

// looksLikeSCTP recognizes SCTP on other UDP ports by its checksum.
func looksLikeSCTP(b []byte) bool { return len(b) >= wire.HeaderLen+4 && wire.VerifyChecksum(b) }

func protocol(n gopacket.NetworkLayer) layers.IPProtocol {
	switch ip := n.(type) {
	case *layers.IPv4:
		return ip.Protocol
	case *layers.IPv6:
		return ip.NextHeader
	}
	return 0
}

func bracket(e gopacket.Endpoint) string {
	if e.EndpointType() == layers.EndpointIPv6 {
		return "[" + e.String() + "]"
	}
	return e.String()
}

// yieldChunks yields a row for each chunk of an SCTP packet.
func yieldChunks(base row, b []byte, yield func(*row) bool) {
	pkt, err := wire.Parse(b)
	problem := ""
	if err != nil {
		problem = err.Error()
		if pkt, err = wire.ParseUnchecked(b); err != nil {
			base.Error = problem
			yield(&base)
			return
		}
	}
	base.From += fmt.Sprintf(":%d", pkt.SrcPort)
	base.To += fmt.Sprintf(":%d", pkt.DstPort)
	base.Tag = fmt.Sprintf("0x%08x", uint32(pkt.VTag))
	for c := range pkt.Chunks() {
		r := base
		r.Chunk = c.Type().String()
		r.Text, r.Error = describe(c)
		if r.Error == "" {
			r.Error = problem
		}
		if c.Type() == wire.TypeData {
			var d wire.Data
			if d.Decode(c) == nil && d.Begin && d.End {
				var e string
				r.Message, e = decodeMessage(portOf(d.PPID), d.Payload)
				if r.Error == "" {
					r.Error = e
				}
			}
		}
		if !yield(&r) {
			return
		}
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

// chunk is what all chunk types of package wire can do.
type chunk interface {
	Decode(wire.RawChunk) error
	String() string
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

func decoderFor(t wire.ChunkType) chunk {
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
	}
	return nil
}
