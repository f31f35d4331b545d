package pattern

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Checker checks what one end receives of a transfer. It is not safe for
// concurrent use.
type Checker struct {
	seed      uint64
	streams   int
	count     int
	unordered bool
	fixed     int
	next      []uint32 // per stream: messages received
	seen      []bool   // of the unordered stream
	received  int
	want      []byte
}

// NewChecker returns a Checker of a transfer of count messages that the peer
// sends from seed over streams streams; with unordered those of the last stream
// come unordered.
func NewChecker(seed uint64, streams, count int, unordered bool) *Checker {
	c := &Checker{seed: seed, streams: streams, count: count, unordered: unordered, next: make([]uint32, streams)}
	if unordered {
		c.seen = make([]bool, count/streams+1)
	}
	return c
}

// Fixed makes every message of the transfer size bytes long.
func (c *Checker) Fixed(size int) { c.fixed = size }

// Unordered says whether the messages of this stream are sent unordered.
func (c *Checker) Unordered(stream uint16) bool {
	return c.unordered && int(stream) == c.streams-1
}

// Check takes one whole message as it was received, in the order of receipt. It
// returns an error when the message is not one of the transfer, came before, or
// came out of its stream's order.
func (c *Checker) Check(stream uint16, ppid uint32, unordered bool, data []byte) error {
	if int(stream) >= c.streams {
		return fmt.Errorf("pattern: message on stream %d of %d", stream, c.streams)
	}
	if len(data) < MinSize {
		return fmt.Errorf("pattern: message of %d bytes on stream %d", len(data), stream)
	}
	m := Message{Seed: c.seed, Stream: stream, Index: binary.BigEndian.Uint32(data[4:]), Fixed: c.fixed}
	if unordered != c.Unordered(stream) {
		return fmt.Errorf("pattern: %v: unordered is %t", m, unordered)
	}
	if int(m.Index)*c.streams+int(stream) >= c.count {
		return fmt.Errorf("pattern: %v is past the end", m)
	}
	if err := c.sequence(m, unordered); err != nil {
		return err
	}
	if want := m.PPID(); ppid != want {
		return fmt.Errorf("pattern: %v: ppid %08x, not %08x", m, ppid, want)
	}
	if want := m.Size(); len(data) != want {
		return fmt.Errorf("pattern: %v: %d bytes, not %d", m, len(data), want)
	}
	if c.want = m.AppendTo(c.want[:0]); !bytes.Equal(data, c.want) {
		return fmt.Errorf("pattern: %v: wrong content", m)
	}
	c.received++
	return nil
}

func (c *Checker) sequence(m Message, unordered bool) error {
	due := c.next[m.Stream]
	c.next[m.Stream]++
	if !unordered {
		if m.Index != due {
			return fmt.Errorf("pattern: %v where index %d was due", m, due)
		}
		return nil
	}
	if c.seen[m.Index] {
		return fmt.Errorf("pattern: %v came twice", m)
	}
	c.seen[m.Index] = true
	return nil
}

// Received is the number of messages that passed.
func (c *Checker) Received() int { return c.received }

// Done says whether every message of the transfer has passed.
func (c *Checker) Done() bool { return c.received == c.count }
