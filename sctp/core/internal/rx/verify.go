package rx

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// Verify checks the map against itself. It is for simulations: it is slow.
func (m *TSNMap) Verify() error {
	set := 0
	for _, w := range m.bits {
		set += bits.OnesCount64(w)
	}
	for t := m.cum; t != m.high; t = t.Add(1) {
		if m.has(t.Add(1)) {
			set--
		}
	}
	var errs []error
	if set != 0 {
		errs = append(errs, fmt.Errorf("%d TSNs are marked outside of the window", set))
	}
	if m.HasGaps() && (m.has(m.cum.Add(1)) || !m.has(m.high) || !m.cum.Less(m.high)) {
		errs = append(errs, fmt.Errorf("received TSNs do not lie between %d and %d", m.cum, m.high))
	}
	return errors.Join(errs...)
}

// Verify checks the counters of the inbox against what it holds. It is for
// simulations: it is slow.
func (x *Inbox) Verify() error {
	seen := map[*message]bool{}
	user, charged := 0, 0
	add := func(c *chain) {
		for f := c.head; f != nil; f = f.next {
			user += len(f.data)
			charged += len(f.data) + Overhead
		}
	}
	readable := 0
	for m := x.first; m != nil; m = m.next {
		readable++
	}
	queued := 0
	streams := slices.Collect(maps.Values(x.streams.table))
	if x.streams.table == nil && x.streams.recent != nil {
		streams = append(streams, x.streams.recent)
	}
	for _, s := range streams {
		for m := s.head; m != nil; m = m.streamNext {
			seen[m] = true
			if m.queued {
				queued++
			}
		}
	}
	for _, m := range x.pending {
		seen[m] = true
	}
	for m := range seen {
		add(&m.parts)
	}
	runs := map[*run]bool{}
	if x.frags.growing != nil {
		runs[x.frags.growing] = true
	}
	for _, r := range x.frags.ends {
		runs[r] = true
	}
	for _, r := range x.frags.begins {
		runs[r] = true
	}
	for r := range runs {
		add(&r.parts)
	}
	var errs []error
	for _, n := range []struct {
		what       string
		have, want int
	}{
		{"user bytes held", x.user, user}, {"bytes charged", x.charged, charged}, {"messages readable", x.readable, readable},
		{"messages queued by stream", queued, readable}, {"runs of fragments", x.frags.count, len(runs)},
	} {
		if n.have != n.want {
			errs = append(errs, fmt.Errorf("%s: %d, should be %d", n.what, n.have, n.want))
		}
	}
	return errors.Join(errs...)
}
