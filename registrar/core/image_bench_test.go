package core_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// BenchmarkImage is what a snapshot of 10,000 elements costs: "take" with the registrar
// waiting, "encode" and "decode" without.
func BenchmarkImage(b *testing.B) {
	g := newRig(b, core.Config{Limits: core.Limits{ElementsPerSource: -1}})
	for i := range 10_000 {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		id := g.r.Accept(g.now, core.Conn{Channel: core.ASAP, Remote: at(ip.String(), 5000), Local: local})
		h := rserpool.PoolHandle(fmt.Sprint("pool", i%1000))
		g.r.HandleASAP(g.now, id, regOf(h, element(rserpool.PEID(i+1), ip.String())))
		for _, ok := g.r.PollAction(); ok; _, ok = g.r.PollAction() {
		}
		for _, ok := g.r.PollEvent(); ok; _, ok = g.r.PollEvent() {
		}
	}
	im := g.r.Image(g.now)
	require.Len(b, im.Elements, 10_000)
	whole := im.AppendTo(nil)
	b.Run("take", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.r.Image(g.now)
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(whole)))
		var buf []byte
		for b.Loop() {
			buf = im.AppendTo(buf[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(whole)))
		for b.Loop() {
			_, err := core.DecodeImage(whole)
			require.NoError(b, err)
		}
	})
}
