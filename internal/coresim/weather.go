package coresim

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
)

// randomLink draws a link, between perfect and hardly one.
func (s *story) randomLink() simnet.Link {
	r := s.r
	l := simnet.Link{
		Delay:  time.Duration(r.IntN(100)) * time.Millisecond,
		Jitter: time.Duration(r.IntN(20)) * time.Millisecond,
	}
	if r.IntN(4) > 0 {
		l.Loss = r.Float64() * pick(r, 0.02, 0.1, 0.3, 0.5)
		l.LossBurst = float64(r.IntN(4))
		l.Duplicate = r.Float64() * 0.2
		l.Reorder = r.Float64() * 0.3
		l.ReorderDelay = time.Duration(r.IntN(150)) * time.Millisecond
		l.Corrupt = r.Float64() * 0.05
	}
	if r.IntN(4) == 0 {
		l.Bandwidth, l.Queue = 20_000+r.IntN(200_000), 20_000+r.IntN(100_000)
		l.MarkAt = pick(r, 0, 1, l.Queue/4)
	}
	l.Mark = pick(r, 0, 0.02, 0.3, 1)
	return l
}

// randomMTU draws the MTU of a link, 0 for none. The least is what the protocols
// promise.
func (s *story) randomMTU(a netip.Addr) int {
	if !s.discover {
		return 0
	}
	least := 576
	if a.Is6() {
		least = 1280
	}
	return pick(s.r, 0, least, least+s.r.IntN(1500), 9000)
}

// pairs calls f for each pair of addresses that reach each other.
func (s *story) pairs(f func(a, b netip.Addr)) {
	for _, a := range s.a.addrs {
		for _, b := range s.b.addrs {
			if a.Is4() == b.Is4() {
				f(a, b)
			}
		}
	}
}

// weather sets random links: one for all, or each its own.
func (s *story) weather() {
	l, same := s.randomLink(), s.r.IntN(2) == 0
	s.pairs(func(a, b netip.Addr) {
		if !same {
			l = s.randomLink()
		}
		l.MTU = s.randomMTU(a)
		s.w.Net.SetLink(a, b, l)
	})
}

// calm ends all mishaps: what is left is a network that loses little.
func (s *story) calm() {
	s.w.Net.Heal()
	s.partedTo, s.downTo = time.Time{}, time.Time{}
	s.up()
	s.pairs(func(a, b netip.Addr) {
		l := s.w.Net.Link(a, b)
		l.Loss, l.LossBurst = min(l.Loss, 0.2), 1
		s.w.Net.SetLink(a, b, l)
	})
	for _, f := range s.flows {
		f.paused = time.Time{}
	}
}

// down pulls a cable: nothing passes to and from one address. The host may notice,
// and take the address away.
func (s *story) down() {
	h := pick(s.r, s.a, s.b)
	x := h.addrs[s.r.IntN(len(h.addrs))]
	s.pairs(func(a, b netip.Addr) {
		if a == x || b == x {
			s.w.Net.SetDown(a, b, true)
		}
	})
	if s.r.IntN(3) == 0 {
		h.withdraw(x)
	}
	s.downTo = s.w.Now.Add(time.Duration(s.r.IntN(60_000)) * time.Millisecond)
}

// up puts the cables back.
func (s *story) up() {
	s.pairs(func(a, b netip.Addr) { s.w.Net.SetDown(a, b, false) })
	s.a.restore()
	s.b.restore()
}

// part separates the hosts, in both directions or one.
func (s *story) part() {
	a := s.a.addrs
	switch s.r.IntN(3) {
	case 0:
		s.w.Net.Partition(a, nil)
	case 1:
		s.w.Net.PartitionOneWay(a, nil)
	case 2:
		s.w.Net.PartitionOneWay(nil, a)
	}
	s.partedTo = s.w.Now.Add(time.Duration(s.r.IntN(20_000)) * time.Millisecond)
}

// heal ends a partition or plugs a cable in when its time has come.
func (s *story) heal() {
	now := s.w.Now
	if !s.partedTo.IsZero() && now.After(s.partedTo) {
		s.w.Net.Heal()
		s.partedTo, s.moved = time.Time{}, now
	}
	if !s.downTo.IsZero() && now.After(s.downTo) {
		s.up()
		s.downTo, s.moved = time.Time{}, now
	}
}

// mishap is what happens once in a while.
func (s *story) mishap() {
	r := s.r
	switch r.IntN(13) {
	case 0:
		s.weather()
	case 1:
		if s.nat != nil {
			s.nat.Rebind()
		}
	case 2:
		s.part()
	case 3, 4:
		s.down()
	case 5:
		h := pick(r, s.a, s.b)
		jump := pick(r, time.Hour, time.Second, 10*time.Millisecond) * time.Duration(r.IntN(2000)-1000) / 1000
		h.Skew += jump
		s.jumped = s.jumped || jump > 10*time.Second
	case 6:
		for _, f := range s.flows {
			f.paused = s.w.Now.Add(time.Duration(r.IntN(30_000)) * time.Millisecond)
		}
	case 7:
		s.replay()
	case 8:
		s.forge()
	case 9:
		s.icmp()
	case 10, 11:
		s.control()
	}
}
