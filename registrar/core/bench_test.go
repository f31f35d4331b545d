package core_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// drop takes the output away and encodes what would be sent.
func (g *rig) drop(buf []byte) []byte {
	for a, ok := g.r.PollAction(); ok; a, ok = g.r.PollAction() {
		if a.Kind == core.Send {
			buf = a.Message.AppendTo(buf[:0])
		}
	}
	for _, ok := g.r.PollEvent(); ok; _, ok = g.r.PollEvent() {
	}
	return buf
}

// A handle resolution from bytes to bytes, in a pool of 1,000 elements.
func BenchmarkResolve(b *testing.B) {
	for _, items := range []uint32{1, 3, 100} {
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			g := newRig(b, core.Config{})
			fill(g, pool, 1000, rserpool.Policy{Type: rserpool.RoundRobin})
			c := g.asap("10.0.2.1")
			req := (&asap.HandleResolution{Handle: pool, HasItems: true, Items: items}).AppendTo(nil)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				g.r.Receive(g.now, c, asap.PPID, req)
				buf = g.drop(buf)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

// A re-registration that two peers are told of, among 1,000 elements.
func BenchmarkReregister(b *testing.B) {
	g := newRig(b, core.Config{})
	g.peer(0x900, "10.0.0.9")
	g.peer(0x901, "10.0.0.8")
	c := fill(g, pool, 1000, rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 1})
	pe := element(500, "10.0.1.1")
	pe.Policy = rserpool.Policy{Type: rserpool.WeightedRoundRobin}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		pe.Policy.Weight++
		buf = (&asap.Registration{Handle: pool, Element: pe}).AppendTo(buf[:0])
		g.r.Receive(g.now, c, asap.PPID, buf)
		buf = g.drop(buf)
	}
}

// What the lock is held for while somebody looks at a scope of 10,000 elements, and what
// looking takes in all.
func BenchmarkSnapshot(b *testing.B) {
	for _, later := range []bool{true, false} {
		name := "all"
		if later {
			name = "under the lock"
		}
		b.Run(name, func(b *testing.B) {
			g := newRig(b, core.Config{Limits: core.Limits{ElementsPerSource: -1, Pools: -1, Registrations: core.Rates{Source: -1, Pool: -1}}})
			c := g.asap("10.0.1.1")
			for i := range 10_000 {
				pe := element(rserpool.PEID(i+1), "10.0.1.1")
				pe.Policy = rserpool.Policy{Type: rserpool.RoundRobin}
				g.r.HandleASAP(g.now, c, &asap.Registration{Handle: rserpool.PoolHandle(fmt.Sprint("pool", i%1000)), Element: pe})
				g.drop(nil)
			}
			require.Equal(b, 10_000, g.r.Space().OwnedLen(g.r.ID()))
			b.ReportAllocs()
			for b.Loop() {
				rest := g.r.SnapshotLater()
				if !later {
					rest()
				}
			}
		})
	}
}
