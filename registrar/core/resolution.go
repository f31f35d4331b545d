package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// maxPage bounds messages that list elements, in bytes: below rserpool.MaxMessage
// with room for what stands beside the elements.
const maxPage = 60_000

// resolve handles an ASAP_HANDLE_RESOLUTION (RFC 5352 §3.3). The pool's policy is
// always in the answer: RFC 5352 leaves it out for round robin only, rsplib's pool
// users want it always.
func (r *Registrar) resolve(now time.Time, c *conn, m *asap.HandleResolution) {
	resp := &asap.HandleResolutionResponse{Handle: m.Handle}
	refuse := func(code rserpool.CauseCode) {
		resp.Causes = []rserpool.Cause{{Code: code}}
		r.send(c, resp)
	}
	switch {
	case !r.allows(OpResolve, c, m.Handle):
		refuse(rserpool.CauseSecurity)
		return
	case !r.withinRate(now, OpResolve, r.limits.Resolutions, c, m.Handle):
		refuse(rserpool.CauseLackOfResources)
		return
	}
	r.stats.Resolutions++
	els, pol, ok := r.space.Select(m.Handle, r.items(m))
	switch {
	case !ok:
		r.stats.ResolutionsFailed++
		resp.Causes = []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}
	case len(els) == 0: // all have weight 0
		r.stats.ResolutionsFailed++
		resp.Causes = []rserpool.Cause{{Code: rserpool.CauseLackOfResources}}
	default:
		resp.Policy, resp.Elements = &pol, fit(els)
		resp.AcceptUpdate = m.Subscribe && r.subscribe(c, m.Handle)
	}
	r.send(c, resp)
}

// items is how many elements to return.
func (r *Registrar) items(m *asap.HandleResolution) int {
	switch {
	case !m.HasItems || m.Items == rserpool.ItemsDefault:
		return r.limits.DefaultItems
	case uint64(m.Items) > uint64(r.limits.Items):
		return r.limits.Items
	}
	return int(m.Items)
}

// fit drops the ASAP transports, which are no business of pool users, and as many
// elements at the end as do not go into one message.
func fit(els []rserpool.PoolElement) []rserpool.PoolElement {
	size := 0
	var buf []byte
	for i := range els {
		els[i].ASAP = nil
		if len(els)*handlespace.DefaultMaxElementBytes <= maxPage {
			continue
		}
		buf = els[i].AppendTo(buf[:0])
		if size += len(buf); size > maxPage {
			return els[:i]
		}
	}
	return els
}

// subscribe lets a connection hear of changes of a pool (RFC 5352 §2.2.5, S bit).
func (r *Registrar) subscribe(c *conn, h rserpool.PoolHandle) bool {
	if _, ok := c.subs[h]; ok {
		return true
	}
	if len(c.subs) >= r.limits.Subscriptions {
		return false
	}
	if c.subs == nil {
		c.subs = make(map[rserpool.PoolHandle]struct{})
	}
	c.subs[h] = struct{}{}
	if r.subs[h] == nil {
		r.subs[h] = make(map[ConnID]struct{})
	}
	r.subs[h][c.id] = struct{}{}
	return true
}

func (r *Registrar) unsubscribe(c *conn, h rserpool.PoolHandle) {
	delete(c.subs, h)
	delete(r.subs[h], c.id)
	if len(r.subs[h]) == 0 {
		delete(r.subs, h)
		r.timers.stop(timerKey{kind: timerNotify, Key: handlespace.Key{Handle: h}})
	}
}

// poolChanged has the subscribers of a pool told soon: changes that come close
// together make one message.
func (r *Registrar) poolChanged(now time.Time, h rserpool.PoolHandle) {
	if len(r.subs[h]) > 0 {
		r.timers.earlier(timerKey{kind: timerNotify, Key: handlespace.Key{Handle: h}}, now.Add(r.profile.NotifyDelay))
	}
}

// notify tells the subscribers of a pool all its elements (RFC 5352 §2.2.6), or, if
// they are more than one answer has, those that the policy selects for each. The end
// of the pool ends the subscriptions too.
func (r *Registrar) notify(now time.Time, h rserpool.PoolHandle) {
	ids := make([]ConnID, 0, len(r.subs[h]))
	for id := range r.subs[h] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	info, members, ok := r.space.Pool(h)
	for _, id := range ids {
		c := r.links.byID[id]
		if !ok {
			r.send(c, &asap.HandleResolutionResponse{Handle: h, Causes: []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}})
			r.unsubscribe(c, h)
			r.closeIdle(now, c)
			continue
		}
		r.stats.Notifications++
		r.send(c, &asap.HandleResolutionResponse{
			AcceptUpdate: true, Handle: h, Policy: &rserpool.Policy{Type: info.Policy}, Elements: fit(r.listing(h, members)),
		})
	}
}

// listing is what one subscriber is told of a pool.
func (r *Registrar) listing(h rserpool.PoolHandle, members []handlespace.Element) []rserpool.PoolElement {
	if len(members) > r.limits.Items {
		els, _, _ := r.space.Select(h, r.limits.Items)
		return els
	}
	els := make([]rserpool.PoolElement, len(members))
	for i := range members {
		els[i] = members[i].PoolElement
	}
	return els
}
