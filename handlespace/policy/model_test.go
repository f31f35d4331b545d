package policy

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// naive is a Selector without any data structure: a list, searched from one end to
// the other for each question.
type naive interface {
	insert(id rserpool.PEID, p rserpool.Policy)
	update(id rserpool.PEID, p rserpool.Policy)
	remove(id rserpool.PEID)
	sel(n int, skip func(rserpool.PEID) bool) []rserpool.PEID
}

type naiveItem struct {
	id     rserpool.PEID
	p      rserpool.Policy
	taken  uint32
	seq    uint64
	weight uint64
	round  uint64
	slot   uint64
}

type naiveList struct {
	items []*naiveItem
	seq   uint64
}

func (l *naiveList) find(id rserpool.PEID) int {
	return slices.IndexFunc(l.items, func(it *naiveItem) bool { return it.id == id })
}

func (l *naiveList) insert(id rserpool.PEID, p rserpool.Policy) {
	l.seq++
	l.items = append(l.items, &naiveItem{id: id, p: p, seq: l.seq})
}

func (l *naiveList) update(id rserpool.PEID, p rserpool.Policy) {
	it := l.items[l.find(id)]
	it.p, it.taken = p, 0
}

func (l *naiveList) remove(id rserpool.PEID) {
	i := l.find(id)
	l.items = slices.Delete(l.items, i, i+1)
}

// naiveOrder sorts the list anew for each selection.
type naiveOrder struct {
	naiveList
	rank  func(it *naiveItem) uint64
	turns int
}

func (o *naiveOrder) sel(n int, skip func(rserpool.PEID) bool) []rserpool.PEID {
	slices.SortFunc(o.items, func(a, b *naiveItem) int {
		return cmp.Or(cmp.Compare(o.rank(a), o.rank(b)), cmp.Compare(a.seq, b.seq))
	})
	var got []rserpool.PEID
	for _, it := range slices.Clone(o.items) {
		if len(got) == n {
			break
		}
		if skip(it.id) {
			continue
		}
		it.taken++
		if got = append(got, it.id); len(got) <= o.turns {
			o.seq++
			it.seq = o.seq
		}
	}
	return got
}

// naiveLots draws from one long row of lots, with the same numbers in the same
// order as lottery.
type naiveLots struct {
	naiveList
	weigh func(it *naiveItem) uint64
	rnd   func() uint64
}

func (l *naiveLots) remove(id rserpool.PEID) { // the last one takes the place
	i, last := l.find(id), len(l.items)-1
	l.items[i] = l.items[last]
	l.items = l.items[:last]
}

func (l *naiveLots) sel(n int, skip func(rserpool.PEID) bool) []rserpool.PEID {
	var got []rserpool.PEID
	out := map[rserpool.PEID]bool{}
	for len(got) < min(n, len(l.items)) {
		total := uint64(0)
		for _, it := range l.items {
			if !out[it.id] {
				total += l.weigh(it)
			}
		}
		if total == 0 {
			break
		}
		lot := below(l.rnd, total)
		for _, it := range l.items {
			if out[it.id] {
				continue
			}
			if w := l.weigh(it); lot >= w {
				lot -= w
				continue
			}
			if slices.Contains(got, it.id) || skip(it.id) {
				out[it.id] = true
			} else {
				got = append(got, it.id)
			}
			break
		}
	}
	for _, id := range got {
		l.items[l.find(id)].taken++
	}
	return got
}

// naiveSlots goes by the rules at the top of weightedroundrobin.go: of each class of
// weights the element whose slot begins first is a candidate, and the best of the
// candidates gets the turn.
type naiveSlots struct {
	naiveList
	w weightedRoundRobin // for its clock only
}

func (s *naiveSlots) begun(it *naiveItem) bool {
	return it.round < s.w.round || it.round == s.w.round && slotStart(it.slot, it.weight) <= s.w.now
}

func (s *naiveSlots) next(it *naiveItem) {
	if it.slot++; it.slot == it.weight {
		it.slot = 0
		it.round++
	}
}

func (s *naiveSlots) enter(it *naiveItem, due bool) {
	it.round, it.slot = s.w.round, slotAt(s.w.now, it.weight)
	if !due {
		s.next(it)
	}
}

// total brings the length of a turn up to date with the weights.
func (s *naiveSlots) total() {
	total := uint64(0)
	for _, it := range s.items {
		total += it.weight
	}
	if total != s.w.total {
		s.w.total, s.w.rest = total, 0
	}
}

