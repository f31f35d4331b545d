//go:build interop

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// peering is one registrar of rsplib's, in r4 at ports of its own, with peers by hand
// and a user.
type peering struct {
	t    testing.TB
	id   rserpool.RegistrarID
	asap int
	user *partner
	node node
	s    *sctp.Stack
}

func newPeering(t testing.TB, asapAt int, id uint32, more ...string) *peering {
	t.Helper()
	n := newByHand(t)
	startRegistrarAt(t, r4, "peering", asapAt, id, more...)
	s := n.stack(t, n.addr())
	return &peering{t: t, id: rserpool.RegistrarID(id), asap: asapAt, node: n, s: s, user: n.meet(t, s, r4.addr(), asapAt, 0, asap.PPID)}
}

// join adds a peer by hand at a node of its own, and waits until both know each other.
func (p *peering) join(t testing.TB, id rserpool.RegistrarID) (*registrarByHand, node) {
	t.Helper()
	n := newByHand(t)
	r := n.join(t, n.stack(t, n.addr()), r4.addr(), p.asap+1, id)
	require.Equal(t, p.id, r.met())
	return r, n
}

// element is an element of a peer at a node: with an ASAP transport, as rsplib wants it.
func peersElement(t testing.TB, n node, id rserpool.PEID) rserpool.PoolElement {
	t.Helper()
	e := (&partner{t: t, node: n}).element(id, "RoundRobin")
	e.ASAP = &rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: e.User.Addrs}
	return e
}

// knows waits until the registrar resolves a pool to some elements.
func (p *peering) knows(t testing.TB, pool rserpool.PoolHandle, want string, limit time.Duration) {
	t.Helper()
	got := ""
	require.Eventually(t, func() bool { got = order(p.user.resolve(pool, 0)); return got == want }, limit, 50*time.Millisecond, "%s: %q", pool, &got)
}

