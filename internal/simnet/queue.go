package simnet

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// flight is a packet on its way.
type flight struct {
	at   time.Time
	seq  uint64 // order of sending decides between equal times
	hop  direction
	nat  *NAT // inbound translation due on arrival, nil if none
	pack Packet
	sent ends // as the sender addressed the packet
	icmp *carrier.Notice
}

// ends is the source and the destination of a packet.
type ends struct{ from, to netip.AddrPort }

// flights is a heap of packets, earliest arrival first.
type flights []*flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	if f[i].at.Equal(f[j].at) {
		return f[i].seq < f[j].seq
	}
	return f[i].at.Before(f[j].at)
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(*flight)) }
func (f *flights) Pop() any {
	old := *f
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*f = old[:len(old)-1]
	return last
}

// add puts a packet on its way.
func (n *Network) add(f flight) {
	n.seq++
	f.seq = n.seq
	heap.Push(&n.queue, &f)
}

// due takes out the earliest packet that has arrived by now, nil if none.
func (n *Network) due(now time.Time) *flight {
	if len(n.queue) == 0 || n.queue[0].at.After(now) {
		return nil
	}
	return heap.Pop(&n.queue).(*flight)
}
