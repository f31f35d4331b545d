package ipsock

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// noticed keeps copies of the notices of s. It is read after a ReadBatch.
func noticed(s *Socket) *[]carrier.Notice {
	var all []carrier.Notice
	s.SetNotify(func(n carrier.Notice) {
		n.Quoted = slices.Clone(n.Quoted)
		all = append(all, n)
	})
	return &all
}

// closedPort is an address at which nobody is, on a host that says so.
func closedPort(t *testing.T, ip string) netip.AddrPort {
	t.Helper()
	s := open(t, netip.AddrPortFrom(netip.MustParseAddr(ip), 0).String(), nil)
	require.NoError(t, s.Close())
	return s.LocalAddrs()[0]
}

// RFC 6951 §5.5 and RFC 9260 §10: ICMP and ICMPv6 reach the user with the quoted
// packet.
func TestPortUnreachableIsNoticed(t *testing.T) {
	for _, tc := range []struct{ name, bind, ip string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 unspecified", "0.0.0.0:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
		{"dual stack over IPv6", "[::]:0", "::1"},
		{"dual stack over IPv4", "[::]:0", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if c, err := Listen(netip.MustParseAddrPort("[::1]:0"), nil); err == nil {
				_ = c.Close()
			} else if tc.name != "IPv4" {
				t.Skip("no IPv6")
			}
			a := open(t, tc.bind, nil)
			got := noticed(a)
			gone := closedPort(t, tc.ip)
			self := netip.AddrPortFrom(netip.MustParseAddr(tc.ip), a.LocalAddrs()[0].Port())
			packet := slices.Repeat([]byte("SCTP packet."), 20)
			_, err := a.WriteBatch([]carrier.Datagram{
				{Remote: gone, Data: packet}, {Remote: self, Data: []byte("end")},
			})
			require.NoError(t, err)
			require.Equal(t, []string{"end"}, collect(t, a, 1))
			require.Len(t, *got, 1)
			n := (*got)[0]
			require.Equal(t, carrier.NoticePort, n.Kind)
			require.Equal(t, gone, n.Remote)
			require.Equal(t, self.Addr(), n.Local)
			require.Equal(t, packet[:maxQuoted], n.Quoted)
			require.EqualValues(t, 1, a.Stats().Notices)
		})
	}
}

// A reader that waits for data gets the notice at once, also when the error itself
// was met by a writer.
func TestNoticeWakesTheReader(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	gone := closedPort(t, "127.0.0.1")
	notices := make(chan carrier.NoticeKind, 100)
	a.SetNotify(func(n carrier.Notice) { notices <- n.Kind })
	go func() { _, _ = a.ReadBatch(make([]carrier.Datagram, 1)) }()
	for range 3 {
		n, err := a.WriteBatch([]carrier.Datagram{
			{Remote: gone, Data: []byte("to nobody")}, {Remote: b.LocalAddrs()[0], Data: []byte("x")},
		})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		select {
		case k := <-notices:
			require.Equal(t, carrier.NoticePort, k)
		case <-time.After(10 * time.Second):
			require.Fail(t, "no notice")
		}
	}
}

// Data passes a flood of ICMP messages, which anybody can send who knows the port.
func TestV6ICMPFloodDoesNotStarveData(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	got := noticed(a)
	gone := closedPort(t, "127.0.0.1")
	const rounds, burst = 20, 50 // a burst of errors, more than is read at once, for each datagram
	flood := make([]carrier.Datagram, burst)
	for i := range flood {
		flood[i] = carrier.Datagram{Remote: gone, Data: []byte("to nobody")}
	}
	for range rounds {
		_, err := a.WriteBatch(flood)
		require.NoError(t, err)
		before := len(*got)
		n, err := b.WriteBatch([]carrier.Datagram{{Remote: a.LocalAddrs()[0], Data: []byte("data")}})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{"data"}, collect(t, a, 1))
		require.LessOrEqual(t, len(*got)-before, maxNotices, "data first")
	}
	require.NotEmpty(t, *got)
}

