package core_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// appender is a chunk that can encode itself.
type appender interface{ AppendTo([]byte) []byte }

// rawChunk is a chunk given by its bytes.
type rawChunk []byte

func (r rawChunk) AppendTo(b []byte) []byte { return append(b, r...) }

// packetTo builds a packet to a host's port 5001 (or its association's port) with
// any tag and any chunks, and a right checksum.
func packetTo(src, dst uint16, tag wire.VTag, chunks ...appender) []byte {
	b := wire.Header{SrcPort: src, DstPort: dst, VTag: tag}.AppendTo(nil)
	for _, c := range chunks {
		b = c.AppendTo(b)
	}
	wire.SetChecksum(b)
	return b
}

// victim is an established association under attack, seen from the side that
// accepted it, and what it sent in answer.
type victim struct {
	t    testing.TB
	w    *world
	a, b *host // b is attacked, in the name of a
	as   *core.Association
	out  []wire.Packet
}

func attacked(t testing.TB, change func(*core.Config)) *victim {
	w, a, b := connected(t, 77, change)
	w.run(0)
	v := &victim{t: t, w: w, a: a, b: b, as: b.only()}
	b.tap = func(p wire.Packet) { v.out = append(v.out, clone(t, p)) }
	return v
}

func clone(t testing.TB, p wire.Packet) wire.Packet {
	q, err := wire.Parse(append([]byte(nil), p.Bytes()...))
	require.NoError(t, err)
	return q
}

// inject delivers a forged packet at once and returns what was sent in answer.
func (v *victim) inject(tag wire.VTag, chunks ...appender) []wire.Packet {
	return v.injectFrom(addrA, tag, chunks...)
}

func (v *victim) injectFrom(from netip.AddrPort, tag wire.VTag, chunks ...appender) []wire.Packet {
	v.out = nil
	v.b.receive(from, packetTo(5000, 5001, tag, chunks...))
	return v.out
}

// chunkTypes is the types of the chunks of a packet.
func chunkTypes(p wire.Packet) []wire.ChunkType {
	var out []wire.ChunkType
	for c := range p.Chunks() {
		out = append(out, c.Type())
	}
	return out
}

// causesOf is the error causes of the first ABORT or ERROR chunk of a packet.
func causesOf(t testing.TB, p wire.Packet) []wire.Cause {
	var out []wire.Cause
	for c := range p.Chunks() {
		var raw []byte
		switch c.Type() {
		case wire.TypeAbort:
			var a wire.Abort
			require.NoError(t, a.Decode(c))
			raw = a.Causes
		case wire.TypeError:
			var e wire.OperationError
			require.NoError(t, e.Decode(c))
			raw = e.Causes
		default:
			continue
		}
		for cause := range wire.Causes(raw) {
			out = append(out, cause)
		}
		return out
	}
	return nil
}

// alive checks that the association works as before: state, and data both ways.
func (v *victim) alive() {
	v.t.Helper()
	require.Equal(v.t, core.Established, v.as.State())
	v.b.tap = nil
	v.w.transfer(20*1e9, newFlow(v.a, v.b, 5, 2, 5), newFlow(v.b, v.a, 6, 2, 5))
	v.b.tap = func(p wire.Packet) { v.out = append(v.out, clone(v.t, p)) }
}

// aborted checks that the association ended by an ABORT of its own with a cause.
func (v *victim) aborted(out []wire.Packet, code wire.CauseCode) {
	v.t.Helper()
	require.Equal(v.t, core.Closed, v.as.State())
	var e *core.AbortError
	require.ErrorAs(v.t, v.as.Err(), &e)
	require.True(v.t, e.Local)
	require.Len(v.t, out, 1)
	causes := causesOf(v.t, out[0])
	require.NotEmpty(v.t, causes)
	require.Equal(v.t, code, causes[0].Code)
	require.Equal(v.t, v.as.PeerTag(), out[0].VTag)
}

// nextTSN is the TSN the victim expects of its peer: a duplicate makes it tell.
func (v *victim) nextTSN() wire.TSN {
	out := v.inject(v.as.LocalTag(), data(v.a.firstTSN-1, 0, "BE", "x"))
	require.Len(v.t, out, 1)
	return sackOf(v.t, out[0]).CumTSN.Add(1)
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }
