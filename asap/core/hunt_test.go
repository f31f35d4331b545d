package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.3 NR2: without a home registrar the hunt comes first; without
// anything to ask there is no hunt.
func TestHuntStartsWhenNeeded(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	_, armed := r.e.NextTimeout()
	require.False(t, armed)
	require.Empty(t, r.take())

	_, ok := r.e.Resolve(r.now, pool, -1)
	require.False(t, ok)
	o := r.one(core.OutputDial)
	require.Equal(t, reg(1), o.Registrar)
	at, armed := r.e.NextTimeout()
	require.True(t, armed)
	require.Equal(t, r.now.Add(10*time.Second), at, "T5-Serverhunt")
}

// RFC 5352 §3.6 SH1: "MUST NOT establish more than three associations".
func TestHuntDialsThreeAtMost(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(8)})
	r.e.Resolve(r.now, pool, -1)
	ds := r.dials()
	require.Len(t, ds, core.MaxHuntDials)

	// SH4: each failure makes room for a different address.
	seen := map[string]int{}
	for len(ds) > 0 {
		seen[ds[0].Registrar.String()]++
		r.e.HandleLost(r.now, ds[0].Link, errGone)
		ds = append(ds[1:], r.dials()...)
		require.LessOrEqual(t, len(ds), core.MaxHuntDials)
	}
	require.Len(t, seen, 8)
	for _, n := range seen {
		require.Equal(t, 1, n, "once in a round")
	}
}

// RFC 5352 §3.6 SH3, SH6: the first one wins, the others are given up, requests
// go to the winner.
func TestHuntFirstWins(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(3)})
	r.e.Resolve(r.now, pool, -1)
	ds := r.dials()
	r.connect(ds[1].Link)
	require.Equal(t, []string{"close 1", "close 3", "send 2 HANDLE_RESOLUTION"}, texts(r.take()))
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.Equal(t, core.EventHome, evs[0].Kind)
	require.Equal(t, ds[1].Registrar, evs[0].Registrar)

	// A loser that got through in the same moment means nothing any more.
	r.connect(ds[0].Link)
	r.e.HandleLost(r.now, ds[2].Link, errGone)
	require.Empty(t, r.take())
	require.Empty(t, r.takeEvents())
}

// RFC 5352 §3.6 SH5: T5 ends the attempts, goes on with others and doubles up to
// RETRAN-MAX.
func TestHuntT5Doubles(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(4)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	first := r.dials()
	var waits []time.Duration
	start := r.now
	tried := map[string]int{}
	for _, d := range first {
		tried[d.Registrar.String()]++
	}
	for len(waits) < 7 {
		at, ok := r.e.NextTimeout()
		require.True(t, ok)
		r.advance(at.Sub(r.now))
		var closed, dialed int
		for _, o := range r.take() {
			switch o.Kind {
			case core.OutputClose:
				require.True(t, o.Abort)
				closed++
			case core.OutputDial:
				dialed++
				tried[o.Registrar.String()]++
			}
		}
		if closed > 0 {
			waits = append(waits, r.now.Sub(start))
		}
		if dialed > 0 {
			start = r.now
		}
	}
	s := time.Second
	require.Equal(t, []time.Duration{10 * s, 20 * s, 40 * s, 60 * s, 60 * s, 60 * s, 60 * s}, waits)
	for i := 1; i <= 4; i++ {
		require.GreaterOrEqual(t, tried[reg(i).String()], 2, "every address gets its turn")
	}
}

// A hunt in which every dial fails at once must pause longer and longer, with
// jitter, and never spin.
func TestHuntBacksOff(t *testing.T) {
	pauses := func(seed byte) []time.Duration {
		r := newRig(t, core.Config{Registrars: regs(2), Rand: seeded(seed)})
		_, err := r.e.Register(r.now, registration())
		require.NoError(t, err)
		var ps []time.Duration
		for len(ps) < 10 {
			for _, d := range r.dials() {
				r.e.HandleLost(r.now, d.Link, errGone)
			}
			require.Empty(t, r.take(), "no dial before the pause is over")
			at, ok := r.e.NextTimeout()
			require.True(t, ok)
			ps = append(ps, at.Sub(r.now))
			r.advance(at.Sub(r.now))
		}
		return ps
	}
	ps := pauses(1)
	limit := time.Second
	for _, p := range ps {
		require.GreaterOrEqual(t, p, limit/2)
		require.LessOrEqual(t, p, limit)
		limit = min(2*limit, time.Minute)
	}
	require.NotEqual(t, ps, pauses(2), "jitter")
	require.Equal(t, ps, pauses(1), "same random bytes, same run")
}

