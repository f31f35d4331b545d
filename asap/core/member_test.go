package core_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.1 R2: what a registration says.
func TestRegistrationContent(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile core.Profile
		life    time.Duration
		want    uint32
	}{
		{"seconds, RFC 5354 §3.10", core.ProfileRFC, time.Minute, 60},
		{"profile's life", core.ProfileRFC, 0, 300},
		{"milliseconds with rsplib", core.ProfileRsplib, 0, 90_000},
		{"infinite", core.ProfileFast, -1, rserpool.LifeInfinite},
		{"shorter than the unit", core.ProfileFast, time.Millisecond, 1},
		{"longer than the field", core.ProfileRsplib, 1000 * time.Hour, 0x7fffffff},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, core.Config{Profile: c.profile, Registrars: regs(1)})
			g := registration()
			g.Life = c.life
			id, err := r.e.Register(r.now, g)
			require.NoError(t, err)
			require.EqualValues(t, 7, id)
			r.connect(r.one(core.OutputDial).Link)
			m := r.one(core.OutputSend).Message.(*asap.Registration)
			require.Equal(t, pool, m.Handle)
			require.Equal(t, c.want, m.Element.Life)
			require.EqualValues(t, 7, m.Element.ID)
			require.Zero(t, m.Element.Home)
			require.Nil(t, m.Element.ASAP, "the registrar fills it in")
			require.Equal(t, []netip.Addr{netip.MustParseAddr("10.0.0.100")}, m.Element.User.Addrs,
				"the address the registrar sees")
			require.NoError(t, m.Validate())
		})
	}
}

// RFC 5352 §3.1 R2.2: the identifier is random, and never 0.
func TestRegistrationRandomID(t *testing.T) {
	ids := map[rserpool.PEID]bool{}
	for seed := range byte(20) {
		r := newRig(t, core.Config{Registrars: regs(1), Rand: seeded(seed)})
		g := registration()
		g.ID = 0
		id, err := r.e.Register(r.now, g)
		require.NoError(t, err)
		require.NotZero(t, id)
		ids[id] = true
		another, err := r.e.Register(r.now, g)
		require.NoError(t, err)
		require.NotEqual(t, id, another)
	}
	require.Len(t, ids, 20)
}

func TestRegistrationInvalid(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	g := registration()
	g.Handle = ""
	_, err := r.e.Register(r.now, g)
	require.Error(t, err)
	g = registration()
	g.User.Protocol = 0
	_, err = r.e.Register(r.now, g)
	require.Error(t, err)
	require.Empty(t, r.take())
}

// RFC 5352 §3.1: T4-reregistration is restarted by each success, under the same
// identifier, on the same association.
func TestReregistration(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	for range 3 {
		// RFC 5352 §7.1: 20 seconds less than the life (300 s), if that is less
		// than ten minutes; up to a tenth earlier to spread elements.
		r.advance(251 * time.Second)
		require.Empty(t, r.take())
		r.advance(29 * time.Second)
		require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), home))
		r.message(home, &asap.RegistrationResponse{Handle: pool, PEID: 7})
		require.Equal(t, []core.EventKind{core.EventRegistered}, r.kinds())
	}
}

// RFC 5352 §7.3 MAX-REG-ATTEMPT: after two unanswered registrations a hunt is
// issued; then registration restarts elsewhere (§3.1).
func TestRegistrationTimeout(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	first := r.dials()[0].Link
	r.connect(first)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), first))
	r.takeEvents()

	r.advance(30 * time.Second) // T2
	os := r.take()
	require.Equal(t, []string{"REGISTRATION"}, sent(os, first))
	for _, o := range os { // the other one is tried beside it, in vain
		if o.Kind == core.OutputDial {
			r.e.HandleLost(r.now, o.Link, errGone)
		}
	}
	r.advance(30 * time.Second) // T2 again
	os = r.take()
	require.Contains(t, texts(os), "abort 1")
	require.Equal(t, []core.EventKind{core.EventHomeLost}, r.kinds())

	// The third failure exceeds the threshold and is reported once; attempts go on.
	r.advance(10 * time.Minute)
	var reports int
	for _, ev := range r.takeEvents() {
		if ev.Kind == core.EventRegisterFailed {
			reports++
			require.ErrorIs(t, ev.Err, core.ErrNoRegistrar)
		}
	}
	require.Equal(t, 1, reports)
	ds := r.take()
	require.NotEmpty(t, ds)
	last := ds[len(ds)-1]
	for _, o := range ds {
		if o.Kind == core.OutputDial {
			last = o
		}
	}
	r.connect(last.Link)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), last.Link))
	r.message(last.Link, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Contains(t, r.kinds(), core.EventRegistered)
}

