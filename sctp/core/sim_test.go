package core_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// simSeeds is the number of runs of TestSimAssociations, SIM_SEEDS in the
// environment. SIM_SEED, if set, is the only one.
func simSeeds(t *testing.T) (first, count uint64) {
	number := func(name string, fallback uint64) uint64 {
		v := os.Getenv(name)
		if v == "" {
			return fallback
		}
		n, err := strconv.ParseUint(v, 10, 64)
		require.NoError(t, err, name)
		return n
	}
	if os.Getenv("SIM_SEED") != "" {
		return number("SIM_SEED", 0), 1
	}
	return 1, number("SIM_SEEDS", 100)
}

// sim is one run: two hosts, a bad network, users that do as they like.
type sim struct {
	t     *testing.T
	seed  uint64
	r     *rand.Rand
	w     *world
	a, b  *host
	nat   *simnet.NAT
	flows []*simFlow
	base  uint32 // number of the first message since the last restart

	mortal   bool // associations may die of too many retransmissions
	partedTo time.Time
	link     simnet.Link
	moved    time.Time // when something last made progress
	hash     uint64    // of all packets sent
}

// simFlow is one direction: messages in a random order of streams and kinds, and
// what has arrived of them.
type simFlow struct {
	s        *sim
	from, to *host
	tx, rx   *core.Association
	streams  int
	left     int // messages to send
	sent     map[uint32][]byte
	order    map[wire.StreamID][]uint32 // ordered messages not yet received
	open     map[wire.StreamID][]byte
	next     uint32
	paused   time.Time // the reader sleeps until then
	got      int
	buf      []byte
}

func TestSimAssociations(t *testing.T) {
	first, count := simSeeds(t)
	for seed := first; seed < first+count; seed++ {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := simulate(t, seed)
			if seed%25 == 0 {
				require.Equal(t, h, simulate(t, seed), "seed %d: a run is a function of its seed", seed)
			}
		})
		if !ok {
			t.Logf("to repeat: SIM_SEED=%d go test -run TestSimAssociations ./sctp/core", seed)
		}
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func simulate(t *testing.T, seed uint64) uint64 {
	s := &sim{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 99))}
	s.mortal = s.r.IntN(4) == 0
	s.w = newWorld(t, seed)
	s.w.segs = pick(s.r, 1, 1, 4, 44)
	s.w.batch = s.r.IntN(2) == 0
	s.a, s.b = s.host(addrA, 1), s.host(addrB, 2)
	s.b.listen = &core.Listening{Config: &s.b.cfg}
	if s.r.IntN(3) == 0 {
		s.nat = s.w.net.AddNAT(simnet.NATConfig{Public: netip.MustParseAddr("203.0.113.7"), Inside: []netip.Addr{addrA.Addr()}, Open: true})
	}
	s.weather()
	s.moved = s.w.now
	s.run()
	return s.hash
}

// host makes a host with a random configuration.
func (s *sim) host(addr netip.AddrPort, n uint64) *host {
	r := s.r
	h := s.w.host(addr, s.seed*4+n, func(c *core.Config) {
		c.RTOMin = pick(r, 20*time.Millisecond, 100*time.Millisecond, time.Second)
		c.RTOMax = pick(r, 2*time.Second, 5*time.Second)
		c.SackDelay = time.Duration(r.IntN(300)) * time.Millisecond
		c.SackFrequency = 1 + r.IntN(4)
		c.RecvBuffer = pick(r, 4096, 10000, 60000, 1<<18)
		c.SendBuffer = pick(r, 2000, 20000, 1<<18)
		c.MTU = pick(r, 576, 1280, 1500, 9000)
		c.MaxBurst = r.IntN(6)
		c.NoDelay = r.IntN(3) > 0
		c.HeartbeatInterval = time.Duration(1+r.IntN(20)) * time.Second
		c.OutStreams = uint16(1 + r.IntN(20))
		c.AssociationMaxRetrans, c.PathMaxRetrans, c.MaxInitRetransmits = 100_000, r.IntN(8), 100_000
		if s.mortal {
			c.AssociationMaxRetrans, c.MaxInitRetransmits = 8, 8
		}
	})
	h.tap = func(p wire.Packet) {
		f := fnv.New64a()
		_, _ = f.Write(p.Bytes())
		s.hash = s.hash*31 + f.Sum64()
	}
	return h
}

