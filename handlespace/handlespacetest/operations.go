package handlespacetest

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// policies are the policies of new elements.
var policies = append(rserpool.PolicyTypes(), unsupported)

// unsupported is a policy that there is no selector for.
const unsupported rserpool.PolicyType = 0xb0000077

// policyOf is the policy of most elements of a pool: that of the pool if there is
// one, so that all policies meet all handles in the course of a program.
func (r *runner) policyOf(h rserpool.PoolHandle) rserpool.PolicyType {
	if p := r.model.pools[h]; p != nil {
		return p.policy
	}
	return policies[(len(h)+r.model.seq)%len(policies)]
}

// element builds an element out of the next bytes of the program.
func (r *runner) element(h rserpool.PoolHandle) rserpool.PoolElement {
	pe := rserpool.PoolElement{ID: r.id(), Home: r.owner()}
	v := r.next()
	pe.Life = uint32(v & 1)
	value := uint32(v >> 1 & 3)
	pe.Policy = rserpool.Policy{Type: r.policyOf(h)}
	odd := r.next() // most elements of a pool agree; here are the ways in which they do not
	if odd >= 0xf0 {
		pe.Policy.Type = policies[int(odd)%len(policies)]
	}
	if odd&0x40 != 0 {
		value *= math.MaxUint32 / 3
	}
	pe.Policy.Weight, pe.Policy.Priority, pe.Policy.Load = value, value, value
	pe.Policy.LoadDegradation = uint32(v >> 4 & 3)
	pe.Policy.DPF, pe.Policy.Distance = uint32(v>>5&1), uint32(v>>6)
	pe.User = rserpool.Transport{
		Protocol: rserpool.ProtoSCTP,
		Port:     7,
		Addrs:    []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, v >> 3 & 1})},
	}
	switch odd & 0x1f {
	case 1:
		pe.User.Protocol = rserpool.ProtoTCP
	case 2:
		pe.User.Use = rserpool.UseDataControl
	case 3:
		pe.User.Addrs = nil
	case 4:
		pe.User.Addrs = slices.Repeat([]netip.Addr{netip.IPv6Loopback()}, 14)
	case 5, 6:
		asap := pe.User.Clone()
		pe.ASAP = &asap
	}
	return pe
}

func (r *runner) register() error {
	h := r.handle()
	pe := r.element(h)
	want := r.model.refusal(h, pe)
	got, err := r.space.Register(r.now, h, pe)
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		return differ("error", err, want)
	}
	if want != nil {
		var refused *handlespace.Error
		if !errors.As(err, &refused) || refused.Handle != h || refused.ID != pe.ID || refused.Cause.Code == 0 {
			return fmt.Errorf("error without details: %v", err)
		}
		return nil
	}
	c := r.model.register(r.now, h, pe)
	if got.Kind != c.Kind || !same(got.Old, c.Old) || !same(got.New, c.New) {
		return differ("change", got, c)
	}
	pe.User.Addrs[0] = netip.IPv6LinkLocalAllNodes() // must not reach the stored element
	return nil
}

func (r *runner) deregister() error {
	h, id := r.handle(), r.id()
	got, ok := r.space.Deregister(h, id)
	e := r.model.find(h, id)
	if ok != (e != nil) {
		return differ("found", ok, e != nil)
	}
	if e == nil {
		return nil
	}
	r.model.remove(e)
	return sameLists("element", []handlespace.Element{got}, []*modelElement{e})
}