// Without any address a hunt fails at once but waits for announcements.
func TestHuntWithoutRegistrars(t *testing.T) {
	r := newRig(t, core.Config{})
	r.e.Resolve(r.now, pool, -1)
	r.advance(time.Minute)
	require.Empty(t, r.take())
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.ErrorIs(t, evs[0].Resolution.Err, core.ErrNoRegistrar)
	_, armed := r.e.NextTimeout()
	require.False(t, armed, "nothing left to do")
}

// RFC 5352 §3.7.1: after the loss of the home registrar another one is hunted
// for at once, the lost one last, and the request is sent again.
func TestHomeLostHuntsOthersFirst(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	home := r.home()
	r.advance(time.Minute)
	r.e.Resolve(r.now, pool, 0)
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(r.take(), home))

	r.e.HandleLost(r.now, home, errGone)
	ds := r.dials()
	require.Len(t, ds, 2)
	evs := r.takeEvents()
	require.Equal(t, core.EventHomeLost, evs[0].Kind)
	lost := evs[0].Registrar
	require.NotEqual(t, lost, ds[0].Registrar)
	require.Equal(t, lost, ds[1].Registrar)
	r.connect(ds[0].Link)
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(r.take(), ds[0].Link))
}

// A pool user that has nothing to ask does not look for a new home registrar.
func TestHomeLostIdle(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	home := r.home()
	r.e.HandleLost(r.now, home, errGone)
	require.Empty(t, r.take())
	require.Equal(t, []core.EventKind{core.EventHomeLost}, r.kinds())
}

// A registrar that takes associations and drops them at once must not make the
// endpoint dial without pause.
func TestHuntFlappingRegistrar(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	start, dials := r.now, 0
	for range 8 {
		for _, o := range r.take() {
			if o.Kind != core.OutputDial {
				continue
			}
			dials++
			r.connect(o.Link)
			r.message(o.Link, &asap.RegistrationResponse{Handle: pool, PEID: 7})
			r.e.HandleLost(r.now, o.Link, errGone)
		}
		if at, ok := r.e.NextTimeout(); ok {
			r.advance(at.Sub(r.now))
		}
	}
	require.GreaterOrEqual(t, dials, 7)
	require.Greater(t, r.now.Sub(start), 20*time.Second)
}

// RFC 5352 §3.7.2: a hunt beside a silent home registrar ends when that answers.
func TestHuntBesideEndsWhenHomeAnswers(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(3)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	r.take()
	r.advance(15 * time.Second) // T1
	os := r.take()
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(os, home), "re-sent to the same registrar")
	var beside int
	for _, o := range os {
		if o.Kind == core.OutputDial {
			beside++
		}
	}
	require.Equal(t, 2, beside, "all but the home registrar")
	r.message(home, &asap.HandleResolutionResponse{Handle: pool, Elements: []rserpool.PoolElement{element(1)}})
	os = r.take()
	require.Len(t, os, 2)
	require.Equal(t, core.OutputClose, os[0].Kind)
	require.Equal(t, core.OutputClose, os[1].Kind)
}

// A registrar that has an association with the endpoint already, because it checked
// a report, is not dialed a second time.
func TestHuntUsesAcceptedLink(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.advance(time.Minute)
	accepted := r.e.HandleAccepted(r.now, reg(1), []core.Address{netip.MustParseAddr("10.0.0.100")})
	r.e.HandleLost(r.now, home, errGone)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), accepted))
	r.message(accepted, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Equal(t, []core.EventKind{core.EventHomeLost, core.EventHome, core.EventRegistered}, r.kinds())
	r.advance(time.Minute)
	require.NotContains(t, texts(r.take()), "close 2", "it is not idle")
}

// RFC 5352 §3.7.2: "if an alternate ENRP server responds, the ASAP Endpoint
// SHOULD adopt the responding ENRP server as its new Home ENRP server and
// re-send the request".
func TestHuntBesideAdoptsAlternate(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	r.take()
	r.advance(15 * time.Second)
	os := r.take()
	alt := os[len(os)-1]
	if alt.Kind != core.OutputDial {
		alt = os[0]
	}
	require.Equal(t, core.OutputDial, alt.Kind)
	r.connect(alt.Link)
	os = r.take()
	require.Equal(t, []string{"HANDLE_RESOLUTION"}, sent(os, alt.Link))
	require.Equal(t, core.OutputClose, os[0].Kind)
	require.Equal(t, home, os[0].Link)
}