// What rsplib's registrar makes of a peer's messages.
func TestPeersOfRspregistrar(t *testing.T) {
	t.Parallel()
	p := newPeering(t, asapPeering, 0x40000000)
	low, at := p.join(t, 0x1111)

	t.Run("checksums, updates and tables", func(t *testing.T) {
		before := len(low.messages())
		p.user.register("Theirs", p.user.element(1, "RoundRobin"))
		add := heardNext(low, before, 5*time.Second, anyOf[*enrp.HandleUpdate])
		require.Equal(t, enrp.AddPE, add.Action)
		require.EqualValues(t, 0x1111, add.Receiver, "each peer is addressed by its identifier")
		require.Equal(t, p.id, add.Element.Home)
		require.NotNil(t, add.Element.ASAP, "where the element's association is")
		want := sumOf([]entry{{"Theirs", p.user.element(1, "RoundRobin")}})
		heardNext(low, before, 10*time.Second, func(m *enrp.Presence) bool { return m.HasChecksum && m.Checksum == want && m.Server != nil })
		before = len(low.messages())
		low.say(&enrp.HandleTableRequest{Sender: 0x1111, Receiver: p.id, OwnOnly: true})
		table := heardNext(low, before, 5*time.Second, anyOf[*enrp.HandleTableResponse])
		require.Len(t, table.Pools, 1)
		require.False(t, table.Reject || table.More)
		p.user.deregister("Theirs", 1)
		require.EqualValues(t, 1, heardNext(low, before, 5*time.Second,
			func(m *enrp.HandleUpdate) bool { return m.Action == enrp.DelPE }).Element.ID)
		heardNext(low, before, 10*time.Second, func(m *enrp.Presence) bool { return m.Checksum == 0xffff })
	})
	t.Run("a presence that wants a reply", func(t *testing.T) {
		for range 3 { // in far less time than passes between heartbeats
			before := len(low.messages())
			low.presence(p.id, true)
			heardNext(low, before, 600*time.Millisecond, func(m *enrp.Presence) bool { return m.HasChecksum && m.Checksum == 0xffff && m.Server != nil })
		}
	})
	t.Run("elements of ours", func(t *testing.T) {
		low.own(0, "Ours", peersElement(t, at, 1)) // to all, RFC 5353 §2.4
		p.knows(t, "Ours", "1", 5*time.Second)
		require.EqualValues(t, 0x1111, p.user.resolve("Ours", 0).Elements[0].Home)
		before := len(low.messages())
		e := peersElement(t, at, 2)
		e.Home, e.ASAP = 0x1111, nil
		low.say(&enrp.HandleUpdate{Sender: 0x1111, Receiver: p.id, Handle: "Ours", Element: e})
		require.Equal(t, rserpool.CauseRsplibInvalidRegistrar, heardNext(low, before, 5*time.Second, anyOf[*enrp.Error]).Causes[0].Code)
		before = len(low.messages())
		low.say(&enrp.HandleUpdate{Sender: 0x1111, Receiver: p.id, Handle: "Ours", Element: peersElement(t, at, 3)}) // no home
		require.Equal(t, rserpool.CauseRsplibInvalidTLVValue, heardNext(low, before, 5*time.Second, anyOf[*enrp.Error]).Causes[0].Code)
		p.knows(t, "Ours", "1", time.Second)
	})
	t.Run("a life of 60 is 60 ms", func(t *testing.T) {
		e := peersElement(t, at, 6)
		e.Home, e.Life = 0x1111, 60 // RFC 5354 §3.10: a minute
		low.say(&enrp.HandleUpdate{Sender: 0x1111, Receiver: p.id, Handle: "Minute", Element: e})
		before := len(low.messages())
		low.say(&enrp.HandleTableRequest{Sender: 0x1111, Receiver: p.id, OwnOnly: true})
		heardNext(low, before, 5*time.Second, anyOf[*enrp.HandleTableResponse]) // so it has the update
		p.knows(t, "Minute", "", 5*time.Second)
		require.Equal(t, rserpool.CauseUnknownPoolHandle, p.user.resolve("Minute", 0).Causes[0].Code)
	})
	t.Run("a checksum that is not ours", func(t *testing.T) {
		before, wrong := len(low.messages()), uint16(0x4711)
		low.change(func() {
			low.owned = []entry{{"Ours", low.owned[0].e}, {"Listed", low.owned[0].e}}
			low.owned[1].e.ID = 7
			low.owned = low.owned[1:]
			low.lie = &wrong
		})
		require.True(t, heardNext(low, before, 10*time.Second, anyOf[*enrp.HandleTableRequest]).OwnOnly)
		p.knows(t, "Listed", "7", 5*time.Second)
		p.knows(t, "Ours", "", 5*time.Second) // not in the table
		low.change(func() { low.lie = nil })
	})
	t.Run("a stranger gets no table", func(t *testing.T) {
		n := newByHand(t)
		s := n.meet(t, n.stack(t, n.addr()), r4.addr(), p.asap+1, 0, enrp.PPID)
		s.send(0, (&enrp.HandleTableRequest{Sender: 0x9876, Receiver: p.id}).AppendTo(nil))
		require.Equal(t, unhex(t, "0301000c 40000000 00009876"), s.next().bytes)
	})
	t.Run("who is silent is asked, and taken over", func(t *testing.T) {
		quiet, n := p.join(t, 0x2222)
		quiet.own(p.id, "Quiet", peersElement(t, n, 1))
		p.knows(t, "Quiet", "1", 5*time.Second)
		before := len(quiet.messages())
		quiet.change(func() { quiet.mute = true })
		heardNext(quiet, before, 10*time.Second, func(m *enrp.Presence) bool { return m.ReplyRequired })
		quiet.change(func() { quiet.mute = false }) // answered, by the next heartbeat at the latest
		time.Sleep(4 * time.Second)
		for _, m := range quiet.messages()[before:] {
			require.NotEqual(t, enrp.TypeInitTakeover, m.Type())
		}
		before = len(quiet.messages())
		quiet.change(func() { quiet.mute = true })
		require.EqualValues(t, 0x2222, heardNext(quiet, before, 15*time.Second, anyOf[*enrp.InitTakeover]).Target)
	})
	t.Run("whose takeover it is", func(t *testing.T) { arbitrationOf(t, p, low) })
	t.Run("who says that it took over is believed", func(t *testing.T) {
		dead, n := p.join(t, 0x5555)
		dead.own(p.id, "Dead", peersElement(t, n, 1))
		p.knows(t, "Dead", "1", 5*time.Second)
		low.say(&enrp.TakeoverServer{Sender: 0x1111, Receiver: p.id, Target: 0x5555})
		require.Eventually(t, func() bool {
			e := p.user.resolve("Dead", 0).Elements
			return len(e) == 1 && e[0].Home == 0x1111
		}, 5*time.Second, 20*time.Millisecond)
	})
	t.Run("anyone may remove anything", func(t *testing.T) {
		p.user.register("Victim", p.user.element(1, "RoundRobin"))
		e := peersElement(t, at, 1)
		e.Home = p.id
		low.say(&enrp.HandleUpdate{Sender: 0x1111, Receiver: p.id, Action: enrp.DelPE, Handle: "Victim", Element: e})
		p.knows(t, "Victim", "", 5*time.Second)
	})
}

