package core

import (
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
)

// A registrar that starts again with an image of its former life does not take the
// elements in it for registered: meanwhile they may have deregistered, here or elsewhere,
// died, or been taken over. Each is a candidate until the element itself has answered a
// keep-alive with H flag, as after a takeover (RFC 5353 §3.5.2); until then users and
// peers do not hear of it. So nothing that is gone can come back by an image, and the
// worst that an old one can do is to ask for nothing.
//
// Others win: what peers say in their tables during the start-up or announce later, and
// what the element does by itself, ends its candidacy.

// Image returns what is to be known of this registrar when it starts again: the elements
// that it is the home of, and candidates of its last start that have not answered yet.
func (r *Registrar) Image(now time.Time) *Image {
	owned := r.space.Owned(r.id)
	im := &Image{ID: r.id, Taken: now.Round(0), Elements: make([]ImageElement, 0, len(owned))}
	add := func(el *handlespace.Element, expiry time.Time) {
		if expiry.IsZero() || expiry.After(now) {
			im.Elements = append(im.Elements, ImageElement{Handle: el.Handle, Element: el.PoolElement, Expiry: expiry.Round(0)})
		}
	}
	for i := range owned {
		add(&owned[i], owned[i].Expiry)
	}
	candidates := make(map[handlespace.Key]*entry)
	for k, e := range r.entries {
		if e.candidate {
			candidates[k] = e
		}
	}
	for _, k := range sortedKeys(candidates) {
		add(candidates[k].ghost, candidates[k].ghost.Expiry)
	}
	if r.cfg.Restore != nil { // the start-up has not ended
		for _, old := range r.cfg.Restore.Elements {
			if _, known := r.lookup(handlespace.Key{Handle: old.Handle, ID: old.Element.ID}); !known {
				add(&handlespace.Element{PoolElement: old.Element, Handle: old.Handle}, old.Expiry)
			}
		}
	}
	return im
}

// restore asks the elements of the image, at the end of the start-up: what peers know by
// then, they know better.
func (r *Registrar) restore(now time.Time) {
	im := r.cfg.Restore
	if im == nil {
		return
	}
	r.cfg.Restore = nil
	n := 0
	for i := range im.Elements {
		if _, elements := r.space.Len(); elements+n >= r.limits.Elements {
			break
		}
		if r.candidate(now, im, &im.Elements[i]) {
			n++
		}
	}
	if n > 0 {
		r.event(Event{Kind: EventRestoring, Registrar: r.id, Count: n})
	}
}

// candidate asks one element, if there is any point in it.
func (r *Registrar) candidate(now time.Time, im *Image, old *ImageElement) bool {
	k := handlespace.Key{Handle: old.Handle, ID: old.Element.ID}
	el := &handlespace.Element{PoolElement: old.Element, Handle: old.Handle, Expiry: expiryNow(now, im, old)}
	if _, known := r.lookup(k); known || r.entries[k] != nil || el.ASAP == nil ||
		!el.Expiry.IsZero() && !el.Expiry.After(now) ||
		!r.cfg.mayRegister(k, el.ASAP.Addrs) {
		return false
	}
	e := r.entryOf(k)
	e.ghost, e.candidate, e.assert = el, true, true
	r.await(now, e)
	r.reach(now, e)
	return true
}

// expiryNow is when an element's registration ends, by the clock as it is now. If that has
// been set back since the image was taken, what was left then is left now.
func expiryNow(now time.Time, im *Image, old *ImageElement) time.Time {
	if old.Expiry.IsZero() || !im.Taken.After(now) {
		return old.Expiry
	}
	return now.Add(old.Expiry.Sub(im.Taken))
}

// confirm makes a candidate that has answered an element.
func (r *Registrar) confirm(now time.Time, e *entry) {
	el := e.ghost
	pe := el.PoolElement
	pe.Home = r.id
	c := r.links.byID[e.conn]
	if r.phase != phaseReady || !el.Expiry.IsZero() && !el.Expiry.After(now) || !r.cfg.mayRegister(e.key, c.confirmed().Addrs) {
		r.dropEntry(now, e)
		return
	}
	ch, err := r.space.Register(now, e.key.Handle, pe)
	if err != nil {
		r.dropEntry(now, e)
		return
	}
	e.ghost, e.candidate, e.assert = nil, false, false
	r.own(e, r.sourceOf(c))
	e.spoke(now)
	e.registered = now
	r.setLife(now, ch.New)
	if now, _ := r.lookup(e.key); !el.Expiry.IsZero() && el.Expiry.Before(now.Expiry) {
		// It has answered, and not registered again: its life goes on.
		r.space.SetExpiry(e.key.Handle, e.key.ID, el.Expiry)
		r.timers.set(elementTimer(timerLife, e.key), el.Expiry)
	}
	r.scheduleKeepAlive(now, e)
	r.stats.Restored++
	r.event(Event{Kind: EventRegistered, Handle: e.key.Handle, PE: e.key.ID, Registrar: r.id, Reason: "as before the restart"})
	r.announce(enrp.AddPE, ch.New)
	r.poolChanged(now, e.key.Handle)
}

// forgetCandidate ends the candidacy of an element that somebody else has news of. If it
// has been asked already, its answer counts like that of an element that was given
// away: see disown.
func (r *Registrar) forgetCandidate(now time.Time, e *entry) {
	if !e.candidate {
		return
	}
	e.ghost, e.candidate = nil, false
	if e.conn == 0 {
		r.dropEntry(now, e)
	}
}
