package handlespace

import (
	"strings"
	"sync"

	"github.com/rserpool/rserpool/rserpool"
)

// Space is a handlespace. Use New. All methods may be called concurrently.
type Space struct {
	opts Options

	// mu guards everything below. Readers of what elements say share it; so do
	// selections, which take turns by pool.mu. Lock order: mu, then pool.mu.
	mu     sync.RWMutex
	pools  map[rserpool.PoolHandle]*pool
	owners map[rserpool.RegistrarID]*owner
	all    index
	expiry expiry
	buf    []byte // scratch
}

// New returns an empty handlespace.
func New(opts Options) *Space {
	return &Space{
		opts:   opts.withDefaults(),
		pools:  map[rserpool.PoolHandle]*pool{},
		owners: map[rserpool.RegistrarID]*owner{},
		all:    newIndex(),
	}
}

// Len returns the number of pools and the number of elements in all of them.
func (s *Space) Len() (pools, elements int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.pools), s.all.n
}

// Get returns element id of pool h.
func (s *Space) Get(h rserpool.PoolHandle, id rserpool.PEID) (Element, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.record(h, id); r != nil {
		return r.el, true
	}
	return Element{}, false
}

// record finds an element; nil if it is not registered.
func (s *Space) record(h rserpool.PoolHandle, id rserpool.PEID) *record {
	p := s.pools[h]
	if p == nil {
		return nil
	}
	r, _ := p.members.Get(id)
	return r
}

// newPool makes the pool of its first element pe. The pool is not linked yet.
func (s *Space) newPool(h rserpool.PoolHandle, pe *rserpool.PoolElement) (*pool, *Error) {
	sel, err := s.opts.NewSelector(pe.Policy.Type, s.opts.selectorOptions())
	if err != nil {
		return nil, refuse(h, pe.ID, rserpool.CauseRsplibUnsupportedPolicy, unsupported(err))
	}
	h = rserpool.PoolHandle(strings.Clone(string(h))) // may be part of a long message
	return &pool{
		group:    &group{handle: h},
		policy:   pe.Policy.Type,
		protocol: pe.User.Protocol,
		use:      pe.User.Use,
		sum:      sumHandle(h),
		selector: sel,
	}, nil
}

// link makes r part of everything.
func (s *Space) link(r *record) {
	r.pool.group = s.all.add(r)
	s.pools[r.el.Handle] = r.pool
	r.pool.selector.Insert(&r.item)
	s.own(r, r.el.Home)
}

// unlink takes r out of everything, and its pool with it if r was the last
// element (RFC 5352 §3.2).
func (s *Space) unlink(r *record) {
	s.disown(r)
	s.expiry.remove(r)
	r.pool.selector.Remove(&r.item)
	s.all.remove(r)
	if r.pool.members.Len() == 0 {
		delete(s.pools, r.el.Handle)
	}
}
