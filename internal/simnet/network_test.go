package simnet_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
	addrC = netip.MustParseAddr("192.0.2.3")
	portA = netip.AddrPortFrom(addrA, 9899)
	portB = netip.AddrPortFrom(addrB, 9899)
	portC = netip.AddrPortFrom(addrC, 9899)
	epoch = time.Unix(1000, 0)
)

// payload returns a payload of size bytes that starts with the number i.
func payload(i, size int) []byte {
	return append(fmt.Appendf(nil, "%08d", i), make([]byte, max(size-8, 0))...)
}

// sendMany sends count packets from A to B, one every gap.
func sendMany(n *simnet.Network, count, size int, gap time.Duration) {
	for i := range count {
		n.Send(epoch.Add(time.Duration(i)*gap), portA, carrier.Datagram{Remote: portB, Data: payload(i, size)})
	}
}

// drain delivers everything and returns the payload numbers in order of arrival.
func drain(t *testing.T, n *simnet.Network) (order []string, last time.Time) {
	t.Helper()
	for when, ok := n.Next(); ok; when, ok = n.Next() {
		require.False(t, when.Before(last), "time went backwards")
		last = when
		for _, p := range n.Deliver(when) {
			order = append(order, string(p.Data[:8]))
		}
	}
	require.Zero(t, n.InFlight())
	return order, last
}

func TestPerfectLinkDeliversAtOnceAndInOrder(t *testing.T) {
	n := simnet.New(1)
	sendMany(n, 100, 20, 0)
	when, ok := n.Next()
	require.True(t, ok)
	require.Equal(t, epoch, when)
	got := n.Deliver(epoch)
	require.Len(t, got, 100)
	for i, p := range got {
		require.Equal(t, payload(i, 20), p.Data)
		require.Equal(t, portA, p.From)
		require.Equal(t, portB, p.To)
	}
	_, ok = n.Next()
	require.False(t, ok)
	require.Equal(t, 100, n.Count(simnet.Sent))
	require.Equal(t, 100, n.Count(simnet.Delivered))
}

func TestSendCopiesData(t *testing.T) {
	for name, l := range map[string]simnet.Link{"perfect": {}, "shaped": {Bandwidth: 1e6}} {
		n := simnet.New(1)
		n.SetDefaultLink(l)
		b := []byte("original")
		n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: b})
		copy(b, "clobber!")
		require.Equal(t, "original", string(n.Deliver(epoch.Add(time.Hour))[0].Data), name)
	}
}

func TestDelayIsExactAndPerDirection(t *testing.T) {
	n := simnet.New(1)
	n.SetLinkOneWay(addrA, addrB, simnet.Link{Delay: 30 * time.Millisecond})
	n.SetLinkOneWay(addrB, addrA, simnet.Link{Delay: 5 * time.Millisecond})
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte("x")})
	n.Send(epoch, portB, carrier.Datagram{Remote: portA, Data: []byte("y")})

	when, _ := n.Next()
	require.Equal(t, epoch.Add(5*time.Millisecond), when)
	require.Empty(t, n.Deliver(when.Add(-time.Nanosecond)))
	require.Equal(t, "y", string(n.Deliver(when)[0].Data))
	when, _ = n.Next()
	require.Equal(t, epoch.Add(30*time.Millisecond), when)
	require.Equal(t, "x", string(n.Deliver(when)[0].Data))
	require.Equal(t, 30*time.Millisecond, n.Link(addrA, addrB).Delay)
	require.Zero(t, n.Link(addrA, addrC).Delay)
}

func TestLossRateIsAsConfigured(t *testing.T) {
	n := simnet.New(7)
	n.SetLink(addrA, addrB, simnet.Link{Loss: 0.1})
	sendMany(n, 10000, 20, 0)
	order, _ := drain(t, n)
	require.InDelta(t, 9000, len(order), 150) // five standard deviations
	require.Equal(t, 10000, len(order)+n.Count(simnet.Lost))
}

func TestCertainLossLosesAll(t *testing.T) {
	n := simnet.New(7)
	n.SetLink(addrA, addrB, simnet.Link{Loss: 1})
	sendMany(n, 100, 20, 0)
	require.Zero(t, n.InFlight())
	require.Equal(t, 100, n.Count(simnet.Lost))
}

func TestLossBurstsHaveTheMeanLength(t *testing.T) {
	n := simnet.New(7)
	n.SetLink(addrA, addrB, simnet.Link{Loss: 0.01, LossBurst: 5})
	bursts, inBurst := 0, false
	n.Observe(func(e simnet.Event) {
		switch {
		case e.Kind == simnet.Lost && !inBurst:
			bursts, inBurst = bursts+1, true
		case e.Kind == simnet.Delivered:
			inBurst = false
		}
	})
	for i := range 50000 {
		n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: payload(i, 8)})
		n.Deliver(epoch)
	}
	require.InDelta(t, 5, float64(n.Count(simnet.Lost))/float64(bursts), 0.7)
}

