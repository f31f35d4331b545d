//go:build interop

package interop

import (
	"fmt"
	"testing"
	"time"
)

// Messages of 1 MiB fit the buffers of both ends; those of 8 and 24 MiB fit none, so
// that both ends deliver them in parts (RFC 9260 §6.9). We send the largest in pieces,
// which need not fit our memory.
func TestLargeMessages(t *testing.T) {
	for _, c := range []struct{ size, piece int }{{1 << 20, 0}, {8 << 20, 0}, {24 << 20, 100_000}} {
		t.Run(fmt.Sprintf("%d MiB", c.size>>20), func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n := newKernel(t), newNode(t)
				x := large(c.size)
				x.piece = c.piece
				a := x.play(within(t, 2*time.Minute), t, role, n.stack(t, n.addr()), nil, k,
					[]string{n.addr()}, []string{k.addr()})
				t.Logf("%+v", a.Stats())
			})
		})
	}
}

func TestLargeMessagesWithUsrsctp(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		n, u := newNode(t), newUsrsctp(t)
		x := large(1 << 20)
		x.rcvbuf = 0 // its own
		x.play(within(t, 2*time.Minute), t, role, n.stack(t, n.addr()), nil, u, []string{n.addr()}, []string{u.addr()})
	})
}

// large is a transfer of 16 MiB each way, or of one larger message, in messages of one
// size.
func large(size int) transfer {
	x := sized(max((16<<20)/size, 1))
	x.size, x.streams, x.unordered = size, 2, false
	x.sndbuf, x.rcvbuf = min(2*size, 32<<20), 1<<20
	return x
}
