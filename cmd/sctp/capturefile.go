package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// frame is one captured packet.
type frame struct {
	data []byte // valid until the next
	at   time.Time
	link linkType
	cut  bool // the capture holds only the begin of the packet
}

// Bounds of what a file may ask for; those of Wireshark are the same or lower.
const (
	maxBlock      = 16 << 20
	maxFrame      = 256 << 10
	maxInterfaces = 1 << 16
)

var errCapture = errors.New("malformed capture file")

// captureFile reads pcap and pcapng files. (pcapgo trusts what it reads: it can be made to
// divide by zero and to allocate gigabytes.)
type captureFile struct {
	r    *bufio.Reader
	body bytes.Buffer

	order      binary.ByteOrder
	link       linkType  // pcap
	units      timeUnits // pcap
	interfaces []captureInterface
}

// captureInterface is an interface of a pcapng section.
type captureInterface struct {
	link  linkType
	snap  uint32
	units timeUnits
}

// openCapture looks at the begin of a file. The function that it returns gives one packet
// after the other, then io.EOF.
func openCapture(in io.Reader) (func() (frame, error), error) {
	c := &captureFile{r: bufio.NewReader(in)}
	magic, err := c.r.Peek(4)
	if err != nil {
		return nil, errors.New("not a capture file: too short")
	}
	switch {
	case binary.BigEndian.Uint32(magic) == blockSection:
		return c.block, nil
	case c.classic(magic):
		return c.record, c.header()
	}
	return nil, errors.New("not a capture file")
}

// read reads n bytes, which are valid until it is called again.
func (c *captureFile) read(n int) ([]byte, error) {
	c.body.Reset()
	got, err := io.CopyN(&c.body, c.r, int64(n))
	if err == io.EOF && got > 0 {
		err = io.ErrUnexpectedEOF
	}
	return c.body.Bytes(), err
}

// rest is read in the middle of something.
func (c *captureFile) rest(n int) ([]byte, error) {
	b, err := c.read(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// classic says whether magic is that of a pcap file, and how it is to be read.
func (c *captureFile) classic(magic []byte) bool {
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch o.Uint32(magic) {
		case 0xa1b2c3d4:
			c.order, c.units = o, timeUnits{perSecond: 1e6}
			return true
		case 0xa1b23c4d:
			c.order, c.units = o, timeUnits{perSecond: 1e9}
			return true
		}
	}
	return false
}

// header reads the head of a pcap file.
func (c *captureFile) header() error {
	b, err := c.rest(24)
	if err == nil {
		c.link = linkType(c.order.Uint32(b[20:]) & 0xffff) // above: length of a checksum
	}
	return err
}

// record reads one packet of a pcap file.
func (c *captureFile) record() (frame, error) {
	b, err := c.read(16)
	if err != nil {
		return frame{}, err
	}
	sec, sub, n, length := c.order.Uint32(b), c.order.Uint32(b[4:]), c.order.Uint32(b[8:]), c.order.Uint32(b[12:])
	if n > maxFrame {
		return frame{}, fmt.Errorf("%w: a packet of %d bytes", errCapture, n)
	}
	f := frame{at: c.units.time(uint64(sec)*c.units.perSecond + uint64(sub)), link: c.link, cut: n < length}
	f.data, err = c.rest(int(n))
	return f, err
}

// Blocks of a pcapng file (draft-ietf-opsawg-pcapng).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockObsolete  = 2 // a packet
	blockSimple    = 3 // a packet
	blockEnhanced  = 6 // a packet
	byteOrderMagic = 0x1a2b3c4d
)

// block reads blocks of a pcapng file until one is a packet.
func (c *captureFile) block() (frame, error) {
	for {
		head, err := c.read(8)
		if err != nil {
			return frame{}, err
		}
		if binary.BigEndian.Uint32(head) == blockSection { // the same in both orders
			if err := c.section(); err != nil {
				return frame{}, err
			}
		}
		typ, n := c.order.Uint32(head), c.order.Uint32(head[4:])
		if n < 12 || n%4 != 0 || n > maxBlock {
			return frame{}, fmt.Errorf("%w: a block of %d bytes", errCapture, n)
		}
		body, err := c.rest(int(n) - 8)
		if err != nil {
			return frame{}, err
		}
		body = body[:len(body)-4] // the length again
		switch typ {
		case blockInterface:
			err = c.addInterface(body)
		case blockEnhanced, blockObsolete:
			return c.enhanced(typ, body)
		case blockSimple:
			return c.simple(body)
		}
		if err != nil {
			return frame{}, err
		}
	}
}