func TestDuplicatesArriveTwice(t *testing.T) {
	n := simnet.New(3)
	n.SetLink(addrA, addrB, simnet.Link{Duplicate: 0.2, Delay: time.Millisecond, Jitter: time.Millisecond})
	sendMany(n, 5000, 20, 0)
	order, _ := drain(t, n)
	require.InDelta(t, 6000, len(order), 200)
	require.Equal(t, 5000+n.Count(simnet.Duplicated), len(order))
	count := map[string]int{}
	for _, id := range order {
		count[id]++
		require.LessOrEqual(t, count[id], 2)
	}
	require.Len(t, count, 5000)
}

func TestJitterAloneNeverReorders(t *testing.T) {
	n := simnet.New(3)
	n.SetLink(addrA, addrB, simnet.Link{Delay: time.Millisecond, Jitter: 20 * time.Millisecond})
	sendMany(n, 1000, 20, 100*time.Microsecond)
	order, last := drain(t, n)
	require.Len(t, order, 1000)
	require.IsIncreasing(t, order)
	require.LessOrEqual(t, last, epoch.Add(100*time.Millisecond+21*time.Millisecond))
}

func TestReorderHoldsPacketsBack(t *testing.T) {
	n := simnet.New(3)
	n.SetLink(addrA, addrB, simnet.Link{Delay: time.Millisecond, Reorder: 0.1, ReorderDelay: 5 * time.Millisecond})
	sendMany(n, 1000, 20, time.Millisecond)
	order, _ := drain(t, n)
	require.Len(t, order, 1000)
	overtaken := 0
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			overtaken++
		}
	}
	require.Positive(t, overtaken)
	require.InDelta(t, 100, n.Count(simnet.Reordered), 50)
	require.LessOrEqual(t, overtaken, n.Count(simnet.Reordered))
}

func TestCorruptionFlipsExactlyOneBit(t *testing.T) {
	n := simnet.New(3)
	n.SetLink(addrA, addrB, simnet.Link{Corrupt: 1})
	want := bytes.Repeat([]byte{0x5a}, 64)
	for range 100 {
		n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: want})
		got := n.Deliver(epoch)[0].Data
		flipped := 0
		for i := range want {
			flipped += bits.OnesCount8(got[i] ^ want[i])
		}
		require.Equal(t, 1, flipped)
	}
	n.Send(epoch, portA, carrier.Datagram{Remote: portB})
	require.Empty(t, n.Deliver(epoch)[0].Data)
	require.Equal(t, bytes.Repeat([]byte{0x5a}, 64), want, "the sender's bytes stay")
}

func TestDuplicateOfACorruptedPacketIsGood(t *testing.T) {
	n := simnet.New(3)
	n.SetLink(addrA, addrB, simnet.Link{Corrupt: 1, Duplicate: 1})
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte("payload")})
	got := n.Deliver(epoch)
	require.Len(t, got, 2)
	require.NotEqual(t, "payload", string(got[0].Data))
	require.Equal(t, "payload", string(got[1].Data))
}

func TestMTUDropsAndTells(t *testing.T) {
	for _, tc := range []struct {
		a, b   string
		header int
	}{{"192.0.2.1:1", "192.0.2.2:2", 28}, {"[2001:db8::1]:1", "[2001:db8::2]:2", 48}} {
		a, b := netip.MustParseAddrPort(tc.a), netip.MustParseAddrPort(tc.b)
		n := simnet.New(1)
		n.SetLink(a.Addr(), b.Addr(), simnet.Link{MTU: 1280})
		var events []simnet.Event
		n.Observe(func(e simnet.Event) {
			if e.Kind == simnet.TooBig {
				events = append(events, e)
			}
		})
		n.Send(epoch, a, carrier.Datagram{Remote: b, Data: make([]byte, 1280-tc.header)})
		require.Len(t, n.Deliver(epoch), 1)
		n.Send(epoch, a, carrier.Datagram{Remote: b, Data: make([]byte, 1281-tc.header)})
		require.Empty(t, n.Deliver(epoch))
		require.Len(t, events, 1)
		require.Equal(t, 1280, events[0].MTU)
		require.Equal(t, 1281, events[0].Packet.Size())
		require.Contains(t, events[0].String(), "mtu=1280")
	}
}

func TestBandwidthSpacesPacketsAndQueueDrops(t *testing.T) {
	n := simnet.New(1)
	// Packets of 1000 bytes with headers at 1 MB/s: one per millisecond.
	n.SetLink(addrA, addrB, simnet.Link{Bandwidth: 1e6, Queue: 10000, Delay: 7 * time.Millisecond})
	sendMany(n, 30, 1000-28, 0)
	order, last := drain(t, n)
	require.Len(t, order, 10)
	require.Equal(t, 20, n.Count(simnet.QueueFull))
	require.Equal(t, epoch.Add(17*time.Millisecond), last)

	// The queue has drained: the link takes packets again.
	n.Send(epoch.Add(time.Second), portA, carrier.Datagram{Remote: portB, Data: payload(0, 1000-28)})
	when, _ := n.Next()
	require.Equal(t, epoch.Add(time.Second+8*time.Millisecond), when)
}

