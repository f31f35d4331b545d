package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Resolution is what is known about a pool.
type Resolution struct {
	// Policy is the pool's selection policy.
	Policy rserpool.Policy
	// Elements are the elements that the registrar named, in its order. They
	// belong to the caller.
	Elements []rserpool.PoolElement
	// At is when a registrar said so.
	At time.Time
	// Outdated says that no registrar could be asked and that this is older than
	// wanted.
	Outdated bool
	// Err, if not nil, is why there are no elements.
	Err error
	// RetryAt is until when the cache answers with Err.
	RetryAt time.Time
}

func (r Resolution) clone() Resolution {
	r.Elements = slices.Clone(r.Elements)
	return r
}

// cacheEntry is what is known about one pool.
type cacheEntry struct {
	res       Resolution // the last good answer, if it has elements
	updates   bool       // the registrar has agreed to send updates
	doubtful  bool       // an element was found dead since: ask before next use
	negative  error      // the last answer, if it was a refusal
	until     time.Time  // how long that is believed
	misses    int        // refusals in a row
	lastTouch time.Time
}

// cache is the cache of RFC 5352 §3.3. It holds at most maxPools pools.
type cache struct {
	pools map[rserpool.PoolHandle]*cacheEntry // never iterated where the order could matter
}

func (c *cache) init() { c.pools = make(map[rserpool.PoolHandle]*cacheEntry) }

// lookup answers from the cache if it may.
func (c *cache) lookup(now time.Time, h rserpool.PoolHandle, maxAge time.Duration) (Resolution, bool) {
	p := c.pools[h]
	if p == nil {
		return Resolution{}, false
	}
	p.lastTouch = now
	switch {
	case p.negative != nil && now.Before(p.until):
		return Resolution{Err: p.negative, At: p.res.At, RetryAt: p.until}, true
	case len(p.res.Elements) == 0 || p.negative != nil || p.doubtful:
		return Resolution{}, false
	// An entry that the registrar keeps up to date does not get stale.
	case p.updates && maxAge > 0, now.Sub(p.res.At) < maxAge:
		return p.res.clone(), true
	}
	return Resolution{}, false
}

// outdated answers with an old entry because nobody can be asked.
func (c *cache) outdated(now time.Time, h rserpool.PoolHandle, maxAge time.Duration) (Resolution, bool) {
	p := c.pools[h]
	if p == nil || len(p.res.Elements) == 0 || now.Sub(p.res.At) > maxAge {
		return Resolution{}, false
	}
	res := p.res.clone()
	res.Outdated = true
	return res, true
}

// store keeps an answer that has elements.
func (c *cache) store(now time.Time, h rserpool.PoolHandle, res Resolution, updates bool) {
	p := c.entry(now, h)
	*p = cacheEntry{res: res, updates: updates, lastTouch: now}
}

func (c *cache) storeNegative(now time.Time, h rserpool.PoolHandle, err error, until time.Time) Resolution {
	p := c.entry(now, h)
	*p = cacheEntry{negative: err, until: until, misses: p.misses + 1, lastTouch: now}
	return Resolution{Err: err, At: now, RetryAt: until}
}

// misses returns how many refusals in a row there were.
func (c *cache) misses(h rserpool.PoolHandle) int {
	if p := c.pools[h]; p != nil {
		return p.misses
	}
	return 0
}

func (c *cache) subscribed(h rserpool.PoolHandle) bool {
	p := c.pools[h]
	return p != nil && p.updates
}

// unsubscribe is called when the home registrar changes: "the ENRP servers do NOT
// share state regarding" subscriptions, RFC 5352 §2.2.5.
func (c *cache) unsubscribe() {
	for _, p := range c.pools {
		p.updates = false
	}
}

// suspect takes an element out that was found dead.
func (c *cache) suspect(h rserpool.PoolHandle, id rserpool.PEID) {
	if p := c.pools[h]; p != nil {
		p.res.Elements = slices.DeleteFunc(slices.Clone(p.res.Elements), func(e rserpool.PoolElement) bool { return e.ID == id })
		p.doubtful = true
	}
}

func (c *cache) forget(h rserpool.PoolHandle) { delete(c.pools, h) }

// entry returns the entry of a pool, new if there was none. When the cache is
// full the pool that was not touched longest makes room.
func (c *cache) entry(now time.Time, h rserpool.PoolHandle) *cacheEntry {
	if p := c.pools[h]; p != nil {
		return p
	}
	if len(c.pools) >= maxPools {
		var oldest rserpool.PoolHandle
		var at time.Time
		for k, p := range c.pools {
			// The handle breaks ties: the order of the map must not decide.
			if at.IsZero() || p.lastTouch.Before(at) || p.lastTouch.Equal(at) && k < oldest {
				oldest, at = k, p.lastTouch
			}
		}
		delete(c.pools, oldest)
	}
	p := &cacheEntry{lastTouch: now}
	c.pools[h] = p
	return p
}
