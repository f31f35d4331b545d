package handlespace

import "github.com/rserpool/rserpool/rserpool"

// Re-synchronisation with a peer whose checksum differs (RFC 5353 §3.6.3): mark
// all its elements, ask it for the list of them, register what it lists, and sweep
// out what is still marked.

// Mark marks all elements whose owner is home (§3.6.3 step 1). An element loses
// its mark when it is registered again or its owner is set. It takes O(1).
func (s *Space) Mark(home rserpool.RegistrarID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[home]; o != nil {
		o.epoch++
		o.marking = true
	}
}

// Unmark takes all marks of home's elements away: the peer rejected the request or
// is gone.
func (s *Space) Unmark(home rserpool.RegistrarID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[home]; o != nil {
		o.marking = false
	}
}

// Sweep removes the elements of home that are still marked (§3.6.3 step 5) and
// returns them in order of key. There are no marks left afterwards.
func (s *Space) Sweep(home rserpool.RegistrarID) []Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[home]
	if o == nil || !o.marking {
		return nil
	}
	o.marking = false
	var rs []*record
	o.index.from(Key{}, func(r *record) bool {
		if r.epoch != o.epoch {
			rs = append(rs, r)
		}
		return true
	})
	gone := make([]Element, 0, len(rs))
	for _, r := range rs {
		s.unlink(r)
		gone = append(gone, r.el)
	}
	return gone
}
