package ipsock

import (
	"context"
	"net"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// Several sockets share an address by SO_REUSEPORT (socket(7)), and the kernel gives
// each packet to one of them.

const soAttachReuseportCBPF = 51

// soReuseport is SO_REUSEPORT, which package syscall does not have.
func soReuseport() int {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 0x200
	}
	return 0xf
}

// share binds more sockets to the addresses of those that it is given, until each has
// count, and returns all of them. On failure it closes them.
//
// The given ones were bound without the option, so that an address that another
// process has is still an error. They take it now, and let the others in.
func share(firsts []*Socket, count int, cfg *Config) (all []*Socket, err error) {
	v6only := false
	for _, s := range firsts {
		v6only = v6only || s.is4()
	}
	defer func() {
		if err != nil {
			closeAll(append(all, firsts...))
			all = nil
		}
	}()
	for _, first := range firsts {
		if err := first.control(setReuseport); err != nil {
			return all, err
		}
		all = append(all, first)
		for range count - 1 {
			s, err := bindBy(listenReuseport, first.local, v6only, cfg)
			if err != nil {
				return all, err
			}
			all = append(all, s)
		}
		// If this fails, the kernel chooses by the addresses and ports of a packet.
		_ = first.control(func(fd int) error { return steer(fd, count) })
	}
	return all, nil
}

// control runs f with the file descriptor of the socket.
func (s *Socket) control(f func(fd int) error) error {
	var failed error
	if err := s.raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

func setReuseport(fd int) error {
	return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReuseport(), 1)
}

// listenReuseport is net.ListenUDP for a socket that shares its address.
func listenReuseport(network string, a *net.UDPAddr) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = setReuseport(int(fd)) }); err != nil {
			return err
		}
		return failed
	}}
	conn, err := lc.ListenPacket(context.Background(), network, a.AddrPort().String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Classic BPF (the kernel's Documentation/networking/filter.rst).
const (
	bpfLoadWord  = 0x20 // BPF_LD | BPF_W | BPF_ABS
	bpfJumpEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	bpfModulo    = 0x94 // BPF_ALU | BPF_MOD | BPF_K
	bpfReturnA   = 0x16 // BPF_RET | BPF_A
)

// Offsets in the SCTP common header (RFC 9260 §3.1).
const (
	offsetPorts = 0
	offsetTag   = 4
)

// steer makes the kernel choose the socket by the verification tag, which an
// association keeps whatever happens to its addresses: all of its packets come to one
// socket, and the associations of few peers are spread as well as those of many. An
// INIT, with tag 0, goes by its ports. A packet that is too short goes to the first.
func steer(fd, count int) error {
	program := []syscall.SockFilter{
		{Code: bpfLoadWord, K: offsetTag},
		{Code: bpfJumpEqual, K: 0, Jt: 0, Jf: 1},
		{Code: bpfLoadWord, K: offsetPorts},
		{Code: bpfModulo, K: uint32(count)},
		{Code: bpfReturnA},
	}
	prog := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err := syscall.SetsockoptString(fd, syscall.SOL_SOCKET, soAttachReuseportCBPF,
		unsafe.String((*byte)(unsafe.Pointer(&prog)), unsafe.Sizeof(prog)))
	runtime.KeepAlive(program)
	return err
}
