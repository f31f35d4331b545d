package pooluser

import (
	"maps"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// maxSelections bounds the elements that are counted by name.
const maxSelections = 1000

// Selection names an element that was selected.
type Selection struct {
	Handle rserpool.PoolHandle
	ID     rserpool.PEID
}

// Stats counts what a pool user has done. All counters only grow.
type Stats struct {
	Since    time.Time // when it began
	Sessions int       // now

	ResolutionsCached uint64        // answered by the cache
	ResolutionsAsked  uint64        // answered by a registrar
	ResolutionsStale  uint64        // of the asked, answered with something old for want of a registrar
	ResolutionsFailed uint64        // of all, without elements
	ResolutionTime    time.Duration // that the asked ones took, added up

	Selections      map[Selection]uint64 // elements that were dialed: of at most 1,000 how often
	SelectionsOther uint64               // of the others
	DialFailures    uint64

	Failovers       uint64
	FailoversFailed uint64
	FailoverTime    time.Duration // that those took which did not fail, added up

	Cookies     uint64 // received and kept
	CookieBytes uint64 // of these
	Reports     uint64 // elements reported as unreachable
}

// counts is where a PoolUser counts.
type counts struct {
	mu sync.Mutex
	s  Stats
}

// change changes the counters. It takes no other lock.
func (c *counts) change(f func(s *Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

// resolved counts a resolution; took is how long the answer of a registrar took, 0 for the
// cache.
func (c *counts) resolved(res *core.Resolution, took time.Duration) {
	c.change(func(s *Stats) {
		if took == 0 {
			s.ResolutionsCached++
		} else {
			s.ResolutionsAsked++
			s.ResolutionTime += took
		}
		if res.Outdated {
			s.ResolutionsStale++
		}
		if res.Err != nil {
			s.ResolutionsFailed++
		}
	})
}

// selected counts an element that is dialed.
func (c *counts) selected(h rserpool.PoolHandle, id rserpool.PEID) {
	c.change(func(s *Stats) {
		if s.Selections == nil {
			s.Selections = map[Selection]uint64{}
		}
		k := Selection{h, id}
		if _, ok := s.Selections[k]; ok || len(s.Selections) < maxSelections {
			s.Selections[k]++
			return
		}
		s.SelectionsOther++
	})
}

// Stats returns the counters.
func (pu *PoolUser) Stats() Stats {
	pu.mu.Lock()
	sessions := len(pu.sessions)
	pu.mu.Unlock()
	pu.counts.mu.Lock()
	defer pu.counts.mu.Unlock()
	s := pu.counts.s
	s.Sessions, s.Selections = sessions, maps.Clone(s.Selections)
	return s
}
