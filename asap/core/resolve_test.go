package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

func answer(ids ...rserpool.PEID) *asap.HandleResolutionResponse {
	m := &asap.HandleResolutionResponse{Handle: pool}
	for _, id := range ids {
		m.Elements = append(m.Elements, element(id))
	}
	return m
}

var unknownPool = []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}

func ids(r core.Resolution) []rserpool.PEID {
	var list []rserpool.PEID
	for _, e := range r.Elements {
		list = append(list, e.ID)
	}
	return list
}

// resolution returns the only event, which is EventResolved.
func (r *rig) resolution() core.Resolution {
	r.t.Helper()
	evs := r.takeEvents()
	require.Len(r.t, evs, 1)
	require.Equal(r.t, core.EventResolved, evs[0].Kind)
	return evs[0].Resolution
}

// RFC 5352 §3.3 C1-C4, §7.2: stale.cache.value.
func TestCacheStaleValue(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	_, ok := r.e.Resolve(r.now, pool, time.Minute)
	require.False(t, ok)
	_, ok = r.e.Resolve(r.now, pool, time.Minute)
	require.False(t, ok)
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(r.take(), home), "all who ask share one request")
	r.message(home, answer(1, 2))
	require.Equal(t, []rserpool.PEID{1, 2}, ids(r.resolution()))

	res, ok := r.e.Resolve(r.now, pool, time.Minute)
	require.True(t, ok)
	require.Equal(t, rserpool.RoundRobin, res.Policy.Type, "RFC 5352 §2.2.6: assumed if not present")
	r.advance(59 * time.Second)
	res, ok = r.e.Resolve(r.now, pool, time.Minute)
	require.True(t, ok)
	require.Equal(t, []rserpool.PEID{1, 2}, ids(res))
	require.Empty(t, r.take())

	_, ok = r.e.Resolve(r.now, pool, -1) // profile: 30 s
	require.False(t, ok, "stale by the profile's value")
	r.take()
	r.message(home, answer(3))
	require.Equal(t, []rserpool.PEID{3}, ids(r.resolution()))
	_, ok = r.e.Resolve(r.now, pool, 0)
	require.False(t, ok, "0 asks always")
	require.Len(t, r.take(), 1)

	r.message(home, answer(3))
	r.takeEvents()
	r.e.Forget(pool)
	_, ok = r.e.Resolve(r.now, pool, time.Minute)
	require.False(t, ok)
}

// The caller may change what it got without harm to the cache.
func TestCacheGivesCopies(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, time.Minute)
	r.message(home, answer(1, 2))
	res := r.resolution()
	res.Elements[0].ID = 99
	res, ok := r.e.Resolve(r.now, pool, time.Minute)
	require.True(t, ok)
	res.Elements[1].ID = 99
	res, _ = r.e.Resolve(r.now, pool, time.Minute)
	require.Equal(t, []rserpool.PEID{1, 2}, ids(res))
}

// RFC 5352 §3.7.2: T1 repeats the request MAX-REQUEST-RETRANSMIT times, then the
// user hears of it and the registrar is given up.
func TestResolveTimeout(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	for range 3 { // 1 + MAX-REQUEST-RETRANSMIT
		require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(r.take(), home))
		r.advance(15*time.Second - time.Millisecond)
		require.Empty(t, r.take())
		r.advance(time.Millisecond)
	}
	require.Equal(t, []string{"abort 1"}, texts(r.take()))
	evs := r.takeEvents()
	require.Len(t, evs, 2)
	require.ErrorIs(t, evs[0].Resolution.Err, core.ErrTimeout)
	require.Equal(t, core.EventHomeLost, evs[1].Kind)
}

// When no registrar answers, an old cache entry is better than nothing, and is
// marked as such.
func TestResolveOutdatedIfUnreachable(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	r.message(home, answer(1, 2))
	r.take()
	r.takeEvents()
	r.advance(5 * time.Minute)
	r.e.HandleLost(r.now, home, errGone)
	r.takeEvents()

	fail := func() core.Resolution {
		_, ok := r.e.Resolve(r.now, pool, time.Second)
		require.False(t, ok)
		for range 100 {
			for _, o := range r.take() {
				if o.Kind == core.OutputDial {
					r.e.HandleLost(r.now, o.Link, errGone)
				}
			}
			if evs := r.takeEvents(); len(evs) > 0 {
				return evs[0].Resolution
			}
			at, ok := r.e.NextTimeout()
			require.True(t, ok)
			r.advance(at.Sub(r.now))
		}
		t.Fatal("no end")
		return core.Resolution{}
	}
	res := fail()
	require.NoError(t, res.Err)
	require.True(t, res.Outdated)
	require.Equal(t, []rserpool.PEID{1, 2}, ids(res))
	r.advance(10 * time.Minute) // StaleIfError
	require.ErrorIs(t, fail().Err, core.ErrNoRegistrar)
}

