package coresim

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rserpool/rserpool/sctp/wire"
)

// tell writes a packet to the trace.
func (w *World) tell(h *Host, mark string, other netip.AddrPort, pkt wire.Packet) {
	if w.Trace == nil {
		return
	}
	var b strings.Builder
	for c := range pkt.Chunks() {
		fmt.Fprintf(&b, " | %v", show(c))
	}
	fmt.Fprintf(w.Trace, "%12v %s%s %v %08x%s\n", w.Now.Sub(epoch), h.name, mark, other, uint32(pkt.VTag), b.String())
}

// show is a chunk in short.
func show(c wire.RawChunk) string {
	var d wire.Data
	var s wire.Sack
	var down wire.Shutdown
	var a wire.Abort
	var i wire.Init
	switch {
	case i.Decode(c) == nil:
		return fmt.Sprintf("%v tag=%08x tsn=%d rwnd=%d os=%d mis=%d addrs=%v", c.Type(), uint32(i.InitiateTag), i.InitialTSN, i.ARwnd, i.OutStreams, i.InStreams, i.Addrs)
	case d.Decode(c) == nil:
		flags := ""
		for _, f := range []struct {
			on   bool
			name string
		}{{d.Immediate, "I"}, {d.Unordered, "U"}, {d.Begin, "B"}, {d.End, "E"}} {
			if f.on {
				flags += f.name
			}
		}
		return fmt.Sprintf("DATA %s tsn=%d sid=%d ssn=%d ppid=%d len=%d", flags, d.TSN, d.Stream, d.SSN, d.PPID, len(d.Payload))
	case s.Decode(c) == nil:
		return fmt.Sprintf("SACK cum=%d rwnd=%d gaps=%v dups=%v", s.CumTSN, s.ARwnd, s.Gaps, s.Dups)
	case down.Decode(c) == nil:
		return fmt.Sprintf("SHUTDOWN cum=%d", down.CumTSN)
	case a.Decode(c) == nil:
		why := ""
		for cause := range wire.Causes(a.Causes) {
			why += fmt.Sprintf(" %v %q", cause.Code, cause.Info)
		}
		return fmt.Sprintf("ABORT T=%v%s", a.T, why)
	}
	return c.Type().String()
}