// weather sets a random link.
func (s *sim) weather() {
	r := s.r
	s.link = simnet.Link{
		Delay:  time.Duration(r.IntN(100)) * time.Millisecond,
		Jitter: time.Duration(r.IntN(20)) * time.Millisecond,
	}
	if r.IntN(4) > 0 {
		s.link.Loss = r.Float64() * pick(r, 0.02, 0.1, 0.3, 0.5)
		s.link.LossBurst = float64(r.IntN(4))
		s.link.Duplicate = r.Float64() * 0.2
		s.link.Reorder = r.Float64() * 0.3
		s.link.ReorderDelay = time.Duration(r.IntN(150)) * time.Millisecond
		s.link.Corrupt = r.Float64() * 0.05
	}
	if r.IntN(4) == 0 {
		s.link.Bandwidth, s.link.Queue = 20_000+r.IntN(200_000), 20_000+r.IntN(100_000)
	}
	s.w.net.SetDefaultLink(s.link)
}

// mishap is what happens once in a while.
func (s *sim) mishap() {
	r := s.r
	switch r.IntN(8) {
	case 0:
		s.weather()
	case 1:
		if s.nat != nil {
			s.nat.Rebind()
		}
	case 2:
		s.partedTo = s.w.now.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
		switch r.IntN(3) {
		case 0:
			s.w.net.Partition([]netip.Addr{addrA.Addr()}, nil)
		case 1:
			s.w.net.PartitionOneWay([]netip.Addr{addrA.Addr()}, nil)
		case 2:
			s.w.net.PartitionOneWay(nil, []netip.Addr{addrA.Addr()})
		}
	case 3:
		h := pick(r, s.a, s.b)
		h.skew += time.Duration(r.IntN(7_200_000)-3_600_000) * time.Millisecond
	case 4:
		for _, f := range s.flows {
			f.paused = s.w.now.Add(time.Duration(r.IntN(30_000)) * time.Millisecond)
		}
	}
}

// patience is how long a run may be without progress while the network lets
// something through.
const patience = 30 * time.Minute

func (s *sim) run() {
	for s.life(s.nat == nil && s.r.IntN(4) == 0) {
		// a's process died and begins anew; b may find out by the INIT (RFC 9260
		// §5.2.4 action A).
		s.a.assocs = nil
		r, err := core.NewResponder(s.a.now(), s.a.cfg.Rand)
		require.NoError(s.t, err)
		s.a.resp = r
		s.base += 1 << 20
	}
}

// life is one association of a's. It returns true if it ended with a crash.
func (s *sim) life(crash bool) bool {
	t, w := s.t, s.w
	as := s.a.dial(s.b)
	for as.State() != core.Established && as.State() != core.Closed {
		require.True(t, w.step(w.now.Add(patience)), "seed %d: the handshake stands still", s.seed)
		s.heal()
	}
	if as.State() == core.Closed {
		require.True(t, s.mortal, "seed %d: %v", s.seed, as.Err())
		s.ended()
		return false
	}
	bs := s.b.assocs[len(s.b.assocs)-1]
	if as.PeerTag() != bs.LocalTag() {
		return false // the peer has died meanwhile
	}
	s.flows = []*simFlow{s.flow(s.a, s.b, as, bs), s.flow(s.b, s.a, bs, as)}
	if s.r.IntN(3) == 0 {
		s.flows[1].left = 0
	}
	early := s.r.IntN(4) == 0 // the shutdown overtakes the users
	for i := 0; ; i++ {
		progress := false
		idle := true
		for _, f := range s.flows {
			progress = f.pump(early && i > 200) || progress
			idle = idle && f.left == 0 && len(f.sent) == 0
		}
		if progress {
			s.moved = w.now
		}
		s.check(as, bs)
		if idle || early && i > 200 || as.State() == core.Closed || bs.State() == core.Closed {
			break
		}
		s.heal()
		if s.r.IntN(200) == 0 {
			s.mishap()
		}
		if crash && s.r.IntN(100) == 0 {
			return true
		}
		require.True(t, w.step(w.now.Add(time.Hour)), "seed %d: nothing will happen any more: %v %v", s.seed, s.flows[0], s.flows[1])
		require.Less(t, w.now.Sub(s.moved), patience, "seed %d: no progress: %v %v", s.seed, s.flows[0], s.flows[1])
	}
	s.finish(as, bs)
	return false
}