// RFC 5352 §3.1: "The PE MUST NOT re-attempt registration without correcting the
// error condition."
func TestRegistrationRejected(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	l := r.one(core.OutputDial).Link
	r.connect(l)
	r.take()
	r.takeEvents()
	r.message(l, &asap.RegistrationResponse{
		Reject: true, Handle: pool, PEID: 7,
		Causes: []rserpool.Cause{{Code: rserpool.CauseInconsistentPolicy}},
	})
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	var rejected *core.RejectedError
	require.ErrorAs(t, evs[0].Err, &rejected)
	require.True(t, rejected.Has(rserpool.CauseInconsistentPolicy))
	require.False(t, rejected.Temporary)
	require.EqualError(t, rejected, "asap: registration rejected: inconsistent pooling policy")
	r.advance(time.Hour)
	require.Empty(t, r.take())

	// Corrected, it is attempted again.
	g := registration()
	g.Policy = rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 3}
	_, err = r.e.Register(r.now, g)
	require.NoError(t, err)
	m := r.one(core.OutputSend).Message.(*asap.Registration)
	require.Equal(t, g.Policy, m.Element.Policy)
}

// A lack of resources ends by itself: it is waited for, with back-off.
func TestRegistrationRejectedForNow(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	l := r.one(core.OutputDial).Link
	r.connect(l)
	limit := time.Second
	for range 5 {
		require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), l))
		r.takeEvents()
		r.message(l, &asap.RegistrationResponse{
			Reject: true, Handle: pool, PEID: 7, Causes: []rserpool.Cause{{Code: rserpool.CauseLackOfResources}},
		})
		var rejected *core.RejectedError
		require.ErrorAs(t, r.takeEvents()[0].Err, &rejected)
		require.True(t, rejected.Temporary)
		require.Empty(t, r.take(), "not at once")
		r.advance(limit)
		limit *= 2
	}
}

// rsplib answers a registration it cannot use with ASAP_ERROR.
func TestRegistrationAnsweredByError(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	l := r.one(core.OutputDial).Link
	r.connect(l)
	r.take()
	r.takeEvents()
	r.message(l, &asap.Error{Causes: []rserpool.Cause{{Code: rserpool.CauseRsplibUnsupportedPolicy}}})
	require.Equal(t, []core.EventKind{core.EventRemoteError, core.EventRegisterFailed}, r.kinds())
	r.advance(time.Hour)
	require.Empty(t, r.take())
}

// Responses that answer nothing are ignored.
func TestRegistrationResponseUnasked(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	for _, m := range []asap.Message{
		&asap.RegistrationResponse{Handle: pool, PEID: 7},
		&asap.RegistrationResponse{Handle: pool, PEID: 7, Reject: true},
		&asap.RegistrationResponse{Handle: "Other", PEID: 7},
		&asap.DeregistrationResponse{Handle: pool, PEID: 8},
		&asap.DeregistrationResponse{Handle: pool, PEID: 7, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}}},
		&asap.HandleResolutionResponse{Handle: pool, Elements: []rserpool.PoolElement{element(1)}},
		&asap.Registration{Handle: pool, Element: element(1)},
	} {
		r.message(home, m)
		require.Empty(t, r.take(), "%v", m)
		require.Empty(t, r.takeEvents(), "%v", m)
	}
	require.Len(t, r.dropped, 7)
}