// section finds out the byte order of a section that begins here.
func (c *captureFile) section() error {
	magic, err := c.r.Peek(4)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	c.interfaces = nil
	switch uint32(byteOrderMagic) {
	case binary.BigEndian.Uint32(magic):
		c.order = binary.BigEndian
	case binary.LittleEndian.Uint32(magic):
		c.order = binary.LittleEndian
	default:
		return fmt.Errorf("%w: unknown byte order", errCapture)
	}
	return nil
}

// addInterface takes an interface description.
func (c *captureFile) addInterface(b []byte) error {
	if len(b) < 8 || len(c.interfaces) == maxInterfaces {
		return fmt.Errorf("%w: interface", errCapture)
	}
	i := captureInterface{link: linkType(c.order.Uint16(b)), snap: c.order.Uint32(b[4:]), units: timeUnits{perSecond: 1e6}}
	for b = b[8:]; len(b) >= 4; {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		if code == 0 || 4+n > len(b) {
			break
		}
		switch v := b[4 : 4+n]; {
		case code == 9 && n == 1:
			i.units.setResolution(v[0])
		case code == 14 && n == 8:
			i.units.offset = int64(c.order.Uint64(v))
		}
		b = b[min(4+(n+3)&^3, len(b)):]
	}
	c.interfaces = append(c.interfaces, i)
	return nil
}

// enhanced takes a packet block with a time.
func (c *captureFile) enhanced(typ uint32, b []byte) (frame, error) {
	if len(b) < 20 {
		return frame{}, fmt.Errorf("%w: packet", errCapture)
	}
	id := c.order.Uint32(b)
	if typ == blockObsolete {
		id = uint32(c.order.Uint16(b)) // and a count of drops
	}
	when := uint64(c.order.Uint32(b[4:]))<<32 | uint64(c.order.Uint32(b[8:]))
	n, length := c.order.Uint32(b[12:]), c.order.Uint32(b[16:])
	if int64(id) >= int64(len(c.interfaces)) || n > maxFrame || int64(n) > int64(len(b)-20) {
		return frame{}, fmt.Errorf("%w: packet", errCapture)
	}
	i := &c.interfaces[id]
	return frame{data: b[20 : 20+n], at: i.units.time(when), link: i.link, cut: n < length}, nil
}

// simple takes a packet block of the first interface, without a time.
func (c *captureFile) simple(b []byte) (frame, error) {
	if len(b) < 4 || len(c.interfaces) == 0 {
		return frame{}, fmt.Errorf("%w: packet", errCapture)
	}
	i := &c.interfaces[0]
	length := c.order.Uint32(b)
	n := min(length, uint32(len(b)-4))
	if i.snap > 0 {
		n = min(n, i.snap)
	}
	if n > maxFrame {
		return frame{}, fmt.Errorf("%w: packet", errCapture)
	}
	return frame{data: b[4 : 4+n], at: time.Unix(0, 0), link: i.link, cut: n < length}, nil
}

// timeUnits is how a file counts time.
type timeUnits struct {
	perSecond uint64
	offset    int64 // seconds
}

// setResolution takes the if_tsresol option: a negative power of 10, or of 2 if the high
// bit is set. One that nothing can be reckoned with is ignored.
func (u *timeUnits) setResolution(v byte) {
	switch e := v &^ 0x80; {
	case v&0x80 != 0 && e < 64:
		u.perSecond = 1 << e
	case v&0x80 == 0 && e < 20:
		u.perSecond = 1
		for range e {
			u.perSecond *= 10
		}
	}
}

// time converts a time of the file.
func (u *timeUnits) time(t uint64) time.Time {
	sec, sub := t/u.perSecond, t%u.perSecond
	hi, lo := bits.Mul64(sub, 1e9)
	ns, _ := bits.Div64(hi, lo, u.perSecond)
	return time.Unix(int64(sec)+u.offset, int64(ns))
}
