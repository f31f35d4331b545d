package udpencap_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// patience bounds every wait for a datagram.
const patience = 10 * time.Second

// modes are the ways to move datagrams; each test that can runs in all of them.
var modes = map[string]*udpencap.Config{
	"all":      nil,
	"batch":    {DisableGSO: true, DisableGRO: true},
	"basic":    {DisableGSO: true, DisableGRO: true, DisableBatch: true},
	"basicgso": {DisableBatch: true},
}

// inModes runs f once for each mode.
func inModes(t *testing.T, f func(t *testing.T, cfg *udpencap.Config)) {
	t.Helper()
	for name, cfg := range modes {
		t.Run(name, func(t *testing.T) { f(t, cfg) })
	}
}

// listen binds addr; a test for an address family that the host lacks is skipped.
func listen(t testing.TB, addr string, cfg *udpencap.Config) *udpencap.Socket {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	if a.Addr().Is6() && !hasIPv6() {
		t.Skip("no IPv6 on this host")
	}
	s, err := udpencap.Listen(a, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func port(s *udpencap.Socket) uint16 { return s.LocalAddrs()[0].Port() }

// to returns the address of s as seen by a peer that uses ip.
func to(ip string, s *udpencap.Socket) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port(s))
}

func send(t testing.TB, s *udpencap.Socket, ds ...carrier.Datagram) {
	t.Helper()
	n, err := s.WriteBatch(ds)
	require.NoError(t, err)
	require.Equal(t, len(ds), n)
}

// receive reads until want single datagrams came, and returns them as such.
func receive(t testing.TB, s *udpencap.Socket, want int) []carrier.Datagram {
	t.Helper()
	watchdog := time.AfterFunc(patience, func() { _ = s.Close() })
	defer watchdog.Stop()
	var got []carrier.Datagram
	ds := make([]carrier.Datagram, 8)
	for len(got) < want {
		n, err := s.ReadBatch(ds)
		require.NoError(t, err, "%d of %d datagrams came", len(got), want)
		require.Positive(t, n)
		for i := range ds[:n] {
			for b := range ds[i].Segments() {
				d := ds[i]
				d.Data, d.SegmentSize = bytes.Clone(b), 0
				got = append(got, d)
			}
		}
	}
	require.Len(t, got, want)
	return got
}

// pattern returns size bytes that differ between seeds.
func pattern(seed, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// requireSame is require.Equal for data that is too long to print.
func requireSame(t testing.TB, want, got []byte) {
	t.Helper()
	require.Len(t, got, len(want))
	require.True(t, bytes.Equal(want, got), "content differs")
}

func TestRoundTripOnEachFamily(t *testing.T) {
	for _, tc := range []struct{ name, a, b, ipA, ipB string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
		{"IPv4 unspecified", "0.0.0.0:0", "0.0.0.0:0", "127.0.0.1", "127.0.0.1"},
		{"IPv6", "[::1]:0", "[::1]:0", "::1", "::1"},
		{"dual stack over IPv6", "[::]:0", "[::]:0", "::1", "::1"},
		{"dual stack over IPv4", "[::]:0", "[::]:0", "127.0.0.1", "127.0.0.1"},
		{"dual stack to IPv4 socket", "[::]:0", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *udpencap.Config) {
				a, b := listen(t, tc.a, cfg), listen(t, tc.b, cfg)
				var out []carrier.Datagram
				for i := range 10 {
					out = append(out, carrier.Datagram{Remote: to(tc.ipB, b), Data: pattern(i, 100+i*10)})
				}
				send(t, a, out...)
				for i, d := range receive(t, b, len(out)) {
					require.Equal(t, out[i].Data, d.Data)
					require.Equal(t, to(tc.ipA, a), d.Remote)
					if runtime.GOOS == "linux" || d.Local.IsValid() { // others need not know it
						require.Equal(t, netip.MustParseAddr(tc.ipB), d.Local)
					}
					require.Zero(t, d.ECN)
				}
				// Answer to the address that came in, from the address it came to.
				send(t, b, carrier.Datagram{Local: netip.MustParseAddr(tc.ipB), Remote: to(tc.ipA, a), Data: []byte("answer")})
				d := receive(t, a, 1)[0]
				require.Equal(t, "answer", string(d.Data))
				require.Equal(t, to(tc.ipB, b), d.Remote)
			})
		})
	}
}

