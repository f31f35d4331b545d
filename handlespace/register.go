package handlespace

import (
	"fmt"
	"time"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// ChangeKind says what happened to an element.
type ChangeKind uint8

// The kinds of Change.
const (
	Added     ChangeKind = iota + 1 // it is new; Old is empty
	Updated                         // it registered again with other attributes
	Refreshed                       // it registered again and nothing changed
)

// String is the kind in lower case.
func (k ChangeKind) String() string {
	switch k {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Refreshed:
		return "refreshed"
	default:
		return fmt.Sprintf("change %d", uint8(k))
	}
}

// Change is what a registration did.
type Change struct {
	Kind     ChangeKind
	Old, New Element
}

// OwnerChanged reports whether the element had another home registrar before.
func (c Change) OwnerChanged() bool {
	return c.Kind == Updated && c.Old.Home != c.New.Home
}

// Register adds element pe to pool h, and the pool too if it is the first (RFC 5352
// §3.1 rules 1 and 2), or replaces the attributes of the registered element with
// that identifier (rule 3). pe.Home becomes its owner whoever owned it before (rule
// 4). The element loses its mark (see Mark) and keeps its expiry. now is recorded.
//
// pe is copied. An *Error says why an element is refused; nothing has changed then.
func (s *Space) Register(now time.Time, h rserpool.PoolHandle, pe rserpool.PoolElement) (Change, error) {
	if err := s.check(h, &pe); err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[h]
	if p != nil {
		if err := p.admit(&pe); err != nil {
			return Change{}, err
		}
	}
	if r := s.record(h, pe.ID); r != nil {
		return s.update(now, r, &pe)
	}
	return s.add(now, h, p, &pe)
}

// check makes the tests that need no lock.
func (s *Space) check(h rserpool.PoolHandle, pe *rserpool.PoolElement) error {
	switch {
	case len(h) == 0 || len(h) > s.opts.MaxPoolHandle:
		return refuse(h, pe.ID, rserpool.CauseInvalidValues, ErrPoolHandle)
	case pe.ID == 0:
		return refuse(h, pe.ID, rserpool.CauseInvalidValues, ErrPEID)
	}
	if err := pe.Validate(); err != nil {
		return refuse(h, pe.ID, rserpool.CauseInvalidValues, fmt.Errorf("%w: %w", ErrElement, err))
	}
	return nil
}

// measure is the size of pe's Pool Element parameter, checked.
func (s *Space) measure(h rserpool.PoolHandle, pe *rserpool.PoolElement) (int, *Error) {
	s.buf = pe.AppendTo(s.buf[:0])
	if len(s.buf) > s.opts.MaxElementBytes {
		return 0, limit(h, pe.ID, "bytes of an element", s.opts.MaxElementBytes)
	}
	return len(s.buf), nil
}

// limit is the error for a limit of Options.
func limit(h rserpool.PoolHandle, id rserpool.PEID, what string, n int) *Error {
	return refuse(h, id, rserpool.CauseLackOfResources, fmt.Errorf("%w: %d %s", ErrLimit, n, what))
}

// unsupported makes err, a constructor's, an ErrPolicyUnsupported as well.
func unsupported(err error) error {
	return fmt.Errorf("%w: %w", ErrPolicyUnsupported, err)
}

// add registers a new element. p is nil if its pool is new too.
func (s *Space) add(now time.Time, h rserpool.PoolHandle, p *pool, pe *rserpool.PoolElement) (Change, error) {
	switch {
	case s.all.n >= s.opts.MaxElements:
		return Change{}, limit(h, pe.ID, "elements", s.opts.MaxElements)
	case p == nil && len(s.pools) >= s.opts.MaxPools:
		return Change{}, limit(h, pe.ID, "pools", s.opts.MaxPools)
	case p != nil && p.members.Len() >= s.opts.MaxElementsPerPool:
		return Change{}, limit(h, pe.ID, "elements of a pool", s.opts.MaxElementsPerPool)
	}
	bytes, err := s.measure(h, pe)
	if err != nil {
		return Change{}, err
	}
	if p == nil {
		if p, err = s.newPool(h, pe); err != nil {
			return Change{}, err
		}
	}
	r := &record{pool: p, sum: p.sum + sumID(pe.ID)}
	r.el = Element{Handle: p.handle, Registered: now, Updated: now}
	s.replace(r, pe.Clone(), bytes)
	r.item = policy.Item{ID: pe.ID, Policy: r.el.Policy, Value: r}
	s.link(r)
	return Change{Kind: Added, New: r.el}, nil
}

// update replaces the attributes of a registered element.
func (s *Space) update(now time.Time, r *record, pe *rserpool.PoolElement) (Change, error) {
	c := Change{Kind: Refreshed, Old: r.el}
	if !pe.Equal(r.el.PoolElement) {
		bytes, err := s.measure(r.el.Handle, pe)
		if err != nil {
			return Change{}, err
		}
		c.Kind = Updated
		s.replace(r, pe.Clone(), bytes)
		if pe.Home != r.owner.id {
			s.disown(r)
			s.own(r, pe.Home)
		}
	}
	// Also if nothing changed: each re-registration sets the degradation counter to
	// 0 (RFC 5356 §5.2.2).
	r.pool.selector.Update(&r.item, r.el.Policy)
	r.el.Updated = now
	r.epoch = r.owner.epoch
	c.New = r.el
	return c, nil
}

// Deregister removes element id from pool h, and the pool if it was the last
// element (RFC 5352 §3.2). It returns the element, and false if there was none.
func (s *Space) Deregister(h rserpool.PoolHandle, id rserpool.PEID) (Element, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record(h, id)
	if r == nil {
		return Element{}, false
	}
	s.unlink(r)
	return r.el, true
}