func TestNoticesWithoutAListenerAreDiscarded(t *testing.T) {
	a := open(t, "127.0.0.1:0", nil)
	a.SetNotify(func(carrier.Notice) { t.Error("after SetNotify(nil)") })
	a.SetNotify(nil)
	_, err := a.WriteBatch([]carrier.Datagram{
		{Remote: closedPort(t, "127.0.0.1"), Data: []byte("x")}, {Remote: a.LocalAddrs()[0], Data: []byte("end")},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"end"}, collect(t, a, 1))
}

// What of ICMP is passed on: RFC 9260 §10 ICMP1 to ICMP4.
func TestNoticeKinds(t *testing.T) {
	const v4, v6 = originICMP, originICMP6
	for _, tc := range []struct {
		name               string
		origin, kind, code uint8
		info               uint32
		want               carrier.Notice
	}{
		{"net unreachable", v4, 3, 0, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"host unreachable", v4, 3, 1, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"protocol unreachable", v4, 3, 2, 0, carrier.Notice{Kind: carrier.NoticeProtocol}},
		{"port unreachable", v4, 3, 3, 0, carrier.Notice{Kind: carrier.NoticePort}},
		{"fragmentation needed", v4, 3, 4, 1400, carrier.Notice{Kind: carrier.NoticeTooBig, MTU: 1400}},
		{"fragmentation needed by an old router", v4, 3, 4, 0, carrier.Notice{Kind: carrier.NoticeTooBig}},
		{"administratively prohibited", v4, 3, 13, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"source quench", v4, 4, 0, 0, carrier.Notice{}},
		{"time exceeded", v4, 11, 0, 0, carrier.Notice{}},
		{"parameter problem", v4, 12, 0, 0, carrier.Notice{}},
		{"no route", v6, 1, 0, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"admin prohibited", v6, 1, 1, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"address unreachable", v6, 1, 3, 0, carrier.Notice{Kind: carrier.NoticeUnreachable}},
		{"port unreachable", v6, 1, 4, 0, carrier.Notice{Kind: carrier.NoticePort}},
		{"packet too big", v6, 2, 0, 1280, carrier.Notice{Kind: carrier.NoticeTooBig, MTU: 1280}},
		{"absurdly big", v6, 2, 0, 1 << 31, carrier.Notice{Kind: carrier.NoticeTooBig, MTU: bufferLen}},
		{"time exceeded", v6, 3, 0, 0, carrier.Notice{}},
		{"unknown option", v6, 4, 2, 0, carrier.Notice{}},
		{"unrecognized next header", v6, 4, 1, 0, carrier.Notice{Kind: carrier.NoticeProtocol}},
		{"local error", 1, 0, 0, 1500, carrier.Notice{}},
		{"timestamp", 4, 0, 0, 0, carrier.Notice{}},
	} {
		b := make([]byte, extErrLen)
		b[extErrOrigin], b[extErrType], b[extErrCode] = tc.origin, tc.kind, tc.code
		binary.NativeEndian.PutUint32(b[extErrInfo:], tc.info)
		n, ok := parseExtErr(b)
		require.Equal(t, tc.want, n, tc.name)
		require.Equal(t, tc.want.Kind != 0, ok, tc.name)
		_, ok = parseExtErr(b[:extErrLen-1])
		require.False(t, ok, "cut")
	}
}

// S4: errors that no ICMP message leaves behind are not tried again.
func TestOnlyErrorsOfICMPAreTriedAgain(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{
		syscall.ECONNREFUSED: 1 + icmpTries, syscall.EMSGSIZE: 1 + icmpTries, syscall.EHOSTUNREACH: 1 + icmpTries,
		syscall.ENOBUFS: 1, syscall.EPERM: 1, syscall.ENOMEM: 1,
	} {
		a, b, w := broken(t, func(bool, []byte) error { return errno })
		n, err := a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("x")}})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, want, w.calls, errno.Error())
		require.EqualValues(t, 1, a.Stats().Dropped)
	}
}
