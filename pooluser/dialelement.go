package pooluser

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/rserpool/rserpool/rserpool"
)

// maxDialAll is how many elements DialAll dials at once.
const maxDialAll = 16

// DialElement opens a session with one element of a pool, whatever the policy says
// (RFC 5352 §6.5.3). It is dialed once; if it cannot be reached it is reported. A session
// that fails over may go to any element. The errors are those of Dial; ErrNoElement says
// that the element is not in the pool.
func (pu *PoolUser) DialElement(ctx context.Context, h rserpool.PoolHandle, id rserpool.PEID) (*Session, error) {
	w, err := pu.searchElement(h, id).next(ctx)
	if errors.Is(err, ErrNoElement) {
		// It may be newer than what is cached.
		if _, err = pu.resolve(ctx, h, 0); err == nil {
			w, err = pu.searchElement(h, id).next(ctx)
		}
	}
	var s *Session
	if err == nil {
		s, err = pu.session(h, w)
	}
	if err != nil {
		return nil, dialError(h, err)
	}
	return s, nil
}

func (pu *PoolUser) searchElement(h rserpool.PoolHandle, id rserpool.PEID) *search {
	s := pu.newSearch(h, func(el *Element) bool { return el.ID == id && ofSCTP(el) }, false)
	s.once = true
	return s
}

// DialAll opens a session with each element of a pool that the registrar names, except
// some, such as the caller's own: to send a message to all of them (RFC 5352 §6.5.5,
// ASAP_SEND_TO_ALL). It returns those that could be reached, in the registrar's order,
// and what was wrong with the others.
func (pu *PoolUser) DialAll(ctx context.Context, h rserpool.PoolHandle, except ...rserpool.PEID) ([]*Session, error) {
	els, err := pu.Resolve(ctx, h)
	if err != nil {
		return nil, err
	}
	els = slices.DeleteFunc(els, func(el Element) bool { return slices.Contains(except, el.ID) })
	sessions, errs := make([]*Session, len(els)), make([]error, len(els))
	var wg sync.WaitGroup
	places := make(chan struct{}, maxDialAll)
	for i, el := range els {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			sessions[i], errs[i] = pu.DialElement(ctx, h, el.ID)
		})
	}
	wg.Wait()
	return slices.DeleteFunc(sessions, func(s *Session) bool { return s == nil }), errors.Join(errs...)
}
