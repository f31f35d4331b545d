package ipsock

import "syscall"

// probe switches on what the kernel can do and cfg allows.
func (s *Socket) probe(cfg *Config) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw = raw
	return raw.Control(func(fd uintptr) {
		s.enableControl(int(fd))
		s.whole = !cfg.AllowFragmentation && s.setWhole(int(fd))
		s.recvErr = !cfg.DisableBatch && s.enableNotices(int(fd))
		s.gso.Store(!cfg.DisableGSO && s.encapsulated() && probeGSO(int(fd)))
		s.gro = !cfg.DisableGRO && s.encapsulated() && enableGRO(int(fd))
	})
}

// enableControl asks for the control data of received datagrams. A kernel that
// refuses leaves the local address or the ECN bits unknown.
func (s *Socket) enableControl(fd int) {
	// Also dual-stack sockets receive the TOS of IPv4 datagrams at this level.
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVTOS, 1)
	unspecified := s.local.Addr().IsUnspecified()
	if s.is4() {
		if unspecified {
			_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		}
		return
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, ipv6RecvTClass, 1)
	if unspecified {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
	}
}

// setBoth sets an option that exists for IPv4 and IPv6 for the families that the
// socket serves: IPv6 UDP sockets both, raw ones only their own. False if not all of
// that worked.
func (s *Socket) setBoth(fd, option4, option6, value int) bool {
	if (s.is4() || s.encapsulated()) && syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, option4, value) != nil {
		return false
	}
	return s.is4() || syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, option6, value) == nil
}

// setBuffers asks for kernel buffers of recv and send bytes; 0 leaves one alone.
// What the system-wide limits (net.core.rmem_max, wmem_max) cut off, it tries to
// get with the privilege to exceed them.
func setBuffers(conn conn, recv, send int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		setBuffer(int(fd), syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE, recv)
		setBuffer(int(fd), syscall.SO_SNDBUF, syscall.SO_SNDBUFFORCE, send)
	})
}

// buffers returns the sizes of the kernel's buffers, 0 if it does not tell.
func (s *Socket) buffers() (recv, send int) {
	_ = s.raw.Control(func(fd uintptr) {
		// The kernel reports twice the usable size (socket(7)).
		recv, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		send, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	return recv / 2, send / 2
}

func setBuffer(fd, option, force, size int) {
	if size == 0 {
		return
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, option, size)
	// The kernel reports twice the usable size (socket(7)).
	if got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, option); err == nil && got < 2*size {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, force, size)
	}
}
