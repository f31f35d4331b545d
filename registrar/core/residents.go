package core

import (
	"iter"
	"maps"
	"slices"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// residents is the elements that live on a connection. Most connections are of a program
// with one element, which takes no map.
type residents struct {
	only handlespace.Key // the only one, while many is nil
	some bool            // there is one
	many *household
}

// household is several elements, or what was left of them.
type household struct {
	keys  map[handlespace.Key]struct{}
	pools map[rserpool.PoolHandle]int
}

// add puts an element in that is not there.
func (s *residents) add(k handlespace.Key) {
	if !s.some && s.many == nil {
		s.only, s.some = k, true
		return
	}
	if s.many == nil {
		s.many = &household{make(map[handlespace.Key]struct{}), make(map[rserpool.PoolHandle]int)}
		s.many.add(s.only)
		s.only, s.some = handlespace.Key{}, false
	}
	s.many.add(k)
}

func (h *household) add(k handlespace.Key) {
	h.keys[k] = struct{}{}
	h.pools[k.Handle]++
}

// remove takes an element out.
func (s *residents) remove(k handlespace.Key) {
	h := s.many
	switch {
	case !s.has(k):
		return
	case h == nil:
		*s = residents{}
		return
	}
	delete(h.keys, k)
	if h.pools[k.Handle]--; h.pools[k.Handle] == 0 {
		delete(h.pools, k.Handle)
	}
	if len(h.keys) == 0 {
		s.many = nil
	}
}

func (s *residents) has(k handlespace.Key) bool {
	if s.many == nil {
		return s.some && s.only == k
	}
	_, ok := s.many.keys[k]
	return ok
}

// count is how many there are.
func (s *residents) count() int {
	switch {
	case s.many != nil:
		return len(s.many.keys)
	case s.some:
		return 1
	}
	return 0
}

// inPool is how many of them are of a pool.
func (s *residents) inPool(h rserpool.PoolHandle) int {
	switch {
	case s.many != nil:
		return s.many.pools[h]
	case s.some && s.only.Handle == h:
		return 1
	}
	return 0
}

// all yields them in no order.
func (s *residents) all() iter.Seq[handlespace.Key] {
	if s.many != nil {
		return maps.Keys(s.many.keys)
	}
	return func(yield func(handlespace.Key) bool) {
		if s.some {
			yield(s.only)
		}
	}
}

// sorted returns them in the order of their keys.
func (s *residents) sorted() []handlespace.Key {
	return slices.SortedFunc(s.all(), handlespace.Key.Compare)
}
