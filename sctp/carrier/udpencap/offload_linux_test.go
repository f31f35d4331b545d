package udpencap_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// offload skips the test on kernels without the offloads.
func offload(t testing.TB, a, b *udpencap.Socket) {
	t.Helper()
	if !a.Stats().GSO || !b.Stats().GRO {
		t.Skip("kernel without UDP GSO or GRO")
	}
}

func TestGSOWriteArrivesAsGRORun(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, tc := range []struct{ size, total int }{
			{1, 64}, {100, 250}, {1200, 1200 * 10}, {1200, 1200*10 + 1}, {1452, 1452*44 + 700}, {9000, 9000*6 + 8999}, {2, 3},
		} {
			for _, disableBatch := range []bool{false, true} {
				cfg := &udpencap.Config{DisableBatch: disableBatch}
				a, b := listen(t, addr, cfg), listen(t, addr, cfg)
				offload(t, a, b)
				data := pattern(tc.size, tc.total)
				send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: data, SegmentSize: tc.size})
				d := receiveSome(t, b)[0]
				require.Equal(t, tc.size, d.SegmentSize, "one run in one piece")
				requireSame(t, data, d.Data)
				require.Equal(t, a.LocalAddrs()[0], d.Remote)
				segments := uint64((tc.total + tc.size - 1) / tc.size)
				require.Equal(t, segments, a.Stats().Sent)
				require.Equal(t, segments, b.Stats().Received)
				require.EqualValues(t, tc.total, a.Stats().SentBytes)
			}
		}
	}
}

func TestRunsOfDifferentSizesDoNotMix(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	offload(t, a, b)
	var out []carrier.Datagram
	var want [][]byte
	for i := range 50 {
		size := 100 + 13*i
		d := carrier.Datagram{Remote: b.LocalAddrs()[0], Data: pattern(i, size*(i%5+1)+i%7), SegmentSize: size}
		out = append(out, d)
		for s := range d.Segments() {
			want = append(want, s)
		}
	}
	send(t, a, out...)
	for i, d := range receive(t, b, len(want)) {
		require.Equal(t, want[i], d.Data, "datagram %d", i)
	}
}

func TestGSOToAReceiverWithoutGRO(t *testing.T) {
	for name, cfg := range map[string]*udpencap.Config{
		"batch": {DisableGRO: true}, "basic": {DisableGRO: true, DisableBatch: true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", cfg)
			require.False(t, b.Stats().GRO)
			data := pattern(1, 1000*20+10)
			send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: data, SegmentSize: 1000})
			var all []byte
			for i, d := range receive(t, b, 21) {
				require.Len(t, d.Data, min(1000, len(data)-i*1000))
				all = append(all, d.Data...)
			}
			requireSame(t, data, all)
		})
	}
}

func TestRunsAreSentWithoutGSO(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", &udpencap.Config{DisableGSO: true}), listen(t, "127.0.0.1:0", nil)
	require.False(t, a.Stats().GSO)
	require.Equal(t, 1, a.MaxSegments())
	data := pattern(1, 1000*20+10)
	send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: data, SegmentSize: 1000})
	var all []byte
	for _, d := range receive(t, b, 21) {
		all = append(all, d.Data...)
	}
	requireSame(t, data, all)
	require.EqualValues(t, 21, a.Stats().Sent)
}

func TestRunsBeyondTheLimitsOfOneWriteAreSplit(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	offload(t, a, b)
	require.Equal(t, 64, a.MaxSegments())
	for _, tc := range []struct{ size, count int }{{10, 200}, {1452, 60}} {
		data := pattern(tc.size, tc.size*tc.count-1)
		send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: data, SegmentSize: tc.size})
		var all []byte
		for _, d := range receive(t, b, tc.count) {
			all = append(all, d.Data...)
		}
		requireSame(t, data, all)
	}
	require.Zero(t, a.Stats().GSOFallbacks)
}

