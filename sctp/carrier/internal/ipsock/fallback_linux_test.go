package ipsock

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"

	"github.com/rserpool/rserpool/sctp/carrier"
)

func open(t *testing.T, addr string, cfg *Config) *Socket {
	t.Helper()
	s, err := Listen(netip.MustParseAddrPort(addr), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// collect reads count single datagrams as strings.
func collect(t *testing.T, s *Socket, count int) []string {
	t.Helper()
	watchdog := time.AfterFunc(10*time.Second, func() { _ = s.Close() })
	defer watchdog.Stop()
	var got []string
	for ds := make([]carrier.Datagram, 8); len(got) < count; {
		n, err := s.ReadBatch(ds)
		require.NoError(t, err)
		for i := range ds[:n] {
			for b := range ds[i].Segments() {
				got = append(got, string(b))
			}
		}
	}
	return got
}

// brokenWriter is a kernel that refuses some messages.
type brokenWriter struct {
	messageWriter
	refuse func(segment bool, data []byte) error
	calls  int
}

func (w *brokenWriter) WriteBatch(ms []ipv4.Message, flags int) (int, error) {
	w.calls++
	for i := range ms {
		segment := false
		for b := ms[i].OOB; len(b) >= syscall.SizeofCmsghdr; b = b[syscall.CmsgSpace(int(length(b))-syscall.CmsgLen(0)):] {
			segment = segment || b[lengthLen] == solUDP
		}
		if err := w.refuse(segment, ms[i].Buffers[0]); err != nil {
			if i > 0 { // sendmmsg(2): the error shows with the next call
				return w.messageWriter.WriteBatch(ms[:i], flags)
			}
			return -1, &net.OpError{Op: "write", Err: os.NewSyscallError("sendmmsg", err)}
		}
	}
	return w.messageWriter.WriteBatch(ms, flags)
}

// broken returns a socket whose kernel refuses what refuse says, and its peer.
func broken(t *testing.T, refuse func(segment bool, data []byte) error) (a, b *Socket, w *brokenWriter) {
	t.Helper()
	a, b = open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	if !a.gso.Load() {
		t.Skip("kernel without UDP GSO")
	}
	bw := a.writer.(*batchWriter)
	w = &brokenWriter{messageWriter: bw.conn, refuse: refuse}
	bw.conn = w
	return a, b, w
}

// onRuns refuses runs with err.
func onRuns(err error) func(bool, []byte) error {
	return func(segment bool, _ []byte) error {
		if segment {
			return err
		}
		return nil
	}
}

func TestGSOFailureSwitchesItOffAndLosesNothing(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINVAL} {
		t.Run(errno.Error(), func(t *testing.T) {
			a, b, w := broken(t, onRuns(errno))
			peer := b.LocalAddrs()[0]
			n, err := a.WriteBatch([]carrier.Datagram{
				{Remote: peer, Data: []byte("first")},
				{Remote: peer, Data: []byte("aabbc"), SegmentSize: 2},
				{Remote: peer, Data: []byte("ddee"), SegmentSize: 2},
				{Remote: peer, Data: []byte("last")},
			})
			require.NoError(t, err)
			require.Equal(t, 4, n)
			require.Equal(t, []string{"first", "aa", "bb", "c", "dd", "ee", "last"}, collect(t, b, 7), "in order")
			require.Equal(t, 1, a.MaxSegments())
			require.False(t, a.Stats().GSO)
			require.EqualValues(t, 2, a.Stats().GSOFallbacks)
			require.EqualValues(t, 7, a.Stats().Sent)
			require.EqualValues(t, len("firstaabbcddeelast"), a.Stats().SentBytes)
			require.Zero(t, a.Stats().Dropped)

			// A run that was built before is cut up without trying again.
			w.calls = 0
			n, err = a.WriteBatch([]carrier.Datagram{{Remote: peer, Data: []byte("xxyy"), SegmentSize: 2}})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, []string{"xx", "yy"}, collect(t, b, 2))
			require.Equal(t, 1, w.calls)
		})
	}
}

// A path with a small MTU refuses large segments, but fragments single datagrams,
// if it may; other paths keep the offload.
func TestGSOStaysOnWhenSegmentsExceedAPathMTU(t *testing.T) {
	a, b, _ := broken(t, onRuns(syscall.EMSGSIZE))
	n, err := a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("aabbc"), SegmentSize: 2}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"aa", "bb", "c"}, collect(t, b, 3))
	require.Equal(t, maxSegments, a.MaxSegments())
	require.EqualValues(t, 1, a.Stats().GSOFallbacks)
	require.Zero(t, a.Stats().Dropped)
}

func TestGSOStaysOnWhenEINVALHasAnotherCause(t *testing.T) {
	a, b, _ := broken(t, func(bool, []byte) error { return syscall.EINVAL })
	n, err := a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("aabbc"), SegmentSize: 2}})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, maxSegments, a.MaxSegments())
	require.EqualValues(t, 3, a.Stats().Dropped)
}

