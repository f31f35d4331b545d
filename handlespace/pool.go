package handlespace

import (
	"sync"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// PoolInfo is what all elements of a pool have in common (RFC 5352 §3.1 rule 1)
// and how many there are.
type PoolInfo struct {
	Handle   rserpool.PoolHandle
	Policy   rserpool.PolicyType
	Protocol rserpool.Protocol
	Use      rserpool.TransportUse
	Elements int
}

// pool is a pool with at least one element. Its first element sets the policy
// type, the transport type and the transport use; they last as long as the pool.
type pool struct {
	*group   // in Space.all
	policy   rserpool.PolicyType
	protocol rserpool.Protocol
	use      rserpool.TransportUse
	sum      uint64 // the handle's part of an element's checksum

	// mu lets selections of one pool, which hold the Space's lock for reading, take
	// turns: it guards selector and picked. Writers hold the Space's lock alone and
	// need not take it.
	mu       sync.Mutex
	selector policy.Selector
	picked   []*policy.Item // scratch
}

func (p *pool) info() PoolInfo {
	return PoolInfo{
		Handle:   p.handle,
		Policy:   p.policy,
		Protocol: p.protocol,
		Use:      p.use,
		Elements: p.members.Len(),
	}
}

// admit checks what an element must have in common with the pool. The same tests
// apply to a re-registration (RFC 5352 §3.1 rules 2 and 3).
func (p *pool) admit(pe *rserpool.PoolElement) *Error {
	switch {
	case pe.Policy.Type != p.policy:
		e := refuse(p.handle, pe.ID, rserpool.CauseInconsistentPolicy, ErrPolicyMismatch)
		e.Cause.Info = rserpool.Policy{Type: p.policy}.AppendTo(nil)
		return e
	case pe.User.Protocol != p.protocol:
		e := refuse(p.handle, pe.ID, rserpool.CauseInconsistentTransportType, ErrTransportType)
		e.Cause.Info = p.members.First().Value().el.User.AppendTo(nil)
		return e
	case pe.User.Use != p.use:
		return refuse(p.handle, pe.ID, rserpool.CauseInconsistentDataControlConfig, ErrTransportUse)
	}
	return nil
}

// Pool returns what the elements of pool h have in common, and all of them in
// order of identifier; false if there is no such pool.
func (s *Space) Pool(h rserpool.PoolHandle) (PoolInfo, []Element, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.pools[h]
	if p == nil {
		return PoolInfo{}, nil, false
	}
	els := make([]Element, 0, p.members.Len())
	for c := p.members.First(); c.Valid(); c = c.Next() {
		els = append(els, c.Value().el)
	}
	return p.info(), els, true
}

// Pools returns all pools in order of handle.
func (s *Space) Pools() []PoolInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	infos := make([]PoolInfo, 0, len(s.pools))
	for c := s.all.groups.First(); c.Valid(); c = c.Next() {
		infos = append(infos, s.pools[c.Key()].info())
	}
	return infos
}
