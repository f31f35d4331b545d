package sctp

import (
	"cmp"
	"slices"
	"sync"
)

// ledger is the association table of RFC 3873 (sctpAssocTable): who lives, by a
// number of our own that tells strangers nothing, and what those have counted that
// live no more. Packets never touch it.
type ledger struct {
	mu    sync.Mutex
	last  uint32 // number given out last
	alive map[uint32]*Association
	ended Stats // counters of the associations that ended
}

// number returns the number of a new association, which is never 0.
func (l *ledger) number() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.last++; l.last == 0 || l.alive[l.last] != nil; l.last++ {
		// The numbers begin anew after 2^32 associations; some may live that long.
	}
	return l.last
}

// enter adds an association.
func (l *ledger) enter(a *Association) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive == nil {
		l.alive = make(map[uint32]*Association)
	}
	l.alive[a.id] = a
}

// leave takes an association out and keeps what it has counted. The caller holds
// a.mu.
func (l *ledger) leave(a *Association) {
	counted := a.counted()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive[a.id] == a {
		delete(l.alive, a.id)
		l.ended.Add(&counted)
	}
}

// open returns the associations, oldest number first, and what those have counted
// that ended before. Nobody is in both, so that sums never run backwards.
func (l *ledger) open() ([]*Association, Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Association, 0, len(l.alive))
	for _, a := range l.alive {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *Association) int { return cmp.Compare(a.id, b.id) })
	return all, l.ended
}

// counted is the counters of a alone: a machine that a restart took from another
// association keeps counting where it was. The caller holds a.mu.
func (a *Association) counted() Stats {
	if a.core == nil {
		if a.taken != nil {
			return *a.taken
		}
		return Stats{}
	}
	s := a.core.Stats()
	if a.inherited != nil {
		s.Sub(a.inherited)
	}
	return s
}
