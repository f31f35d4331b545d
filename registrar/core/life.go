package core

import (
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/handlespace"
)

// lifeAmbiguous is the smallest Registration Life that may be of either unit:
// elements that count seconds rarely ask for more than a quarter of an hour,
// those that count milliseconds never for less than a second.
const lifeAmbiguous = 1000

// life reads a Registration Life in a unit; ok is false if it does not end. Values from 2³¹
// are negative (RFC 5354 §3.10: signed) and do not end either.
func life(u LifeUnit, v uint32, home bool) (d time.Duration, ok bool) {
	switch {
	case v > 0x7fffffff:
		return 0, false
	case u == LifeMilliseconds, u == LifeAuto && v >= lifeAmbiguous && !home:
		return time.Duration(v) * time.Millisecond, true
	}
	return time.Duration(v) * time.Second, true
}

// lifeForForeign is the Registration Life to tell a peer of another implementation. It
// counts milliseconds: seconds below 1000 would make it drop the element at once.
func lifeForForeign(u LifeUnit, v uint32) uint32 {
	if u == LifeAuto && v < lifeAmbiguous {
		return v * 1000
	}
	return v
}

// setLife starts the registration life of an element that was registered or
// announced.
func (r *Registrar) setLife(now time.Time, el handlespace.Element) {
	k := elementTimer(timerLife, el.Key())
	d, ok := life(r.profile.LifeUnit, el.Life, el.Home == r.id)
	if !ok {
		r.timers.stop(k)
		r.space.SetExpiry(el.Handle, el.ID, time.Time{})
		return
	}
	at := now.Add(max(d, time.Millisecond))
	r.space.SetExpiry(el.Handle, el.ID, at)
	r.timers.set(k, at)
}

// lifeTimeout ends a registration. The home tells the element (RFC 5352 §3.2) and
// the peers. Another registrar leaves that to the home as long as the home is
// alive: it may have heard from the element what this one has not.
func (r *Registrar) lifeTimeout(now time.Time, k handlespace.Key) {
	el, ok := r.lookup(k)
	if !ok {
		return
	}
	if p := r.peers[el.Home]; el.Home != r.id && p != nil {
		// Dead homes are taken over, or removed from the list of peers.
		r.timers.set(elementTimer(timerLife, k), now.Add(r.profile.MaxTimeLastHeard))
		return
	}
	e := r.entryOf(k)
	if c := r.links.byID[e.conn]; e.owned && c != nil {
		r.send(c, &asap.DeregistrationResponse{Handle: k.Handle, PEID: k.ID})
	}
	r.stats.Expired++
	r.remove(now, e, "registration life ended")
}