// RFC 5352 §3.1: a new policy value is registered at once; changes made while a
// registration is under way follow it.
func TestPolicyChange(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	g := registration()
	for w := uint32(1); w <= 3; w++ {
		g.Policy = rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: w}
		_, err := r.e.Register(r.now, g)
		require.NoError(t, err)
	}
	m := r.one(core.OutputSend).Message.(*asap.Registration)
	require.EqualValues(t, 1, m.Element.Policy.Weight)
	r.message(home, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	m = r.one(core.OutputSend).Message.(*asap.Registration)
	require.EqualValues(t, 3, m.Element.Policy.Weight)
	r.message(home, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Empty(t, r.take())
}

// RFC 5352 §3.1: an element whose home registrar is lost registers with another.
func TestReregisterAfterHomeLost(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(2)})
	r.advance(time.Minute)
	r.e.HandleLost(r.now, home, errGone)
	d := r.dials()[0]
	r.connect(d.Link)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), d.Link))
	r.message(d.Link, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Equal(t, []core.EventKind{core.EventHomeLost, core.EventHome, core.EventRegistered}, r.kinds())
}

// An element that was registered does not give up because a registrar thinks
// that its identifier is another's.
func TestReregisterDuplicateIDIsTemporary(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(2)})
	r.advance(time.Minute)
	r.e.HandleLost(r.now, home, errGone)
	d := r.dials()[0]
	r.connect(d.Link)
	r.take()
	r.message(d.Link, &asap.RegistrationResponse{
		Reject: true, Handle: pool, PEID: 7, Causes: []rserpool.Cause{{Code: rserpool.CauseNonUniquePEIdentifier}},
	})
	r.advance(time.Second)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), d.Link))
}

// RFC 5352 §3.2.
func TestDeregistration(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.e.Deregister(r.now, pool, 7)
	require.Equal(t, []string{"DEREGISTRATION"}, sent(r.take(), home))
	r.message(home, &asap.DeregistrationResponse{Handle: pool, PEID: 7})
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.Equal(t, core.EventDeregistered, evs[0].Kind)
	require.NoError(t, evs[0].Err)
	_, armed := r.e.NextTimeout()
	require.False(t, armed)

	// Nothing is left to deregister.
	r.e.Deregister(r.now, pool, 7)
	require.Equal(t, []core.EventKind{core.EventDeregistered}, r.kinds())
	require.Empty(t, r.take())
}

// RFC 5352 §3.2: after T3 or a lost association deregistration restarts with
// another registrar, and ends sometime.
func TestDeregistrationElsewhere(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(2)})
	r.advance(time.Minute)
	r.e.Deregister(r.now, pool, 7)
	require.Equal(t, []string{"DEREGISTRATION"}, sent(r.take(), home))
	r.advance(30 * time.Second) // T3
	os := r.take()
	require.Equal(t, "abort 1", os[0].String())
	require.Equal(t, core.OutputDial, os[1].Kind)
	r.connect(os[1].Link)
	require.Contains(t, sent(r.take(), os[1].Link), "DEREGISTRATION")
	r.e.HandleLost(r.now, os[1].Link, errGone)
	for _, o := range r.take() {
		if o.Kind == core.OutputDial {
			r.e.HandleLost(r.now, o.Link, errGone)
		}
	}
	r.takeEvents()
	for range 100 {
		if at, ok := r.e.NextTimeout(); ok {
			r.advance(at.Sub(r.now))
		}
		for _, o := range r.take() {
			if o.Kind == core.OutputDial {
				r.e.HandleLost(r.now, o.Link, errGone)
			}
		}
	}
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.Equal(t, core.EventDeregistered, evs[0].Kind)
	require.ErrorIs(t, evs[0].Err, core.ErrNoRegistrar)
}

// RFC 5352 §3.2: a rejected deregistration says why.
func TestDeregistrationRejected(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.e.Deregister(r.now, pool, 7)
	r.message(home, &asap.DeregistrationResponse{Handle: pool, PEID: 7, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}}})
	var rejected *core.RejectedError
	require.True(t, errors.As(r.takeEvents()[0].Err, &rejected))
	require.Equal(t, "deregistration", rejected.Op)
}

// RFC 5352 §3.2: an unasked response says that the registration life ended; an
// element that still serves registers again.
func TestRegistrationLifeExpired(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	for range 20 {
		r.message(home, &asap.DeregistrationResponse{Handle: pool, PEID: 7})
	}
	r.advance(time.Second)
	require.Equal(t, []string{"REGISTRATION"}, sent(r.take(), home), "once, however often it is told")
}