func (s *naiveSlots) insert(id rserpool.PEID, p rserpool.Policy) {
	s.naiveList.insert(id, p)
	it := s.items[len(s.items)-1]
	if it.weight = uint64(p.Weight); it.weight > 0 {
		s.w.rest = 0
		s.enter(it, slotStart(slotAt(s.w.now, it.weight), it.weight) == s.w.now)
	}
	s.total()
}

func (s *naiveSlots) remove(id rserpool.PEID) {
	if s.items[s.find(id)].weight > 0 {
		s.w.rest = 0
	}
	s.naiveList.remove(id)
	s.total()
}

func (s *naiveSlots) update(id rserpool.PEID, p rserpool.Policy) {
	s.naiveList.update(id, p)
	it := s.items[s.find(id)]
	old := it.weight
	if it.weight = uint64(p.Weight); it.weight == old {
		return
	}
	s.w.rest = 0
	switch {
	case it.weight == 0:
	case old == 0:
		s.enter(it, slotStart(slotAt(s.w.now, it.weight), it.weight) == s.w.now)
	default:
		it.weight = old
		due := s.begun(it)
		it.weight = uint64(p.Weight)
		s.enter(it, due)
	}
	s.total()
}

// ends is where the slot of it ends, as a number of rounds and a part of one.
func (s *naiveSlots) ends(it *naiveItem) (uint64, fraction) {
	if it.slot+1 == it.weight {
		return it.round + 1, 0
	}
	return it.round, slotStart(it.slot+1, it.weight)
}

func (s *naiveSlots) compare(a, b *naiveItem) int {
	if x, y := s.begun(a), s.begun(b); x != y {
		if x {
			return -1
		}
		return 1
	} else if !x {
		if c := cmp.Or(cmp.Compare(a.round, b.round),
			cmp.Compare(slotStart(a.slot, a.weight), slotStart(b.slot, b.weight))); c != 0 {
			return c
		}
	}
	ar, af := s.ends(a)
	br, bf := s.ends(b)
	return cmp.Or(cmp.Compare(ar, br), cmp.Compare(af, bf), cmp.Compare(a.seq, b.seq))
}

// place orders the elements of a class.
func (s *naiveSlots) place(it *naiveItem) slotPlace {
	return slotPlace{it.round, slotStart(it.slot, it.weight), ^it.weight, it.seq}
}

// best is the next in turn, nil if there are no items.
func (s *naiveSlots) best(items []*naiveItem) *naiveItem {
	heads := map[int]*naiveItem{}
	for _, it := range items {
		class := bits.Len64(it.weight)
		if h := heads[class]; h == nil || compareSlots(s.place(it), s.place(h)) < 0 {
			heads[class] = it
		}
	}
	var best *naiveItem
	for _, it := range heads {
		if best == nil || s.compare(it, best) < 0 {
			best = it
		}
	}
	return best
}

func (s *naiveSlots) sel(n int, skip func(rserpool.PEID) bool) []rserpool.PEID {
	items := slices.DeleteFunc(slices.Clone(s.items), func(it *naiveItem) bool { return it.weight == 0 || skip(it.id) })
	var got []rserpool.PEID
	var first *naiveItem
	for len(got) < n && len(items) > 0 {
		it := s.best(items)
		if first == nil {
			first = it
		}
		got = append(got, it.id)
		items = slices.DeleteFunc(items, func(o *naiveItem) bool { return o == it })
	}
	if first != nil {
		s.turn(first)
	}
	return got
}

func (s *naiveSlots) turn(it *naiveItem) {
	if !s.begun(it) {
		s.w.round, s.w.now, s.w.rest = it.round, slotStart(it.slot, it.weight), 0
	}
	s.w.tick()
	s.next(it)
	if k := slotAt(s.w.now, it.weight); it.round < s.w.round || it.round == s.w.round && it.slot < k {
		it.round, it.slot = s.w.round, k
	}
	s.seq++
	it.seq = s.seq
}

