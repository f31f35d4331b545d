package rx

import "github.com/rserpool/rserpool/sctp/wire"

// Read copies the oldest readable message, or as much of it as fits buf, and
// takes it out of the inbox. ok is false if nothing is readable.
func (x *Inbox) Read(buf []byte) (info Info, n int, ok bool) {
	if s := x.oldest(); s != nil {
		return x.read(s, buf)
	}
	return Info{}, 0, false
}

// ReadStream is Read for one stream.
func (x *Inbox) ReadStream(id wire.StreamID, buf []byte) (info Info, n int, ok bool) {
	s := x.lookup(id)
	if s == nil {
		return Info{}, 0, false
	}
	return x.read(s, buf)
}

// Peek describes the oldest readable message; n is the bytes that can be read of
// it now.
func (x *Inbox) Peek() (info Info, n int, ok bool) {
	if s := x.oldest(); s != nil {
		return peek(s)
	}
	return Info{}, 0, false
}

// oldest is the stream of the oldest message that can be read: the first in the
// common queue, unless its stream waits for the rest of a partly delivered one.
func (x *Inbox) oldest() *stream {
	for m := x.first; m != nil; m = m.next {
		if s := x.stream(m.info.Stream); s.head.queued {
			return s
		}
	}
	return nil
}

// PeekStream is Peek for one stream.
func (x *Inbox) PeekStream(id wire.StreamID) (info Info, n int, ok bool) {
	s := x.lookup(id)
	if s == nil {
		return Info{}, 0, false
	}
	return peek(s)
}

// lookup finds a stream without making it.
func (x *Inbox) lookup(id wire.StreamID) *stream {
	if x.last != nil && x.last.id == id {
		return x.last
	}
	return x.streams[id]
}

func peek(s *stream) (Info, int, bool) {
	m := s.head
	if m == nil || !m.queued {
		return Info{}, 0, false
	}
	info := m.info
	info.End = m.whole
	return info, m.size, true
}

func (x *Inbox) read(s *stream, buf []byte) (Info, int, bool) {
	m := s.head
	if m == nil || !m.queued {
		return Info{}, 0, false
	}
	info, n := m.info, 0
	for f := m.head; f != nil; f = m.head {
		k := copy(buf[n:], f.data[f.off:])
		n += k
		f.off += k
		if f.off < len(f.data) {
			break
		}
		m.head = f.next
		if m.head == nil {
			m.tail = nil
		}
		x.charged -= len(f.data) + Overhead
		x.user -= len(f.data)
		x.pool.put(f)
	}
	m.size -= n
	if m.head != nil {
		return info, n, true
	}
	x.dequeue(m)
	if !m.whole {
		return info, n, true // the rest is still to come; it stays the stream's head
	}
	info.End = true
	s.head = m.streamNext
	if s.head == nil {
		s.tail = nil
	}
	x.freeMessage(m)
	return info, n, true
}