func (r *runner) sel() error {
	h, n, mask := r.handle(), int(r.next()%9), r.next()
	skip := func(id rserpool.PEID) bool { return mask&0x80 != 0 && mask>>(id%7)&1 != 0 }
	got, pol, ok := r.space.AppendSelect(nil, h, n, skip)
	p := r.model.pools[h]
	if ok != (p != nil) {
		return differ("found", ok, p != nil)
	}
	if p == nil {
		return nil
	}
	if want := (rserpool.Policy{Type: p.policy}); !pol.Equal(want) {
		return differ("policy", pol, want)
	}
	if es, ordered := p.inTurn(); ordered {
		return r.selectOrdered(es, got, n, skip)
	}
	eligible := 0
	for _, e := range p.elements {
		if p.selectable(e) && !skip(e.ID) {
			eligible++
		}
	}
	if len(got) != min(n, eligible) {
		return differ("number selected", len(got), min(n, eligible))
	}
	seen := map[rserpool.PEID]bool{}
	for _, pe := range got {
		e := p.elements[pe.ID]
		if e == nil || seen[pe.ID] || skip(pe.ID) || !p.selectable(e) || !e.PoolElement.Equal(pe) {
			return fmt.Errorf("selected %v out of %v, again: %v", pe, e, seen[pe.ID])
		}
		seen[pe.ID] = true
	}
	return nil
}

// selectOrdered checks a selection by a policy with a plain order: the first ones
// that are not to be skipped, and the first of them loses its turn.
func (r *runner) selectOrdered(es []*modelElement, got []rserpool.PoolElement, n int, skip func(rserpool.PEID) bool) error {
	es = slices.DeleteFunc(es, func(e *modelElement) bool { return skip(e.ID) })
	es = es[:min(n, len(es))]
	if len(got) != len(es) {
		return differ("number selected", len(got), len(es))
	}
	for i, e := range es {
		if !e.PoolElement.Equal(got[i]) {
			return differ(fmt.Sprintf("selected element %d", i), got[i], e.PoolElement)
		}
	}
	for i, e := range es {
		if e.taken++; i == 0 {
			r.model.seq++
			e.turn = r.model.seq
		}
	}
	return nil
}

func (r *runner) setOwner() error {
	h, id, home := r.handle(), r.id(), r.owner()
	got, ok := r.space.SetOwner(h, id, home)
	e := r.model.find(h, id)
	if ok != (e != nil) {
		return differ("found", ok, e != nil)
	}
	if e == nil {
		return nil
	}
	old := e.Element
	e.Home, e.marked = home, false
	if !same(got.Old, old) || !same(got.New, e.Element) || got.OwnerChanged() != (old.Home != home) {
		return differ("change", got, e.Element)
	}
	return nil
}

func (r *runner) takeOver() error {
	from, to := r.owner(), r.owner()
	var es []*modelElement
	if from != to {
		es = r.model.owned(from)
	}
	for _, e := range es {
		e.Home, e.marked = to, false
	}
	return sameLists("taken over", r.space.TakeOver(from, to), es)
}

func (r *runner) setExpiry() error {
	h, id, d := r.handle(), r.id(), r.next()%16
	at := time.Time{}
	if d > 0 {
		at = r.now.Add(time.Duration(d) * time.Second)
	}
	ok := r.space.SetExpiry(h, id, at)
	e := r.model.find(h, id)
	if e != nil {
		r.model.seq++
		e.Expiry, e.timer = at, r.model.seq
	}
	if ok != (e != nil) {
		return differ("found", ok, e != nil)
	}
	return nil
}

func (r *runner) expire() error {
	r.now = r.now.Add(time.Duration(r.next()%8) * time.Second)
	es := r.model.where(func(e *modelElement) bool { return !e.Expiry.IsZero() && !e.Expiry.After(r.now) })
	slices.SortStableFunc(es, func(a, b *modelElement) int {
		if c := a.Expiry.Compare(b.Expiry); c != 0 {
			return c
		}
		return a.timer - b.timer
	})
	for _, e := range es {
		r.model.remove(e)
	}
	return sameLists("expired", r.space.Expire(r.now), es)
}

func (r *runner) mark() error {
	home := r.owner()
	r.space.Mark(home)
	for _, e := range r.model.owned(home) {
		e.marked = true
	}
	return nil
}

func (r *runner) unmark() error {
	home := r.owner()
	r.space.Unmark(home)
	for _, e := range r.model.owned(home) {
		e.marked = false
	}
	return nil
}

func (r *runner) sweep() error {
	home := r.owner()
	es := r.model.where(func(e *modelElement) bool { return e.Home == home && e.marked })
	for _, e := range es {
		r.model.remove(e)
	}
	return sameLists("swept", r.space.Sweep(home), es)
}
