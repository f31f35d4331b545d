package handlespace_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// 100,000 elements in one pool, once for each kind of data structure behind the
// policies: everything a registrar does with them, each thing once. Quadratic
// behaviour anywhere would take minutes.
func TestHundredThousandElements(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	for _, typ := range []rserpool.PolicyType{rserpool.WeightedRoundRobin, rserpool.WeightedRandom} {
		s := handlespace.New(handlespace.Options{})
		for i := range uint32(n) {
			id := rserpool.PEID(i*2654435761 | 1) // scattered; pairs collide and re-register
			pe := withPolicy(id, typ, 1+i%100)
			pe.Home = rserpool.RegistrarID(1 + i%2)
			if _, err := s.Register(t0, "pool", pe); err != nil {
				require.NoError(t, err)
			}
			s.SetExpiry("pool", id, t0.Add(time.Duration(i%1000)*time.Second))
		}
		_, count := s.Len()
		require.Greater(t, count, n/2)
		dst := make([]rserpool.PoolElement, 0, 3)
		for range n {
			got, _, _ := s.AppendSelect(dst, "pool", 3, nil)
			if len(got) != 3 {
				require.Len(t, got, 3)
			}
		}
		listed := 0
		for c, more := (handlespace.Cursor{}), true; more; {
			var page []handlespace.PoolEntry
			page, c, more = s.Page(0, c, 128, 0)
			listed += len(page[0].Elements)
		}
		require.Equal(t, count, listed)
		s.Mark(1)
		require.Equal(t, count, s.OwnedLen(2)+len(s.TakeOver(1, 2)))
		require.Equal(t, count, s.OwnedLen(2))
		early := s.Expire(t0.Add(499 * time.Second))
		require.Greater(t, len(early), count/3)
		s.Mark(2)
		require.Equal(t, count, len(early)+len(s.Sweep(2)))
		pools, elements := s.Len()
		require.Zero(t, pools+elements)
		require.EqualValues(t, 0xffff, s.Checksum(2))
	}
}

// Many pools of one element are as good as one pool of many.
func TestManyPools(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	const n = 20_000
	for i := range n {
		register(t, s, rserpool.PoolHandle(fmt.Sprint("pool ", i)), element(1, rserpool.RegistrarID(i)))
	}
	require.Len(t, s.Pools(), n)
	require.Len(t, s.Owners(), n)
	for i := range n {
		_, ok := s.Deregister(rserpool.PoolHandle(fmt.Sprint("pool ", i)), 1)
		require.True(t, ok)
	}
	require.Empty(t, s.Pools())
}

// Readers, selections and writers at the same time; -race looks for what is wrong,
// the readers for half-made states.
func TestConcurrentReadersAndWriters(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	types := rserpool.PolicyTypes()
	handle := func(i int) rserpool.PoolHandle { return rserpool.PoolHandle(types[i%len(types)].String()) }
	const steps, idle = 400, 20
	for i := range types {
		for id := range rserpool.PEID(idle) {
			register(t, s, handle(i), withPolicy(id+1000, types[i], 1+uint32(id)))
		}
	}
	var wg sync.WaitGroup
	for w := range 2 { // writers: elements 1 to 50 come, change, move and go
		wg.Go(func() {
			for i := range steps {
				id := rserpool.PEID(1 + (i*7+w)%50)
				pe := withPolicy(id, types[i%len(types)], uint32(i))
				pe.Home = rserpool.RegistrarID(1 + i%3)
				pe.User = transport(fmt.Sprintf("192.0.2.%d", i%200))
				_, _ = s.Register(t0, handle(i), pe)
				s.SetExpiry(handle(i), id, t0.Add(time.Duration(i)*time.Second))
				s.SetOwner(handle(i+1), id, 9)
				s.Deregister(handle(i+2), id)
				switch i % 40 {
				case 0:
					s.Expire(t0.Add(time.Duration(i/2) * time.Second))
				case 10:
					s.TakeOver(9, 2)
				case 20:
					s.Mark(2)
				case 30:
					s.Sweep(3)
				}
			}
		})
	}
	for range 2 { // readers
		wg.Go(func() {
			for i := range steps {
				got, _, ok := s.Select(handle(i), 5)
				if !ok || len(got) != 5 {
					t.Errorf("%d selected of %s", len(got), handle(i))
				}
				info, els, _ := s.Pool(handle(i))
				if info.Elements != len(els) || len(els) < idle {
					t.Errorf("pool of %d says %d", len(els), info.Elements)
				}
				for _, e := range els {
					if !e.User.Addrs[0].IsValid() || e.Handle != handle(i) {
						t.Errorf("half an element: %v", e)
					}
				}
				s.Get(handle(i), 1)
				s.Checksum(2)
				s.NextExpiry()
				s.Owned(1)
				s.Pools()
				s.Page(0, handlespace.Cursor{}, 10, 0)
			}
		})
	}
	wg.Wait()
}
