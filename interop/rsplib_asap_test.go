//go:build interop

package interop

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// Ports of the registrars in r4.
const (
	asapByHand  = 3863
	asapRated   = 3865
	asapDoomed  = 3867
	asapPeering = 3869
	asapPair    = 3871
	asapCookies = 3873
	asapRates   = 3875
)

// padded is a message with bytes appended, which its length counts or not.
func padded(b []byte, length int) []byte {
	b = slices.Clone(b)
	b[2], b[3] = byte(length>>8), byte(length)
	return b
}

// What rsplib's registrar makes of registrations and their like, one message at a time.
// What we send must be what it accepts, and what it refuses we must understand.
func TestMessagesToRspregistrar(t *testing.T) {
	t.Parallel()
	n := newByHand(t)
	startRegistrarAt(t, r4, "byhand", asapByHand, 0x1111)
	startRegistrarAt(t, r4, "rated", asapRated, 0x2222, "-maxhrrate=2")
	s := n.stack(t, n.addr())
	meet := func(t testing.TB) *partner { return n.meet(t, s, r4.addr(), asapByHand, 0, asap.PPID) }

	t.Run("lengths count the last padding or not", func(t *testing.T) {
		p := meet(t)
		b, err := asap.Marshal(&asap.Deregistration{Handle: "ThirteenBytes", PEID: 1})
		require.NoError(t, err)
		_, ok := p.askBytes(b).(*asap.DeregistrationResponse)
		require.True(t, ok)
		q, err := asap.Marshal(&asap.HandleResolution{Handle: "ThirteenBytes"})
		require.NoError(t, err)
		whole := slices.Clone(q)
		for len(whole)%4 != 0 {
			whole = append(whole, 0)
		}
		require.Len(t, whole, 24)
		for _, length := range []int{24, 21} { // RFC 5354 §4: without
			_, ok = p.askBytes(padded(whole, length)).(*asap.HandleResolutionResponse)
			require.True(t, ok)
		}
		require.Equal(t, rserpool.CauseInvalidValues, errorOf(t, p.askBytes(padded(whole[:21], 21))).Code, "no padding at all")
	})
	t.Run("a handle of 13 bytes is registered", func(t *testing.T) {
		p := meet(t)
		p.register("ThirteenBytes", p.element(0x13, "RoundRobin"))
		require.Equal(t, "13", order(p.resolve("ThirteenBytes", def)))
		require.EqualValues(t, 60_000, p.resolve("ThirteenBytes", def).Elements[0].Life)
		dump, err := r4.run(15*time.Second, "timeout", "10", "hsdump", netip.AddrPortFrom(netip.MustParseAddr(r4.addr()), asapByHand+1).String())
		require.NoError(t, err)
		require.Contains(t, dump, "home=$00001111 life=60000ms")
		p.deregister("ThirteenBytes", 0x13)
	})
	t.Run("causes of refusals", func(t *testing.T) {
		p := meet(t)
		require.Equal(t, rserpool.CauseRsplibInvalidID, p.refused("Refused", p.element(0, "RoundRobin")))
		p.register("Refused", p.element(1, "RoundRobin"))
		data := p.element(2, "RoundRobin")
		data.User.Use = rserpool.UseData
		require.Equal(t, rserpool.CauseInconsistentDataControlConfig, p.refused("Refused", data))
		require.Equal(t, rserpool.CauseInconsistentPolicy, p.refused("Refused", p.element(3, "Random")))
		require.Equal(t, rserpool.CauseInconsistentPolicy, p.refused("Refused", p.element(1, "Random")), "the same element")
		away := p.element(4, "RoundRobin")
		away.User.Addrs = parse([]string{"10.99.1.200"})
		require.Equal(t, rserpool.CauseRsplibNoUsableUserAddress, p.refused("Refused", away))
		here := p.element(5, "RoundRobin")
		here.User.Addrs = parse([]string{"127.0.0.1"})
		switch m := p.ask(&asap.Registration{Handle: "Refused", Element: here}).(type) {
		case *asap.RegistrationResponse:
			require.True(t, m.Reject)
			require.Equal(t, rserpool.CauseRsplibInvalidTLVValue, m.Causes[0].Code)
		default:
			require.Equal(t, rserpool.CauseRsplibInvalidTLVValue, errorOf(t, m).Code)
		}
		p.deregister("Refused", 1)
	})
	t.Run("policies that cannot be put on the wire are errors", func(t *testing.T) {
		p := meet(t)
		e := p.element(1, "RoundRobin")
		e.Policy = rserpool.Policy{Type: rserpool.RsplibPriorityLeastUsedDPF, Raw: make([]byte, 16)}
		require.Equal(t, rserpool.CauseRsplibUnsupportedPolicy, errorOf(t, p.ask(&asap.Registration{Handle: "Policies", Element: e})).Code)
	})
	t.Run("a handle of 32 bytes is registered", func(t *testing.T) {
		p := meet(t)
		pool := rserpool.PoolHandle(strings.Repeat("x", rserpool.MaxPoolHandleRsplib))
		p.register(pool, p.element(1, "RoundRobin"))
		p.deregister(pool, 1)
	})
	t.Run("deregistration of nobody succeeds", func(t *testing.T) { meet(t).deregister("Nobody", 0x9999) })
	t.Run("unknown parameters and messages", func(t *testing.T) {
		p := meet(t)
		e := p.element(1, "RoundRobin")
		reg, err := asap.Marshal(&asap.Registration{Handle: "Unkn", Element: e})
		require.NoError(t, err)
		with := func(at int, tlv string) []byte {
			b := slices.Insert(slices.Clone(reg), at, unhex(t, tlv)...)
			return padded(b, len(b))
		}
		r, ok := p.askBytes(with(4, "80ff0008 01020304")).(*asap.RegistrationResponse)
		require.True(t, ok, "skipped in front")
		require.False(t, r.Reject)
		require.Equal(t, rserpool.CauseRsplibInvalidMessage, errorOf(t, p.askBytes(with(len(reg), "80ff0008 01020304"))).Code, "not skipped at the end")
		c := errorOf(t, p.askBytes(with(4, "40ff0008 01020304")))
		require.Equal(t, rserpool.CauseUnrecognizedParameter, c.Code)
		require.Equal(t, unhex(t, "40ff0008 01020304"), c.Info)
		p.send(0, unhex(t, "7f000008 01020304"))
		// Silence: the next message is the answer to the next question.
		require.Equal(t, rserpool.CauseUnknownPoolHandle, p.resolve("NoSuchPool", def).Causes[0].Code)
		p.deregister("Unkn", 1)
	})
	t.Run("streams and empty handles", func(t *testing.T) {
		p := meet(t)
		q, err := asap.Marshal(&asap.HandleResolution{Handle: "NoSuchPool"})
		require.NoError(t, err)
		p.send(3, q)
		in := p.next()
		require.Zero(t, in.stream, "answered on stream 0 whatever the question's")
		require.Equal(t, unhex(t, "0600001c 0009000e 4e6f53756368506f6f6c0000 000c0008 00090004"), in.bytes)
		require.Equal(t, rserpool.CauseInvalidValues, errorOf(t, p.askBytes(unhex(t, "05000008 00090004"))).Code)
	})
	t.Run("a PPID of ENRP ends it", func(t *testing.T) {
		p := meet(t)
		p.ppid = 12
		p.send(0, unhex(t, "05000008 00090004"))
		requireAborted(t, p.over(10*time.Second))
	})
	t.Run("keep-alives", func(t *testing.T) { keepAlivesOfRspregistrar(t, meet) })
	t.Run("selection", func(t *testing.T) { selectionOf(t, meet, true) })
	t.Run("resolutions beyond the rate", func(t *testing.T) {
		p := n.meet(t, s, r4.addr(), asapRated, 0, asap.PPID)
		p.register("Rated", p.element(1, "RoundRobin"))
		answered := 0
		for range 20 {
			if r := p.resolve("Rated", def); len(r.Causes) == 0 {
				answered++
			} else {
				require.Equal(t, rserpool.CauseUnknownPoolHandle, r.Causes[0].Code)
			}
		}
		require.Equal(t, 1, answered, "rsplib says that there is no such pool")
	})
}

