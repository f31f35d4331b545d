package ipsock

import (
	"encoding/binary"
	"errors"
	"syscall"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// The kernel keeps the ICMP messages that concern a socket with IP_RECVERR in its
// error queue (ip(7)): the payload of the quoted packet, its destination, and a
// struct sock_extended_err with what the message says. Besides, it makes the next
// system call on the socket fail once, whoever's call that is.

// Origins of a sock_extended_err.
const (
	originICMP  = 2 // SO_EE_ORIGIN_ICMP
	originICMP6 = 3 // SO_EE_ORIGIN_ICMP6
)

// Offsets in struct sock_extended_err, and its size in bytes.
const (
	extErrOrigin = 4
	extErrType   = 5
	extErrCode   = 6
	extErrInfo   = 8
	extErrLen    = 16
)

// ICMP types and codes (RFC 792, RFC 4443).
const (
	icmpUnreachable   = 3
	icmpProtocol      = 2
	icmpPort          = 3
	icmpFragNeeded    = 4
	icmp6Unreachable  = 1
	icmp6Port         = 4
	icmp6TooBig       = 2
	icmp6ParamProblem = 4
	icmp6NextHeader   = 1
)

// maxQuoted is how many bytes of a quoted packet are read: what is checked is all
// in the common header and the first chunk.
const maxQuoted = 128

// maxNotices is how many notices are read at once. Data comes first, so that a
// flood of forged notices does not keep it from coming.
const maxNotices = 16

// enableNotices makes the kernel keep ICMP messages.
func (s *Socket) enableNotices(fd int) bool {
	return s.setBoth(fd, syscall.IP_RECVERR, syscall.IPV6_RECVERR, 1)
}

// notices is the memory for one recvmmsg of the error queue.
type notices struct {
	messages [maxNotices]mmsghdr
	vectors  [maxNotices]syscall.Iovec
	names    [maxNotices][sockaddrLen]byte // destinations of the quoted packets
	controls [maxNotices][controlSpace]byte
	quoted   [maxNotices][maxQuoted]byte
	n        int // messages read and not handed on
}

func newNotices() *notices {
	q := new(notices)
	for i := range q.messages {
		q.vectors[i].Base = &q.quoted[i][0]
		q.vectors[i].SetLen(maxQuoted)
		h := &q.messages[i].hdr
		h.Name, h.Control = &q.names[i][0], &q.controls[i][0]
		h.Iov, h.Iovlen = &q.vectors[i], 1
	}
	return q
}

// read takes messages from the error queue of fd.
func (q *notices) read(fd uintptr) {
	for i := range q.messages {
		q.messages[i].hdr.reset()
	}
	n, errno := recvmmsg(fd, q.messages[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	if errno != 0 {
		n = 0 // EAGAIN: empty
	}
	q.n = n
}

// handNotices passes on what was read from the error queue. It runs outside of the
// callback of the netpoller, in which a Close would wait for itself.
func (r *batchReader) handNotices() {
	q := r.notices
	f := r.s.notify.Load()
	for i := range q.messages[:q.n] {
		m := &q.messages[i]
		c := r.s.parseControl(m.hdr.oob(&q.controls[i]))
		n, ok := parseExtErr(c.extErr)
		remote, named := r.address(m.hdr.name(&q.names[i]))
		if !ok || !named {
			continue
		}
		r.s.count.notices.Add(1)
		if f != nil {
			n.Remote, n.Local = remote, r.s.localOf(&c)
			n.Quoted = q.quoted[i][:m.length:m.length]
			(*f)(n)
		}
	}
	q.n = 0
}

// parseExtErr reads a struct sock_extended_err. False: nothing of interest.
func parseExtErr(b []byte) (carrier.Notice, bool) {
	if len(b) < extErrLen {
		return carrier.Notice{}, false
	}
	var n carrier.Notice
	switch b[extErrOrigin] {
	case originICMP:
		n.Kind = kindOfICMP(b[extErrType], b[extErrCode])
	case originICMP6:
		n.Kind = kindOfICMP6(b[extErrType], b[extErrCode])
	}
	if n.Kind == carrier.NoticeTooBig {
		n.MTU = int(min(binary.NativeEndian.Uint32(b[extErrInfo:]), bufferLen))
	}
	return n, n.Kind != 0
}

// kindOfICMP: RFC 9260 §10 ICMP1.
func kindOfICMP(kind, code uint8) carrier.NoticeKind {
	switch {
	case kind != icmpUnreachable:
		return 0
	case code == icmpProtocol:
		return carrier.NoticeProtocol
	case code == icmpPort:
		return carrier.NoticePort
	case code == icmpFragNeeded:
		return carrier.NoticeTooBig
	}
	return carrier.NoticeUnreachable
}

// kindOfICMP6: RFC 9260 §10 ICMP2, ICMP4.
func kindOfICMP6(kind, code uint8) carrier.NoticeKind {
	switch {
	case kind == icmp6TooBig:
		return carrier.NoticeTooBig
	case kind == icmp6ParamProblem && code == icmp6NextHeader:
		return carrier.NoticeProtocol
	case kind == icmp6Unreachable && code == icmp6Port:
		return carrier.NoticePort
	case kind == icmp6Unreachable:
		return carrier.NoticeUnreachable
	}
	return 0
}

// fromICMP says whether a system call may have failed with err only because an ICMP
// message about another datagram was pending. Then the same call succeeds next.
func (s *Socket) fromICMP(err error) bool {
	if !s.recvErr {
		return false
	}
	for _, e := range icmpErrors {
		if errors.Is(err, e) {
			s.noticed.Store(true) // the error queue holds what it is
			return true
		}
	}
	return false
}

// icmpErrors are what the kernel makes of ICMP messages of either version.
var icmpErrors = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE, syscall.ENOPROTOOPT,
	syscall.EHOSTDOWN, syscall.ENONET, syscall.EACCES, syscall.EPROTO, syscall.EOPNOTSUPP,
}
