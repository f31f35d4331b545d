package handlespace_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// heap is what is in use on the heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An element with an address, an ASAP transport and an expiry takes less than 1 KiB
// in a pool of many and less than 2 KiB in a pool of its own, whatever the policy;
// afterwards nothing is left.
func TestMemoryPerElement(t *testing.T) {
	for _, c := range []struct {
		typ           rserpool.PolicyType
		pools, n, max int
	}{
		{rserpool.RoundRobin, 1, 5_000, 1024},
		{rserpool.WeightedRoundRobin, 1, 5_000, 1024},
		{rserpool.WeightedRandom, 1, 5_000, 1024},
		{rserpool.LeastUsedDegradation, 1, 5_000, 1024},
		{rserpool.RoundRobin, 500, 5_000, 1024},
		{rserpool.WeightedRoundRobin, 2_000, 2_000, 2048},
	} {
		before := heap()
		s := handlespace.New(handlespace.Options{})
		key := func(i int) (rserpool.PoolHandle, rserpool.PEID) {
			return rserpool.PoolHandle(fmt.Sprintf("pool %d", i%c.pools)), rserpool.PEID(uint32(i)*2654435761 | 1)
		}
		for i := range c.n {
			h, id := key(i)
			pe := withPolicy(id, c.typ, 1)
			at := rserpool.Transport{
				Protocol: rserpool.ProtoSCTP, Port: 7,
				Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
			}
			asap := at.Clone()
			pe.User, pe.ASAP = at, &asap
			register(t, s, h, pe)
			s.SetExpiry(h, id, t0.Add(time.Duration(i)*time.Second))
		}
		_, n := s.Len()
		require.Less(t, int(heap()-before)/n, c.max, "bytes for each of %d elements in %d pools, %s", n, c.pools, c.typ)
		for i := range c.n {
			s.Deregister(key(i))
		}
		require.Less(t, int64(heap())-int64(before), int64(1<<20), "left over, %s", c.typ)
		runtime.KeepAlive(s)
	}
}