// keepAlivesOfRspregistrar: one each 1.5 s; who answers stays, who does not is gone
// with its association and all that registered over it.
func keepAlivesOfRspregistrar(t *testing.T, meet func(testing.TB) *partner) {
	var wg sync.WaitGroup
	defer wg.Wait()
	one, two, user := meet(t), meet(t), meet(t)
	one.register("Alive", one.element(1, "RoundRobin"))
	two.register("Dying", two.element(1, "RoundRobin"))
	two.register("Dying", two.element(2, "RoundRobin"))
	require.Eventually(t, func() bool {
		ids := two.keepAlives()
		return slices.Contains(ids, 1) && slices.Contains(ids, 2)
	}, 20*time.Second, 20*time.Millisecond, "each is asked for itself")
	two.stopAnswering(2)
	stopped := time.Now()
	requireAborted(t, two.over(20*time.Second))
	t.Logf("aborted %.1f s after the last answer", time.Since(stopped).Seconds())
	user.gone("Dying", 5*time.Second)
	require.Eventually(t, func() bool { return len(one.keepAlives()) >= 6 }, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, "1", order(user.resolve("Alive", def)))
	one.deregister("Alive", 1)
}

// At our registrar the same is as the RFCs have it: all elements, and refusals with the
// causes of RFC 5354 §3.12.
func TestSelectionAtOurRegistrar(t *testing.T) {
	t.Parallel()
	reg, n := newNode(t), newByHand(t)
	startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--id", "9999", "--profile", "rsplib", "--http", "off").
		await(t, "ready", 20*time.Second)
	s := n.stack(t, n.addr())
	selectionOf(t, func(t testing.TB) *partner { return n.meet(t, s, reg.addr(), asapPort, 0, asap.PPID) }, false)
}

