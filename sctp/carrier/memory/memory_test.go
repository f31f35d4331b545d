package memory_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/memory"
)

var (
	at1 = netip.MustParseAddrPort("192.0.2.1:9899")
	at2 = netip.MustParseAddrPort("192.0.2.2:9899")
	at6 = netip.MustParseAddrPort("[2001:db8::2]:9899")
)

func listen(t *testing.T, n *memory.Network, addrs ...netip.AddrPort) *memory.Carrier {
	t.Helper()
	c, err := n.Listen(addrs...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func read(t *testing.T, c *memory.Carrier) []carrier.Datagram {
	t.Helper()
	ds := make([]carrier.Datagram, 8)
	n, err := c.ReadBatch(ds)
	require.NoError(t, err)
	return ds[:n]
}

func write(t *testing.T, c *memory.Carrier, want int, ds ...carrier.Datagram) {
	t.Helper()
	n, err := c.WriteBatch(ds)
	require.NoError(t, err)
	require.Equal(t, want, n)
}

func TestDatagramsArrive(t *testing.T) {
	n := memory.New()
	a, b := listen(t, n, at1), listen(t, n, at2, at6)
	require.Equal(t, []netip.AddrPort{at2, at6}, b.LocalAddrs())
	data := []byte("aabbc")
	write(t, a, 2, carrier.Datagram{Remote: at2, Data: data, SegmentSize: 2, ECN: 2},
		carrier.Datagram{Remote: at6, Data: []byte("from IPv4")}, carrier.Datagram{Local: at1.Addr(), Remote: netip.AddrPortFrom(
			netip.MustParseAddr("::ffff:192.0.2.2"), 9899), Data: []byte("mapped")})
	copy(data, "xxxxx") // not kept
	got := read(t, b)
	require.Len(t, got, 4)
	for i, want := range []string{"aa", "bb", "c"} {
		require.Equal(t, carrier.Datagram{Local: at2.Addr(), Remote: at1, Data: []byte(want), ECN: 2}, got[i])
	}
	require.Equal(t, "mapped", string(got[3].Data))
	write(t, b, 1, carrier.Datagram{Local: at6.Addr(), Remote: at1, Data: []byte("wrong family")},
		carrier.Datagram{Local: at1.Addr(), Remote: at1, Data: []byte("not ours")})
	write(t, b, 1, carrier.Datagram{Remote: netip.MustParseAddrPort("203.0.113.1:1"), Data: []byte("to nobody")})
}

func TestHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New()
		a, b := listen(t, n, at1), listen(t, n, at2)
		n.SetHook(func(p memory.Packet) (time.Duration, bool) {
			require.Equal(t, at1, p.From)
			require.Equal(t, at2, p.To)
			switch p.Data[0] {
			case '!':
				return 0, false
			case '-':
				return time.Second, true
			}
			return time.Minute, true
		})
		begin := time.Now()
		for _, s := range []string{"1", "!", "2", "-3", "3"} {
			write(t, a, 1, carrier.Datagram{Remote: at2, Data: []byte(s)})
		}
		var got string
		for len(got) < len("-3123") {
			for _, d := range read(t, b) {
				got += string(d.Data)
			}
			require.Contains(t, []time.Duration{time.Second, time.Minute}, time.Since(begin))
		}
		require.Equal(t, "-3123", got, "in order")
		n.SetHook(nil)
		write(t, a, 1, carrier.Datagram{Remote: at2, Data: []byte("!")})
		require.Equal(t, "!", string(read(t, b)[0].Data))
	})
}

func TestListenErrors(t *testing.T) {
	n := memory.New()
	a := listen(t, n, at1)
	for _, bad := range [][]netip.AddrPort{nil, {{}}, {netip.MustParseAddrPort("0.0.0.0:1")}, {netip.MustParseAddrPort("[ff02::1]:1")}} {
		_, err := n.Listen(bad...)
		require.ErrorIs(t, err, memory.ErrInvalid)
	}
	_, err := n.Listen(at2, at1)
	require.ErrorIs(t, err, memory.ErrInUse)
	listen(t, n, at2) // nothing of it was kept
	require.NoError(t, a.Close())
	listen(t, n, at1)

	// Port 0 is one port for all addresses.
	any := []netip.AddrPort{netip.AddrPortFrom(at1.Addr(), 0), netip.AddrPortFrom(at6.Addr(), 0)}
	one, two := listen(t, n, any...).LocalAddrs(), listen(t, n, any...).LocalAddrs()
	require.Equal(t, one[0].Port(), one[1].Port())
	require.NotEqual(t, one[0].Port(), two[0].Port())
	require.NotZero(t, one[0].Port())
}

func TestPortsRunOut(t *testing.T) {
	n := memory.New()
	any := netip.AddrPortFrom(at1.Addr(), 0)
	for range 1<<16 - 49152 {
		_, err := n.Listen(any)
		require.NoError(t, err)
	}
	_, err := n.Listen(any)
	require.ErrorIs(t, err, memory.ErrInUse)
}

func TestCloseEndsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New()
		a, b := listen(t, n, at1), listen(t, n, at2)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := a.ReadBatch(make([]carrier.Datagram, 1))
			require.ErrorIs(t, err, net.ErrClosed)
		})
		synctest.Wait()
		n.SetHook(func(memory.Packet) (time.Duration, bool) { return time.Second, true })
		write(t, b, 1, carrier.Datagram{Remote: at1, Data: []byte("too late")})
		require.NoError(t, a.Close())
		require.NoError(t, a.Close())
		wg.Wait()
		_, err := a.WriteBatch([]carrier.Datagram{{Remote: at2}})
		require.ErrorIs(t, err, net.ErrClosed)
		time.Sleep(time.Minute)
	})
}

// What nobody reads does not grow for ever.
func TestQueueIsBounded(t *testing.T) {
	n := memory.New()
	a, b := listen(t, n, at1), listen(t, n, at2)
	for range 1000 {
		write(t, a, 1, carrier.Datagram{Remote: at2, Data: make([]byte, 64000), SegmentSize: 1000})
	}
	bytes := 0
	for write(t, a, 1, carrier.Datagram{Remote: at2, Data: nil}); ; {
		for _, d := range read(t, b) {
			if bytes += len(d.Data); len(d.Data) == 0 {
				require.LessOrEqual(t, bytes, 4<<20)
				require.Greater(t, bytes, 3<<20)
				return
			}
		}
		write(t, a, 1, carrier.Datagram{Remote: at2, Data: nil})
	}
}

func ExampleNetwork() {
	network := memory.New()
	a, _ := network.Listen(netip.MustParseAddrPort("192.0.2.1:9899"))
	b, _ := network.Listen(netip.MustParseAddrPort("192.0.2.2:9899"))
	_, _ = a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("SCTP packet")}})
	ds := make([]carrier.Datagram, 1)
	n, err := b.ReadBatch(ds)
	fmt.Println(n, err, ds[0].Remote, string(ds[0].Data))
	// Output: 1 <nil> 192.0.2.1:9899 SCTP packet
}
