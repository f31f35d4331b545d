package udpencap_test

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// RFC 6951 §5.3: UDP checksums. None over IPv6 is refused, as the document does not
// specify the use of RFC 6936; over IPv4 it is the sender's right, and the checksum of
// SCTP is there. What leaves has one.
func TestRFC6951UDPChecksums(t *testing.T) {
	for _, tc := range []struct {
		ip       string
		family   int
		to       syscall.Sockaddr
		accepted bool
	}{
		{"127.0.0.1", syscall.AF_INET, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, true},
		{"::1", syscall.AF_INET6, &syscall.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}, false},
	} {
		t.Run(tc.ip, func(t *testing.T) {
			host := netns.New(t)
			bind := netip.AddrPortFrom(netip.MustParseAddr(tc.ip), 0).String()
			a, b := listenOn(t, host, bind, nil), listenOn(t, host, bind, nil)
			var raw int // hears, and speaks, all UDP
			require.NoError(t, host.Do(func() (err error) {
				raw, err = syscall.Socket(tc.family, syscall.SOCK_RAW, syscall.IPPROTO_UDP)
				return err
			}))
			defer syscall.Close(raw)

			bare := binary.BigEndian.AppendUint16(nil, 4000)
			bare = binary.BigEndian.AppendUint16(bare, port(b))
			bare = append(binary.BigEndian.AppendUint16(bare, 8+4), 0, 0, 'b', 'a', 'r', 'e')
			require.NoError(t, syscall.Sendto(raw, bare, 0, tc.to))
			send(t, a, carrier.Datagram{Remote: b.LocalAddrs()[0], Data: []byte("sound")})
			want := []string{"sound"}
			if tc.accepted {
				want = []string{"bare", "sound"}
			}
			for i, d := range receive(t, b, len(want)) {
				require.Equal(t, want[i], string(d.Data))
			}

			buf := make([]byte, 100)
			for {
				n, _, err := syscall.Recvfrom(raw, buf, 0)
				require.NoError(t, err)
				udp := buf[:n]
				if tc.family == syscall.AF_INET {
					udp = udp[20:]
				}
				if binary.BigEndian.Uint16(udp) == port(a) {
					require.NotZero(t, binary.BigEndian.Uint16(udp[6:]))
					return
				}
			}
		})
	}
}
