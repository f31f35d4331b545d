package simnet

import "net/netip"

// block is a partition: nothing passes from one set of addresses to another. A
// nil set stands for all addresses that are not in the other set.
type block struct{ from, to map[netip.Addr]bool }

// stops says whether the block concerns direction d.
func (b *block) stops(d direction) bool {
	from := b.from[d.from] || b.from == nil && !b.to[d.from]
	to := b.to[d.to] || b.to == nil && !b.from[d.to]
	return from && to
}

// Partition stops all traffic between the addresses a and the addresses b, in
// both directions and at once: what is in flight is lost too. A nil slice stands
// for all addresses that are not in the other one, so Partition(a, nil) isolates
// a from the rest. Partitions add up until Heal.
func (n *Network) Partition(a, b []netip.Addr) {
	n.PartitionOneWay(a, b)
	n.PartitionOneWay(b, a)
}

// PartitionOneWay is Partition for traffic from the addresses from to the
// addresses to only.
func (n *Network) PartitionOneWay(from, to []netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks = append(n.blocks, block{from: addrSet(from), to: addrSet(to)})
}

// Heal removes all partitions. Paths that SetDown took down stay down.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks = nil
}

// SetDown takes the path between a and b down (true) or up again, in both
// directions. What is in flight when it goes down is lost.
func (n *Network) SetDown(a, b netip.Addr, down bool) {
	n.SetDownOneWay(a, b, down)
	n.SetDownOneWay(b, a, down)
}

// SetDownOneWay is SetDown for the direction from → to only.
func (n *Network) SetDownOneWay(from, to netip.Addr, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(direction{from, to}).down = down
}

// cut says whether direction d is interrupted.
func (n *Network) cut(d direction) bool {
	if p := n.paths[d]; p != nil && p.down {
		return true
	}
	for i := range n.blocks {
		if n.blocks[i].stops(d) {
			return true
		}
	}
	return false
}

// addrSet returns the addresses as set, nil for nil.
func addrSet(addrs []netip.Addr) map[netip.Addr]bool {
	if addrs == nil {
		return nil
	}
	set := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		set[a] = true
	}
	return set
}
