package ipsock

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// readBatch is how many datagrams, or runs, one recvmmsg returns at most. With
// buffers of 64 KiB that makes 1 MiB per socket, of which only what was used once
// is resident: the kernel fills the buffers from the front.
const readBatch = 16

// sockaddrLen is the size in bytes of a struct sockaddr_in6, the larger one.
const sockaddrLen = syscall.SizeofSockaddrInet6

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr    msghdr
	length uint32
}

// msghdr is struct msghdr.
type msghdr struct{ syscall.Msghdr }

// reset prepares the fields that a call overwrites.
func (h *msghdr) reset() {
	h.Namelen, h.Flags = sockaddrLen, 0
	h.SetControllen(controlSpace)
}

// name is what the call wrote into the memory for the address.
func (h *msghdr) name(b *[sockaddrLen]byte) []byte { return b[:min(int(h.Namelen), sockaddrLen)] }

// oob is what the call wrote into the memory for control data.
func (h *msghdr) oob(b *[controlSpace]byte) []byte {
	return b[:min(uint64(h.Controllen), controlSpace)]
}

// batchReader receives with recvmmsg. It calls it by itself, because the batch
// call of golang.org/x/net allocates a net.UDPAddr for each datagram.
type batchReader struct {
	s       *Socket
	conn    syscall.RawConn
	inbox   *inbox
	call    func(fd uintptr) bool // r.recv, bound once
	want    int                   // argument of the call
	got     int                   // results of the call
	drained bool                  // the last call left nothing: wait before the next
	steady  int                   // calls that received something since one waited in vain
	errno   syscall.Errno
	notices *notices
	zones   map[uint32]string // names of interfaces, for link-local addresses
}

// inbox is the memory for one recvmmsg.
type inbox struct {
	messages [readBatch]mmsghdr
	vectors  [readBatch]syscall.Iovec
	names    [readBatch][sockaddrLen]byte
	controls [readBatch][controlSpace]byte
	data     []byte
}

func newBatchReader(s *Socket) *batchReader {
	r := &batchReader{s: s, conn: s.raw, zones: make(map[uint32]string)}
	r.call = r.recv
	return r
}

// newInbox allocates the memory, which a socket needs with its first read.
func newInbox() *inbox {
	b := &inbox{data: make([]byte, readBatch*bufferLen)}
	for i := range b.messages {
		b.vectors[i].Base = &b.data[i*bufferLen]
		b.vectors[i].SetLen(bufferLen)
		h := &b.messages[i].hdr
		h.Name, h.Control = &b.names[i][0], &b.controls[i][0]
		h.Iov, h.Iovlen = &b.vectors[i], 1
	}
	return b
}

// read implements reader.
func (r *batchReader) read(ds []carrier.Datagram) (int, error) {
	if r.inbox == nil {
		r.inbox, r.notices = newInbox(), newNotices()
	}
	var pause backoff
	for {
		r.want = min(len(ds), readBatch)
		r.inbox.reset(r.want)
		if err := r.conn.Read(r.call); err != nil {
			if errors.Is(err, errInterrupted) {
				err = nil
			}
			return 0, err // closed
		}
		r.handNotices()
		if n := r.take(ds); n > 0 {
			return n, nil
		}
		if r.errno != 0 && r.errno != syscall.EAGAIN {
			pause.wait()
		}
	}
}

// reset prepares the first n messages for the call, which overwrites these fields.
func (b *inbox) reset(n int) {
	for i := range b.messages[:n] {
		b.messages[i].hdr.reset()
	}
}

// recv is a try to receive: false makes the descriptor wait until fd is readable,
// which it is also with something in the error queue.
func (r *batchReader) recv(fd uintptr) bool {
	failed := r.s.noticed.Swap(false)
	var flags uintptr = syscall.MSG_DONTWAIT
	if r.drained && !failed {
		r.drained = false
		if r.steady < steadyReads {
			return false
		}
		flags = msgWaitForOne
	}
	for range receiveTries {
		if r.got, r.errno = recvmmsg(fd, r.inbox.messages[:r.want], flags); r.errno == 0 || r.errno == syscall.EAGAIN {
			break
		}
		flags = syscall.MSG_DONTWAIT
		if r.errno == syscall.EINTR {
			continue
		}
		// It may be what an ICMP message left behind. Data comes first.
		failed = true
		r.s.count.readErrors.Add(1)
	}
	switch {
	case r.errno == 0:
		r.steady = min(r.steady+1, steadyReads)
	case flags == msgWaitForOne:
		r.steady = 0
	}
	if r.errno != 0 {
		r.got = 0
	}
	r.drained = r.errno == 0 && r.got < r.want
	if r.s.recvErr && (failed || r.errno == syscall.EAGAIN) {
		r.notices.read(fd)
	}
	return r.notices.n > 0 || r.errno != syscall.EAGAIN
}

// steadyReads is how many calls have to receive something until recv waits in the call
// that receives, which saves the other one. Nobody can end that wait, so it is short
// (see descriptor), and after a vain one it is as before.
const steadyReads = 16

// msgWaitForOne is MSG_WAITFORONE: recvmmsg waits for the first datagram only.
const msgWaitForOne = 0x10000

// receiveTries bounds how often an error makes recv call again at once.
const receiveTries = 3

// recvmmsg is the system call, repeated as long as a signal interrupts it, unless it waits.
func recvmmsg(fd uintptr, messages []mmsghdr, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), flags, 0, 0)
		if errno != syscall.EINTR || flags&msgWaitForOne != 0 {
			return int(n), errno
		}
	}
}

// take hands out what the call returned.
func (r *batchReader) take(ds []carrier.Datagram) int {
	n := 0
	for i := range r.got {
		h := &r.inbox.messages[i].hdr
		from, ok := r.address(h.name(&r.inbox.names[i]))
		if h.Flags&truncated != 0 || !ok {
			r.s.count.truncated.Add(1)
			continue
		}
		start, length := i*bufferLen, int(r.inbox.messages[i].length)
		data, whole := r.s.payload(r.inbox.data[start : start+length : start+length])
		if !whole {
			r.s.count.truncated.Add(1)
			continue
		}
		ds[n] = r.s.datagram(data, from, r.s.parseControl(h.oob(&r.inbox.controls[i])))
		n++
	}
	return n
}

// address reads a struct sockaddr.
func (r *batchReader) address(b []byte) (netip.AddrPort, bool) {
	if len(b) < syscall.SizeofSockaddrInet4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.NativeEndian.Uint16(b); {
	case family == syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), port), true
	case family == syscall.AF_INET6 && len(b) >= syscall.SizeofSockaddrInet6:
		ip := netip.AddrFrom16([16]byte(b[8:])).Unmap()
		if scope := binary.NativeEndian.Uint32(b[24:]); scope != 0 {
			ip = ip.WithZone(r.zone(scope))
		}
		return netip.AddrPortFrom(ip, port), true
	}
	return netip.AddrPort{}, false
}

// zone returns the name of a network interface.
func (r *batchReader) zone(index uint32) string {
	name, ok := r.zones[index]
	if !ok {
		name = strconv.Itoa(int(index))
		if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
			name = ifi.Name
		}
		r.zones[index] = name
	}
	return name
}
