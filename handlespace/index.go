package handlespace

import (
	"cmp"

	"github.com/rserpool/rserpool/handlespace/internal/ordered"
	"github.com/rserpool/rserpool/rserpool"
)

// index is a set of elements in the order of their keys: by pool, then by
// identifier. There is one of all elements and one for each owner.
type index struct {
	groups *ordered.Tree[rserpool.PoolHandle, *group]
	n      int
}

// group is the part of one pool in an index; it is never empty.
type group struct {
	handle  rserpool.PoolHandle
	members *ordered.Tree[rserpool.PEID, *record]
}

func newIndex() index {
	return index{groups: ordered.New[rserpool.PoolHandle, *group](cmp.Compare[rserpool.PoolHandle])}
}

// add puts r in and returns the group it is in.
func (x *index) add(r *record) *group {
	g, ok := x.groups.Get(r.el.Handle)
	if !ok {
		g = &group{
			handle:  r.el.Handle,
			members: ordered.New[rserpool.PEID, *record](cmp.Compare[rserpool.PEID]),
		}
		x.groups.Set(g.handle, g)
	}
	g.members.Set(r.el.ID, r)
	x.n++
	return g
}

// remove takes r out, which must be in.
func (x *index) remove(r *record) {
	g, _ := x.groups.Get(r.el.Handle)
	g.members.Delete(r.el.ID)
	x.n--
	if g.members.Len() == 0 {
		x.groups.Delete(g.handle)
	}
}

// from calls yield with each element whose key is not less than k, in order,
// until yield returns false.
func (x *index) from(k Key, yield func(*record) bool) {
	for gc := x.groups.Seek(k.Handle); gc.Valid(); gc = gc.Next() {
		g := gc.Value()
		rc := g.members.First()
		if g.handle == k.Handle {
			rc = g.members.Seek(k.ID)
		}
		for ; rc.Valid(); rc = rc.Next() {
			if !yield(rc.Value()) {
				return
			}
		}
	}
}

// records returns all elements in order, for loops that change the index.
func (x *index) records() []*record {
	rs := make([]*record, 0, x.n)
	x.from(Key{}, func(r *record) bool {
		rs = append(rs, r)
		return true
	})
	return rs
}