func TestS4TransientWriteErrorsDropOneDatagram(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.ENOBUFS, syscall.ECONNREFUSED, syscall.EPERM, syscall.EMSGSIZE, syscall.EHOSTUNREACH,
		syscall.ENETUNREACH, syscall.ENOMEM, syscall.EACCES, syscall.EIO, syscall.EINVAL,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			a, b, _ := broken(t, func(_ bool, data []byte) error {
				if data[0] == '!' {
					return errno
				}
				return nil
			})
			peer := b.LocalAddrs()[0]
			n, err := a.WriteBatch([]carrier.Datagram{
				{Remote: peer, Data: []byte("!1")}, {Remote: peer, Data: []byte("ok1")}, {Remote: peer, Data: []byte("!2")},
				{Remote: peer, Data: []byte("!3")}, {Remote: peer, Data: []byte("ok2")},
			})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.Equal(t, []string{"ok1", "ok2"}, collect(t, b, 2))
			require.EqualValues(t, 3, a.Stats().Dropped)
			if errno == syscall.EMSGSIZE {
				require.EqualValues(t, 3, a.Stats().TooBig)
			} else {
				require.Zero(t, a.Stats().TooBig)
			}
			require.Equal(t, maxSegments, a.MaxSegments(), "no run was refused")
		})
	}
}

// With Don't Fragment the segments of a run that are too large are refused singly as
// well, all but the short one at the end. (EINVAL is what older kernels say.)
func TestGSOStaysOnWhenOnlyTheShortSegmentPasses(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EMSGSIZE} {
		a, b, _ := broken(t, func(_ bool, data []byte) error {
			if len(data) > 1 {
				return errno
			}
			return nil
		})
		n, err := a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("aabbc"), SegmentSize: 2}})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, []string{"c"}, collect(t, b, 1))
		require.Equal(t, maxSegments, a.MaxSegments())
		require.EqualValues(t, 2, a.Stats().Dropped)
	}
}

func TestRunRefusedForAnotherReasonIsDroppedWhole(t *testing.T) {
	a, b, _ := broken(t, onRuns(syscall.EPERM))
	n, err := a.WriteBatch([]carrier.Datagram{
		{Remote: b.LocalAddrs()[0], Data: []byte("aabbc"), SegmentSize: 2}, {Remote: b.LocalAddrs()[0], Data: []byte("ok")},
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"ok"}, collect(t, b, 1))
	require.EqualValues(t, 3, a.Stats().Dropped)
	require.Zero(t, a.Stats().GSOFallbacks)
}

func TestInterruptedWriteIsRepeated(t *testing.T) {
	interrupts := 3
	a, b, _ := broken(t, func(bool, []byte) error {
		if interrupts--; interrupts >= 0 {
			return syscall.EINTR
		}
		return nil
	})
	n, err := a.WriteBatch([]carrier.Datagram{{Remote: b.LocalAddrs()[0], Data: []byte("x")}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"x"}, collect(t, b, 1))
	require.Zero(t, a.Stats().Dropped)
}

func TestCloseDuringAWriteIsFinal(t *testing.T) {
	var a *Socket
	a, b, _ := broken(t, func(_ bool, data []byte) error {
		if data[0] == '!' {
			_ = a.Close()
		}
		return nil
	})
	peer := b.LocalAddrs()[0]
	n, err := a.WriteBatch([]carrier.Datagram{{Remote: peer, Data: []byte("!")}, {Remote: peer, Data: []byte("x")}})
	require.ErrorIs(t, err, net.ErrClosed)
	require.Zero(t, n)
}

// The kernel makes the next system call on the socket fail when an ICMP message
// came. That call may be about anybody else: nothing of it must get lost.
func TestS4ICMPErrorsAreSurvived(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", nil), open(t, "127.0.0.1:0", nil)
	gone := open(t, "127.0.0.1:0", nil)
	require.NoError(t, gone.Close())
	provoke := func() { // ends with an ICMP "port unreachable" pending on a
		_, err := a.WriteBatch([]carrier.Datagram{{Remote: gone.LocalAddrs()[0], Data: []byte("to nobody")}})
		require.NoError(t, err)
	}
	provoke()
	_, err := b.WriteBatch([]carrier.Datagram{{Remote: a.LocalAddrs()[0], Data: []byte("still here")}})
	require.NoError(t, err)
	require.Equal(t, []string{"still here"}, collect(t, a, 1))
	require.EqualValues(t, 1, a.Stats().ReadErrors)

	provoke()
	n, err := a.WriteBatch([]carrier.Datagram{
		{Remote: b.LocalAddrs()[0], Data: []byte("met the error")}, {Remote: b.LocalAddrs()[0], Data: []byte("passes")},
	})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{"met the error", "passes"}, collect(t, b, 2))
	require.Zero(t, a.Stats().Dropped)
}

