package udpencap_test

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

func listenShared(t *testing.T, count int, addrs ...string) []*udpencap.Socket {
	t.Helper()
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.MustParseAddrPort(a))
		if list[0].Addr().Is6() && !hasIPv6() {
			t.Skip("no IPv6 on this host")
		}
	}
	socks, err := udpencap.ListenShared(list, count, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, s := range socks {
			_ = s.Close()
		}
	})
	return socks
}

// header is an SCTP common header.
func header(srcPort uint16, tag uint32) []byte {
	b := binary.BigEndian.AppendUint16(nil, srcPort)
	b = binary.BigEndian.AppendUint16(b, 5000)
	return append(binary.BigEndian.AppendUint32(b, tag), 0, 0, 0, 0)
}

// The verification tag decides which of the sockets that share an address gets a
// packet, also if all come from one peer.
func TestSharedSocketsAreChosenByTag(t *testing.T) {
	for _, tc := range []struct{ bind, ip string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "127.0.0.1"}, {"[::]:0", "::1"},
	} {
		const count = 3
		socks := listenShared(t, count, tc.bind)
		require.Len(t, socks, count)
		peer := listen(t, netip.AddrPortFrom(netip.MustParseAddr(tc.ip), 0).String(), nil)
		for tag := uint32(0xfffffff8); tag != 8; tag++ {
			if tag == 0 {
				continue
			}
			send(t, peer, carrier.Datagram{Remote: to(tc.ip, socks[0]), Data: header(6000, tag)})
			require.Equal(t, header(6000, tag), receive(t, socks[tag%count], 1)[0].Data)
		}
		// INITs are spread as well, and what is no SCTP gets somewhere.
		for srcPort := range uint16(count) {
			send(t, peer, carrier.Datagram{Remote: to(tc.ip, socks[0]), Data: header(srcPort, 0)})
			at := (uint32(srcPort)<<16 | 5000) % count
			require.Equal(t, header(srcPort, 0), receive(t, socks[at], 1)[0].Data)
		}
		send(t, peer, carrier.Datagram{Remote: to(tc.ip, socks[0]), Data: []byte("short")})
		require.Equal(t, "short", string(receive(t, socks[0], 1)[0].Data))
		// All send from the same port.
		for _, s := range socks {
			send(t, s, carrier.Datagram{Remote: peer.LocalAddrs()[0], Data: []byte("x")})
			require.Equal(t, to(tc.ip, socks[0]), receive(t, peer, 1)[0].Remote)
		}
	}
}

func TestSharedSocketsOfSeveralAddresses(t *testing.T) {
	socks := listenShared(t, 2, "127.0.0.1:0", "127.0.0.2:0")
	require.Len(t, socks, 4)
	for i, s := range socks {
		require.Equal(t, port(socks[0]), port(s))
		require.Equal(t, byte(1+i/2), s.LocalAddrs()[0].Addr().As4()[3])
	}
	peer := listen(t, "127.0.0.1:0", nil)
	send(t, peer, carrier.Datagram{Remote: socks[2].LocalAddrs()[0], Data: header(1, 7)})
	require.Equal(t, header(1, 7), receive(t, socks[3], 1)[0].Data)
}

// Sharing is among the sockets of one call: an address that is taken stays an error.
func TestSharedAddressIsNotSharedWithOthers(t *testing.T) {
	busy := listenShared(t, 2, "127.0.0.2:0")[0].LocalAddrs()[0]
	for _, count := range []int{1, 2} {
		_, err := udpencap.ListenShared([]netip.AddrPort{busy}, count, nil)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	}
	_, err := udpencap.ListenShared([]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), busy.Port()), busy}, 2, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	listen(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), busy.Port()).String(), nil) // all of it was closed again
	one := listen(t, "127.0.0.2:0", nil).LocalAddrs()[0]
	_, err = udpencap.ListenShared([]netip.AddrPort{one}, 2, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}