// heal ends a partition when its time is over.
func (s *sim) heal() {
	if !s.partedTo.IsZero() && s.w.now.After(s.partedTo) {
		s.w.net.Heal()
		s.partedTo = time.Time{}
		s.moved = s.w.now
	}
}

// finish ends the association in one of several ways and runs until both ends have
// noticed.
func (s *sim) finish(as, bs *core.Association) {
	t, w := s.t, s.w
	how := s.r.IntN(4)
	switch {
	case as.State() == core.Closed || bs.State() == core.Closed:
		require.True(t, s.mortal, "seed %d: died of %v, %v", s.seed, as.Err(), bs.Err())
	case how == 0:
		_ = as.Abort(s.a.now(), []byte("enough"))
		s.a.drain(as)
	default:
		if how&1 != 0 {
			_ = as.Shutdown(s.a.now())
			s.a.drain(as)
		}
		if how&2 != 0 {
			_ = bs.Shutdown(s.b.now())
			s.b.drain(bs)
		}
	}
	s.w.net.Heal()
	s.link.Loss = min(s.link.Loss, 0.2)
	w.net.SetDefaultLink(s.link)
	limit := w.now.Add(24 * time.Hour)
	for w.step(limit) {
		for _, f := range s.flows {
			f.paused = time.Time{}
			f.pump(true)
		}
		s.check(as, bs)
	}
	// The peer of one that ended with an ABORT or without a word notices by its
	// HEARTBEATs, which are answered out of the blue.
	for _, x := range []*core.Association{as, bs} {
		if s.nat != nil && !s.mortal && as.State() == core.Closed {
			break // b's packets may not find the way through a NAT that has forgotten
		}
		require.Equal(t, core.Closed, x.State(), "seed %d: %v and %v after a day", s.seed, as.State(), bs.State())
	}
	for _, f := range s.flows {
		f.pump(true)
	}
	if as.Err() == nil || bs.Err() == nil {
		for _, f := range s.flows {
			require.Empty(t, f.sent, "seed %d: a graceful shutdown lost messages: %v", s.seed, f)
		}
	}
	s.ended()
}

// ended checks that nothing goes on after the end.
func (s *sim) ended() {
	for _, h := range []*host{s.a, s.b} {
		for _, x := range h.assocs {
			if x.State() != core.Closed {
				continue
			}
			_, running := x.NextTimeout()
			require.False(s.t, running, "seed %d", s.seed)
			_, ok := x.PollTransmit(h.now(), s.w.buf, 1)
			require.False(s.t, ok, "seed %d", s.seed)
		}
	}
}

// check holds after every step.
func (s *sim) check(as, bs *core.Association) {
	t := s.t
	for h, x := range map[*host]*core.Association{s.a: as, s.b: bs} {
		limit := h.cfg.RecvBuffer
		require.LessOrEqual(t, x.Held(), limit+limit/4+9000, "seed %d: receive buffer", s.seed)
		require.LessOrEqual(t, x.Buffered(), h.cfg.SendBuffer+30_000, "seed %d: send buffer", s.seed)
		require.LessOrEqual(t, h.largest, h.cfg.MTU-28, "seed %d: packet size", s.seed)
		for _, p := range x.Paths() {
			require.GreaterOrEqual(t, p.InFlight, 0, "seed %d", s.seed)
			require.GreaterOrEqual(t, p.Cwnd, min(p.PacketSize-wire.HeaderLen, p.Cwnd), "seed %d", s.seed)
			require.LessOrEqual(t, p.RTO, h.cfg.RTOMax, "seed %d", s.seed)
			require.GreaterOrEqual(t, p.RTO, h.cfg.RTOMin, "seed %d", s.seed)
		}
	}
}

