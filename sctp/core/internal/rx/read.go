package rx

import "github.com/rserpool/rserpool/sctp/wire"

// Read copies the oldest readable message, or as much of it as fits buf, and
// takes it out of the inbox. ok is false if nothing is readable.
func (x *Inbox) Read(buf []byte) (info Info, n int, ok bool) {
	n, ok = x.ReadInto(&info, buf)
	return info, n, ok
}

// ReadInto is Read with a place for the description.
func (x *Inbox) ReadInto(info *Info, buf []byte) (n int, ok bool) {
	if x.first == nil {
		return 0, false
	}
	return x.read(x.stream(x.first.info.Stream), info, buf)
}

// ReadStream is Read for one stream.
func (x *Inbox) ReadStream(id wire.StreamID, buf []byte) (info Info, n int, ok bool) {
	s := x.streams.lookup(id)
	if s == nil {
		return Info{}, 0, false
	}
	n, ok = x.read(s, &info, buf)
	return info, n, ok
}

// Peek describes the oldest readable message; n is the bytes that can be read of
// it now.
func (x *Inbox) Peek() (info Info, n int, ok bool) {
	return peek(x.first)
}

// PeekStream is Peek for one stream.
func (x *Inbox) PeekStream(id wire.StreamID) (info Info, n int, ok bool) {
	s := x.streams.lookup(id)
	if s == nil {
		return Info{}, 0, false
	}
	return peek(s.head)
}

func peek(m *message) (Info, int, bool) {
	if m == nil || !m.queued {
		return Info{}, 0, false
	}
	info := m.info
	info.End = m.whole
	return info, m.parts.size, true
}

// read reads from the oldest message of a stream, which is the oldest of all if
// the stream has it queued: a stream's messages are queued in their order, and
// those behind one under partial delivery are not queued before it is complete.
func (x *Inbox) read(s *stream, info *Info, buf []byte) (int, bool) {
	m := s.head
	if m == nil || !m.queued {
		return 0, false
	}
	n := x.copy(&m.parts, buf)
	m.begun = true
	*info = m.info
	if m.parts.head != nil {
		return n, true
	}
	x.dequeue(m)
	if !m.whole {
		return n, true // the rest is still to come; it stays the stream's head
	}
	info.End = true
	s.head = m.streamNext
	if s.head == nil {
		s.tail = nil
	}
	x.pooled().putMessage(m)
	return n, true
}

// copy moves bytes out of a chain and frees the fragments that are used up.
func (x *Inbox) copy(c *chain, buf []byte) int {
	n := 0
	for f := c.head; f != nil; f = c.head {
		k := copy(buf[n:], f.data[f.off:])
		n += k
		f.off += k
		if f.off < len(f.data) {
			break
		}
		c.head = f.next
		if c.head == nil {
			c.tail = nil
		}
		x.charged -= len(f.data) + Overhead
		x.user -= len(f.data)
		x.pooled().put(f)
	}
	c.size -= n
	return n
}
