package handlespace

import (
	"slices"

	"github.com/rserpool/rserpool/rserpool"
)

// owner is a registrar that is the home of at least one element.
type owner struct {
	id      rserpool.RegistrarID
	index   index
	sum     uint64 // of the blocks of its elements: see checksum.go
	rsum    uint64 // of those that are Options.Portable
	epoch   uint64 // number of calls of Mark
	marking bool   // marks count: neither Sweep nor Unmark came since
}

// own makes home the owner of r, which has none.
func (s *Space) own(r *record, home rserpool.RegistrarID) {
	o := s.owners[home]
	if o == nil {
		o = &owner{id: home, index: newIndex()}
		s.owners[home] = o
	}
	o.index.add(r)
	o.sum += r.sum
	o.rsum += r.rsum
	r.owner, r.epoch = o, o.epoch
}

// disown takes r from its owner.
func (s *Space) disown(r *record) {
	o := r.owner
	o.index.remove(r)
	o.sum -= r.sum
	o.rsum -= r.rsum
	r.owner = nil
	if o.index.n == 0 {
		delete(s.owners, o.id)
	}
}

// move gives r to another owner.
func (s *Space) move(r *record, home rserpool.RegistrarID) {
	s.disown(r)
	r.el.Home = home
	s.own(r, home)
}

// SetOwner makes home the owner of element id of pool h and returns the change,
// which is Refreshed if home owned it already; false if there is no such element.
// The element loses its mark.
func (s *Space) SetOwner(h rserpool.PoolHandle, id rserpool.PEID, home rserpool.RegistrarID) (Change, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record(h, id)
	if r == nil {
		return Change{}, false
	}
	c := Change{Kind: Refreshed, Old: r.el}
	if r.el.Home != home {
		c.Kind = Updated
		s.move(r, home)
	}
	r.epoch = r.owner.epoch
	c.New = r.el
	return c, true
}

// TakeOver makes to the owner of all elements of from (RFC 5353 §3.5) and returns
// them as they are now, in order of key.
func (s *Space) TakeOver(from, to rserpool.RegistrarID) []Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[from]
	if o == nil || from == to {
		return nil
	}
	rs := o.index.records()
	els := make([]Element, 0, len(rs))
	for _, r := range rs {
		s.move(r, to)
		els = append(els, r.el)
	}
	return els
}

// Owned returns the elements whose owner is home, in order of key.
func (s *Space) Owned(home rserpool.RegistrarID) []Element {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[home]
	if o == nil {
		return nil
	}
	els := make([]Element, 0, o.index.n)
	o.index.from(Key{}, func(r *record) bool {
		els = append(els, r.el)
		return true
	})
	return els
}

// OwnedLen is the number of elements whose owner is home.
func (s *Space) OwnedLen(home rserpool.RegistrarID) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[home]; o != nil {
		return o.index.n
	}
	return 0
}

// Owners returns the registrars that own elements, in order of identifier. 0 is
// among them if there are elements whose owner is not known.
func (s *Space) Owners() []rserpool.RegistrarID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]rserpool.RegistrarID, 0, len(s.owners))
	for id := range s.owners {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