// selectionOf is what pool users get from a registrar, rsplib's or ours.
func selectionOf(t *testing.T, meet func(testing.TB) *partner, theirs bool) {
	p := meet(t)
	require.Equal(t, rserpool.CauseUnknownPoolHandle, p.resolve("NoSuchPool", def).Causes[0].Code)
	for i := range 5 {
		p.register("Five", p.element(rserpool.PEID(i+1), "RoundRobin"))
	}
	if theirs {
		require.Equal(t, "123 234 345 451 512 123", p.orders("Five", 6))
		require.Len(t, p.resolve("Five", 0).Elements, 3)
	}
	r := p.resolve("Five", 1)
	require.Len(t, r.Elements, 1)
	require.NotNil(t, r.Policy, "also for RoundRobin")
	require.Equal(t, rserpool.RoundRobin, r.Policy.Type)
	require.Len(t, p.resolve("Five", math.MaxUint32).Elements, 5)

	for i, priority := range []string{"Priority:1", "Priority:5", "Priority:5"} {
		p.register("Prio", p.element(rserpool.PEID(i+1), priority))
	}
	require.Equal(t, "231 321 231", p.orders("Prio", 3))
	p.register("Prio", p.element(1, "Priority:9")) // once more, with another priority
	require.Equal(t, byte('1'), p.orders("Prio", 1)[0])

	for i, weight := range []string{"WeightedRoundRobin:1", "WeightedRoundRobin:2", "WeightedRoundRobin:3"} {
		p.register("Weighted", p.element(rserpool.PEID(i+1), weight))
	}
	for i, load := range []uint32{1, 2, 1} {
		e := p.element(rserpool.PEID(i+1), "LeastUsed")
		e.Policy.Load = load
		p.register("Used", e)
	}
	require.Equal(t, "132 312 132", p.orders("Used", 3))

	p.register("Random", p.element(1, "WeightedRandom:1"))
	p.register("Random", p.element(9, "WeightedRandom:9"))
	draws := 10_000
	if theirs { // its log takes its time
		draws = 2000
	}
	const window = 16 // with more, rsplib's send buffer is full and it aborts
	q, err := asap.Marshal(&asap.HandleResolution{Handle: "Random", HasItems: true, Items: 1})
	require.NoError(t, err)
	ones := 0
	begin := time.Now()
	for i := range draws + window {
		if i < draws {
			p.send(0, q)
		}
		if i < window {
			continue
		}
		m, err := asap.Decode(p.next().bytes)
		require.NoError(t, err)
		if order(m.(*asap.HandleResolutionResponse)) == "1" {
			ones++
		}
	}
	t.Logf("%d of %d, %.0f resolutions a second", ones, draws, float64(draws)/time.Since(begin).Seconds())
	require.InDelta(t, draws/10, ones, 5*math.Sqrt(float64(draws)*0.1*0.9), "1 to 9")
}
