//go:build interop

package interop

import (
	"fmt"
	"testing"
	"time"
)

// Messages of 1 MiB fit the buffers of both ends; those of 8 MiB fit none, so that
// both ends deliver them in parts (RFC 9260 §6.9).
func TestLargeMessages(t *testing.T) {
	for _, size := range []int{1 << 20, 8 << 20} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n := newKernel(t), newNode(t)
				x := large(size)
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

// large is a transfer of 16 MiB each way in messages of one size.
func large(size int) transfer {
	x := sized((16 << 20) / size)
	x.size, x.streams, x.unordered = size, 2, false
	x.sndbuf, x.rcvbuf = 2*size, 1<<20
	return x
}
