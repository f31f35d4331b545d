package udpencap_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

func listenAll(t *testing.T, addrs ...string) ([]*udpencap.Socket, error) {
	t.Helper()
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.MustParseAddrPort(a))
	}
	socks, err := udpencap.ListenAll(list, nil)
	t.Cleanup(func() {
		for _, s := range socks {
			_ = s.Close()
		}
	})
	return socks, err
}

func TestRFC6951OneUDPPortForAllAddresses(t *testing.T) { // RFC 6951 §5.1
	socks, err := listenAll(t, "127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0")
	require.NoError(t, err)
	require.Len(t, socks, 3)
	require.NotZero(t, port(socks[0]))
	for i, s := range socks {
		require.Equal(t, port(socks[0]), port(s))
		require.Equal(t, byte(i+1), s.LocalAddrs()[0].Addr().As4()[3])
	}
	// Each is a carrier of its own.
	send(t, socks[0], carrier.Datagram{Remote: socks[1].LocalAddrs()[0], Data: []byte("x")})
	require.Equal(t, socks[0].LocalAddrs()[0], receive(t, socks[1], 1)[0].Remote)

	// A port given once counts for all, and different ones are an error.
	for _, s := range socks {
		require.NoError(t, s.Close())
	}
	p := socks[0].LocalAddrs()[0].String()
	again, err := listenAll(t, "127.0.0.2:0", p)
	require.NoError(t, err)
	require.Equal(t, port(socks[0]), port(again[0]))
	_, err = listenAll(t, "127.0.0.1:5000", "127.0.0.2:5001")
	require.ErrorContains(t, err, "two UDP ports")
	_, err = listenAll(t)
	require.Error(t, err)
}

func TestListenAllClosesEverythingOnFailure(t *testing.T) {
	busy := listen(t, "127.0.0.2:0", nil)
	first := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port(busy))
	_, err := udpencap.ListenAll([]netip.AddrPort{first, busy.LocalAddrs()[0]}, nil)
	require.Error(t, err)
	s, err := udpencap.Listen(first, nil) // free again
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestBothUnspecifiedAddressesShareAPort(t *testing.T) {
	listen(t, "[::1]:0", nil)
	for _, addrs := range [][]string{{"0.0.0.0:0", "[::]:0"}, {"[::]:0", "127.0.0.1:0"}} {
		socks, err := listenAll(t, addrs...)
		require.NoError(t, err, addrs)
		require.Equal(t, port(socks[0]), port(socks[1]))
	}
}

func TestListenReportsABusyPort(t *testing.T) {
	s := listen(t, "127.0.0.1:0", nil)
	_, err := udpencap.Listen(s.LocalAddrs()[0], nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = udpencap.Listen(netip.AddrPort{}, nil)
	require.Error(t, err)
}