func TestMappedAddressesAreTakenAsIPv4(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "[::]:0", cfg), listen(t, "127.0.0.1:0", cfg)
		send(t, a, carrier.Datagram{Local: netip.MustParseAddr("::ffff:127.0.0.1"), Remote: to("::ffff:127.0.0.1", b), Data: []byte("x")})
		require.Equal(t, to("127.0.0.1", a), receive(t, b, 1)[0].Remote)
	})
	s := listen(t, "[::ffff:127.0.0.1]:0", nil)
	require.Equal(t, "127.0.0.1", s.LocalAddrs()[0].Addr().String())
}

func TestIPv4UnspecifiedIsNotDualStack(t *testing.T) {
	s := listen(t, "0.0.0.0:0", nil)
	require.Equal(t, netip.IPv4Unspecified(), s.LocalAddrs()[0].Addr())
	listen(t, fmt.Sprintf("[::1]:%d", port(s)), nil) // the IPv6 side of the port is free
}

func TestRFC6951Overhead(t *testing.T) { // RFC 6951 §5.6: the size of the UDP header
	require.Equal(t, 8, listen(t, "127.0.0.1:0", nil).Overhead())
}

func TestEmptyAndSmallestDatagrams(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		send(t, a, carrier.Datagram{Remote: to("127.0.0.1", b)},
			carrier.Datagram{Remote: to("127.0.0.1", b), SegmentSize: 10},
			carrier.Datagram{Remote: to("127.0.0.1", b), Data: []byte{7}})
		got := receive(t, b, 3)
		require.Empty(t, got[0].Data)
		require.Empty(t, got[1].Data)
		require.Equal(t, []byte{7}, got[2].Data)
	})
}

func TestEmptyBatches(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		s := listen(t, "127.0.0.1:0", cfg)
		n, err := s.WriteBatch(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = s.ReadBatch(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestBatchLargerThanOneSystemCall(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		out := make([]carrier.Datagram, 300)
		for i := range out {
			out[i] = carrier.Datagram{Remote: to("127.0.0.1", b), Data: pattern(i, 20+i)}
		}
		send(t, a, out...)
		for i, d := range receive(t, b, len(out)) {
			require.Equal(t, out[i].Data, d.Data)
		}
		require.EqualValues(t, 300, a.Stats().Sent)
		require.EqualValues(t, 300, b.Stats().Received)
		require.Equal(t, a.Stats().SentBytes, b.Stats().ReceivedBytes)
		require.Zero(t, a.Stats().Dropped)
	})
}

func TestCloseUnblocksReadBatch(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		s := listen(t, "127.0.0.1:0", cfg)
		done := make(chan error, 1)
		go func() {
			_, err := s.ReadBatch(make([]carrier.Datagram, 4))
			done <- err
		}()
		runtime.Gosched()
		require.NoError(t, s.Close())
		select {
		case err := <-done:
			require.ErrorIs(t, err, net.ErrClosed)
		case <-time.After(patience):
			require.Fail(t, "ReadBatch still blocks")
		}
		require.NoError(t, s.Close(), "idempotent")
		_, err := s.ReadBatch(make([]carrier.Datagram, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		n, err := s.WriteBatch([]carrier.Datagram{{Remote: to("127.0.0.1", s), Data: []byte("x")}})
		require.ErrorIs(t, err, net.ErrClosed)
		require.Zero(t, n)
	})
}

func TestSeveralConcurrentWriters(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		const writers, rounds, size = 4, 25, 64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range rounds {
					data := pattern(w*rounds+i, 3*size)
					_, _ = a.WriteBatch([]carrier.Datagram{
						{Remote: to("127.0.0.1", b), Data: data, SegmentSize: size},
						{Remote: to("127.0.0.1", b), Data: data[:size]},
					})
				}
			})
		}
		got := receive(t, b, writers*rounds*4)
		wg.Wait()
		seen := map[string]int{}
		for _, d := range got {
			seen[string(d.Data)]++
		}
		for i := range writers * rounds {
			data := pattern(i, 3*size)
			require.Equal(t, 2, seen[string(data[:size])])
			require.Equal(t, 1, seen[string(data[size:2*size])])
			require.Equal(t, 1, seen[string(data[2*size:])])
		}
	})
}