// One datagram per system call has no notices, but errors must not end it either.
func TestS4ErrorsOfOneByOneAreSurvived(t *testing.T) {
	cfg := &Config{DisableBatch: true}
	a, b := open(t, "127.0.0.1:0", cfg), open(t, "127.0.0.1:0", cfg)
	gone := open(t, "127.0.0.1:0", nil)
	require.NoError(t, gone.Close())
	require.NoError(t, a.raw.Control(func(fd uintptr) { require.True(t, a.enableNotices(int(fd))) }))
	provoke := func() {
		_, err := a.WriteBatch([]carrier.Datagram{{Remote: gone.LocalAddrs()[0], Data: []byte("to nobody")}})
		require.NoError(t, err)
	}
	provoke()
	_, err := b.WriteBatch([]carrier.Datagram{{Remote: a.LocalAddrs()[0], Data: []byte("still here")}})
	require.NoError(t, err)
	require.Equal(t, []string{"still here"}, collect(t, a, 1))
	require.EqualValues(t, 1, a.Stats().ReadErrors)
	provoke()
	n, err := a.WriteBatch([]carrier.Datagram{
		{Remote: b.LocalAddrs()[0], Data: []byte("hit by the error")}, {Remote: b.LocalAddrs()[0], Data: []byte("passes")},
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"passes"}, collect(t, b, 1))
}

func TestFallsBackToIPv4OnAHostWithoutIPv6(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL} {
		listen := func(network string, a *net.UDPAddr) (*net.UDPConn, error) {
			if network != "udp4" {
				return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("socket", errno)}
			}
			return net.ListenUDP(network, a)
		}
		conn, err := listenUDP(netip.MustParseAddrPort("[::]:0"), false, listen)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.Equal(t, "0.0.0.0", conn.LocalAddr().(*net.UDPAddr).IP.String())

		// One certain IPv6 address cannot be had.
		_, err = listenUDP(netip.MustParseAddrPort("[::1]:0"), false, listen)
		require.ErrorIs(t, err, errno)
	}
	busy := func(string, *net.UDPAddr) (*net.UDPConn, error) {
		return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	_, err := listenUDP(netip.MustParseAddrPort("[::]:9899"), false, busy)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestConfiguredBufferSizes(t *testing.T) {
	size := func(s *Socket, option int) (size int) {
		var err error
		require.NoError(t, s.raw.Control(func(fd uintptr) {
			size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, option)
		}))
		require.NoError(t, err)
		return size
	}
	system := open(t, "127.0.0.1:0", &Config{RecvBuffer: -1, SendBuffer: -1})
	small := open(t, "127.0.0.1:0", &Config{RecvBuffer: 20000, SendBuffer: 30000})
	require.Equal(t, 2*20000, size(small, syscall.SO_RCVBUF), "the kernel reports twice the size (socket(7))")
	require.Equal(t, 2*30000, size(small, syscall.SO_SNDBUF))
	require.Equal(t, 20000, small.Stats().RecvBuffer, "what was granted")
	require.Equal(t, 30000, small.Stats().SendBuffer)
	def := open(t, "127.0.0.1:0", nil)
	require.GreaterOrEqual(t, size(def, syscall.SO_RCVBUF), size(system, syscall.SO_RCVBUF))
	require.GreaterOrEqual(t, size(def, syscall.SO_SNDBUF), size(system, syscall.SO_SNDBUF))
}

func TestListenAllTriesAnotherPortWhenOneIsBusyElsewhere(t *testing.T) {
	addrs := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0")}
	failures := 0
	var all []*Socket
	flaky := func(fail int) binder {
		return func(a netip.AddrPort, v6only bool) (*Socket, error) {
			if a.Addr() == addrs[1].Addr() && failures < fail {
				failures++
				return nil, syscall.EADDRINUSE
			}
			s, err := bind(a, v6only, nil)
			all = append(all, s)
			return s, err
		}
	}
	socks, err := listenAll(addrs, flaky(3))
	require.NoError(t, err)
	require.Len(t, socks, 2)
	require.Equal(t, socks[0].local.Port(), socks[1].local.Port())
	require.Len(t, all, 3+2)
	for i, s := range all {
		if i < 3 {
			_, err := s.WriteBatch([]carrier.Datagram{{Remote: socks[0].local}})
			require.ErrorIs(t, err, net.ErrClosed, "sockets of failed attempts are closed")
		}
	}
	require.NoError(t, socks[0].Close())
	require.NoError(t, socks[1].Close())

	failures = 0
	_, err = listenAll(addrs, flaky(1000))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Equal(t, portTries, failures, "the search is bounded")

	failures = 0
	addrs[0] = socks[0].local // a port that was asked for is not replaced
	_, err = listenAll(addrs, flaky(1000))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Equal(t, 1, failures)
}