func TestLocalAddressOfUnspecifiedSocket(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0"} {
		inModes(t, func(t *testing.T, cfg *udpencap.Config) {
			a, b := listen(t, addr, cfg), listen(t, addr, cfg)
			for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.8.9.10"} {
				// In: the address it was sent to. Out: the source that was asked for.
				src := netip.MustParseAddr("127.0.0.77")
				run := pattern(3, 350)
				send(t, a, carrier.Datagram{Local: src, Remote: to(ip, b), Data: run, SegmentSize: 100})
				for i, d := range receive(t, b, 4) {
					require.Equal(t, netip.MustParseAddr(ip), d.Local)
					require.Equal(t, netip.AddrPortFrom(src, port(a)), d.Remote)
					require.Equal(t, run[100*i:min(100*i+100, 350)], d.Data)
				}
			}
		})
	}
}

func TestSourceOfASpecificSocket(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.2:0", cfg), listen(t, "127.0.0.3:0", cfg)
		for _, src := range []string{"", "127.0.0.2"} {
			d := carrier.Datagram{Remote: b.LocalAddrs()[0], Data: []byte("x")}
			if src != "" {
				d.Local = netip.MustParseAddr(src)
			}
			send(t, a, d)
			got := receive(t, b, 1)[0]
			require.Equal(t, a.LocalAddrs()[0], got.Remote)
			require.Equal(t, b.LocalAddrs()[0].Addr(), got.Local)
		}
	})
}

func TestS4ForeignSourceAddressIsDropped(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "0.0.0.0:0", cfg), listen(t, "0.0.0.0:0", cfg)
		foreign := carrier.Datagram{
			Local: netip.MustParseAddr("203.0.113.1"), Remote: to("127.0.0.1", b), Data: pattern(1, 300), SegmentSize: 100,
		}
		n, err := a.WriteBatch([]carrier.Datagram{foreign, {Remote: to("127.0.0.1", b), Data: []byte("good")}})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, "good", string(receive(t, b, 1)[0].Data))
		require.EqualValues(t, 3, a.Stats().Dropped)
		if cfg == nil {
			require.Equal(t, 64, a.MaxSegments(), "the offload is not to blame")
		}
	})
}

func TestRFC6951ECNBitsPassUnchanged(t *testing.T) { // RFC 6951 §5.8
	for _, tc := range []struct{ addr, ip string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "::1"}, {"[::]:0", "127.0.0.1"},
	} {
		t.Run(tc.addr+" "+tc.ip, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *udpencap.Config) {
				a, b := listen(t, tc.addr, cfg), listen(t, tc.addr, cfg)
				for ecn := range uint8(4) {
					send(t, a, carrier.Datagram{Remote: to(tc.ip, b), Data: pattern(1, 250), SegmentSize: 100, ECN: ecn})
					for _, d := range receive(t, b, 3) {
						require.Equal(t, ecn, d.ECN)
					}
				}
			})
		})
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, tc := range []struct{ addr, ip string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "127.0.0.1"},
	} {
		t.Run(tc.addr+" "+tc.ip, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *udpencap.Config) {
				a, b := listen(t, tc.addr, cfg), listen(t, tc.addr, cfg)
				out := make([]carrier.Datagram, 8)
				for i := range out {
					out[i] = carrier.Datagram{
						Local: netip.MustParseAddr(tc.ip), Remote: to(tc.ip, b), Data: pattern(i, 2000), SegmentSize: 1000, ECN: 2,
					}
				}
				in := make([]carrier.Datagram, 16)
				roundTrip := func() {
					if n, err := a.WriteBatch(out); n != len(out) || err != nil {
						panic("not sent")
					}
					for left := 2 * len(out); left > 0; {
						n, err := b.ReadBatch(in)
						if err != nil {
							panic(err)
						}
						for i := range in[:n] {
							left -= in[i].Count()
						}
					}
				}
				roundTrip()
				require.Zero(t, testing.AllocsPerRun(200, roundTrip))
			})
		})
	}
}
