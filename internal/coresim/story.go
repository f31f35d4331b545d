package coresim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// story is one run: two hosts, a bad network, users that do as they like.
type story struct {
	r     *rand.Rand
	w     *World
	a, b  *Host
	nat   *simnet.NAT
	flows []*Flow
	base  uint32 // number of the first message of this life

	discover         bool // links have an MTU, which the hosts look for
	icmps            bool // and routers tell of it
	mortal           bool // associations may die of too many retransmissions
	jumped           bool // cookies get stale before they arrive: short ones, or a clock jumped
	partedTo, downTo time.Time
	moved            time.Time // when something last made progress
	hash             uint64    // of all packets sent
	heard            [64]heard // the last packets, for replays
	sent             int
}

// patience is how long a run may be without progress while the network lets
// something through.
const patience = 30 * time.Minute

// Run plays the story of a seed. It returns a digest of all packets sent, which is
// a function of the seed, and how the run failed, or nil. trace gets the packets,
// unless it is nil.
func Run(seed uint64, trace io.Writer) (digest uint64, err error) {
	s := &story{r: rand.New(rand.NewPCG(seed, 99)), w: NewWorld(seed)}
	s.w.Trace = trace
	err = catch(func() {
		s.build()
		for lives := 0; s.life() && lives < 4; lives++ {
			s.base += 1 << 20
		}
		s.calm()
		s.clear()
	})
	if err != nil {
		err = fmt.Errorf("seed %d: %w", seed, err)
	}
	return s.hash, err
}

// build makes the hosts and the network.
func (s *story) build() {
	r, w := s.r, s.w
	s.mortal = r.IntN(4) == 0
	w.Segments = pick(r, 1, 1, 4, 44)
	w.Batch = r.IntN(2) == 0
	w.Sent = s.overhear
	a, b := addresses(r)
	s.a, s.b = w.Host("a", randomConfig(r, s.mortal), a...), w.Host("b", randomConfig(r, s.mortal), b...)
	s.discover = r.IntN(2) == 0
	s.a.Config.PathMTUDiscovery, s.b.Config.PathMTUDiscovery = s.discover, s.discover
	if s.icmps = s.discover && r.IntN(2) == 0; s.icmps {
		w.Net.Observe(s.tooBig)
	}
	s.jumped = s.a.Config.CookieLife < time.Minute || s.b.Config.CookieLife < time.Minute
	s.b.Listen = true
	s.a.Listen = r.IntN(2) == 0
	if len(a) == 1 && a[0].Is4() && r.IntN(2) == 0 {
		s.nat = w.Net.AddNAT(simnet.NATConfig{Public: netip.MustParseAddr("203.0.113.7"), Inside: a, Open: true})
	}
	s.weather()
	s.moved = w.Now
}

// overhear keeps the last packets and makes the digest.
func (s *story) overhear(from *Host, to netip.AddrPort, pkt wire.Packet) {
	f := fnv.New64a()
	_, _ = f.Write(pkt.Bytes())
	s.hash = s.hash*31 + f.Sum64()
	h := &s.heard[s.sent%len(s.heard)]
	s.sent++
	h.from, h.to, h.data = from, to, append(h.data[:0], pkt.Bytes()...)
}

// open opens an association in one of several ways and returns a's end.
func (s *story) open() *End {
	n := 1
	if s.r.IntN(2) == 0 {
		n = len(s.b.addrs)
	}
	if s.nat != nil || s.r.IntN(4) > 0 || s.b.Live(Port, Port) != nil {
		return s.a.Dial(s.b, 5000, n)
	}
	// Both dial, one of them some time after the other.
	first, second := s.a, s.b
	if s.r.IntN(2) == 0 {
		first, second = s.b, s.a
	}
	first.Dial(second, Port, 1)
	for limit := s.w.Now.Add(time.Duration(s.r.IntN(300)) * time.Millisecond); s.w.Step(limit); {
	}
	if second.Live(Port, Port) == nil {
		second.Dial(first, Port, 1)
	}
	return s.a.Live(Port, Port)
}

// life is one association of a's. It returns true if there shall be another.
func (s *story) life() bool {
	w := s.w
	if s.flows != nil && s.a.Ends != nil {
		s.clear()
	}
	s.flows, s.moved = nil, w.Now
	as := s.open()
	if as == nil {
		return true // b's attempt ended already
	}
	for as.State().String() != "ESTABLISHED" && as.State() != core.Closed {
		if !w.Step(w.Now.Add(patience)) {
			fail("the handshake stands still: %v", as)
		}
		s.heal()
		if s.r.IntN(50) == 0 {
			s.mishap()
		}
		if w.Now.Sub(s.moved) > 6*time.Hour {
			fail("the handshake does not end: %v", as)
		}
	}
	bs := s.b.twin(as)
	if as.State() == core.Closed || bs == nil {
		if as.State() == core.Closed && !s.mortal && !s.jumped && errors.Is(as.Err(), core.ErrTimeout) {
			fail("nobody was that impatient: %v", as)
		}
		s.calm()
		s.clear()
		return s.r.IntN(2) == 0
	}
	s.moved = w.Now
	s.flows = []*Flow{newFlow(s.r, as, bs, s.base), newFlow(s.r, bs, as, s.base)}
	if s.r.IntN(3) == 0 {
		s.flows[1].Left = 0
	}
	crashed := s.talk(as, bs)
	if crashed == s.a {
		return true
	}
	s.finish(as, bs, crashed)
	return s.r.IntN(3) == 0
}