// arbitrationOf: two want to take over the same peer. With rsplib the smaller
// identifier wins, other than in RFC 5353 §3.5.1.
func arbitrationOf(t *testing.T, p *peering, low *registrarByHand) {
	high, _ := p.join(t, 0x7fff0000)
	dying, n := p.join(t, 0x3333)
	dying.own(p.id, "Dying", peersElement(t, n, 1))
	p.knows(t, "Dying", "1", 5*time.Second)
	before, beforeHigh := len(low.messages()), len(high.messages())
	dying.change(func() { dying.mute = true })
	of := func(m *enrp.InitTakeover) bool { return m.Target == 0x3333 }
	heardNext(low, before, 20*time.Second, of)
	heardNext(high, beforeHigh, 5*time.Second, of)
	// It waits for acknowledgements of both. A larger identifier gets no answer, a
	// smaller one an acknowledgement.
	high.say(&enrp.InitTakeover{Sender: 0x7fff0000, Receiver: p.id, Target: 0x3333})
	low.say(&enrp.InitTakeover{Sender: 0x1111, Receiver: p.id, Target: 0x3333})
	acked := func(m *enrp.InitTakeoverAck) bool { return m.Target == 0x3333 }
	heardNext(low, before, 5*time.Second, acked)
	for _, m := range high.messages()[beforeHigh:] {
		require.NotEqual(t, enrp.TypeInitTakeoverAck, m.Type())
	}
}

// Two registrars only: rsplib's says that it takes over but never does; the elements of
// the dead one stay until their lives end.
func TestTwoRegistrarsNeverTakeOverWithRsplib(t *testing.T) {
	t.Parallel()
	n := newByHand(t)
	startRegistrarAt(t, r4, "pair", asapPair, 0x40000001)
	user := n.meet(t, n.stack(t, n.addr()), r4.addr(), asapPair, 0, asap.PPID)
	p := &peering{t: t, id: 0x40000001, asap: asapPair, user: user}
	dying, at := p.join(t, 0x1111)
	e := peersElement(t, at, 1)
	e.Life = 15_000
	dying.own(p.id, "Orphan", e)
	p.knows(t, "Orphan", "1", 5*time.Second)
	begin := time.Now()
	before := len(dying.messages())
	dying.change(func() { dying.mute = true })
	heardNext(dying, before, 15*time.Second, anyOf[*enrp.InitTakeover])
	time.Sleep(4 * time.Second) // it has given up by now
	require.EqualValues(t, 0x1111, user.resolve("Orphan", 0).Elements[0].Home)
	p.knows(t, "Orphan", "", 20*time.Second)
	t.Logf("the orphan was gone %.1f s after its registrar fell silent", time.Since(begin).Seconds())
}
