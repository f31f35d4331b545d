package tx

import "math/bits"

// maxFree bounds the pooled messages: as many as fill a send buffer of the default
// size with small ones.
const maxFree = 8192

// maxSegments bounds the pooled segments besides those that are part of a message.
const maxSegments = 64

// minClass is the base-2 logarithm of the smallest buffer size. The largest holds a
// segment.
const minClass = 6

// maxPooled bounds the bytes kept in the pool.
const maxPooled = 2 << 20

// buffers recycles message memory in power-of-two classes, so that a steady flow
// of messages allocates nothing. It takes no room while nothing is in it.
type buffers struct {
	free  [][][]byte // by class, from minClass up to the largest that was used
	bytes int
}

func class(n int) int { return max(minClass, bits.Len(uint(n-1))) }

// get returns an empty buffer of at least n bytes of capacity, up to segmentSize.
func (f *buffers) get(n int) []byte {
	c := class(n)
	if f.bytes == 0 {
		return make([]byte, 0, 1<<c)
	}
	if i := c - minClass; i < len(f.free) {
		if l := len(f.free[i]); l > 0 {
			b := f.free[i][l-1]
			f.free[i][l-1] = nil
			f.free[i] = f.free[i][:l-1]
			f.bytes -= 1 << c
			return b[:0]
		}
	}
	return make([]byte, 0, 1<<c)
}

func (f *buffers) put(b []byte) {
	i := class(cap(b)) - minClass
	if f.bytes+cap(b) > maxPooled {
		return
	}
	if i >= len(f.free) {
		f.free = append(make([][][]byte, 0, i+1), f.free...)[:i+1]
	}
	f.free[i] = append(f.free[i], b)
	f.bytes += cap(b)
}
