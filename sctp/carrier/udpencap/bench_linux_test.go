package udpencap_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// benchSize is the SCTP packet of a 1,500 byte path over IPv4.
const benchSize = 1500 - 20 - 8

// BenchmarkTransfer moves 44 full-sized packets (one GSO run) over loopback and
// waits until they are read: one write, then reads, in one goroutine.
func BenchmarkTransfer(b *testing.B) {
	for _, mode := range []struct {
		name string
		cfg  udpencap.Config
	}{
		{"OneByOne", udpencap.Config{DisableGSO: true, DisableGRO: true, DisableBatch: true}},
		{"Batch", udpencap.Config{DisableGSO: true, DisableGRO: true}},
		{"GSOBatch", udpencap.Config{DisableGRO: true}},
		{"GSOGRO", udpencap.Config{}},
	} {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
			b.Run(fmt.Sprintf("%s/%s", mode.name, addr[:len(addr)-2]), func(b *testing.B) {
				tx, rx := listen(b, addr, &mode.cfg), listen(b, addr, &mode.cfg)
				const packets = 44
				out := []carrier.Datagram{{
					Remote: rx.LocalAddrs()[0], Data: pattern(1, packets*benchSize), SegmentSize: benchSize,
				}}
				in := make([]carrier.Datagram, 64)
				watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
				defer watchdog.Stop()
				b.ReportAllocs()
				b.SetBytes(packets * benchSize)
				for b.Loop() {
					watchdog.Reset(patience)
					if _, err := tx.WriteBatch(out); err != nil {
						b.Fatal(err)
					}
					for left := packets; left > 0; {
						n, err := rx.ReadBatch(in)
						require.NoError(b, err)
						for i := range in[:n] {
							left -= in[i].Count()
						}
					}
				}
			})
		}
	}
}

// BenchmarkSmallPackets moves 64 packets of the size of a SACK, each to another
// address, so that no offload can help.
func BenchmarkSmallPackets(b *testing.B) {
	for _, mode := range []struct {
		name string
		cfg  udpencap.Config
	}{{"OneByOne", udpencap.Config{DisableBatch: true}}, {"Batch", udpencap.Config{}}} {
		b.Run(mode.name, func(b *testing.B) {
			tx, rx := listen(b, "0.0.0.0:0", &mode.cfg), listen(b, "0.0.0.0:0", &mode.cfg)
			out := make([]carrier.Datagram, 64)
			for i := range out {
				out[i] = carrier.Datagram{Remote: to(fmt.Sprintf("127.0.0.%d", i+1), rx), Data: pattern(i, 28)}
			}
			in := make([]carrier.Datagram, 64)
			watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
			defer watchdog.Stop()
			b.ReportAllocs()
			b.SetBytes(int64(len(out) * 28))
			for b.Loop() {
				watchdog.Reset(patience)
				if _, err := tx.WriteBatch(out); err != nil {
					b.Fatal(err)
				}
				for left := len(out); left > 0; {
					n, err := rx.ReadBatch(in)
					require.NoError(b, err)
					left -= n
				}
			}
		})
	}
}
