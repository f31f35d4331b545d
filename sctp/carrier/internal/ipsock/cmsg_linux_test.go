package ipsock

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

var any6 = &Socket{local: netip.MustParseAddrPort("[::]:9899")}

// TestControlMessagesAreWhatTheStandardLibraryReads checks the bytes that go to
// the kernel with a parser that is not ours.
func TestControlMessagesAreWhatTheStandardLibraryReads(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	to4, to6 := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[2001:db8::1]:1")
	for _, tc := range []struct {
		d       carrier.Datagram
		segment int
		want    []int32 // level and type of each
	}{
		{carrier.Datagram{Remote: to4}, 0, nil},
		{carrier.Datagram{Remote: to4, Local: netip.IPv4Unspecified()}, 0, nil},
		{carrier.Datagram{Remote: to4, Local: any6.local.Addr()}, 0, nil},
		{carrier.Datagram{Remote: to4, Local: four}, 0, []int32{0, 8}},
		{carrier.Datagram{Remote: to6, Local: six}, 0, []int32{41, 50}},
		{carrier.Datagram{Remote: to4, ECN: 3}, 0, []int32{0, 1}},
		{carrier.Datagram{Remote: to6, ECN: 1}, 0, []int32{41, 67}},
		{carrier.Datagram{Remote: to4}, 1200, []int32{17, 103}},
		{carrier.Datagram{Remote: to4, Local: four, ECN: 2}, 1200, []int32{0, 8, 0, 1, 17, 103}},
		{carrier.Datagram{Remote: to6, Local: six, ECN: 2}, 1200, []int32{41, 50, 41, 67, 17, 103}},
	} {
		var buf [controlSpace]byte
		b := any6.appendControl(buf[:0], &tc.d, tc.segment)
		ms, err := syscall.ParseSocketControlMessage(b)
		require.NoError(t, err)
		var got []int32
		for _, m := range ms {
			got = append(got, m.Header.Level, m.Header.Type)
			switch m.Header.Type {
			case syscall.IP_PKTINFO:
				require.Equal(t, four.AsSlice(), m.Data[4:8])
				require.Len(t, m.Data[:12], 12)
			case syscall.IPV6_PKTINFO:
				require.Equal(t, six.AsSlice(), m.Data[:16])
				require.Equal(t, make([]byte, 4), m.Data[16:20])
			case syscall.IP_TOS, ipv6TClass:
				require.EqualValues(t, tc.d.ECN, binary.NativeEndian.Uint32(m.Data))
			case udpSegment:
				require.EqualValues(t, 1200, binary.NativeEndian.Uint16(m.Data))
			}
		}
		require.Equal(t, tc.want, got)
	}
}

// received builds control data as the kernel does.
func received(level, kind int, body ...byte) []byte {
	b, space := appendHeader(make([]byte, 0, controlSpace), level, kind, len(body))
	copy(space, body)
	return b
}

func TestControlDataOfReceivedMessages(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::9").As16()
	mapped := netip.MustParseAddr("::ffff:192.0.2.9").As16()
	int32of := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	for name, tc := range map[string]struct {
		b    []byte
		want control
	}{
		"nothing":         {nil, control{}},
		"IP_PKTINFO":      {received(0, 8, 1, 0, 0, 0, 192, 0, 2, 8, 192, 0, 2, 9), control{local: netip.MustParseAddr("192.0.2.9")}},
		"IPV6_PKTINFO":    {received(41, 50, append(v6[:], 1, 0, 0, 0)...), control{local: netip.MustParseAddr("2001:db8::9")}},
		"IPv4-mapped":     {received(41, 50, append(mapped[:], 1, 0, 0, 0)...), control{local: netip.MustParseAddr("192.0.2.9")}},
		"TOS":             {received(0, 1, 0xb8|1), control{ecn: 1}},
		"traffic class":   {received(41, 67, int32of(0xb8|3)...), control{ecn: 3}},
		"run":             {received(17, 104, int32of(1452)...), control{segment: 1452}},
		"negative run":    {received(17, 104, int32of(-5)...), control{}},
		"unknown":         {received(1, 29, make([]byte, 16)...), control{}},
		"short addresses": {append(received(0, 8, 1, 2, 3), received(41, 50, 1, 2, 3)...), control{}},
		"short numbers":   {append(append(received(0, 1), received(41, 67, 1)...), received(17, 104, 1)...), control{}},
		"all": {append(append(received(41, 50, append(v6[:], 1, 0, 0, 0)...), received(41, 67, int32of(2)...)...),
			received(17, 104, int32of(100)...)...), control{local: netip.MustParseAddr("2001:db8::9"), ecn: 2, segment: 100}},
	} {
		require.Equal(t, tc.want, any6.parseControl(tc.b), name)
	}
}

func TestParseControlSurvivesAnything(t *testing.T) {
	good := append(received(0, 1, 2), received(17, 104, 100, 0, 0, 0)...)
	for n := range good {
		any6.parseControl(good[:n])
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, rnd.IntN(controlSpace))
		for i := range b {
			b[i] = byte(rnd.Uint32() >> (8 * rnd.IntN(4)))
		}
		if len(b) >= syscall.SizeofCmsghdr && rnd.IntN(2) == 0 {
			putLength(b, rnd.IntN(2*len(b))) // near the truth, to get further
		}
		any6.parseControl(b)
	}
	for _, n := range []int{0, 1, syscall.SizeofCmsghdr - 1, controlSpace + 1, -1} {
		b := received(0, 1, 3)
		putLength(b, n)
		require.Equal(t, control{}, any6.parseControl(b), "length %d", n)
	}
}

func TestSocketAddresses(t *testing.T) {
	s := open(t, "127.0.0.1:0", nil)
	r := newBatchReader(s)
	v4 := append(binary.NativeEndian.AppendUint16(nil, syscall.AF_INET), 0x26, 0xab, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	v6 := append(binary.NativeEndian.AppendUint16(nil, syscall.AF_INET6), 0x26, 0xab, 0, 0, 0, 0)
	link := netip.MustParseAddr("fe80::1").As16()
	mapped := netip.MustParseAddr("::ffff:192.0.2.1").As16()
	scope := func(ip [16]byte, n uint32) []byte {
		return binary.NativeEndian.AppendUint32(append(append([]byte(nil), v6...), ip[:]...), n)
	}
	for _, tc := range []struct {
		want string
		b    []byte
	}{
		{"192.0.2.1:9899", v4},
		{"192.0.2.1:9899", scope(mapped, 0)},
		{"[fe80::1%lo]:9899", scope(link, 1)},
		{"[fe80::1]:9899", scope(link, 0)},
		{"[fe80::1%9999]:9899", scope(link, 9999)},
		{"invalid AddrPort", nil},
		{"invalid AddrPort", v4[:15]},
		{"invalid AddrPort", scope(link, 1)[:27]},
		{"invalid AddrPort", append([]byte{0, 0}, v4[2:]...)},
	} {
		a, ok := r.address(tc.b)
		require.Equal(t, tc.want, a.String())
		require.Equal(t, a.IsValid(), ok)
	}
	require.Equal(t, map[uint32]string{1: "lo", 9999: "9999"}, r.zones)
}
