package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// request is a handle resolution under way, RFC 5352 §3.3. All who ask for the
// same pool share one.
type request struct {
	handle   rserpool.PoolHandle
	sent     bool
	attempts int       // timeouts and failed hunts so far
	deadline time.Time // T1-ENRPrequest, zero unless sent
}

// requests is the list of them, oldest first.
type requests struct {
	list []*request
}

func (q *requests) find(h rserpool.PoolHandle) *request {
	for _, r := range q.list {
		if r.handle == h {
			return r
		}
	}
	return nil
}

func (q *requests) remove(r *request) {
	q.list = slices.DeleteFunc(q.list, func(x *request) bool { return x == r })
}

// unsent makes flush send every request again, to a new home registrar
// (RFC 5352 §3.7.1).
func (q *requests) unsent() {
	for _, r := range q.list {
		r.sent, r.deadline = false, time.Time{}
	}
}

// Resolve looks a pool up. A cached answer that is not older than maxAge is
// returned at once, as is the failure of a recent attempt; a negative maxAge
// means the profile's stale.cache.value, 0 asks always. Otherwise ok is false
// and EventResolved follows; it is one event for all who asked meanwhile.
func (e *Endpoint) Resolve(now time.Time, h rserpool.PoolHandle, maxAge time.Duration) (_ Resolution, ok bool) {
	if maxAge < 0 {
		maxAge = e.profile.StaleCache
	}
	// C1, C4: a cache entry that is not stale answers without a request.
	if res, ok := e.cache.lookup(now, h, maxAge); ok {
		return res, true
	}
	if e.requests.find(h) == nil {
		if len(e.requests.list) >= maxRequests {
			return Resolution{Err: ErrTooMany}, true
		}
		e.requests.list = append(e.requests.list, &request{handle: h})
	}
	e.settle(now)
	return Resolution{}, false
}

// Forget drops what the cache knows about a pool (RFC 5352 §6.4).
func (e *Endpoint) Forget(h rserpool.PoolHandle) { e.cache.forget(h) }

func (e *Endpoint) sendRequest(now time.Time, r *request) {
	r.sent = true
	r.deadline = now.Add(e.profile.Request) // NR4: T1-ENRPrequest
	m := &asap.HandleResolution{Handle: r.handle, Subscribe: e.cfg.Subscribe}
	switch {
	case e.cfg.Items < 0:
		m.HasItems, m.Items = true, rserpool.ItemsMax
	case e.cfg.Items > 0:
		m.HasItems, m.Items = true, uint32(min(e.cfg.Items, 0x7fffffff))
	}
	e.send(e.links.home, m)
}

// requestTimeout is the end of T1-ENRPrequest, RFC 5352 §3.7.2: the request is
// repeated and a hunt begins in parallel, MAX-REQUEST-RETRANSMIT times.
func (e *Endpoint) requestTimeout(now time.Time, r *request) {
	r.sent, r.deadline = false, time.Time{}
	r.attempts++
	if r.attempts <= e.profile.MaxRequestRetransmits {
		e.huntBeside(now)
		if e.links.home != nil {
			e.sendRequest(now, r)
		}
		return
	}
	e.fail(now, r, ErrTimeout)
	e.abandonHome(now, ErrTimeout)
}

// requestsUnreachable counts a hunt that found nobody as a failed attempt of
// every request. Who knows nobody, and has listened to announcements long enough, need not
// try again.
func (e *Endpoint) requestsUnreachable(now time.Time) {
	for _, r := range slices.Clone(e.requests.list) {
		r.attempts++
		if r.attempts > e.profile.MaxRequestRetransmits || e.cfg.Discover && e.hunt.empty {
			e.fail(now, r, ErrNoRegistrar)
		}
	}
}

// fail ends a request that no registrar answered. What the cache knew before is
// better than nothing.
func (e *Endpoint) fail(now time.Time, r *request, err error) {
	e.requests.remove(r)
	res, ok := e.cache.outdated(now, r.handle, e.profile.StaleIfError)
	if !ok {
		res = Resolution{Err: err}
	}
	e.resolved(r.handle, res)
}

func (e *Endpoint) resolved(h rserpool.PoolHandle, res Resolution) {
	e.events.push(Event{Kind: EventResolved, Handle: h, Resolution: res})
}

// resolutionResponse handles an ASAP_HANDLE_RESOLUTION_RESPONSE: the answer to a
// request, or an update that was subscribed to.
func (e *Endpoint) resolutionResponse(now time.Time, m *asap.HandleResolutionResponse) {
	r := e.requests.find(m.Handle)
	if r == nil || !r.sent {
		if e.cache.subscribed(m.Handle) {
			e.cacheResponse(now, m, true)
			e.events.push(Event{Kind: EventChanged, Handle: m.Handle})
			return
		}
		e.dropped(e.links.home.id, "unexpected resolution response")
		return
	}
	e.requests.remove(r)
	e.resolved(m.Handle, e.cacheResponse(now, m, m.AcceptUpdate && e.cfg.Subscribe))
}

// cacheResponse stores a response and returns what it says. updates tells whether
// the registrar will send the next change by itself.
func (e *Endpoint) cacheResponse(now time.Time, m *asap.HandleResolutionResponse, updates bool) Resolution {
	if len(m.Causes) == 0 && len(m.Elements) > 0 {
		res := Resolution{Elements: m.Elements, At: now}
		// "If not present, a Round-Robin overall pool member selection policy is
		// assumed", RFC 5352 §2.2.6.
		res.Policy = rserpool.Policy{Type: rserpool.RoundRobin}
		if m.Policy != nil {
			res.Policy = *m.Policy
		}
		e.cache.store(now, m.Handle, res, updates)
		return res.clone()
	}
	rejected := &RejectedError{Op: "resolution", Causes: m.Causes}
	err := error(rejected)
	if len(m.Causes) == 0 || rejected.Has(rserpool.CauseUnknownPoolHandle) {
		err = ErrUnknownPool
	}
	return e.cache.storeNegative(now, m.Handle, err, now.Add(e.negativePause(e.cache.misses(m.Handle)+1)))
}

// negativePause is how long a refusal is believed that is the nth in a row.
func (e *Endpoint) negativePause(n int) time.Duration {
	longest := e.cfg.NegativeCache
	switch {
	case longest < 0:
		return 0
	case longest == 0:
		longest = e.profile.NegativeMax
	}
	return Backoff{Min: min(e.profile.RetryMin, longest), Max: longest}.Pause(n, e.rnd)
}
