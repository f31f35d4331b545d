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

// pool recycles fragments with their buffers, messages and runs, so that a steady
// flow allocates nothing.
type pool struct {
	free     *[len(sizes)]*fragment // by class; nil until there is one
	count    int                    // of them
	pooled   int                    // bytes in their buffers
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

// get returns a fragment with a copy of payload.
func (p *pool) get(payload []byte) *fragment {
	c := classOf(len(payload))
	if c < 0 {
		return &fragment{data: append(make([]byte, 0, len(payload)), payload...)}
	}
	var f *fragment
	if p.free != nil {
		f = p.free[c]
	}
	if f == nil {
		return &fragment{data: append(make([]byte, 0, sizes[c]), payload...)}
	}
	p.free[c] = f.next
	p.count--
	p.pooled -= sizes[c]
	f.data, f.off, f.next = append(f.data, payload...), 0, nil
	return f
}

func (p *pool) put(f *fragment) {
	c := classOf(cap(f.data))
	if c < 0 || cap(f.data) != sizes[c] || p.pooled+sizes[c] > maxPooled || p.count >= maxFree {
		return
	}
	if p.free == nil {
		p.free = new([len(sizes)]*fragment)
	}
	f.data, f.next = f.data[:0], p.free[c]
	p.free[c] = f
	p.count++
	p.pooled += sizes[c]
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

// pooled is the pool, which an idle inbox has not.
func (x *Inbox) pooled() *pool {
	if x.pool == nil {
		x.pool = new(pool)
	}
	return x.pool
}
