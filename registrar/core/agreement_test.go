package core_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// registrars returns the registrars that run.
func (w *world) registrars() []*registrarNode {
	var rs []*registrarNode
	for _, h := range w.hosts {
		if n, ok := h.node.(*registrarNode); ok {
			rs = append(rs, n)
		}
	}
	return rs
}

func (w *world) elements() []*elementNode {
	var es []*elementNode
	for _, h := range w.hosts {
		if n, ok := h.node.(*elementNode); ok {
			es = append(es, n)
		}
	}
	return es
}

// table is a registrar's handlespace: the home of each element.
func (n *registrarNode) table() map[handlespace.Key]rserpool.RegistrarID {
	m := map[handlespace.Key]rserpool.RegistrarID{}
	for _, id := range n.Space().Owners() {
		for _, el := range n.Space().Owned(id) {
			m[el.Key()] = id
		}
	}
	return m
}

// meshed reports whether all registrars are ready and have each other as peers,
// and nobody else: those that died are noticed and taken over.
func (w *world) meshed() bool {
	rs := w.registrars()
	for _, n := range rs {
		if !n.Ready() {
			return false
		}
		active := map[rserpool.RegistrarID]bool{}
		for _, p := range n.PeerStatuses() {
			active[p.ID] = p.State == "active" && p.Connected
		}
		if len(active) != len(rs)-1 {
			return false
		}
		for _, o := range rs {
			if o != n && !active[o.ID()] {
				return false
			}
		}
	}
	return true
}

// differences says how the handlespaces differ, "" if they agree: same elements,
// same homes, homes that run, and equal checksums.
func (w *world) differences() string {
	rs := w.registrars()
	ids := map[rserpool.RegistrarID]bool{}
	for _, n := range rs {
		ids[n.ID()] = true
	}
	for _, n := range rs {
		for k, home := range n.table() {
			if !ids[home] {
				return fmt.Sprintf("%s has %s at home %s, which does not run", n.h.name, k, home)
			}
		}
	}
	for _, n := range rs[min(1, len(rs)):] {
		a, b := rs[0].table(), n.table()
		for k, home := range a {
			if b[k] != home {
				return fmt.Sprintf("%s has %s at home %s, %s at %s", rs[0].h.name, k, home, n.h.name, b[k])
			}
		}
		if len(a) != len(b) {
			return fmt.Sprintf("%s has %d elements, %s %d", rs[0].h.name, len(a), n.h.name, len(b))
		}
		for id := range ids {
			if x, y := rs[0].Space().Checksum(id), n.Space().Checksum(id); x != y {
				return fmt.Sprintf("checksum of %s is %04x at %s, %04x at %s", id, x, rs[0].h.name, y, n.h.name)
			}
		}
	}
	return ""
}

// idle says which element is still about to register or deregister, "" if none.
func (w *world) idle() string {
	for _, e := range w.elements() {
		switch {
		case e.leaving && !e.gone:
			return fmt.Sprintf("%s has no answer to its deregistration", e.key)
		case !e.leaving && !e.registered:
			return fmt.Sprintf("%s is not registered", e.key)
		}
	}
	return ""
}

// wrongElements says which element is missing though it is registered, or is there
// in spite of being gone.
func (w *world) wrongElements() string {
	registered, perhaps := map[handlespace.Key]bool{}, map[handlespace.Key]bool{}
	for _, e := range w.elements() {
		registered[e.key] = e.registered && !e.leaving
		perhaps[e.key] = !e.gone
	}
	for _, n := range w.registrars() {
		table := n.table()
		for _, k := range slices.SortedFunc(maps.Keys(registered), handlespace.Key.Compare) {
			if registered[k] && table[k] == 0 {
				return fmt.Sprintf("%s has lost %s", n.h.name, k)
			}
		}
		for _, k := range slices.SortedFunc(maps.Keys(table), handlespace.Key.Compare) {
			if !perhaps[k] {
				return fmt.Sprintf("%s still has %s", n.h.name, k)
			}
		}
	}
	return ""
}

// bury notes the elements that are gone, at a moment when all registrars agree.
func (w *world) bury() {
	alive := map[handlespace.Key]bool{}
	for _, e := range w.elements() {
		alive[e.key] = !e.gone
	}
	for k := range w.born {
		if !alive[k] {
			w.buried[k] = true
		}
	}
}

// watch looks for elements that have come back.
func (w *world) watch(every time.Duration) {
	w.after(every, func() {
		for _, n := range w.registrars() {
			for k := range n.table() {
				if w.buried[k] {
					w.fail("%s has %s again", n.h.name, k)
				}
			}
		}
		w.watch(every)
	})
}
