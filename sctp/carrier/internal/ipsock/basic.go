package ipsock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// basicReader and basicWriter move one datagram per system call. They work
// everywhere; with what the platform's control data offers, they also receive and
// send runs.

// basicReader receives one datagram, or one run, at a time.
type basicReader struct {
	s    *Socket
	conn *net.UDPConn
	data []byte
	oob  []byte
}

// read implements reader.
func (r *basicReader) read(ds []carrier.Datagram) (int, error) {
	if r.data == nil {
		r.data, r.oob = make([]byte, bufferLen), make([]byte, controlSpace)
	}
	var pause backoff
	for {
		n, oobn, flags, from, err := r.conn.ReadMsgUDPAddrPort(r.data, r.oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, err
		case errors.Is(err, os.ErrDeadlineExceeded): // Interrupt
			_ = r.conn.SetReadDeadline(time.Time{})
			return 0, nil
		case err != nil:
			r.s.count.readErrors.Add(1)
			pause.wait()
			continue
		case flags&truncated != 0:
			r.s.count.truncated.Add(1)
			continue
		}
		ds[0] = r.s.datagram(r.data[:n:n], unmap(from), r.s.parseControl(r.oob[:oobn]))
		return 1, nil
	}
}

// basicWriter sends one datagram, or one run, at a time.
type basicWriter struct {
	s    *Socket
	conn *net.UDPConn
}

// write implements writer.
func (w *basicWriter) write(ds []carrier.Datagram, gso bool) (tally, error) {
	var t tally
	var buf [controlSpace]byte
	for c := (cutter{ds: ds}); c.index < len(ds); {
		p := c.next(gso && w.s.gso.Load())
		d := &ds[p.index]
		oob := w.s.appendControl(buf[:0], d, p.segment)
		if _, _, err := w.conn.WriteMsgUDPAddrPort(p.data, oob, unmap(d.Remote)); err == nil {
			t.sent(&p)
		} else if err := w.s.refused(d, &p, err, &t); err != nil {
			return t, err
		}
		t.reached = c.index
	}
	return t, nil
}

// control is what came with a datagram besides its data.
type control struct {
	local   netip.Addr
	ecn     uint8
	segment int    // size of the segments of a run
	extErr  []byte // what ICMP said, see notice_linux.go
}

// datagram puts together what ReadBatch returns.
func (s *Socket) datagram(data []byte, from netip.AddrPort, c control) carrier.Datagram {
	d := carrier.Datagram{Local: s.localOf(&c), Remote: from, Data: data, ECN: c.ecn}
	if c.segment > 0 && len(data) > c.segment {
		d.SegmentSize = c.segment
	}
	return d
}

// localOf is the local address of a datagram, zero if it is not known.
func (s *Socket) localOf(c *control) netip.Addr {
	if s.local.Addr().IsUnspecified() {
		return c.local
	}
	return s.local.Addr()
}

// backoff keeps a loop from spinning if a system call fails again and again.
type backoff struct{ failures int }

// freeFailures may follow each other without a pause: each pending ICMP error is
// reported once.
const freeFailures = 16

func (b *backoff) wait() {
	if b.failures++; b.failures > freeFailures {
		time.Sleep(time.Millisecond)
	}
}
