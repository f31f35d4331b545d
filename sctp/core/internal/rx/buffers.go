package rx

// sizes are the classes of fragment buffers in bytes; a larger fragment gets
// memory of its own.
var sizes = [...]int{64, 128, 256, 512, 1024, 1536, 2048, 4096, 9216}

// maxFree bounds the fragments, messages and runs kept in the pool, maxPooled the
// bytes of the fragments.
const (
	maxFree   = 8192
	maxPooled = 1 << 20
)

// fragment is the user data of one DATA chunk.
type fragment struct {
	data []byte
	off  int // bytes already read
	next *fragment
}

// chain is fragments in their order.
type chain struct {
	head, tail *fragment
	size       int // bytes not read yet
}

func (c *chain) append(f *fragment) {
	if c.tail == nil {
		c.head = f
	} else {
		c.tail.next = f
	}
	c.tail = f
	c.size += len(f.data)
}

// join moves the fragments of o behind those of c.
func (c *chain) join(o *chain) {
	if o.head == nil {
		return
	}
	if c.tail == nil {
		c.head = o.head
	} else {
		c.tail.next = o.head
	}
	c.tail = o.tail
	c.size += o.size
	*o = chain{}
}

// pool recycles fragments and their buffers, messages and runs, so that a steady
// flow allocates nothing.
type pool struct {
	frags    *fragment
	count    int
	free     *[len(sizes)][][]byte // nil until there is one
	pooled   int
	messages *message
	msgCount int
	runs     []*run
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
	if p.pooled == 0 || len(p.free[c]) == 0 {
		return make([]byte, 0, sizes[c])
	}
	l := len(p.free[c])
	b := p.free[c][l-1]
	p.free[c][l-1] = nil
	p.free[c] = p.free[c][:l-1]
	p.pooled -= sizes[c]
	return b[:0]
}

func (p *pool) put(f *fragment) {
	c := classOf(cap(f.data))
	if c >= 0 && cap(f.data) == sizes[c] && p.pooled+sizes[c] <= maxPooled {
		if p.free == nil {
			p.free = new([len(sizes)][][]byte)
		}
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

func (p *pool) message() *message {
	m := p.messages
	if m == nil {
		return new(message)
	}
	p.messages = m.next
	p.msgCount--
	*m = message{}
	return m
}

func (p *pool) putMessage(m *message) {
	*m = message{}
	if p.msgCount < maxFree {
		m.next = p.messages
		p.messages = m
		p.msgCount++
	}
}

func (p *pool) run() *run {
	n := len(p.runs)
	if n == 0 {
		return new(run)
	}
	r := p.runs[n-1]
	p.runs[n-1] = nil
	p.runs = p.runs[:n-1]
	return r
}

func (p *pool) putRun(r *run) {
	*r = run{}
	if len(p.runs) < maxFree {
		p.runs = append(p.runs, r)
	}
}

// trim gives the pooled memory back to the garbage collector.
func (p *pool) trim() { *p = pool{} }
