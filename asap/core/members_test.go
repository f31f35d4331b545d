package core_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// join registers an element and answers for the registrar.
func (r *rig) join(home core.LinkID, h rserpool.PoolHandle, id rserpool.PEID) {
	r.t.Helper()
	g := registration()
	g.Handle, g.ID = h, id
	_, err := r.e.Register(r.now, g)
	require.NoError(r.t, err)
	require.Equal(r.t, []string{"REGISTRATION"}, sent(r.take(), home))
	r.message(home, &asap.RegistrationResponse{Handle: h, PEID: id})
	evs := r.takeEvents()
	require.Len(r.t, evs, 1)
	require.Equal(r.t, core.EventRegistered, evs[0].Kind)
	require.Equal(r.t, h, evs[0].Handle)
	require.Equal(r.t, id, evs[0].PEID)
}

// Several elements, of several pools and of one, share an endpoint and its association
// with the home registrar: each is registered, answers and leaves by itself.
func TestMembersShareAnAssociation(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.join(home, pool, 8)
	r.join(home, "Other", 7)

	for _, c := range []struct {
		ka   asap.EndpointKeepAlive
		acks []rserpool.PEID
	}{
		// RFC 5352 §3.4 KA1 goes by the handle alone, rsplib names the element.
		{asap.EndpointKeepAlive{Server: 1, Handle: pool}, []rserpool.PEID{7, 8}},
		{asap.EndpointKeepAlive{Server: 1, Handle: pool, HasPEID: true, PEID: 8}, []rserpool.PEID{8}},
		{asap.EndpointKeepAlive{Server: 1, Handle: "Other"}, []rserpool.PEID{7}},
		{asap.EndpointKeepAlive{Server: 1, Handle: "Third"}, nil},
	} {
		r.message(home, &c.ka)
		var acks []rserpool.PEID
		for _, o := range r.take() {
			ack := o.Message.(*asap.EndpointKeepAliveAck)
			require.Equal(t, c.ka.Handle, ack.Handle)
			acks = append(acks, ack.PEID)
		}
		require.Equal(t, c.acks, acks)
	}

	r.takeEvents()
	r.e.Deregister(r.now, pool, 7)
	require.Equal(t, &asap.Deregistration{Handle: pool, PEID: 7}, r.one(core.OutputSend).Message)
	r.message(home, &asap.DeregistrationResponse{Handle: pool, PEID: 7})
	require.Equal(t, []core.EventKind{core.EventDeregistered}, r.kinds())
	r.message(home, &asap.EndpointKeepAlive{Server: 1, Handle: pool})
	require.Equal(t, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 8}, r.one(core.OutputSend).Message)
	r.advance(280 * time.Second)
	require.Len(t, sent(r.take(), home), 2, "the others are renewed")
}

// RFC 5352 §3.1, §3.4 KA2.4: all elements follow when the home registrar changes.
func TestMembersMoveTogether(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(2)})
	r.join(home, pool, 8)
	r.join(home, "Other", 7)
	r.advance(time.Minute)
	r.e.HandleLost(r.now, home, errGone)
	d := r.dials()[0]
	r.connect(d.Link)
	require.Len(t, sent(r.take(), d.Link), 3)

	// One that has taken over owns them already.
	for _, id := range []rserpool.PEID{7, 8} {
		r.message(d.Link, &asap.RegistrationResponse{Handle: pool, PEID: id})
	}
	r.message(d.Link, &asap.RegistrationResponse{Handle: "Other", PEID: 7})
	l := r.e.HandleAccepted(r.now, reg(9), nil)
	r.message(l, &asap.EndpointKeepAlive{Server: 9, Home: true, Handle: pool})
	require.NotContains(t, sent(r.take(), l), "REGISTRATION")
}

// A thousand elements do not register in one burst with a new home registrar, whose
// send buffer and limits would not take it; all get there.
func TestMembersRegisterInTurn(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	g := registration()
	for id := range core.MaxMembers {
		g.ID = rserpool.PEID(id + 1)
		_, err := r.e.Register(r.now, g)
		require.NoError(t, err)
	}
	g.ID = 0
	_, err := r.e.Register(r.now, g)
	require.ErrorIs(t, err, core.ErrTooMany)
	home := r.one(core.OutputDial).Link
	r.connect(home)
	waiting := r.take()
	require.Len(t, waiting, 64)
	done := 0
	for len(waiting) > 0 {
		m := waiting[0].Message.(*asap.Registration)
		r.message(home, &asap.RegistrationResponse{Handle: m.Handle, PEID: m.Element.ID})
		done++
		waiting = append(waiting[1:], r.take()...)
		require.LessOrEqual(t, len(waiting), 64)
	}
	require.Equal(t, core.MaxMembers, done)
}

// An ASAP_ERROR in place of a response, as rsplib sends it, is about the registration
// that has waited longest.
func TestMembersErrorIsAboutTheOldest(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	for id := rserpool.PEID(20); id > 17; id-- {
		g := registration()
		g.ID = id
		_, err := r.e.Register(r.now, g)
		require.NoError(t, err)
	}
	for _, id := range []rserpool.PEID{20, 19} {
		r.takeEvents()
		r.message(home, &asap.Error{Causes: []rserpool.Cause{{Code: rserpool.CauseRsplibUnsupportedPolicy}}})
		evs := r.takeEvents()
		require.Equal(t, core.EventRegisterFailed, evs[1].Kind)
		require.Equal(t, id, evs[1].PEID)
	}
}

// RFC 5354 §3.5, §3.6: TCP and UDP transports have one address.
func TestMemberOfOtherTransport(t *testing.T) {
	for _, p := range []rserpool.Protocol{rserpool.ProtoTCP, rserpool.ProtoUDP} {
		r := newRig(t, core.Config{Registrars: regs(1)})
		g := registration()
		g.User = rserpool.Transport{Protocol: p, Port: 80}
		_, err := r.e.Register(r.now, g)
		require.NoError(t, err)
		r.e.HandleConnected(r.now, r.one(core.OutputDial).Link,
			[]netip.Addr{netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.0.0.101")})
		m := r.one(core.OutputSend).Message.(*asap.Registration)
		require.NoError(t, m.Validate())
		require.Equal(t, fmt.Sprint(p, " 10.0.0.100:80"), m.Element.User.String())
	}
}
