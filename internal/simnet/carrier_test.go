package simnet_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

func bind(t *testing.T, h *simnet.Host, addrs ...netip.AddrPort) *simnet.Carrier {
	t.Helper()
	c, err := h.Carrier(addrs...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c carrier.Carrier, ds ...carrier.Datagram) {
	t.Helper()
	n, err := c.WriteBatch(ds)
	require.NoError(t, err)
	require.Equal(t, len(ds), n)
}

func TestCarrierEchoTakesTheRoundTripTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetLink(addrA, addrB, simnet.Link{Delay: 40 * time.Millisecond})
		a, b := bind(t, n.Host(addrA), portA), bind(t, n.Host(addrB), portB)
		var wg sync.WaitGroup
		wg.Go(func() { // echo until closed
			ds := make([]carrier.Datagram, 8)
			for {
				k, err := b.ReadBatch(ds)
				if err != nil {
					return
				}
				_, _ = b.WriteBatch(ds[:k])
			}
		})
		start := time.Now()
		write(t, a, carrier.Datagram{Remote: portB, Data: []byte("hello"), ECN: 2})
		ds := make([]carrier.Datagram, 8)
		k, err := a.ReadBatch(ds)
		require.NoError(t, err)
		require.Equal(t, 1, k)
		require.Equal(t, 80*time.Millisecond, time.Since(start))
		require.Equal(t, carrier.Datagram{Local: addrA, Remote: portB, Data: []byte("hello"), ECN: 2}, ds[0])
		require.NoError(t, b.Close())
		wg.Wait()
	})
}

func TestCarrierCloseUnblocksReadBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bind(t, simnet.New(1).Host(addrA), portA)
		done := make(chan error)
		go func() {
			_, err := c.ReadBatch(make([]carrier.Datagram, 1))
			done <- err
		}()
		synctest.Wait() // the reader is durably blocked
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
		require.NoError(t, c.Close(), "idempotent")
		_, err := c.WriteBatch([]carrier.Datagram{{Remote: portB}})
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = c.ReadBatch(make([]carrier.Datagram, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestCarrierAddressIsFreeAfterClose(t *testing.T) {
	h := simnet.New(1).Host(addrA)
	c := bind(t, h, portA)
	_, err := h.Carrier(portA)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, c.Close())
	bind(t, h, portA)
}

func TestCarrierBindsUnspecifiedAndPortZero(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::1")
	h := simnet.New(1).Host(addrA, addrB, six)
	all := bind(t, h)
	require.Len(t, all.LocalAddrs(), 1)
	port := all.LocalAddrs()[0].Port()
	require.NotZero(t, port)
	require.Equal(t, 8, all.Overhead())

	_, err := h.Carrier(netip.AddrPortFrom(six, port))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	v4 := bind(t, h, netip.AddrPortFrom(netip.IPv4Unspecified(), 7))
	require.Equal(t, "0.0.0.0:7", v4.LocalAddrs()[0].String())
	bind(t, h, netip.AddrPortFrom(six, 7))

	two := bind(t, h, netip.AddrPortFrom(addrA, 0), netip.AddrPortFrom(addrB, 0))
	got := two.LocalAddrs()
	require.Equal(t, got[0].Port(), got[1].Port())
	require.NotEqual(t, port, got[0].Port())

	_, err = h.Carrier(netip.AddrPortFrom(addrC, 9))
	require.ErrorIs(t, err, simnet.ErrNotLocal)
}

func TestCarrierChoosesAndChecksTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		six, peer6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddrPort("[2001:db8::2]:9899")
		n := simnet.New(1)
		a := bind(t, n.Host(addrA, addrC, six), netip.AddrPortFrom(netip.IPv6Unspecified(), 9899))
		b := bind(t, n.Host(addrB, peer6.Addr()), portB, peer6)
		from := func(local netip.Addr, to netip.AddrPort) netip.AddrPort {
			write(t, a, carrier.Datagram{Local: local, Remote: to, Data: []byte("x")})
			ds := make([]carrier.Datagram, 1)
			_, err := b.ReadBatch(ds)
			require.NoError(t, err)
			return ds[0].Remote
		}
		require.Equal(t, portA, from(netip.Addr{}, portB))
		require.Equal(t, portC, from(addrC, portB))
		require.Equal(t, six, from(netip.Addr{}, peer6).Addr())

		sent, err := a.WriteBatch([]carrier.Datagram{{Local: addrB, Remote: portB, Data: []byte("spoofed")}})
		require.NoError(t, err)
		require.Zero(t, sent)
		require.Equal(t, 1, n.Count(simnet.NoRoute))
	})
}

func TestCarrierMergesOnReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := bind(t, n.Host(addrA), portA), bind(t, n.Host(addrB), portB)
		require.Equal(t, 64, a.MaxSegments())
		a.SetOffload(0, false)
		require.Equal(t, 1, a.MaxSegments())
		b.SetOffload(64, true)
		data := payload(1, 1050)
		write(t, a,
			carrier.Datagram{Remote: portB, Data: data, SegmentSize: 100},
			carrier.Datagram{Remote: portB, Data: payload(2, 100)},
			carrier.Datagram{Remote: portB, Data: payload(3, 100), ECN: 1},
			carrier.Datagram{Remote: portB, Data: payload(4, 101), ECN: 1})
		ds := make([]carrier.Datagram, 8)
		k, err := b.ReadBatch(ds)
		require.NoError(t, err)
		require.Equal(t, 4, k)
		require.Equal(t, data, ds[0].Data)
		require.Equal(t, 100, ds[0].SegmentSize)
		require.Equal(t, 11, ds[0].Count(), "a short segment ends the run")
		for i, want := range [][]byte{payload(2, 100), payload(3, 100), payload(4, 101)} {
			require.Equal(t, want, ds[i+1].Data, "ECN or size differ: not merged")
			require.Zero(t, ds[i+1].SegmentSize)
		}
	})
}

func TestCarrierQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := bind(t, n.Host(addrA), portA), bind(t, n.Host(addrB), portB)
		const count, size = 100, 60000
		for i := range count {
			write(t, a, carrier.Datagram{Remote: portB, Data: payload(i, size)})
		}
		require.Positive(t, n.Count(simnet.Overflow))
		require.LessOrEqual(t, n.Count(simnet.Delivered)*size, 4<<20)
		require.Equal(t, count, n.Count(simnet.Overflow)+n.Count(simnet.Delivered))

		for read := 0; read < n.Count(simnet.Delivered); {
			k, err := b.ReadBatch(make([]carrier.Datagram, 7))
			require.NoError(t, err)
			read += k
		}
		write(t, a, carrier.Datagram{Remote: portB, Data: payload(0, size)})
		k, err := b.ReadBatch(make([]carrier.Datagram, 7))
		require.NoError(t, err)
		require.Equal(t, 1, k, "reading makes room")
	})
}

func TestPacketsToNobodyAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a := bind(t, n.Host(addrA), portA)
		write(t, a, carrier.Datagram{Remote: portB, Data: []byte("x")})
		require.Equal(t, 1, n.Count(simnet.Unbound))
	})
}

// The timer follows the earliest packet, also when a later send arrives earlier.
func TestTimerFollowsTheEarliestPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetLink(addrA, addrB, simnet.Link{Delay: time.Hour})
		n.SetLink(addrC, addrB, simnet.Link{Delay: time.Second})
		a, c := bind(t, n.Host(addrA), portA), bind(t, n.Host(addrC), portC)
		b := bind(t, n.Host(addrB), portB)
		start := time.Now()
		write(t, a, carrier.Datagram{Remote: portB, Data: []byte("slow")})
		write(t, c, carrier.Datagram{Remote: portB, Data: []byte("fast")})
		for _, want := range []string{"1s fast", "1h0m0s slow"} {
			ds := make([]carrier.Datagram, 4)
			k, err := b.ReadBatch(ds)
			require.NoError(t, err)
			require.Equal(t, 1, k)
			require.Equal(t, want, fmt.Sprintf("%v %s", time.Since(start), ds[0].Data))
		}
	})
}

// Several writers, a reader and changes of the network at the same time; with
// -race this shows that the layers lock properly.
func TestCarrierConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDefaultLink(simnet.Link{Loss: 0.1, Duplicate: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond})
		a, b := bind(t, n.Host(addrA), portA), bind(t, n.Host(addrB), portB)
		var reader, writers sync.WaitGroup
		received := 0
		reader.Go(func() {
			ds := make([]carrier.Datagram, 16)
			for {
				k, err := b.ReadBatch(ds)
				if err != nil {
					return
				}
				received += k
			}
		})
		for range 4 {
			writers.Go(func() {
				for i := range 100 {
					_, _ = a.WriteBatch([]carrier.Datagram{{Remote: portB, Data: payload(i, 100)}})
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		n.SetLink(addrA, addrB, simnet.Link{Loss: 0.2, Delay: 2 * time.Millisecond})
		writers.Wait()
		time.Sleep(time.Second)
		require.NoError(t, b.Close())
		reader.Wait()
		require.Equal(t, n.Count(simnet.Delivered), received)
		require.Equal(t, 400+n.Count(simnet.Duplicated), received+n.Count(simnet.Lost))
	})
}

func ExampleHost_Carrier() {
	n := simnet.New(1)
	a, err := n.Host(netip.MustParseAddr("192.0.2.1")).Carrier()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll(a)
	b, err := n.Host(netip.MustParseAddr("192.0.2.2")).Carrier(netip.MustParseAddrPort("192.0.2.2:9899"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll(b)
	_, _ = a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("hi")}})
	ds := make([]carrier.Datagram, 1)
	_, _ = b.ReadBatch(ds)
	fmt.Println(ds[0].Remote.Addr(), string(ds[0].Data))
	// Output: 192.0.2.1 hi
}

func closeAll(cs ...io.Closer) {
	for _, c := range cs {
		_ = c.Close()
	}
}
