package tx

import "math/bits"

// maxFree bounds the pooled messages: as many as fill a send buffer of the default
// size with small ones.
const maxFree = 8192

// maxSegments bounds the pooled segments besides those that are part of a message.
const maxSegments = 64

// minClass and maxClass are the base-2 logarithms of the buffer sizes: the largest
// holds a segment.
const minClass, maxClass = 6, 16

// maxPooled bounds the bytes kept in the pool.
const maxPooled = 2 << 20

// buffers recycles message memory in power-of-two classes, so that a steady flow
// of messages allocates nothing. It takes no room while nothing is in it.
type buffers struct {
	free  *[maxClass + 1][][]byte
	bytes int
}

func class(n int) int { return max(minClass, bits.Len(uint(n-1))) }

// get returns an empty buffer of at least n bytes of capacity, up to segmentSize.
func (f *buffers) get(n int) []byte {
	c := class(n)
	if f.bytes == 0 {
		return make([]byte, 0, 1<<c)
	}
	if l := len(f.free[c]); l > 0 {
		b := f.free[c][l-1]
		f.free[c][l-1] = nil
		f.free[c] = f.free[c][:l-1]
		f.bytes -= 1 << c
		return b[:0]
	}
	return make([]byte, 0, 1<<c)
}

func (f *buffers) put(b []byte) {
	c := class(cap(b))
	if f.bytes+cap(b) > maxPooled {
		return
	}
	if f.free == nil {
		f.free = new([maxClass + 1][][]byte)
	}
	f.free[c] = append(f.free[c], b)
	f.bytes += cap(b)
}
