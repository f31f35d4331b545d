package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.5: "MUST report no more than once each time it encounters such an
// event"; §9.2: the number of reports must be limited.
func TestReportOnce(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.ReportUnreachable(r.now, pool, 1)
	r.e.ReportUnreachable(r.now, pool, 1)
	r.e.ReportUnreachable(r.now, pool, 2)
	os := r.take()
	require.Equal(t, []string{"ENDPOINT_UNREACHABLE", "ENDPOINT_UNREACHABLE"}, sent(os, home))
	require.Equal(t, &asap.EndpointUnreachable{Handle: pool, PEID: 1}, os[0].Message)
	r.advance(4 * time.Second)
	r.e.ReportUnreachable(r.now, pool, 1)
	require.Empty(t, r.take())
	r.advance(time.Second) // ReportInterval
	r.e.ReportUnreachable(r.now, pool, 1)
	require.Len(t, r.take(), 1)
}

// A reported element is not used from the cache any more, and the registrar is
// asked before the rest is.
func TestReportEvictsFromCache(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	home := r.home()
	r.e.Resolve(r.now, pool, 0)
	r.message(home, answer(1, 2))
	r.take()
	r.takeEvents()
	r.e.ReportUnreachable(r.now, pool, 1)
	r.take()
	_, ok := r.e.Resolve(r.now, pool, time.Hour)
	require.False(t, ok)
	require.Len(t, r.take(), 1)
	// No registrar any more: the rest is what is left.
	r.e.HandleLost(r.now, home, errGone)
	r.takeEvents()
	for range 50 {
		for _, o := range r.take() {
			if o.Kind == core.OutputDial {
				r.e.HandleLost(r.now, o.Link, errGone)
			}
		}
		if at, armed := r.e.NextTimeout(); armed {
			r.advance(at.Sub(r.now))
		}
	}
	res := r.resolution()
	require.True(t, res.Outdated)
	require.Equal(t, []rserpool.PEID{2}, ids(res))
}

// A report waits for a registrar, is bounded, and is dropped when it is old.
func TestReportWaits(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(1)})
	for id := range rserpool.PEID(1000) {
		r.e.ReportUnreachable(r.now, pool, id+1)
	}
	d := r.one(core.OutputDial)
	r.connect(d.Link)
	require.Len(t, sent(r.take(), d.Link), 64)

	r = newRig(t, core.Config{Registrars: regs(1)})
	r.e.ReportUnreachable(r.now, pool, 1)
	for range 50 {
		for _, o := range r.take() {
			if o.Kind == core.OutputDial {
				r.e.HandleLost(r.now, o.Link, errGone)
			}
		}
		if at, armed := r.e.NextTimeout(); armed {
			r.advance(at.Sub(r.now))
		}
	}
	_, armed := r.e.NextTimeout()
	require.False(t, armed, "the hunt ends with the report")
}
