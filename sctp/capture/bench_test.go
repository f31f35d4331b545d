package capture_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/capture"
)

// What a packet of 1,400 bytes costs the stack, besides the writing.
func BenchmarkCapture(b *testing.B) {
	for name, o := range map[string]*capture.Options{"whole": {}, "snap=128": {SnapLen: 128}, "redact": {Redact: true}} {
		b.Run(name, func(b *testing.B) {
			w, err := capture.NewWriter(io.Discard, o)
			require.NoError(b, err)
			p := capture.Packet{Time: at, Out: true, Local: local4, Remote: peer4, Data: data(1400)}
			b.ReportAllocs()
			for b.Loop() {
				w.Capture(p)
			}
			b.ReportMetric(100*float64(w.Dropped())/float64(b.N), "%dropped")
			require.NoError(b, w.Close())
		})
	}
}