func TestECNMarksOnlyCapablePacketsInALongQueue(t *testing.T) { // RFC 3168 §5
	n := simnet.New(1)
	n.SetLink(addrA, addrB, simnet.Link{Bandwidth: 1e6, MarkAt: 1500})
	for i := range 6 {
		n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: payload(i, 1000), ECN: 2 * uint8(i%2)})
	}
	var ecn []uint8
	for _, p := range n.Deliver(epoch.Add(time.Hour)) {
		ecn = append(ecn, p.ECN)
	}
	require.Equal(t, []uint8{0, 2, 0, 3, 0, 3}, ecn)
	require.Equal(t, 2, n.Count(simnet.Marked))
}

func TestGSODatagramsAreSplit(t *testing.T) {
	n := simnet.New(1)
	data := bytes.Repeat([]byte("abcd"), 5)
	n.Send(epoch, portA, carrier.Datagram{Local: addrC, Remote: portB, Data: data, SegmentSize: 8, ECN: 2})
	got := n.Deliver(epoch)
	require.Len(t, got, 3)
	require.Equal(t, []int{8, 8, 4}, []int{len(got[0].Data), len(got[1].Data), len(got[2].Data)})
	for _, p := range got {
		require.Equal(t, portC, p.From, "Local replaces the source address")
		require.Equal(t, uint8(2), p.ECN)
		d := p.Datagram()
		require.Equal(t, addrB, d.Local)
		require.Equal(t, portC, d.Remote)
		require.Equal(t, p.Data, d.Data)
	}
}

func TestFilterDropsOnePacket(t *testing.T) {
	n := simnet.New(1)
	count := 0
	n.SetFilter(func(_ time.Time, p simnet.Packet) bool {
		count++
		return count != 3
	})
	sendMany(n, 5, 8, 0)
	order, _ := drain(t, n)
	require.Equal(t, []string{"00000000", "00000001", "00000003", "00000004"}, order)
	require.Equal(t, 1, n.Count(simnet.Filtered))
	n.SetFilter(nil)
	sendMany(n, 5, 8, 0)
	order, _ = drain(t, n)
	require.Len(t, order, 5)
}

func TestImpossibleAddressesHaveNoRoute(t *testing.T) {
	n := simnet.New(1)
	for _, to := range []netip.AddrPort{{}, netip.MustParseAddrPort("[2001:db8::1]:9899")} {
		n.Send(epoch, portA, carrier.Datagram{Remote: to, Data: []byte("x")})
	}
	n.Send(epoch, netip.AddrPort{}, carrier.Datagram{Remote: portB, Data: []byte("x")})
	require.Zero(t, n.InFlight())
	require.Equal(t, 3, n.Count(simnet.NoRoute))
}

// trace runs a busy scenario and returns everything that happened.
func trace(seed uint64, chatter bool) string {
	var b strings.Builder
	n := simnet.New(seed)
	n.SetDefaultLink(simnet.Link{
		Loss: 0.1, LossBurst: 2, Duplicate: 0.05, Reorder: 0.1, Corrupt: 0.05, Delay: 10 * time.Millisecond,
		Jitter: 5 * time.Millisecond, Bandwidth: 2e6, Queue: 20000, MarkAt: 5000, MTU: 1300,
	})
	n.Observe(func(e simnet.Event) {
		if e.Packet.From == portA {
			fmt.Fprintf(&b, "%s %x\n", e, e.Packet.Data)
		}
	})
	now := epoch
	for i := range 500 {
		n.Send(now, portA, carrier.Datagram{Remote: portB, Data: payload(i, 8+i*3), ECN: 1, MayFragment: i%2 == 0})
		if chatter {
			n.Send(now, portC, carrier.Datagram{Remote: portB, Data: payload(i, 100)})
		}
		now = now.Add(200 * time.Microsecond)
		n.Deliver(now)
	}
	n.Deliver(now.Add(time.Hour))
	return b.String()
}

func TestSameSeedSameTrace(t *testing.T) {
	first := trace(42, false)
	require.Equal(t, first, trace(42, false))
	require.NotEqual(t, first, trace(43, false))
	for k := simnet.Sent; k <= simnet.TooBig; k++ {
		require.Contains(t, first, " "+k.String()+" ", "the scenario exercises everything")
	}
}

func TestFateOfALinkIsIndependentOfOtherLinks(t *testing.T) {
	require.Equal(t, trace(42, false), trace(42, true))
}

func TestC10SpoofedSourcesLeaveNoStateOnPerfectLinks(t *testing.T) {
	n := simnet.New(1)
	send := func() {
		for i := range 1000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9899)
			n.Send(epoch, from, carrier.Datagram{Remote: portB, Data: []byte("x")})
		}
		n.Deliver(epoch)
	}
	send()
	require.Zero(t, simnet.PathStates(n))
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := simnet.Sent; k <= simnet.Overflow; k++ {
		require.NotEmpty(t, k.String())
		require.False(t, seen[k.String()])
		seen[k.String()] = true
	}
	require.Equal(t, "kind(200)", simnet.Kind(200).String())
	require.Zero(t, simnet.New(1).Count(simnet.Kind(200)))
}
