package ipsock

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// descriptor is a socket that the network poller of the Go runtime does not watch.
// Whoever reads waits in a system call of its own, which is one more thread for each
// socket that is read, and returns the moment a datagram arrives. The poller's way
// costs several times as much: it hears of each datagram that leaves, too (the
// kernel tells that there is room again, and UDP sockets always have room), and with
// each of them, in or out, a thread that has nothing to do wakes up to find that out.
//
// It implements syscall.RawConn.
type descriptor struct {
	fd, event int          // the socket; an eventfd that ends a wait
	use       sync.RWMutex // read-locked while fd is in use
	closed    atomic.Bool
	interrupt atomic.Bool
}

var _ syscall.RawConn = (*descriptor)(nil)

// errInterrupted is the result of Read after Interrupt.
var errInterrupted = errors.New("interrupted")

// detach takes the socket from conn and closes conn.
func detach(conn conn) (*descriptor, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &descriptor{fd: -1}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		var n uintptr
		n, _, errno = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		d.fd = int(n)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return nil, err
	}
	n, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		_ = syscall.Close(d.fd)
		return nil, errno
	}
	d.event = int(n)
	// From here on, who does not want to wait says so in each call.
	err = syscall.SetsockoptTimeval(d.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 1})
	if err == nil {
		err = syscall.SetNonblock(d.fd, false)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, conn.Close()
}

// Control implements syscall.RawConn.
func (d *descriptor) Control(f func(fd uintptr)) error {
	d.use.RLock()
	defer d.use.RUnlock()
	if d.closed.Load() {
		return net.ErrClosed
	}
	f(uintptr(d.fd))
	return nil
}

// Read implements syscall.RawConn. It returns errInterrupted after Interrupt.
func (d *descriptor) Read(f func(fd uintptr) bool) error {
	d.use.RLock()
	defer d.use.RUnlock()
	for {
		switch {
		case d.closed.Load():
			return net.ErrClosed
		case d.interrupt.Swap(false):
			d.drain()
			return errInterrupted
		case f(uintptr(d.fd)):
			return nil
		}
		d.wait(pollIn, true)
	}
}

// Write implements syscall.RawConn.
func (d *descriptor) Write(f func(fd uintptr) bool) error {
	d.use.RLock()
	defer d.use.RUnlock()
	for !d.closed.Load() {
		if f(uintptr(d.fd)) {
			return nil
		}
		d.wait(pollOut, false)
	}
	return net.ErrClosed
}

// pollfd is struct pollfd of poll(2).
type pollfd struct {
	fd      int32
	events  int16
	revents int16 // of the socket nobody asks: the caller tries what it waited for
}

const (
	pollIn  = 0x1
	pollOut = 0x4
)

// maxWait bounds the wait of a writer, which does not look at the event.
var maxWait = syscall.Timespec{Nsec: 100e6}

// wait blocks until the socket is ready, has an error, or somebody calls wake. It
// may return early. A wake that came late, when what it was to tell was seen already,
// must not end the next wait and all that follow.
func (d *descriptor) wait(events int16, wakeable bool) {
	fds := [2]pollfd{{fd: int32(d.fd), events: events}, {fd: int32(d.event), events: pollIn}}
	n, timeout := 2, (*syscall.Timespec)(nil)
	if !wakeable {
		n, timeout = 1, &maxWait
	}
	_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), uintptr(n),
		uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	if fds[1].revents != 0 && !d.closed.Load() {
		d.drain()
	}
}

// wake ends the wait of a reader.
func (d *descriptor) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = syscall.Write(d.event, one[:])
}

func (d *descriptor) drain() {
	var b [8]byte
	_, _ = syscall.Read(d.event, b[:])
}

// Interrupt makes the Read that waits, or the next one, return.
func (d *descriptor) Interrupt() {
	d.use.RLock()
	defer d.use.RUnlock()
	if !d.closed.Load() && !d.interrupt.Swap(true) {
		d.wake()
	}
}

// Close ends what is going on and closes the socket.
func (d *descriptor) Close() error {
	if d.closed.Swap(true) {
		return net.ErrClosed
	}
	d.wake()
	d.use.Lock()
	defer d.use.Unlock()
	_ = syscall.Close(d.event)
	return syscall.Close(d.fd)
}

// of makes d, which was taken from conn, usable for golang.org/x/net, which wants to
// see what kind of socket it is.
func (d *descriptor) of(conn conn) net.PacketConn {
	switch c := conn.(type) {
	case *net.UDPConn:
		return udpConn{c, d}
	case *net.IPConn:
		return ipConn{c, d}
	}
	return conn
}

type udpConn struct {
	*net.UDPConn
	d *descriptor
}

// SyscallConn implements syscall.Conn.
func (c udpConn) SyscallConn() (syscall.RawConn, error) { return c.d, nil }

type ipConn struct {
	*net.IPConn
	d *descriptor
}

// SyscallConn implements syscall.Conn.
func (c ipConn) SyscallConn() (syscall.RawConn, error) { return c.d, nil }