func TestS3TinyReceiveBufferMakesProgress(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		tiny := udpencap.Config{RecvBuffer: 1, SendBuffer: 1}
		if cfg != nil {
			tiny.DisableBatch, tiny.DisableGRO, tiny.DisableGSO = cfg.DisableBatch, cfg.DisableGRO, cfg.DisableGSO
		}
		a, b := listen(t, "127.0.0.1:0", &tiny), listen(t, "127.0.0.1:0", &tiny)
		burst := make([]carrier.Datagram, 50)
		for i := range burst {
			burst[i] = carrier.Datagram{Remote: to("127.0.0.1", b), Data: pattern(i, 1200)}
		}
		for round := range 20 {
			_, err := a.WriteBatch(burst)
			require.NoError(t, err)
			require.NotEmpty(t, receiveSome(t, b), "round %d", round)
		}
	})
}

// receiveSome returns what one ReadBatch gives.
func receiveSome(t *testing.T, s *udpencap.Socket) []carrier.Datagram {
	t.Helper()
	watchdog := time.AfterFunc(patience, func() { _ = s.Close() })
	defer watchdog.Stop()
	ds := make([]carrier.Datagram, 16)
	n, err := s.ReadBatch(ds)
	require.NoError(t, err)
	return ds[:n]
}

func TestS4OversizeDatagramIsDroppedAndTheRestSent(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		n, err := a.WriteBatch([]carrier.Datagram{
			{Remote: to("127.0.0.1", b), Data: []byte("before")},
			{Remote: to("127.0.0.1", b), Data: make([]byte, 65508)},
			{Remote: to("127.0.0.1", b), Data: []byte("after")},
		})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		got := receive(t, b, 2)
		require.Equal(t, "before", string(got[0].Data))
		require.Equal(t, "after", string(got[1].Data))
		require.EqualValues(t, 1, a.Stats().Dropped)
		require.EqualValues(t, 1, a.Stats().TooBig)
		require.EqualValues(t, 2, a.Stats().Sent)
	})
}

func TestLargestDatagramArrivesWhole(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		data := pattern(1, 65507)
		send(t, a, carrier.Datagram{Remote: to("127.0.0.1", b), Data: data})
		requireSame(t, data, receive(t, b, 1)[0].Data)
	})
}

func TestS4ImpossibleDestinationsAreDropped(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *udpencap.Config) {
		a, b := listen(t, "127.0.0.1:0", cfg), listen(t, "127.0.0.1:0", cfg)
		bad := []carrier.Datagram{
			{Data: []byte("no address")},
			{Remote: netip.MustParseAddrPort("[2001:db8::1]:9899"), Data: []byte("other family")},
			{Remote: netip.MustParseAddrPort("127.0.0.1:0"), Data: []byte("port 0")},
		}
		n, err := a.WriteBatch(append(bad, carrier.Datagram{Remote: to("127.0.0.1", b), Data: []byte("good")}))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, "good", string(receive(t, b, 1)[0].Data))
		require.EqualValues(t, len(bad), a.Stats().Dropped)
	})
}

func ExampleListen() {
	s, err := udpencap.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	self := s.LocalAddrs()[0]
	_, _ = s.WriteBatch([]carrier.Datagram{{Remote: self, Data: []byte("SCTP packet")}})
	ds := make([]carrier.Datagram, 16)
	n, err := s.ReadBatch(ds)
	fmt.Println(n, err, string(ds[0].Data), ds[0].Remote == self)
	// Output: 1 <nil> SCTP packet true
}
