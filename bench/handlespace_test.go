package bench

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// BenchmarkHandlespace measures what a registrar does with one pool of 100, 1,000, 10,000
// and 100,000 elements: registration from nothing to the full pool, re-registration
// with another policy value and with nothing changed, handle resolution of three
// items and of one, expiry, and deregistration of the full pool to nothing. The
// identifiers are random, each element has one IPv4 address.
func BenchmarkHandlespace(b *testing.B) {
	for _, typ := range []rserpool.PolicyType{
		rserpool.RoundRobin, rserpool.LeastUsed, rserpool.LeastUsedDegradation, rserpool.WeightedRandom, rserpool.WeightedRoundRobin,
	} {
		for _, n := range []int{100, 1_000, 10_000, 100_000} {
			els := handlespaceElements(typ, n)
			prefix := fmt.Sprintf("%s/%d/", typ, n)
			b.Run(prefix+"register", func(b *testing.B) { benchRegister(b, els) })
			b.Run(prefix+"reregister", func(b *testing.B) { benchReregister(b, els, 1) })
			b.Run(prefix+"refresh", func(b *testing.B) { benchReregister(b, els, 0) })
			b.Run(prefix+"select3", func(b *testing.B) { benchSelect(b, els, 3) })
			b.Run(prefix+"select1", func(b *testing.B) { benchSelect(b, els, 1) })
			b.Run(prefix+"expiry", func(b *testing.B) { benchExpiry(b, els) })
			b.Run(prefix+"deregister", func(b *testing.B) { benchDeregister(b, els) })
		}
	}
}

const benchPool rserpool.PoolHandle = "BenchmarkPool"

var benchStart = time.Unix(1_000_000, 0)

// handlespaceElements returns n elements in random order.
func handlespaceElements(typ rserpool.PolicyType, n int) []rserpool.PoolElement {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	seen := map[rserpool.PEID]bool{0: true}
	els := make([]rserpool.PoolElement, n)
	for i := range els {
		id := rserpool.PEID(0)
		for seen[id] {
			id = rserpool.PEID(rnd.Uint32())
		}
		seen[id] = true
		els[i] = rserpool.PoolElement{
			ID:     id,
			Home:   0x1111,
			Life:   30_000,
			Policy: rserpool.Policy{Type: typ, Weight: 1 + rnd.Uint32N(10), Load: rnd.Uint32(), LoadDegradation: rnd.Uint32() >> 8},
			User: rserpool.Transport{
				Protocol: rserpool.ProtoSCTP,
				Port:     7,
				Addrs:    []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
			},
		}
	}
	return els
}

// handlespaceOf returns a Space with all of els registered.
func handlespaceOf(b *testing.B, els []rserpool.PoolElement) *handlespace.Space {
	s := handlespace.New(handlespace.Options{})
	for _, pe := range els {
		if _, err := s.Register(benchStart, benchPool, pe); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// meter measures by the time of processors, its own and the garbage collector's, so that
// other work on the machine does not count.
type meter struct {
	b    *testing.B
	used time.Duration
	from time.Duration
}

func begin(b *testing.B) *meter {
	b.ReportAllocs()
	return &meter{b: b, from: processorTime()}
}

// pause stops the clocks while the next round is prepared.
func (m *meter) pause() {
	m.used += processorTime() - m.from
	m.b.StopTimer()
}

func (m *meter) resume() {
	m.b.StartTimer()
	m.from = processorTime()
}

func (m *meter) report() {
	m.used += processorTime() - m.from
	m.b.ReportMetric(float64(m.b.N)/m.used.Seconds(), "op/s")
}

func reportRate(b *testing.B) {
	b.ReportAllocs()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func benchRegister(b *testing.B, els []rserpool.PoolElement) {
	s, i := handlespaceOf(b, nil), 0
	m := begin(b)
	for b.Loop() {
		if i == len(els) {
			m.pause()
			s, i = handlespaceOf(b, nil), 0
			m.resume()
		}
		if _, err := s.Register(benchStart, benchPool, els[i]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	m.report()
}

// benchReregister changes the weight and the load by delta each time an element's
// turn comes.
func benchReregister(b *testing.B, els []rserpool.PoolElement, delta uint32) {
	s, i, round := handlespaceOf(b, els), 0, uint32(0)
	m := begin(b)
	for b.Loop() {
		if i == len(els) {
			i = 0
			round++
		}
		if i == 0 {
			round++
		}
		pe := els[i]
		pe.Policy.Weight = 1 + (pe.Policy.Weight+round*delta)%10
		pe.Policy.Load += round * delta * 0x10000001
		if _, err := s.Register(benchStart, benchPool, pe); err != nil {
			b.Fatal(err)
		}
		i++
	}
	m.report()
}

func benchSelect(b *testing.B, els []rserpool.PoolElement, n int) {
	s := handlespaceOf(b, els)
	dst := make([]rserpool.PoolElement, 0, n)
	m := begin(b)
	for b.Loop() {
		if got, _, _ := s.AppendSelect(dst, benchPool, n, nil); len(got) != n {
			b.Fatal("too few elements")
		}
	}
	m.report()
}

func benchExpiry(b *testing.B, els []rserpool.PoolElement) {
	s, i := handlespaceOf(b, els), 0
	m := begin(b)
	for b.Loop() {
		s.SetExpiry(benchPool, els[i%len(els)].ID, benchStart.Add(time.Duration(i)*time.Millisecond))
		i++
	}
	m.report()
}

func benchDeregister(b *testing.B, els []rserpool.PoolElement) {
	s, i := handlespaceOf(b, els), 0
	m := begin(b)
	for b.Loop() {
		if i == len(els) {
			m.pause()
			s, i = handlespaceOf(b, els), 0
			m.resume()
		}
		if _, ok := s.Deregister(benchPool, els[i].ID); !ok {
			b.Fatal("element is gone")
		}
		i++
	}
	m.report()
}

// BenchmarkHandlespaceParallel selects from 64 pools of 100 elements in as many
// goroutines as there are processors, alone and while another one re-registers
// elements without a pause.
func BenchmarkHandlespaceParallel(b *testing.B) {
	const pools, perPool = 64, 100
	els := handlespaceElements(rserpool.LeastUsed, pools*perPool)
	handle := func(i int) rserpool.PoolHandle { return rserpool.PoolHandle(fmt.Sprint("pool ", i%pools)) }
	for _, writers := range []int{0, 1} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := handlespace.New(handlespace.Options{})
			for i, pe := range els {
				if _, err := s.Register(benchStart, handle(i), pe); err != nil {
					b.Fatal(err)
				}
			}
			stop := make(chan struct{})
			var writing sync.WaitGroup
			for range writers {
				writing.Go(func() { churn(s, els, handle, stop) })
			}
			var next atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				dst, h := make([]rserpool.PoolElement, 0, 3), handle(int(next.Add(1)))
				for pb.Next() {
					s.AppendSelect(dst, h, 3, nil)
				}
			})
			close(stop)
			writing.Wait()
			reportRate(b)
		})
	}
}

// churn registers elements again with other loads until stop is closed.
func churn(s *handlespace.Space, els []rserpool.PoolElement, handle func(int) rserpool.PoolHandle, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		pe := els[i%len(els)]
		pe.Policy.Load += uint32(i)
		_, _ = s.Register(benchStart, handle(i%len(els)), pe)
	}
}
