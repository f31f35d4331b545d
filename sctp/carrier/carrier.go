// Package carrier is the only door between SCTP and a network: it moves
// datagrams that hold one SCTP packet each and knows nothing about SCTP.
//
// A Carrier stands for one or more bound addresses. The implementations for real
// networks are packages udpencap (SCTP in UDP, RFC 6951) and rawip (SCTP directly over
// IP); package memory is one for tests.
//
//	ds := make([]carrier.Datagram, 64)
//	for {
//		n, err := c.ReadBatch(ds)
//		if err != nil {
//			return err // net.ErrClosed after Close
//		}
//		for i := range ds[:n] {
//			for pkt := range ds[i].Segments() {
//				handle(ds[i].Local, ds[i].Remote, pkt)
//			}
//		}
//	}
//
// The package does no I/O itself, holds no sockets and starts no goroutines.
package carrier

import (
	"iter"
	"net/netip"
)

// Datagram is one datagram in or out, or several of them that travel together
// because they have the same addresses and the same size (generic segmentation
// offload on the way out, generic receive offload on the way in).
type Datagram struct {
	// Local is, on input, the address the datagram was sent to; the zero Addr
	// means that it is not known. On output it is the source address to use;
	// the zero Addr leaves the choice to the operating system. IPv4 addresses
	// are always 4 byte addresses, never IPv4-mapped IPv6 ones.
	Local netip.Addr

	// Remote is the source (input) or the destination (output), as address and
	// UDP port. IPv4 addresses are always 4 byte addresses.
	Remote netip.AddrPort

	// Data holds the payload. On input it is valid until the next ReadBatch; on
	// output it is not kept after WriteBatch returned.
	Data []byte

	// SegmentSize, if greater than zero, says that Data consists of several
	// datagrams of SegmentSize bytes each, of which the last may be shorter.
	// Zero means that Data is one datagram.
	SegmentSize int

	// ECN holds the two ECN bits of the IP header (RFC 3168 §5): 0 Not-ECT,
	// 1 ECT(1), 2 ECT(0), 3 CE.
	ECN uint8

	// MayFragment permits, on output, that the datagram is fragmented on the way if
	// it does not fit. It is for what was cut for a path MTU that has shrunk since
	// (RFC 9260 §6.9), and expensive: other writes may have to wait. Carriers that do not
	// control fragmentation ignore it, see Fragmenter.
	MayFragment bool
}

// Carrier sends and receives datagrams for a set of bound addresses.
type Carrier interface {
	// ReadBatch blocks until at least one datagram is there, fills ds from the
	// front and returns how many elements it filled. It returns net.ErrClosed
	// after Close and no other error is final. Only one goroutine may call it
	// at a time. See Interrupter for the case that it returns 0.
	ReadBatch(ds []Datagram) (int, error)

	// WriteBatch sends ds in order and returns how many elements were taken by
	// the operating system. It may be called by several goroutines at once.
	// Errors that concern a single datagram or a moment (ENOBUFS, ECONNREFUSED,
	// EPERM, EMSGSIZE, unreachable networks) drop that datagram, are counted,
	// and are not returned: SCTP repairs loss. An error is returned only if the
	// carrier can no longer send at all, net.ErrClosed after Close.
	WriteBatch(ds []Datagram) (int, error)

	// MaxSegments returns how many segments a written Datagram may hold now; 1
	// means that every Datagram must be a single one. It can shrink at run time
	// when the network device turns out to lack the offload; a Datagram that
	// was built before that is still sent.
	MaxSegments() int

	// LocalAddrs returns the bound addresses, which may be unspecified, with the
	// UDP port. A port of 0 says that packets are not encapsulated; so are the ports
	// in Datagrams then.
	LocalAddrs() []netip.AddrPort

	// Overhead returns the bytes between the IP header and the SCTP packet: 8
	// for UDP encapsulation (RFC 6951 §5.6), 0 for SCTP directly over IP.
	Overhead() int

	// Close releases the addresses and unblocks ReadBatch. It is idempotent.
	Close() error
}

// Buffered is a Carrier with buffers in the operating system.
type Buffered interface {
	// Buffers returns how many bytes may wait to be received and to be sent, as the
	// operating system granted it, 0 if it does not tell.
	Buffers() (recv, send int)
}

// Segments iterates over the single datagrams of d: Data itself if SegmentSize
// is zero, else its pieces of SegmentSize bytes. The slices alias Data and have
// no spare capacity. An empty Data is one empty datagram.
func (d *Datagram) Segments() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		b := d.Data
		for d.SegmentSize > 0 && len(b) > d.SegmentSize {
			if !yield(b[:d.SegmentSize:d.SegmentSize]) {
				return
			}
			b = b[d.SegmentSize:]
		}
		yield(b[:len(b):len(b)])
	}
}

// Count returns how many single datagrams d stands for, at least 1.
func (d *Datagram) Count() int {
	if d.SegmentSize <= 0 || len(d.Data) <= d.SegmentSize {
		return 1
	}
	return (len(d.Data) + d.SegmentSize - 1) / d.SegmentSize
}
