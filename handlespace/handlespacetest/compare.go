package handlespacetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// same reports whether two stored elements say the same.
func same(a, b handlespace.Element) bool {
	return a.PoolElement.Equal(b.PoolElement) && a.Handle == b.Handle &&
		a.Registered.Equal(b.Registered) && a.Updated.Equal(b.Updated) && a.Expiry.Equal(b.Expiry)
}

func sameLists(what string, got []handlespace.Element, want []*modelElement) error {
	if len(got) != len(want) {
		return differ("number "+what, len(got), len(want))
	}
	for i, e := range want {
		if !same(got[i], e.Element) {
			return differ(fmt.Sprintf("%s %d", what, i), got[i], e.Element)
		}
	}
	return nil
}

// compareSums compares what is cheap to compare.
func (r *runner) compareSums() error {
	es := r.model.all()
	if pools, elements := r.space.Len(); pools != len(r.model.pools) || elements != len(es) {
		return differ("length", []int{pools, elements}, []int{len(r.model.pools), len(es)})
	}
	for _, home := range owners {
		want := checksum(es, home)
		if got := r.space.Checksum(home); got != want {
			return differ("checksum of "+home.String(), got, want)
		}
		if got := r.space.ChecksumRsplib(home); got != want {
			return differ("rsplib checksum of "+home.String(), got, want)
		}
		want = checksum(slices.DeleteFunc(slices.Clone(es), func(e *modelElement) bool { return !portable(e.Handle, &e.PoolElement, 0) }), home)
		if got := r.space.ChecksumPortable(home); got != want {
			return differ("checksum for rsplib of "+home.String(), got, want)
		}
	}
	var want time.Time
	for _, e := range es {
		if !e.Expiry.IsZero() && (want.IsZero() || e.Expiry.Before(want)) {
			want = e.Expiry
		}
	}
	if got, ok := r.space.NextExpiry(); !got.Equal(want) || ok == want.IsZero() {
		return differ("next expiry", got, want)
	}
	return nil
}

// compareAll compares everything there is to see.
func (r *runner) compareAll() error {
	var ids []rserpool.RegistrarID
	for _, home := range owners {
		es := r.model.owned(home)
		if len(es) > 0 {
			ids = append(ids, home)
		}
		if err := sameLists("owned by "+home.String(), r.space.Owned(home), es); err != nil {
			return err
		}
		if n := r.space.OwnedLen(home); n != len(es) {
			return differ("number owned", n, len(es))
		}
	}
	if got := r.space.Owners(); !slices.Equal(got, ids) {
		return differ("owners", got, ids)
	}
	var infos []handlespace.PoolInfo
	for _, h := range handles {
		p := r.model.pools[h]
		info, els, ok := r.space.Pool(h)
		if ok != (p != nil) {
			return differ("found pool", ok, p != nil)
		}
		if p == nil {
			continue
		}
		want := handlespace.PoolInfo{Handle: h, Policy: p.policy, Protocol: p.protocol, Use: p.use, Elements: len(p.elements)}
		if info != want {
			return differ("pool", info, want)
		}
		infos = append(infos, want)
		es := r.model.where(func(e *modelElement) bool { return e.Handle == h })
		if err := sameLists("of pool", els, es); err != nil {
			return err
		}
		for _, e := range es {
			if got, ok := r.space.Get(h, e.ID); !ok || !same(got, e.Element) {
				return differ("element", got, e.Element)
			}
		}
	}
	if got := r.space.Pools(); !slices.Equal(got, infos) {
		return differ("pools", got, infos)
	}
	return nil
}

// page walks through a handle table whose pages are small. Between two pages it
// may register or deregister something; every element that was there all the time
// must be on exactly one page, in order.
func (r *runner) page() error {
	home, maxElements, maxBytes, disturb := r.owner(), int(r.next()%5), 30*int(r.next()%9), r.next()
	stays := r.model.where(func(e *modelElement) bool { return home == 0 || e.Home == home })
	var cursor handlespace.Cursor
	var last handlespace.Key
	for i := 0; ; i++ {
		pages, next, more := r.space.Page(home, cursor, maxElements, maxBytes)
		elements, bytes := 0, 0
		for _, entry := range pages {
			bytes += len(entry.Handle.AppendTo(nil))
			for _, pe := range entry.Elements {
				key := handlespace.Key{Handle: entry.Handle, ID: pe.ID}
				e := r.model.find(key.Handle, key.ID)
				if e == nil || !e.PoolElement.Equal(pe) || home != 0 && pe.Home != home || last.Compare(key) >= 0 {
					return fmt.Errorf("page %d has %v behind %v", i, pe, last)
				}
				last = key
				elements++
				bytes += len(pe.AppendTo(nil))
				stays = slices.DeleteFunc(stays, func(s *modelElement) bool { return s == e })
			}
		}
		if maxElements > 0 && elements > maxElements || maxBytes > 0 && bytes > maxBytes && elements > 1 {
			return fmt.Errorf("page %d has %d elements in %d bytes, limits are %d and %d", i, elements, bytes, maxElements, maxBytes)
		}
		if !more {
			break
		}
		if cursor = next; disturb&1 != 0 {
			if err := r.disturb(&stays); err != nil {
				return err
			}
		}
		disturb >>= 1
	}
	if len(stays) > 0 {
		return fmt.Errorf("%v is on no page", stays[0].Key())
	}
	return nil
}

// disturb changes the handlespace between two pages. Elements that went or moved
// need not be on a page any more.
func (r *runner) disturb(stays *[]*modelElement) error {
	do := (*runner).deregister
	if r.next()%2 == 0 {
		do = (*runner).register
	}
	before := map[*modelElement]rserpool.RegistrarID{}
	for _, e := range *stays {
		before[e] = e.Home
	}
	if err := do(r); err != nil {
		return err
	}
	*stays = slices.DeleteFunc(*stays, func(e *modelElement) bool {
		return r.model.find(e.Handle, e.ID) != e || e.Home != before[e]
	})
	return nil
}