// model returns the naive version of a policy, nil if there is none.
func model(t rserpool.PolicyType, o Options) naive {
	o.Rand = rand.NewPCG(1, 1).Uint64
	order := func(rank func(it *naiveItem) uint64) naive { return &naiveOrder{rank: rank, turns: o.turns(1 << 30)} }
	lots := func(weigh func(it *naiveItem) uint64) naive { return &naiveLots{weigh: weigh, rnd: o.Rand} }
	load := func(it *naiveItem) uint64 { return uint64(it.p.Load) }
	deg := func(it *naiveItem) uint64 { return uint64(it.p.LoadDegradation) }
	taken := func(it *naiveItem) uint64 { return uint64(it.taken) }
	free := func(load uint64) uint64 { return max(0xffffffff, load+1) - load }
	switch t {
	case rserpool.RoundRobin:
		return order(func(*naiveItem) uint64 { return 0 })
	case rserpool.WeightedRoundRobin:
		return &naiveSlots{}
	case rserpool.WeightedRandom:
		return lots(func(it *naiveItem) uint64 { return uint64(it.p.Weight) })
	case rserpool.Priority:
		return order(func(it *naiveItem) uint64 { return uint64(^it.p.Priority) })
	case rserpool.LeastUsed:
		return order(load)
	case rserpool.LeastUsedDegradation:
		return order(func(it *naiveItem) uint64 { return load(it) + taken(it)*deg(it) })
	case rserpool.PriorityLeastUsed:
		return order(func(it *naiveItem) uint64 { return load(it) + deg(it) })
	case rserpool.RandomizedLeastUsed:
		return lots(func(it *naiveItem) uint64 { return free(load(it)) })
	case rserpool.RsplibPriorityLeastUsedDegradation:
		return order(func(it *naiveItem) uint64 { return load(it) + deg(it) + taken(it)*deg(it) })
	case rserpool.RsplibRandomizedPriorityLeastUsed:
		return lots(func(it *naiveItem) uint64 { return free(load(it) + deg(it)) })
	case rserpool.RsplibRandomizedLeastUsedDegradation:
		return lots(func(it *naiveItem) uint64 { return free(load(it) + taken(it)*deg(it)) })
	case rserpool.RsplibRandomizedPriorityLeastUsedDegradation:
		return lots(func(it *naiveItem) uint64 { return free(load(it) + deg(it) + taken(it)*deg(it)) })
	case rserpool.RsplibLeastUsedDPF:
		return order(func(it *naiveItem) uint64 { return load(it) + uint64(it.p.DPF)*uint64(it.p.Distance) })
	case rserpool.RsplibLeastUsedDegradationDPF:
		return order(func(it *naiveItem) uint64 {
			return load(it) + taken(it)*deg(it) + uint64(it.p.DPF)*uint64(it.p.Distance)
		})
	}
	return nil
}

// Random operations on a selector and on the naive version: both give the same
// elements in the same order. (Random has no more structure than its model would;
// of Weighted Random DPF the weight is all there is.)
func TestSelectorsAgainstModel(t *testing.T) {
	compared := 0
	for _, typ := range rserpool.PolicyTypes() {
		for seed := range uint64(5) {
			o := Options{MaxIncrement: int(seed%3) - 1}
			if typ == rserpool.WeightedRoundRobin {
				o.MaxIncrement = 0 // the model of slots knows no other
			}
			m := model(typ, o)
			if m == nil {
				continue
			}
			compared++
			o.Rand = rand.NewPCG(1, 1).Uint64
			s, err := New(typ, o)
			require.NoError(t, err)
			require.NoError(t, against(m, s, rand.New(rand.NewPCG(seed, 9))), "%s seed %d", typ, seed)
		}
	}
	require.Equal(t, 14*5, compared)
}

// against runs random operations on both.
func against(m naive, s Selector, rnd *rand.Rand) error {
	items := map[rserpool.PEID]*Item{}
	value := func() uint32 {
		if rnd.IntN(20) == 0 {
			return 0xffffffff - rnd.Uint32N(3)
		}
		return rnd.Uint32N(5)
	}
	for step := range 700 {
		id := rserpool.PEID(1 + rnd.IntN(40))
		it := items[id]
		p := rserpool.Policy{
			Weight: value(), Priority: value(), Load: value(), LoadDegradation: value(),
			DPF: rnd.Uint32N(3), Distance: rnd.Uint32N(4) * 50,
		}
		switch op := rnd.IntN(12); {
		case op < 2 && it == nil:
			it = &Item{ID: id, Policy: p}
			items[id] = it
			s.Insert(it)
			m.insert(id, p)
		case op == 2 && it != nil:
			delete(items, id)
			s.Remove(it)
			m.remove(id)
		case op < 5 && it != nil:
			s.Update(it, p)
			m.update(id, p)
		case op >= 5:
			n, mask := rnd.IntN(6), rnd.Uint64()&rnd.Uint64()&rnd.Uint64()
			skip := func(id rserpool.PEID) bool { return mask>>id&1 != 0 }
			var got []rserpool.PEID
			for _, it := range s.AppendSelect(nil, n, skip) {
				got = append(got, it.ID)
			}
			if want := m.sel(n, skip); !slices.Equal(got, want) {
				return fmt.Errorf("step %d: %d selected are %v, want %v", step, n, got, want)
			}
		}
	}
	return nil
}