// twin is the other end of an association, nil if the host has none.
func (h *Host) twin(e *End) *End {
	for _, t := range h.Ends {
		if t.State() != core.Closed && t.LocalTag() == e.PeerTag() && t.PeerTag() == e.LocalTag() {
			return t
		}
	}
	return nil
}

// talk lets the users exchange their messages. It returns who crashed, if
// somebody did.
func (s *story) talk(as, bs *End) *Host {
	w := s.w
	early := s.r.IntN(4) == 0 // the end overtakes the users
	crash := s.r.IntN(4) == 0 && s.nat == nil
	for i := 0; ; i++ {
		progress, idle := false, true
		for _, f := range s.flows {
			progress = f.pump(early && i > 200) || progress
			idle = idle && f.idle()
		}
		if progress {
			s.moved = w.Now
		}
		if idle || early && i > 200 || as.State() == core.Closed || bs.State() == core.Closed {
			return nil
		}
		s.heal()
		if s.r.IntN(200) == 0 {
			s.mishap()
		}
		if crash && s.r.IntN(100) == 0 {
			h := pick(s.r, s.a, s.b)
			h.Boot()
			return h
		}
		going := w.Step(w.Now.Add(time.Hour))
		switch ended := as.State() == core.Closed || bs.State() == core.Closed; {
		case ended:
		case !going:
			fail("nothing will happen any more\n%v\n%v\n%v\n%v", s.flows[0], s.flows[1], as, bs)
		case w.Now.Sub(s.moved) > patience:
			fail("no progress\n%v\n%v\n%v\n%v", s.flows[0], s.flows[1], as, bs)
		}
	}
}

// finish ends the association in one of several ways and runs until both ends have
// noticed.
func (s *story) finish(as, bs *End, crashed *Host) {
	how := s.r.IntN(5)
	torn := false // a message stays without its end, which is an end by ABORT
	for _, f := range s.flows {
		torn = !f.abandon() || torn
	}
	switch {
	case crashed != nil:
	case as.State() == core.Closed || bs.State() == core.Closed:
		if !s.mortal {
			fail("died of %v, %v\n%v\n%v", as.Err(), bs.Err(), as, bs)
		}
	case how == 0, torn:
		e := pick(s.r, as, bs)
		_ = e.Abort(e.host.now(), []byte("enough"))
		e.drain()
	default:
		if how&1 != 0 {
			_ = as.Shutdown(s.a.now())
			as.drain()
		}
		if how&1 == 0 || how == 3 {
			_ = bs.Shutdown(s.b.now())
			bs.drain()
		}
	}
	s.calm()
	s.settle()
	ends := []*End{as, bs}
	for _, e := range ends {
		if s.nat != nil && !s.mortal && as.State() == core.Closed {
			break // b's packets may not find the way through a NAT that has forgotten
		}
		if e.State() != core.Closed && e.host != crashed && !s.bornAgain(e) {
			fail("still there after a day\n%v\n%v", as, bs)
		}
	}
	if crashed != nil || torn || as.Err() != nil && bs.Err() != nil || slices.ContainsFunc(ends, s.bornAgain) {
		return
	}
	for _, f := range s.flows {
		if f.Missing() > 0 {
			fail("a graceful end lost messages %v: %v\n%v\n%v", f.sent, f, as, bs)
		}
	}
}

// bornAgain reports whether e has a partner that was set up after the first one had died:
// it went on with the set-up as if nothing had happened (RFC 9260 §5.2.6).
func (s *story) bornAgain(e *End) bool {
	h := s.a
	if e.host == h {
		h = s.b
	}
	return s.mortal && slices.ContainsFunc(h.Ends, func(o *End) bool {
		return o.State() == core.Established && o.LocalTag() == e.PeerTag() && o.PeerTag() == e.LocalTag()
	})
}

// clear lets the users end whatever is there: half-open associations, or what came
// of a packet from an earlier life.
func (s *story) clear() {
	for _, h := range []*Host{s.a, s.b} {
		for _, e := range h.Ends {
			_ = e.Shutdown(h.now())
			e.drain()
		}
	}
	s.settle()
	for _, h := range []*Host{s.a, s.b} {
		for _, e := range h.Ends {
			if e.State() != core.Closed {
				fail("still there after a day: %v", e)
			}
		}
	}
}

// settle runs until nothing happens any more, or for a day.
func (s *story) settle() {
	limit := s.w.Now.Add(24 * time.Hour)
	for s.w.Step(limit) {
		for _, f := range s.flows {
			f.pump(true)
		}
	}
	for _, f := range s.flows {
		f.pump(true)
	}
}