// A pool that is not found is not asked for again at once, and less and less
// often.
func TestResolveNegativeBackoff(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	limit := time.Second
	for range 6 {
		_, ok := r.e.Resolve(r.now, pool, 0)
		require.False(t, ok)
		require.Len(t, r.take(), 1)
		r.message(home, &asap.HandleResolutionResponse{Handle: pool, Causes: unknownPool})
		res := r.resolution()
		require.ErrorIs(t, res.Err, core.ErrUnknownPool)
		wait := res.RetryAt.Sub(r.now)
		require.GreaterOrEqual(t, wait, limit/2)
		require.LessOrEqual(t, wait, limit)

		r.advance(wait - 1)
		res, ok = r.e.Resolve(r.now, pool, 0)
		require.True(t, ok, "answered from the cache")
		require.ErrorIs(t, res.Err, core.ErrUnknownPool)
		require.Empty(t, r.take())
		r.advance(1)
		limit = min(2*limit, 10*time.Second)
	}
	// A success forgets the misses.
	r.e.Resolve(r.now, pool, 0)
	r.message(home, answer(1))
	r.takeEvents()
	r.e.Resolve(r.now, pool, 0)
	r.message(home, &asap.HandleResolutionResponse{Handle: pool, Causes: unknownPool})
	res := r.resolution()
	require.LessOrEqual(t, res.RetryAt.Sub(r.now), time.Second)
}

// Other refusals carry their causes.
func TestResolveRejected(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	r.message(home, &asap.HandleResolutionResponse{Handle: pool, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}}})
	var rejected *core.RejectedError
	require.ErrorAs(t, r.resolution().Err, &rejected)
	require.Equal(t, "resolution", rejected.Op)
}

// draft-dreibholz-rserpool-asap-hropt: how many elements are asked for.
func TestResolveItems(t *testing.T) {
	for _, c := range []struct {
		items int
		has   bool
		want  uint32
	}{{0, false, 0}, {5, true, 5}, {-1, true, rserpool.ItemsMax}} {
		r := newRig(t, core.Config{Registrars: regs(1), Items: c.items})
		r.e.Resolve(r.now, pool, 0)
		r.connect(r.one(core.OutputDial).Link)
		m := r.one(core.OutputSend).Message.(*asap.HandleResolution)
		require.Equal(t, c.has, m.HasItems)
		require.Equal(t, c.want, m.Items)
		require.False(t, m.Subscribe)
	}
}

// RFC 5352 §2.2.5, §2.2.6: a registrar that agrees keeps the cache up to date;
// the agreement ends with the home registrar.
func TestSubscription(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2), Subscribe: true})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	require.True(t, r.one(core.OutputSend).Message.(*asap.HandleResolution).Subscribe)
	first := answer(1)
	first.AcceptUpdate = true
	r.message(home, first)
	r.takeEvents()

	r.advance(time.Hour)
	r.message(home, answer(1, 2))
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.Equal(t, core.EventChanged, evs[0].Kind)
	r.advance(time.Hour)
	res, ok := r.e.Resolve(r.now, pool, time.Second)
	require.True(t, ok, "never stale")
	require.Equal(t, []rserpool.PEID{1, 2}, ids(res))

	r.e.HandleLost(r.now, home, errGone)
	_, ok = r.e.Resolve(r.now, pool, time.Second)
	require.False(t, ok)
}

// Without subscription an update is not asked for and not taken.
func TestUnsubscribedUpdateIgnored(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	m := answer(1)
	m.AcceptUpdate = true
	r.message(home, m)
	r.takeEvents()
	r.message(home, answer(66))
	require.Empty(t, r.takeEvents())
	res, ok := r.e.Resolve(r.now, pool, time.Minute)
	require.True(t, ok)
	require.Equal(t, []rserpool.PEID{1}, ids(res))
}

// The numbers of requests and of cached pools are bounded.
func TestResolveBounded(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	var refused int
	for i := range 1000 {
		if res, ok := r.e.Resolve(r.now, rserpool.PoolHandle(fmt.Sprint(i)), 0); ok {
			require.ErrorIs(t, res.Err, core.ErrTooMany)
			refused++
		}
	}
	require.Equal(t, 1000-256, refused)

	r = newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	known := func(i int) bool {
		_, ok := r.e.Resolve(r.now, rserpool.PoolHandle(fmt.Sprint(i)), time.Hour)
		return ok
	}
	for i := range 1100 {
		r.now = r.now.Add(time.Millisecond)
		require.False(t, known(i))
		m := answer(1)
		m.Handle = rserpool.PoolHandle(fmt.Sprint(i))
		r.message(home, m)
		r.take()
		r.takeEvents()
	}
	require.True(t, known(1099))
	require.True(t, known(1100-1024))
	require.False(t, known(10), "the longest untouched made room")
}
