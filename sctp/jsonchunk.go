package sctp

import (
	"net/netip"

	"github.com/rserpool/rserpool/sctp/wire"
)

// packet writes a line about a packet, of kind "in" or "out".
func (t *JSONTrace) packet(id uint32, kind string, peer netip.AddrPort, ecn uint8, pkt wire.Packet) {
	t.line(id, kind, func(l jsonLine) jsonLine {
		l = l.addr("peer", peer).number("len", len(pkt.Bytes()))
		if ecn != 0 {
			l = l.number("ecn", int(ecn))
		}
		return l.chunks(pkt)
	})
}

// chunks appends the list of chunks.
func (l jsonLine) chunks(pkt wire.Packet) jsonLine {
	l = append(l.key("chunks"), '[')
	first := true
	for c := range pkt.Chunks() {
		if !first {
			l = append(l, ',')
		}
		first = false
		l = append(l, '{')
		l = append(l.chunk(c), '}')
	}
	return append(l, ']')
}

// maxGaps bounds the Gap Ack Blocks that a line lists.
const maxGaps = 16

// chunk appends the fields of a chunk that are neither secret nor user data. What does
// not decode has its type and its length only.
func (l jsonLine) chunk(c wire.RawChunk) jsonLine {
	l = l.text("type", c.Type().String()).number("len", c.Len())
	switch c.Type() {
	case wire.TypeData:
		var d wire.Data
		if d.Decode(c) == nil {
			l = l.data(&d)
		}
	case wire.TypeSack:
		var s wire.Sack
		if s.Decode(c) == nil {
			l = l.sack(&s)
		}
	case wire.TypeInit, wire.TypeInitAck:
		var i wire.Init
		if i.Decode(c) == nil {
			l = l.count("rwnd", uint64(i.ARwnd)).number("os", int(i.OutStreams)).number("mis", int(i.InStreams)).
				count("tsn", uint64(i.InitialTSN)).number("addrs", len(i.Addrs))
		}
	case wire.TypeShutdown:
		var s wire.Shutdown
		if s.Decode(c) == nil {
			l = l.count("cum", uint64(s.CumTSN))
		}
	case wire.TypeECNE:
		var e wire.ECNE
		if e.Decode(c) == nil {
			l = l.count("tsn", uint64(e.LowestTSN))
		}
	case wire.TypeCWR:
		var w wire.CWR
		if w.Decode(c) == nil {
			l = l.count("tsn", uint64(w.LowestTSN))
		}
	case wire.TypeAbort:
		var a wire.Abort
		if a.Decode(c) == nil {
			l = l.causes(a.Causes)
		}
	case wire.TypeError:
		var e wire.OperationError
		if e.Decode(c) == nil {
			l = l.causes(e.Causes)
		}
	}
	return l
}

func (l jsonLine) data(d *wire.Data) jsonLine {
	l = l.count("tsn", uint64(d.TSN)).number("stream", int(d.Stream)).number("ssn", int(d.SSN)).
		count("ppid", uint64(d.PPID)).number("bytes", len(d.Payload))
	l = append(l.key("flags"), '"')
	for _, f := range []struct {
		set  bool
		name byte
	}{{d.Immediate, 'I'}, {d.Unordered, 'U'}, {d.Begin, 'B'}, {d.End, 'E'}} {
		if f.set {
			l = append(l, f.name)
		}
	}
	return append(l, '"')
}

func (l jsonLine) sack(s *wire.Sack) jsonLine {
	l = l.count("cum", uint64(s.CumTSN)).count("rwnd", uint64(s.ARwnd))
	if len(s.Gaps) > 0 {
		l = append(l.number("gaps", len(s.Gaps)).key("blocks"), '[')
		for i, g := range s.Gaps[:min(len(s.Gaps), maxGaps)] {
			if i > 0 {
				l = append(l, ',')
			}
			l = l.pair(int(g.Start), int(g.End))
		}
		l = append(l, ']')
	}
	if len(s.Dups) > 0 {
		l = l.number("dups", len(s.Dups))
	}
	return l
}

// causes appends the names of error causes, not what they quote.
func (l jsonLine) causes(raw []byte) jsonLine {
	l = append(l.key("causes"), '[')
	first := true
	for c := range wire.Causes(raw) {
		if !first {
			l = append(l, ',')
		}
		first = false
		l = append(l, '"')
		l = append(l, c.Code.String()...)
		l = append(l, '"')
	}
	return append(l, ']')
}
