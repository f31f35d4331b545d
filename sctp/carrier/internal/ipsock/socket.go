package ipsock

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// udpOverhead is the size in bytes of the UDP header (RFC 6951 §5.6).
const udpOverhead = 8

// bufferLen is the size in bytes of a receive buffer: no datagram and no run that
// the kernel put together is longer.
const bufferLen = 1 << 16

// Socket is a UDP or raw IP socket bound to one address. It implements carrier.Carrier; its
// methods may be called by several goroutines, ReadBatch by one at a time.
type Socket struct {
	conn     conn
	local    netip.AddrPort // IPv4 always as 4 byte address; port 0: a raw socket
	raw      syscall.RawConn
	detached interface { // nil: conn is used itself
		Interrupt()
		Close() error
	}
	gso    atomic.Bool // sends runs in one piece
	gro    bool        // receives runs in one piece
	reader reader
	writer writer
	count  counters

	whole   bool         // sends with Don't Fragment, see fragment.go
	writing sync.RWMutex // held by writes, exclusively by those of fragmentable datagrams

	recvErr bool        // ICMP messages are kept in the error queue
	noticed atomic.Bool // a writer met one
	notify  atomic.Pointer[func(carrier.Notice)]
}

var (
	_ carrier.Carrier     = (*Socket)(nil)
	_ carrier.Notifier    = (*Socket)(nil)
	_ carrier.Interrupter = (*Socket)(nil)
	_ carrier.Buffered    = (*Socket)(nil)
)

// conn is a *net.UDPConn or a *net.IPConn.
type conn interface {
	net.PacketConn
	SyscallConn() (syscall.RawConn, error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// reader is how a Socket receives. read blocks for at least one datagram and
// returns net.ErrClosed or no error at all.
type reader interface {
	read(ds []carrier.Datagram) (int, error)
}

// writer is how a Socket sends; gso permits runs in one piece. What the kernel
// refuses goes to Socket.refused. The error is net.ErrClosed or nil.
type writer interface {
	write(ds []carrier.Datagram, gso bool) (tally, error)
}

// newSocket configures a UDP socket, which it then owns.
func newSocket(udp *net.UDPConn, cfg *Config) (*Socket, error) {
	s := &Socket{conn: udp, local: unmap(udp.LocalAddr().(*net.UDPAddr).AddrPort())}
	s.reader, s.writer = &basicReader{s: s, conn: udp}, &basicWriter{s: s, conn: udp}
	if err := s.setUp(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// setUp configures the socket. On failure it is closed.
func (s *Socket) setUp(cfg *Config) error {
	setBuffers(s.conn, bufferSize(cfg.RecvBuffer), bufferSize(cfg.SendBuffer))
	err := s.probe(cfg)
	if err == nil && !cfg.DisableBatch {
		err = s.useBatches()
	}
	if err != nil {
		_ = s.conn.Close()
	}
	return err
}

// encapsulated says that it is a UDP socket.
func (s *Socket) encapsulated() bool { return s.local.Port() != 0 }

// ReadBatch implements carrier.Carrier. Errors of the system call, such as those
// that ICMP messages provoke, are counted and survived; the only error is
// net.ErrClosed.
func (s *Socket) ReadBatch(ds []carrier.Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	n, err := s.reader.read(ds)
	if err != nil {
		return 0, net.ErrClosed
	}
	s.count.read(ds[:n])
	return n, nil
}

// WriteBatch implements carrier.Carrier. Whatever the kernel refuses is dropped
// and counted in Stats; the only error is net.ErrClosed. It returns the number of
// elements of which nothing was dropped. It blocks while the kernel's send buffer
// is full.
func (s *Socket) WriteBatch(ds []carrier.Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	t, err := s.send(ds)
	s.count.write(t.datagrams, t.bytes)
	return max(t.reached-t.incomplete, 0), err
}

// SetNotify implements carrier.Notifier. On Linux there are notices unless
// Config.DisableBatch is set, elsewhere none.
func (s *Socket) SetNotify(f func(carrier.Notice)) {
	if f == nil {
		s.notify.Store(nil)
		return
	}
	s.notify.Store(&f)
}

// MaxSegments implements carrier.Carrier: 64 while segmentation offload works, else
// 1. A Datagram with more segments, or with more bytes than a UDP datagram holds, is
// sent nonetheless, in several pieces.
func (s *Socket) MaxSegments() int {
	if s.gso.Load() {
		return maxSegments
	}
	return 1
}

// LocalAddrs implements carrier.Carrier: the one bound address. "[::]" stands for
// the addresses of both families if the socket is a dual-stack one.
func (s *Socket) LocalAddrs() []netip.AddrPort { return []netip.AddrPort{s.local} }

// Overhead implements carrier.Carrier: the 8 bytes of the UDP header, if there is one.
func (s *Socket) Overhead() int {
	if s.encapsulated() {
		return udpOverhead
	}
	return 0
}

// Buffers implements carrier.Buffered. Only Linux tells.
func (s *Socket) Buffers() (recv, send int) { return s.buffers() }

// Close implements carrier.Carrier.
func (s *Socket) Close() error {
	if s.detached != nil {
		_ = s.detached.Close()
	}
	_ = s.conn.Close() // fails only if it is closed already
	return nil
}

// Interrupt implements carrier.Interrupter.
func (s *Socket) Interrupt() {
	if s.detached != nil {
		s.detached.Interrupt()
		return
	}
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
}

// is4 says whether the socket is an IPv4 one; the others take both kinds of
// addresses.
func (s *Socket) is4() bool { return s.local.Addr().Is4() }

// source returns the source address that the kernel has to be told for a datagram
// from local: none if it would take that one anyway.
func (s *Socket) source(local netip.Addr) netip.Addr {
	if local = local.Unmap(); local == s.local.Addr() {
		return netip.Addr{}
	}
	return local
}

// unmap returns a with IPv4-mapped addresses as plain IPv4 ones.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
