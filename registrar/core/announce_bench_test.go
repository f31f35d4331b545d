package core_test

import (
	"net/netip"
	"testing"

	"github.com/rserpool/rserpool/registrar/core"
)

// BenchmarkHeardFlood is what a forged announcement costs: most are not looked at.
func BenchmarkHeardFlood(b *testing.B) {
	g := announcing(b, core.Config{})
	m := g.presence(0x900, "10.0.0.9", none).AppendTo(nil)
	from := netip.MustParseAddrPort("10.0.0.66:9901")
	b.ReportAllocs()
	for b.Loop() {
		g.r.Heard(g.now, core.ENRP, from, m)
	}
}
