package capture

import (
	"io"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/internal/spool"
)

// Options is how a Writer writes. The zero value, and nil, take the defaults.
type Options struct {
	// SnapLen is how many bytes of a packet are kept, IP header included; 128 keep
	// the headers and little of the user data. Zero: all. Less than 64 is taken as 64.
	SnapLen int
	// Redact takes secrets and user data out, see the package comment. Checksums are
	// computed anew, but for packets that had a wrong one; of these no more than the
	// common header is kept.
	Redact bool
	// Buffer is how many bytes may wait to be written. Zero: 4 MiB.
	Buffer int
}

const (
	defaultBuffer = 4 << 20
	minSnapLen    = 64
)

// Writer is a Sink that writes a pcapng file.
type Writer struct {
	w        io.Writer
	o        Options
	spool    *spool.Spool
	redactor *redactor // nil: none
	last     time.Time // of a packet; guarded by the spool

	closing sync.Once
	err     error // of Close
}

// NewWriter returns a Writer to w, which it does not close. The head of the file is
// written at once, so that the error tells whether w can be written to.
func NewWriter(w io.Writer, o *Options) (*Writer, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Writer{w: w, o: *o}
	if c.o.SnapLen > 0 {
		c.o.SnapLen = max(c.o.SnapLen, minSnapLen)
	}
	if c.o.Buffer <= 0 {
		c.o.Buffer = defaultBuffer
	}
	if c.o.Redact {
		c.redactor = newRedactor()
	}
	if _, err := w.Write(appendHeader(nil, max(c.o.SnapLen, 0))); err != nil {
		return nil, err
	}
	c.spool = spool.New(w, c.o.Buffer)
	return c, nil
}

// Capture appends a packet to the file, or drops and counts it if the buffer is full.
func (c *Writer) Capture(p Packet) {
	c.spool.Add(func(b []byte, lost uint64) []byte { return c.append(b, &p, lost) })
}

// append encodes a packet. It runs under the lock of the spool.
func (c *Writer) append(b []byte, p *Packet, lost uint64) []byte {
	c.last = p.Time
	start := len(b)
	b = appendPacketHead(b, p.Time)
	ip := len(b)
	b, sctp := p.appendIP(b)
	if c.redactor != nil {
		c.redactor.redact(b[sctp:])
	}
	if p.Local.Port() != 0 || p.Remote.Port() != 0 {
		setUDPChecksum(b, ip, sctp)
	}
	length := len(b) - ip
	if snap := c.o.SnapLen; snap > 0 && length > snap {
		b = b[:ip+snap]
	}
	return endPacket(b, start, length, p.Out, lost)
}

// Dropped returns how many packets are missing from the file.
func (c *Writer) Dropped() uint64 { return c.spool.Dropped() }

// Close writes what waits and ends the file. No stack should use the Writer any more;
// what still comes is dropped. The error is the first of the underlying writer. Close
// is idempotent.
func (c *Writer) Close() error {
	c.closing.Do(func() {
		dropped := c.Dropped()
		if c.err = c.spool.Close(); c.err == nil {
			_, c.err = c.w.Write(appendStats(nil, c.last, dropped))
		}
	})
	return c.err
}