func (s *sim) flow(from, to *host, tx, rx *core.Association) *simFlow {
	return &simFlow{s: s, from: from, to: to, tx: tx, rx: rx, streams: min(tx.OutStreams(), 1+s.r.IntN(8)), left: 1 + s.r.IntN(150),
		next: s.base, sent: map[uint32][]byte{}, order: map[wire.StreamID][]uint32{}, open: map[wire.StreamID][]byte{}, buf: make([]byte, 1+s.r.IntN(3000))}
}

// pump sends what there is room for, unless it is over, and reads what arrived. It
// reports whether a message arrived.
func (f *simFlow) pump(over bool) bool {
	for !over && f.left > 0 && f.tx.State() == core.Established {
		if !f.send() {
			break
		}
	}
	f.from.drain(f.tx)
	progress := false
	for !f.paused.After(f.s.w.now) {
		if !f.receive() {
			break
		}
		progress = true
	}
	f.to.drain(f.rx)
	return progress
}

func (f *simFlow) send() bool {
	r := f.s.r
	n := 4 + r.IntN(300)
	if r.IntN(8) == 0 {
		n = 4 + r.IntN(20_000)
	}
	m := core.Outgoing{Stream: wire.StreamID(r.IntN(f.streams)), PPID: wire.PPID(f.next), Unordered: r.IntN(5) == 0, Immediate: r.IntN(20) == 0}
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(int(f.next)*31 + i*7)
	}
	err := f.tx.Send(f.from.now(), &m, body)
	if errors.Is(err, core.ErrWouldBlock) {
		return false
	}
	require.NoError(f.s.t, err, "seed %d", f.s.seed)
	f.sent[f.next] = body
	if !m.Unordered {
		f.order[m.Stream] = append(f.order[m.Stream], f.next)
	}
	f.next++
	f.left--
	return true
}

// receive reads a piece of a message and checks whole ones: once, unchanged, and in
// the order of their stream.
func (f *simFlow) receive() bool {
	t, seed := f.s.t, f.s.seed
	info, n, err := f.rx.Receive(f.to.now(), f.buf)
	if err != nil {
		return false
	}
	f.open[info.Stream] = append(f.open[info.Stream], f.buf[:n]...)
	if !info.End {
		return n > 0
	}
	id := uint32(info.PPID)
	if id < f.s.base {
		f.open[info.Stream] = nil // received whole before the restart
		return true
	}
	body, ok := f.sent[id]
	require.True(t, ok, "seed %d: message %d was not sent, or came twice", seed, id)
	require.Equal(t, body, f.open[info.Stream], "seed %d: message %d", seed, id)
	delete(f.sent, id)
	f.open[info.Stream] = nil
	if !info.Unordered {
		require.NotEmpty(t, f.order[info.Stream])
		require.Equal(t, f.order[info.Stream][0], id, "seed %d: order of stream %d", seed, info.Stream)
		f.order[info.Stream] = f.order[info.Stream][1:]
	}
	f.got++
	return true
}

func (f *simFlow) String() string {
	_, n, err := f.rx.Receive(f.to.now(), nil)
	return fmt.Sprintf("[%v→%v: %d arrived, %d on the way, %d left, buffered %d, held %d, read %d %v, %+v]", f.tx.State(), f.rx.State(), f.got, len(f.sent), f.left,
		f.tx.Buffered(), f.rx.Held(), n, err, f.tx.Paths())
}
