package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

var leastUsed = rserpool.Policy{Type: rserpool.LeastUsed}

// withLoad is a rig whose element of Least Used waits for the answer to its registration.
func withLoad(t *testing.T) (*rig, core.LinkID) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	g := registration()
	g.Policy = leastUsed
	_, err := r.e.Register(r.now, g)
	require.NoError(t, err)
	l := r.one(core.OutputDial).Link
	r.connect(l)
	r.take()
	r.takeEvents()
	return r, l
}

// adjust changes the load.
func (r *rig) adjust(load uint32) {
	r.t.Helper()
	p := leastUsed
	p.Load = load
	require.NoError(r.t, r.e.Adjust(r.now, pool, 7, p))
}

// load is that of the one registration which was sent.
func (r *rig) load() uint32 {
	r.t.Helper()
	return r.one(core.OutputSend).Message.(*asap.Registration).Element.Policy.Load
}

func (r *rig) refuse(l core.LinkID, code rserpool.CauseCode) {
	r.message(l, &asap.RegistrationResponse{Reject: true, Handle: pool, PEID: 7, Causes: []rserpool.Cause{{Code: code}}})
}

// A load that changes is registered; what changes meanwhile goes into the next registration.
func TestAdjustRegisters(t *testing.T) {
	r, l := withLoad(t)
	r.adjust(10)
	r.adjust(20)
	require.Empty(t, r.take(), "one is under way")
	r.message(l, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.EqualValues(t, 20, r.load())
	r.message(l, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Empty(t, r.take())
	r.adjust(30)
	require.EqualValues(t, 30, r.load())
	require.NoError(t, r.e.Adjust(r.now, pool, 8, leastUsed), "nobody's")
	require.Error(t, r.e.Adjust(r.now, pool, 7, rserpool.Policy{}))
	require.Empty(t, r.take())
}

// RFC 5352 §3.1: "The PE MUST NOT re-attempt registration without correcting the error
// condition." Another load corrects nothing, whether it came before or after the refusal.
func TestAdjustDoesNotRepeatWhatWasRefused(t *testing.T) {
	r, l := withLoad(t)
	r.adjust(10)
	r.refuse(l, rserpool.CauseSecurity)
	r.adjust(20)
	r.advance(time.Hour)
	r.adjust(30)
	require.Empty(t, r.take())

	g := registration()
	g.Policy = leastUsed
	g.Policy.Load = 40
	_, err := r.e.Register(r.now, g)
	require.NoError(t, err)
	require.EqualValues(t, 40, r.load(), "the application has corrected something")
}

// The pause after a lack of resources does not end because a load changes.
func TestAdjustWaitsWithTheRest(t *testing.T) {
	r, l := withLoad(t)
	for range 6 {
		r.refuse(l, rserpool.CauseLackOfResources)
		r.take()
		r.advance(32 * time.Second)
		r.take()
	}
	r.refuse(l, rserpool.CauseLackOfResources)
	for load := range uint32(20) {
		r.adjust(load)
		require.Empty(t, r.take())
	}
	r.advance(time.Hour)
	sends := r.take()
	require.NotEmpty(t, sends)
	require.EqualValues(t, 19, sends[0].Message.(*asap.Registration).Element.Policy.Load)
}

// What the application has corrected while the answer to the first attempt was under way is
// registered, although that was refused.
func TestCorrectedBeforeTheRefusal(t *testing.T) {
	r, l := withLoad(t)
	g := registration()
	g.Policy = rserpool.Policy{Type: rserpool.RoundRobin}
	_, err := r.e.Register(r.now, g)
	require.NoError(t, err)
	require.Empty(t, r.take())
	r.refuse(l, rserpool.CauseInconsistentPolicy)
	require.Equal(t, rserpool.RoundRobin, r.one(core.OutputSend).Message.(*asap.Registration).Element.Policy.Type)
	r.message(l, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Equal(t, []core.EventKind{core.EventRegistered}, r.kinds())
}
