package rx

// sizes are the classes of fragment buffers in bytes; a larger fragment gets
// memory of its own.
var sizes = [...]int{64, 128, 256, 512, 1024, 1536, 2048, 4096, 9216}

// maxFree bounds the fragments kept in the pool, maxPooled their bytes.
const (
	maxFree   = 4096
	maxPooled = 1 << 20
)

// fragment is the user data of one DATA chunk.
type fragment struct {
	data []byte
	off  int // bytes already read
	tsn  uint32
	next *fragment
}

// pool recycles fragments and their buffers, so that a steady flow allocates
// nothing.
type pool struct {
	frags  *fragment
	count  int
	free   [len(sizes)][][]byte
	pooled int
}

func classOf(n int) int {
	for i, s := range sizes {
		if n <= s {
			return i
		}
	}
	return -1
}

func (p *pool) get(payload []byte) *fragment {
	f := p.frags
	if f == nil {
		f = new(fragment)
	} else {
		p.frags = f.next
		p.count--
	}
	*f = fragment{data: append(p.buffer(len(payload)), payload...)}
	return f
}

func (p *pool) buffer(n int) []byte {
	c := classOf(n)
	if c < 0 {
		return make([]byte, 0, n)
	}
	l := len(p.free[c])
	if l == 0 {
		return make([]byte, 0, sizes[c])
	}
	b := p.free[c][l-1]
	p.free[c][l-1] = nil
	p.free[c] = p.free[c][:l-1]
	p.pooled -= sizes[c]
	return b[:0]
}

func (p *pool) put(f *fragment) {
	c := classOf(cap(f.data))
	if c >= 0 && cap(f.data) == sizes[c] && p.pooled+sizes[c] <= maxPooled {
		p.free[c] = append(p.free[c], f.data)
		p.pooled += sizes[c]
	}
	*f = fragment{}
	if p.count < maxFree {
		f.next = p.frags
		p.frags = f
		p.count++
	}
}

// trim gives the pooled memory back to the garbage collector.
func (p *pool) trim() { *p = pool{} }
